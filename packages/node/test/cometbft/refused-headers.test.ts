/**
 * A node and its own engine that have parted: what is not what the node executed is neither served nor
 * waited for. The engine is real; between it and the node stands somebody who alters what it shows.
 */
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UNPROVEN_MS_MAX, createRefusedHeaders } from '../../src/cometbft/refused-headers.ts';
import type { LogEvent } from '../../src/logging.ts';
import type { OrderingNode } from '../../src/ordering-node.ts';
import {
  engineForTests,
  freePorts,
  genesisNow,
  startCometbftNode,
  until,
  validators,
} from './nodes.ts';

describe('a header that the engine shows and the node cannot take', () => {
  const judged = (): {
    readonly judge: (
      code: 'appHashDiffers' | 'noQuorum' | 'malformed',
      height?: bigint,
    ) => string | null;
    readonly pass: (ms: number) => void;
    readonly events: readonly LogEvent[];
  } => {
    const events: LogEvent[] = [];
    let nowMs = 0;
    const refused = createRefusedHeaders({
      nowMs: () => nowMs,
      log: (event) => events.push(event),
    });
    return {
      judge: (code, height = 7n) => refused.judge(height, code),
      pass: (ms) => {
        nowMs += ms;
      },
      events,
    };
  };

  test('halts the node at once when it contradicts what was executed, and says so', () => {
    const { judge, events } = judged();
    expect(judge('appHashDiffers')).toMatch(/height 7 has another app hash.*docs\/operations\.md/);
    expect(events).toEqual([
      { level: 'error', event: 'engineHeaderRefused', height: 7n, code: 'appHashDiffers' },
    ]);
  });

  test.each(['noQuorum', 'malformed'] as const)(
    'is asked for again for a while when it is %s, and halts the node when it stays so',
    (code) => {
      const { judge, pass, events } = judged();
      for (let i = 0; i < 4; i++) {
        expect(judge(code)).toBeNull();
        pass(UNPROVEN_MS_MAX / 4);
      }
      expect(judge(code)).toMatch(/height 7/);
      // Said once, and not four times a second.
      expect(events).toHaveLength(1);
    },
  );

  test('is forgotten once its height was taken', () => {
    const { judge, pass } = judged();
    expect(judge('noQuorum', 7n)).toBeNull();
    pass(UNPROVEN_MS_MAX);
    expect(judge('noQuorum', 8n)).toBeNull();
  });
});

const program = await engineForTests();

describe.skipIf(program === undefined)('a node whose engine shows other headers', () => {
  let root: string;
  let node: OrderingNode;
  let events: LogEvent[];
  let proxy: Server;
  /** What becomes of the engine's answers, as text. */
  let alter: (answer: string) => string;

  beforeEach(async () => {
    if (program === undefined) throw new Error('it is skipped');
    root = mkdtempSync(join(tmpdir(), 'yl-hdr-'));
    const real = join(root, 'real.sock');
    const path = join(root, 'engine.sh');
    writeFileSync(path, `#!/bin/sh\nexec "${program.path}" "$@" --rpc.laddr "unix://${real}"\n`);
    chmodSync(path, 0o700);
    alter = (answer) => answer;
    proxy = createServer((asked, answer) => {
      const { method, url, headers } = asked;
      const onward = request({ socketPath: real, method, path: url, headers }, (told) => {
        const parts: Buffer[] = [];
        told.on('data', (part: Buffer) => parts.push(part));
        told.on('end', () => answer.end(alter(Buffer.concat(parts).toString('utf8'))));
      });
      onward.on('error', () => answer.destroy());
      asked.pipe(onward);
    });
    events = [];
    const [port = 0] = await freePorts(1);
    const [first] = validators;
    if (first === undefined) throw new Error('there is one');
    const genesis = genesisNow();
    node = await startCometbftNode(
      {
        root,
        genesis: { ...genesis, validators: genesis.validators.slice(0, 1) },
        program: { ...program, path },
        ports: { v0: port },
      },
      'v0',
      first,
      { onEvent: (event) => events.push(event) },
    );
    await new Promise<void>((resolve) => {
      proxy.listen(join(root, 'v0', 'cometbft', 'run', 'rpc.sock'), resolve);
    });
    await until(() => node.latest().height >= 2n, 'blocks');
  });
  afterEach(async () => {
    await node.stop();
    proxy.closeAllConnections();
    await new Promise((resolve) => void proxy.close(resolve));
    rmSync(root, { recursive: true, force: true });
  });

  test('halts, says what differs and what to do, serves nothing of it, and its engine ends', async () => {
    const before = node.latest().height;
    alter = (answer) =>
      answer.replace(/"app_hash":\s*"[0-9A-F]{64}"/, `"app_hash":"${'AB'.repeat(32)}"`);
    await until(() => node.status().halted !== undefined, 'it halts');
    const height = node.latest().height;
    expect(height).toBeGreaterThanOrEqual(before);
    // An altered app hash makes another block id, which is compared first.
    expect(node.status().halted).toMatch(
      new RegExp(`header of height ${height + 1n} is of another block.*docs/operations\\.md`),
    );
    expect(node.block(height + 1n)).toBeUndefined();
    expect(events).toContainEqual({
      level: 'error',
      event: 'engineHeaderRefused',
      height: height + 1n,
      code: 'wrongBlock',
    });
    await until(() => !existsSync(join(root, 'real.sock')), 'the engine ends');
    // Nothing more becomes final, whatever the engine would show now.
    alter = (answer) => answer;
    expect(node.latest().height).toBe(height);
  });

  test('goes on when a header cannot be read for a moment', async () => {
    alter = (answer) => answer.replace('"signed_header"', '"unsigned_header"');
    await until(() => events.some(({ event }) => event === 'engineHeaderRefused'), 'it is refused');
    alter = (answer) => answer;
    const stood = node.latest().height;
    await until(() => node.latest().height > stood + 1n, 'it goes on');
    expect(node.status().halted).toBeUndefined();
  });
});
