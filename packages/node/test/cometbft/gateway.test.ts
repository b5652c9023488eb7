/** The gateway on a scripted engine: what goes into one engine transaction, and what becomes of each item. */
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BUNDLE_BYTES_MAX, flatten, isBundle } from '@yilian/consensus/bundle';
import type { Refusal } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import { type EngineRpc, EngineRpcError } from '../../src/cometbft/engine-rpc.ts';
import { createGateway, type Gateway, type GatewaySettings } from '../../src/cometbft/gateway.ts';

const LINGER_MS = 20;
const RESEND_MS = 5_000;

type Answer = { readonly code: number; readonly log: string; readonly data: string };
const TAKEN: Answer = { code: 0, log: '', data: '' };

function refusing(log: string, index = 0): Answer {
  return { code: 1, log, data: Buffer.of(index).toString('hex') };
}

/** Answers as `decide` says, and keeps what it was asked. */
class ScriptedRpc implements EngineRpc {
  readonly sent: Bytes[] = [];
  decide: (txs: readonly Bytes[], bytes: Bytes) => unknown = () => TAKEN;

  async call(method: string, params: Readonly<Record<string, string>>): Promise<unknown> {
    expect(method).toBe('broadcast_tx_sync');
    const bytes = new Uint8Array(Buffer.from(params['tx'] ?? '', 'base64'));
    this.sent.push(bytes);
    return this.decide(flatten([bytes]).txs, bytes);
  }

  close(): void {}

  /** How many client transactions each engine transaction had. */
  get counts(): readonly number[] {
    return this.sent.map((bytes) => flatten([bytes]).txs.length);
  }
}

let made = 0;
function txOf(length = 100): Bytes {
  const tx = new Uint8Array(length);
  tx.set(createHash('sha256').update(String(made++)).digest().subarray(0, Math.min(32, length)));
  // No item begins as a bundle does.
  tx[0] = 0;
  return tx;
}

const nameOf = (tx: Bytes): string => Buffer.from(tx).toString('latin1');

let rpc: ScriptedRpc;
beforeEach(() => {
  vi.useFakeTimers();
  rpc = new ScriptedRpc();
});
afterEach(() => {
  vi.useRealTimers();
});

function open(settings: Partial<GatewaySettings> = {}): Gateway {
  return createGateway({
    rpc,
    nowMs: () => Date.now(),
    settings: { lingerMs: LINGER_MS, resendMs: RESEND_MS, ...settings },
  });
}

/** What each was told: `ok`, a code, or `open`. */
async function told(answers: readonly Promise<Refusal | undefined>[]): Promise<readonly string[]> {
  await vi.advanceTimersByTimeAsync(0);
  const waiting = Promise.resolve('open');
  return Promise.all(
    answers.map((answer) =>
      Promise.race([answer.then((refusal) => refusal?.code ?? 'ok'), waiting.then(() => waiting)]),
    ),
  );
}

const sendAll = (gateway: Gateway, txs: readonly Bytes[]): Promise<Refusal | undefined>[] =>
  txs.map((tx) => gateway.send(nameOf(tx), tx));

