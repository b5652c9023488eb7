/** The socket shell with handlers of the test's own: order, ends, and who may connect. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { AskedKind } from '@yilian/consensus/abci/session';
import {
  type AbciHandlers,
  type AbciServer,
  type AbciServerOptions,
  listenAbci,
} from '../../src/cometbft/abci-server.ts';
import type { LogEvent } from '../../src/logging.ts';
import { EngineConnection, ScriptedEngine } from './scripted-engine.ts';
import { until } from './network.ts';

const root = mkdtempSync(join(tmpdir(), 'yl-abci-'));
let made = 0;
const cleanUps: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const refuse = (): Promise<never> => Promise.reject(new Error('not asked for in this test'));
const KINDS: readonly AskedKind[] = [
  'info',
  'initChain',
  'query',
  'checkTx',
  'commit',
  'listSnapshots',
  'offerSnapshot',
  'loadSnapshotChunk',
  'applySnapshotChunk',
  'prepareProposal',
  'processProposal',
  'extendVote',
  'verifyVoteExtension',
  'finalizeBlock',
];
const silent = Object.fromEntries(KINDS.map((kind) => [kind, refuse])) as unknown as AbciHandlers;

interface Site {
  readonly path: string;
  readonly server: AbciServer;
  readonly events: LogEvent[];
  readonly failures: Error[];
}

async function serve(
  handlers: Partial<AbciHandlers>,
  options: Partial<AbciServerOptions> = {},
): Promise<Site> {
  const path = join(root, String(made++), 'abci.sock');
  const events: LogEvent[] = [];
  const failures: Error[] = [];
  const server = await listenAbci({
    address: { kind: 'unix', path },
    handlers: { ...silent, ...handlers },
    log: (event) => void events.push(event),
    onFailure: (error) => void failures.push(error),
    ...options,
  });
  cleanUps.push(() => server.close());
  return { path, server, events, failures };
}

const result = (code: number) => ({
  code,
  data: new Uint8Array(0),
  log: '',
  info: '',
  gasWanted: 0n,
  gasUsed: 0n,
  events: [],
  codespace: '',
});
const checkTx = (n: number) => ({ tx: Uint8Array.of(n >> 8, n & 255), type: 'new' as const });

describe('answers', () => {
  test('leave in the order of requests on each of four connections, whatever order they are given in', async () => {
    const { path, server } = await serve({
      checkTx: ({ tx }) =>
        new Promise((resolve) => {
          const n = (tx[0] ?? 0) * 256 + (tx[1] ?? 0);
          setTimeout(() => resolve(result(n)), (n * 7_919) % 13);
        }),
    });
    const engine = new ScriptedEngine(path);
    cleanUps.push(() => engine.close());
    const floods = engine.connections.map(async (connection, c) => {
      connection.chunkBytes = [1, 3, 64, 100_000][c] ?? 1;
      const answers = Array.from({ length: 256 }, (_, n) => connection.send('checkTx', checkTx(n)));
      await connection.send('flush', {});
      const codes = (await Promise.all(answers)).map(({ code }) => code);
      expect(codes).toEqual(Array.from({ length: 256 }, (_, n) => n));
      expect(connection.error).toBeUndefined();
    });
    await Promise.all(floods);
    expect(server.connections()).toBe(4);
  });

  test('a quick answer on one connection does not wait for a slow one on another', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { path } = await serve({
      commit: () => held.then(() => ({ retainHeight: 3n })),
      checkTx: async () => result(0),
    });
    const engine = new ScriptedEngine(path);
    cleanUps.push(() => engine.close());
    let committed = false;
    const commit = engine.consensus.call('commit', {}).then((answer) => {
      committed = true;
      return answer;
    });
    expect((await engine.mempool.call('checkTx', checkTx(1))).code).toBe(0);
    expect(committed).toBe(false);
    release();
    expect(await commit).toEqual({ retainHeight: 3n });
  });

  test('Echo and Flush need no handler', async () => {
    const { path } = await serve({});
    const connection = new EngineConnection(path);
    cleanUps.push(() => connection.close());
    expect(await connection.call('echo', { message: '医链' })).toEqual({ message: '医链' });
  });

  test('TCP is served on loopback, on a free port', async () => {
    const { server } = await serve({}, { address: { kind: 'tcp', port: 0 } });
    expect(server.proxyApp).toMatch(/^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/);
  });
});

describe('how it ends', () => {
  test('a handler that fails: an exception, all connections closed, one failure told', async () => {
    const { path, failures, events } = await serve({
      commit: () => Promise.reject(new Error('disk full')),
      finalizeBlock: () => Promise.reject(new Error('a second one')),
      info: () => new Promise(() => undefined),
    });
    const engine = new ScriptedEngine(path);
    await until(async () => (await engine.snapshot.call('echo', { message: '' })).message === '');
    void engine.query.send('info', {
      version: '',
      blockVersion: 0n,
      p2pVersion: 0n,
      abciVersion: '2.0.0',
    });
    await expect(engine.consensus.call('commit', {})).rejects.toThrow('exception: disk full');
    await Promise.all(engine.connections.map(({ closed }) => closed));
    expect(failures.map(({ message }) => message)).toEqual(['disk full']);
    expect(events.filter(({ event }) => event === 'abciFailed').length).toBe(1);
    const late = new EngineConnection(path);
    await late.closed;
    expect(late.error).toBeDefined();
  });

  test('rubbish ends its own connection alone, with an exception', async () => {
    const { path, failures, events } = await serve({ checkTx: async () => result(0) });
    const good = new EngineConnection(path);
    cleanUps.push(() => good.close());
    for (const [bytes, fault] of [
      [Uint8Array.of(3, 0xff, 0xff, 0xff), 'malformed'],
      [Uint8Array.of(2, 0x22, 0), 'unknownRequest'],
      [Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f), 'frameTooLarge'],
    ] as const) {
      const bad = new EngineConnection(path);
      const answer = bad.send('echo', { message: 'first' });
      expect(await answer).toEqual({ message: 'first' });
      bad.write(bytes);
      await bad.closed;
      expect(bad.error?.message).toBe(`exception: ${fault}`);
      expect(events.some((event) => event['fault'] === fault)).toBe(true);
    }
    expect((await good.call('checkTx', checkTx(1))).code).toBe(0);
    expect(failures).toEqual([]);
  });

  test('an engine that disappears in the middle of a request may come back', async () => {
    let answered = 0;
    const { path, server, failures } = await serve({
      checkTx: async () => {
        answered += 1;
        return result(0);
      },
    });
    const first = new ScriptedEngine(path);
    void first.mempool.send('checkTx', checkTx(1));
    first.consensus.write(Uint8Array.of(200, 1, 5));
    await until(() => answered === 1 && server.connections() === 4);
    first.close();
    await until(() => server.connections() === 0);
    const second = new ScriptedEngine(path);
    cleanUps.push(() => second.close());
    expect((await second.mempool.call('checkTx', checkTx(2))).code).toBe(0);
    expect(failures).toEqual([]);
  });

  test('closing answers what was begun, takes nothing new, and leaves no socket behind', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let begun = 0;
    const { path, server } = await serve({
      commit: async () => {
        begun += 1;
        await held;
        return { retainHeight: 7n };
      },
    });
    const connection = new EngineConnection(path);
    const commit = connection.send('commit', {});
    await until(() => begun === 1);
    const closed = server.close();
    const late = connection.send('commit', {});
    const stranger = new EngineConnection(path);
    await stranger.closed;
    release();
    expect(await commit).toEqual({ retainHeight: 7n });
    await expect(late).rejects.toThrow();
    await closed;
    expect(begun).toBe(1);
    expect(() => statSync(path)).toThrow();
  });
});

describe('the place of the socket', () => {
  const listen = (path: string): Promise<AbciServer> =>
    listenAbci({
      address: { kind: 'unix', path },
      handlers: silent,
      log: () => undefined,
      onFailure: () => undefined,
    });

  test('is closed to all others', async () => {
    const { path } = await serve({});
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
    const open = join(root, 'open');
    mkdirSync(open);
    chmodSync(open, 0o750);
    await expect(listen(join(open, 'abci.sock'))).rejects.toMatchObject({ code: 'notPrivate' });
  });

  test('is taken over from a process that is gone, and from no other', async () => {
    const { path } = await serve({});
    await expect(listen(path)).rejects.toMatchObject({ code: 'inUse' });
    const left = join(root, String(made++));
    mkdirSync(left, { mode: 0o700 });
    const stale = join(left, 'abci.sock');
    const dead = createServer();
    await new Promise<void>((resolve) => {
      dead.listen(`${stale}.tmp`, resolve);
    });
    // A socket whose process was killed stays on disk.
    const { linkSync } = await import('node:fs');
    linkSync(`${stale}.tmp`, stale);
    await new Promise((resolve) => {
      dead.close(resolve);
    });
    const server = await listen(stale);
    await server.close();
  });

  test('must be short, and no file of another kind', async () => {
    const long = join(root, 'x'.repeat(120), 'abci.sock');
    await expect(listen(long)).rejects.toMatchObject({ code: 'tooLong' });
    const left = join(root, String(made++));
    mkdirSync(left, { mode: 0o700 });
    const file = join(left, 'abci.sock');
    writeFileSync(file, 'kept');
    await expect(listen(file)).rejects.toMatchObject({ code: 'notASocket' });
    expect(statSync(file).size).toBe(4);
  });
});
