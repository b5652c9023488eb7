/** What a node notices about its chain, its clock, its disk and its engine's last words. */
import { describe, expect, test } from 'vitest';
import { createChainWatch } from '../../src/cometbft/chain-watch.ts';
import { createRoomWatch } from '../../src/cometbft/disk-room.ts';
import { reasonIn } from '../../src/cometbft/engine-process.ts';
import type { LogEvent } from '../../src/logging.ts';

const BEAT_MS = 1_000;

/** A chain that is watched: `clockMs` is the machine's clock, `nowMs` goes by without it. */
function watched(catchingUp: () => Promise<boolean> = () => Promise.resolve(false)): {
  readonly events: LogEvent[];
  readonly pass: (ms: number, block?: { readonly skewMs: number }) => Promise<void>;
} {
  const events: LogEvent[] = [];
  let nowMs = 0;
  const watch = createChainWatch({
    heartbeatMs: BEAT_MS,
    clockNs: () => BigInt(nowMs) * 1_000_000n,
    nowMs: () => nowMs,
    isCatchingUp: catchingUp,
    log: (event) => events.push(event),
  });
  return {
    events,
    pass: async (ms, block) => {
      for (const end = nowMs + ms; nowMs < end; nowMs += BEAT_MS) {
        if (block !== undefined)
          watch.onBlock({ timeNs: BigInt(nowMs - block.skewMs) * 1_000_000n });
        await watch.tend(3);
      }
    },
  };
}

describe('a chain that is watched', () => {
  test('says nothing while blocks come, late by a little, on a clock that is right', async () => {
    const { events, pass } = watched();
    await pass(120_000, { skewMs: 1_500 });
    expect(events).toEqual([]);
  });

  test('that stands is told once a minute, and not that the clock is wrong', async () => {
    const { events, pass } = watched();
    await pass(10_000, { skewMs: 0 });
    await pass(80_000);
    expect(events.map(({ event }) => event)).toEqual(['chainStands', 'chainStands']);
    expect(events[0]).toMatchObject({ level: 'warn', peers: 3 });
  });

  test.each([
    ['ahead', 3_600_000, 3_600],
    ['behind', -3_600_000, -3_600],
  ])('tells a clock that is %s by an hour', async (_what, skewMs, seconds) => {
    const { events, pass } = watched();
    await pass(20_000, { skewMs });
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ event: 'clockDiffers', seconds });
  });

  test('does not blame the clock while old blocks are fetched', async () => {
    const { events, pass } = watched(() => Promise.resolve(true));
    await pass(20_000, { skewMs: 3_600_000 });
    expect(events).toEqual([]);
  });
});

describe('room on the disk', () => {
  const MIB = 1024 * 1024;

  test('is none below the least, and enough only with half as much more', () => {
    let free = 70 * MIB;
    const look = createRoomWatch({ directory: '/data', minMib: 64, free: () => free });
    expect(look().kind).toBe('enough');
    free = 63 * MIB;
    expect(look()).toMatchObject({
      kind: 'none',
      message: expect.stringContaining('63 MiB are left'),
    });
    free = 90 * MIB;
    expect(look().kind).toBe('none');
    free = 97 * MIB;
    expect(look().kind).toBe('enough');
    free = 70 * MIB;
    expect(look().kind).toBe('enough');
  });

  test('is not asked about where nothing is wanted, or the system does not say', () => {
    expect(createRoomWatch({ directory: '/', minMib: 0, free: () => 0 })().kind).toBe('enough');
    expect(createRoomWatch({ directory: '/', minMib: 64, free: () => undefined })().kind).toBe(
      'enough',
    );
    expect(createRoomWatch({ directory: '/nowhere/at/all', minMib: 64 })().kind).toBe('enough');
  });

  test('is looked for where the directory really lies', () => {
    expect(createRoomWatch({ directory: '/', minMib: 1 })().kind).toBe('enough');
    expect(createRoomWatch({ directory: '/', minMib: 1_000_000_000 })().kind).toBe('none');
  });
});

describe('why an engine ended', () => {
  test.each<[string, readonly string[], string]>([
    ['nothing', [], ''],
    [
      'a failure of consensus, whatever came after',
      [
        '{"_msg":"CONSENSUS FAILURE!!!","err":"failed to write: no space left on device","level":"error"}',
        '{"_msg":"Error dialing peer","err":"refused"}',
      ],
      'CONSENSUS FAILURE!!!: failed to write: no space left on device',
    ],
    [
      'a panic',
      ['panic: wrong hash', '', 'goroutine 1 [running]:', 'main.main()'],
      'panic: wrong hash',
    ],
    [
      'what was printed at the end',
      ['{"_msg":"x"}', 'ERROR: failed to listen: address already in use', 'Usage: …'],
      'ERROR: failed to listen: address already in use',
    ],
    [
      'the last line of the log',
      ['{"_msg":"Stopping peer for error","err":"EOF"}'],
      'Stopping peer for error: EOF',
    ],
    ['a line that is no log', ['{"broken'], '{"broken'],
  ])('is %s', (_what, lines, reason) => {
    expect(reasonIn(lines)).toBe(reason);
  });

  test('is short', () => {
    expect(reasonIn([`panic: ${'x'.repeat(10_000)}`]).length).toBeLessThanOrEqual(400);
  });
});