describe('bundling', () => {
  test('the first goes at once and alone; what comes within the linger goes together', async () => {
    const gateway = open();
    const txs = Array.from({ length: 5 }, () => txOf());
    const answers = sendAll(gateway, txs);
    expect(rpc.sent).toEqual([txs[0]]);
    await vi.advanceTimersByTimeAsync(LINGER_MS - 1);
    expect(rpc.counts).toEqual([1]);
    await vi.advanceTimersByTimeAsync(1);
    expect(rpc.counts).toEqual([1, 4]);
    expect(await told(answers)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
  });

  test('after a quiet linger the next goes at once again', async () => {
    const gateway = open();
    void gateway.send('a', txOf());
    await vi.advanceTimersByTimeAsync(3 * LINGER_MS);
    void gateway.send('b', txOf());
    expect(rpc.counts).toEqual([1, 1]);
  });

  test('a full bundle waits for nobody: 64 items', async () => {
    const gateway = open();
    void sendAll(
      gateway,
      Array.from({ length: 1 + 64 + 10 }, () => txOf()),
    );
    expect(rpc.counts).toEqual([1, 64]);
    await vi.advanceTimersByTimeAsync(LINGER_MS);
    expect(rpc.counts).toEqual([1, 64, 10]);
  });

  test('a bundle holds 64 KiB of items and not a byte more', async () => {
    const gateway = open();
    const half = BUNDLE_BYTES_MAX / 2;
    void sendAll(gateway, [txOf(), txOf(half), txOf(half), txOf(1)]);
    await vi.advanceTimersByTimeAsync(LINGER_MS);
    expect(rpc.counts).toEqual([1, 2, 1]);
  });

  test('what is larger than a bundle may be goes alone', async () => {
    const gateway = open();
    const large = txOf(BUNDLE_BYTES_MAX + 1);
    void sendAll(gateway, [txOf(), txOf(), large, txOf()]);
    await vi.advanceTimersByTimeAsync(LINGER_MS);
    expect(rpc.counts).toEqual([1, 1, 1, 1]);
    expect(rpc.sent[2]).toEqual(large);
  });

  test('with a count of 1 every transaction goes at once, in no frame', async () => {
    const gateway = open({ bundleCountMax: 1 });
    const txs = Array.from({ length: 5 }, () => txOf());
    void sendAll(gateway, txs);
    expect(rpc.sent).toEqual(txs);
    expect(rpc.sent.some(isBundle)).toBe(false);
  });

  test('every item goes exactly once, in order, in frames that every node admits', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            size: fc.oneof(
              fc.integer({ min: 1, max: 600 }),
              fc.integer({ min: 20_000, max: 70_000 }),
            ),
            waitMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30 })),
          }),
          { maxLength: 150 },
        ),
        async (steps) => {
          rpc = new ScriptedRpc();
          const gateway = open();
          const txs: Bytes[] = [];
          const answers: Promise<Refusal | undefined>[] = [];
          for (const { size, waitMs } of steps) {
            const tx = txOf(size);
            txs.push(tx);
            answers.push(gateway.send(nameOf(tx), tx));
            if (waitMs > 0) await vi.advanceTimersByTimeAsync(waitMs);
          }
          await vi.advanceTimersByTimeAsync(2 * LINGER_MS);
          const flattened = flatten(rpc.sent);
          expect(flattened.framings.every(({ ok }) => ok)).toBe(true);
          expect(flattened.txs.map(nameOf).join('|') === txs.map(nameOf).join('|')).toBe(true);
          expect(await told(answers)).toEqual(txs.map(() => 'ok'));
          gateway.close();
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('refusals', () => {
  /** As a node does: the first bad item is named. */
  const refuse = (bad: ReadonlyMap<string, string>): void => {
    rpc.decide = (txs) => {
      const at = txs.findIndex((tx) => bad.has(nameOf(tx)));
      const item = txs[at];
      return item === undefined ? TAKEN : refusing(bad.get(nameOf(item)) ?? '', at);
    };
  };

  test('the item at fault is told why, the rest goes again and is admitted', async () => {
    const gateway = open();
    const txs = Array.from({ length: 6 }, () => txOf());
    refuse(
      new Map([
        [nameOf(txs[2] ?? txOf()), 'expired'],
        [nameOf(txs[5] ?? txOf()), 'duplicate'],
      ]),
    );
    const answers = sendAll(gateway, txs);
    await vi.advanceTimersByTimeAsync(LINGER_MS);
    expect(await told(answers)).toEqual(['ok', 'ok', 'expired', 'ok', 'ok', 'duplicate']);
    expect(rpc.counts).toEqual([1, 5, 4, 3]);
  });

  test('a bundle of which every item is bad ends, and everybody is told', async () => {
    const gateway = open();
    const txs = Array.from({ length: 4 }, () => txOf());
    refuse(new Map(txs.map((tx, i) => [nameOf(tx), `bad${'abcd'[i] ?? ''}`])));
    const answers = sendAll(gateway, txs);
    await vi.advanceTimersByTimeAsync(LINGER_MS);
    expect(await told(answers)).toEqual(['bada', 'badb', 'badc', 'badd']);
    expect(rpc.counts).toEqual([1, 3, 2, 1]);
  });

  test.each(['mempoolFull', 'unavailable'])('%s is no fault of any item', async (code) => {
    const gateway = open();
    rpc.decide = () => refusing(code);
    const answers = sendAll(gateway, [txOf(), txOf(), txOf()]);
    await vi.advanceTimersByTimeAsync(LINGER_MS);
    expect(await told(answers)).toEqual([code, code, code]);
    expect(rpc.counts).toEqual([1, 2]);
  });

  test('an index that names no item blames nobody, and nothing goes round for ever', async () => {
    const gateway = open();
    rpc.decide = () => refusing('expired', 200);
    const answers = sendAll(gateway, [txOf(), txOf()]);
    await vi.advanceTimersByTimeAsync(LINGER_MS);
    expect(await told(answers)).toEqual(['expired', 'expired']);
    expect(rpc.counts).toEqual([1, 1]);
  });

  test('a reason that is no word is not shown to anybody', async () => {
    const gateway = open();
    rpc.decide = () => refusing('<script>', 0);
    expect(await told(sendAll(gateway, [txOf()]))).toEqual(['unavailable']);
  });

  test.each([
    ['the engine is not there', new EngineRpcError('unreachable', 'no answer'), 'unavailable'],
    ['its mempool is full', new EngineRpcError('refused', 'x: mempool is full: 1'), 'mempoolFull'],
    ['it has it already', new EngineRpcError('refused', 'tx already exists in cache'), 'ok'],
    ['it says something else', new EngineRpcError('refused', 'Tx too large'), 'unavailable'],
    ['its answer is rubbish', new EngineRpcError('malformed', 'no JSON'), 'unavailable'],
  ])('%s', async (_, error, code) => {
    const gateway = open();
    rpc.decide = () => {
      throw error;
    };
    const answers = sendAll(gateway, [txOf(), txOf(), txOf()]);
    await vi.advanceTimersByTimeAsync(LINGER_MS);
    expect(await told(answers)).toEqual([code, code, code]);
  });

  test.each([null, 'ok', {}, { code: '0', log: '' }, { code: 0 }, { code: 0, log: 1 }])(
    'an answer of another form admits nothing: %j',
    async (answer) => {
      const gateway = open();
      rpc.decide = () => answer;
      expect(await told(sendAll(gateway, [txOf()]))).toEqual(['unavailable']);
    },
  );

  test('nothing is told before the engine has answered', async () => {
    const gateway = open();
    let release: (answer: Answer) => void = () => undefined;
    rpc.decide = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    const answers = sendAll(gateway, [txOf()]);
    expect(await told(answers)).toEqual(['open']);
    release(TAKEN);
    expect(await told(answers)).toEqual(['ok']);
  });
});

describe('until it is final', () => {
  const good = async (): Promise<undefined> => undefined;
  const noDrop = (): void => expect.unreachable('nothing is to be dropped');

  /** Resends and lets what was gathered go. */
  async function tend(
    gateway: Gateway,
    check: (tx: Bytes) => Promise<Refusal | undefined> = good,
    drop: (name: string, refusal: Refusal) => void = noDrop,
  ): Promise<void> {
    await gateway.resend(check, drop);
    await vi.advanceTimersByTimeAsync(2 * LINGER_MS);
  }

  async function admitted(gateway: Gateway, count: number): Promise<readonly Bytes[]> {
    const txs = Array.from({ length: count }, () => txOf());
    void sendAll(gateway, txs);
    await vi.advanceTimersByTimeAsync(2 * LINGER_MS);
    rpc.sent.length = 0;
    return txs;
  }

  test('what is not final after long is sent again; what is final or was refused never', async () => {
    const gateway = open();
    const [a, b] = await admitted(gateway, 2);
    rpc.decide = () => refusing('expired');
    void gateway.send('refused', txOf());
    await vi.advanceTimersByTimeAsync(2 * LINGER_MS);
    rpc.decide = () => TAKEN;
    rpc.sent.length = 0;
    gateway.settle(nameOf(a ?? txOf()));
    await vi.advanceTimersByTimeAsync(RESEND_MS / 2);
    await tend(gateway);
    expect(rpc.sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(RESEND_MS);
    await tend(gateway);
    expect(rpc.sent).toEqual([b]);
    await tend(gateway);
    expect(rpc.sent).toEqual([b]);
  });

  test('an engine that was started again gets at once all that is not final', async () => {
    const gateway = open();
    const txs = await admitted(gateway, 70);
    gateway.lost();
    await tend(gateway);
    const again = new Set(flatten(rpc.sent).txs.map(nameOf));
    expect(again).toEqual(new Set(txs.map(nameOf)));
    expect(rpc.sent.length).toBeLessThan(5);
  });

  test('what the engine could not take again is tried again soon', async () => {
    const gateway = open();
    const txs = await admitted(gateway, 1);
    rpc.decide = () => {
      throw new EngineRpcError('unreachable', 'no answer');
    };
    gateway.lost();
    await tend(gateway);
    expect(rpc.sent.length).toBe(1);
    rpc.decide = () => TAKEN;
    await vi.advanceTimersByTimeAsync(1_000);
    await tend(gateway);
    expect(rpc.sent.slice(1)).toEqual(txs);
  });

  test('what can never become final is dropped, once, and not sent', async () => {
    const gateway = open();
    const [a] = await admitted(gateway, 1);
    const dropped: [string, string][] = [];
    const expired = async (): Promise<Refusal> => ({ code: 'expired' });
    gateway.lost();
    await tend(gateway, expired, (name, { code }) => dropped.push([name, code]));
    gateway.lost();
    await tend(gateway, expired, (name, { code }) => dropped.push([name, code]));
    expect(dropped).toEqual([[nameOf(a ?? txOf()), 'expired']]);
    expect(rpc.sent).toEqual([]);
  });

  test.each(['duplicate', 'mempoolFull', 'unavailable'])(
    'a check that says %s says nothing about what was acknowledged: it is kept',
    async (code) => {
      const gateway = open();
      const txs = await admitted(gateway, 1);
      gateway.lost();
      await tend(gateway, async () => ({ code }));
      expect(rpc.sent).toEqual([]);
      await vi.advanceTimersByTimeAsync(RESEND_MS);
      await tend(gateway);
      expect(rpc.sent).toEqual(txs);
    },
  );
});

describe('the end', () => {
  test('what waits is told, what comes is refused, nothing more is sent', async () => {
    const gateway = open();
    const answers = sendAll(gateway, [txOf(), txOf(), txOf()]);
    gateway.close();
    answers.push(gateway.send('late', txOf()));
    await vi.advanceTimersByTimeAsync(10 * LINGER_MS);
    expect(await told(answers)).toEqual(['ok', 'unavailable', 'unavailable', 'unavailable']);
    gateway.lost();
    await gateway.resend(
      async () => undefined,
      () => expect.unreachable('nothing is to be dropped'),
    );
    await vi.advanceTimersByTimeAsync(10 * LINGER_MS);
    expect(rpc.counts).toEqual([1]);
  });
});
