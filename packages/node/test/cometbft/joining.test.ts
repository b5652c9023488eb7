/** What a node must have before it joins, and what strangers may ask of its engine. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openEngineHome, EngineHomeError } from '../../src/cometbft/engine-home.ts';
import { relayToEngine } from '../../src/cometbft/engine-relay.ts';
import { EngineRpcError } from '../../src/cometbft/engine-rpc.ts';
import { parseNodeConfig } from '../../src/config.ts';
import { joinNetwork, trustHeightFor } from '../../src/network/join-network.ts';
import { genesis, keysOf } from '../engine/consortium.ts';

const root = mkdtempSync(join(tmpdir(), 'yl-join-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => {
  const path = join(root, String(folders++));
  mkdirSync(path);
  return path;
};

describe('the relay to the engine', () => {
  const called: { method: string; params: unknown }[] = [];
  const rpc = {
    call: async (method: string, params: Readonly<Record<string, string>>) => {
      called.push({ method, params });
      return { header: 'as it is' };
    },
  };
  const ask = (request: unknown): ReturnType<typeof relayToEngine> =>
    relayToEngine(rpc, typeof request === 'string' ? request : JSON.stringify(request));
  const call = (method: string, params: object = {}, id: unknown = 7): unknown => ({
    jsonrpc: '2.0',
    id,
    method,
    params,
  });

  test('passes on what a light client asks, and answers under its id', async () => {
    const answer = await ask(call('commit', { height: '12' }));
    expect(answer).toEqual({ jsonrpc: '2.0', id: 7, result: { header: 'as it is' } });
    await ask(call('validators', { height: '12', page: '1', per_page: '100' }, 'name'));
    await ask(call('consensus_params', { height: 3 }));
    await ask(call('commit', { height: null }));
    expect(called).toEqual([
      { method: 'commit', params: { height: '12' } },
      { method: 'validators', params: { height: '12', page: '1', per_page: '100' } },
      { method: 'consensus_params', params: { height: '3' } },
      { method: 'commit', params: {} },
    ]);
  });

  test.each([
    'broadcast_tx_sync',
    'broadcast_evidence',
    'dial_peers',
    'unsafe_flush_mempool',
    'genesis',
    'net_info',
    'subscribe',
    'constructor',
    '__proto__',
  ])('does not pass on %s', async (method) => {
    const before = called.length;
    expect(await ask(call(method))).toMatchObject({ error: { code: -32_601 } });
    expect(called.length).toBe(before);
  });

  test('passes on no parameter that it does not know, and no request of another form', async () => {
    const before = called.length;
    for (const params of [
      { height: '0' },
      { height: '-1' },
      { height: '1e3' },
      { height: '1 ' },
      { height: {} },
      { height: '1', prove: true },
      { page: '1' },
    ])
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect(await ask(call('commit', params))).toMatchObject({ error: { code: -32_602 } });
    for (const request of [
      '',
      '[]',
      'null',
      '{"id":1}',
      [call('commit')],
      call('commit', {}, null),
      call('commit', {}, 'x'.repeat(65)),
      { ...(call('commit') as object), padding: 'x'.repeat(1_024) },
    ])
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect(await ask(request)).toMatchObject({ error: { code: -32_600 }, id: null });
    expect(called.length).toBe(before);
  });

  test('tells the engine’s own refusal, which says whether a height is to come or gone', async () => {
    const refusing = {
      call: () =>
        Promise.reject(
          new EngineRpcError(
            'refused',
            'commit: height 9 must be less than or equal to the current',
          ),
        ),
    };
    const answer = await relayToEngine(refusing, JSON.stringify(call('commit', { height: '9' })));
    expect(JSON.stringify(answer)).toMatch(/height \d+ must be less than or equal to/);
  });
});

describe('the sign state', () => {
  const home = (path: string): ReturnType<typeof openEngineHome> =>
    openEngineHome({
      path,
      name: 'county',
      genesis,
      consensusSeed: keysOf('county').seed,
      engineSeed: keysOf('county engine').seed,
      config: { listen: { host: '127.0.0.1', port: 1 }, peers: [] },
      blockIntervalMs: 250,
      heartbeatMs: 1_000,
    });
  const stateOf = (path: string): string => join(path, 'data', 'priv_validator_state.json');

  test('of a node that never took part begins at nothing, and is never written again', () => {
    const path = folder();
    home(path).prepare(false);
    expect(JSON.parse(readFileSync(stateOf(path), 'utf8'))).toMatchObject({ height: '0' });
    writeFileSync(stateOf(path), '{"height":"77"}');
    mkdirSync(join(path, 'data', 'blockstore.db'));
    home(path).prepare(true);
    expect(readFileSync(stateOf(path), 'utf8')).toBe('{"height":"77"}');
  });

  test('that is gone while the node has blocks stops the node before it can sign twice', () => {
    const path = folder();
    expect(() => home(path).prepare(true)).toThrow(EngineHomeError);
    expect(existsSync(stateOf(path))).toBe(false);
    expect(existsSync(join(path, 'config', 'priv_validator_key.json'))).toBe(false);
  });
});

describe('the blocks of an engine', () => {
  test('that are gone while the node has its own stop the node with a word about it', () => {
    const path = folder();
    mkdirSync(join(path, 'data'), { recursive: true });
    writeFileSync(join(path, 'data', 'priv_validator_state.json'), '{"height":"77"}');
    const options = {
      path,
      name: 'county',
      genesis,
      consensusSeed: keysOf('county').seed,
      engineSeed: keysOf('county engine').seed,
      config: { listen: { host: '127.0.0.1', port: 1 }, peers: [] },
      blockIntervalMs: 250,
      heartbeatMs: 1_000,
    };
    expect(() => openEngineHome(options).prepare(true)).toThrow(/the engine's data is lost/);
    expect(existsSync(join(path, 'config', 'priv_validator_key.json'))).toBe(false);
  });
});

describe('joining', () => {
  const config = {
    name: 'county',
    institution: 'county',
    operator: 'county',
    http: { host: '127.0.0.1', port: 1 },
    peer: { host: '127.0.0.1', port: 2 },
    peers: [],
    origins: [],
    settings: {},
    cometbft: { listen: { host: '127.0.0.1', port: 3 }, peers: [] },
  };
  const homeWith = (content: object): string => {
    const path = folder();
    writeFileSync(join(path, 'config.json'), JSON.stringify(content));
    return path;
  };
  const input = {
    urls: ['http://a:1/', 'https://b'],
    trusted: { height: 20n, blockId: new Uint8Array(32).fill(0xab), periodHours: 336 },
    newestHeight: 35n,
  };
  const signStateOf = (home: string): string =>
    join(home, 'data', 'cometbft', 'data', 'priv_validator_state.json');

  test('writes where trust begins, and a sign state above all that can have been signed', () => {
    const home = homeWith(config);
    expect(joinNetwork(home, input).keepsSignState).toBe(false);
    const written: unknown = JSON.parse(readFileSync(join(home, 'config.json'), 'utf8'));
    expect(parseNodeConfig('config.json', written).cometbft?.stateSync).toEqual({
      rpcServers: ['http://a:1/v1/engine', 'https://b/v1/engine'],
      trustHeight: 20n,
      trustHash: 'ab'.repeat(32),
      trustPeriodHours: 336,
    });
    const signState: unknown = JSON.parse(readFileSync(signStateOf(home), 'utf8'));
    expect(signState).toEqual({ height: '46', round: 0, step: 3 });
  });

  test('never touches a sign state that is there', () => {
    const home = homeWith(config);
    mkdirSync(join(home, 'data', 'cometbft', 'data'), { recursive: true });
    writeFileSync(signStateOf(home), '{"height":"99"}');
    expect(joinNetwork(home, input).keepsSignState).toBe(true);
    expect(readFileSync(signStateOf(home), 'utf8')).toBe('{"height":"99"}');
  });

  test('refuses one source alone, an address that is none, and a chain of the embedded engine', () => {
    for (const urls of [['http://a'], ['http://a', 'file:///b'], ['http://a', 'http://b", "x']]) {
      const home = homeWith(config);
      expect(() => joinNetwork(home, { ...input, urls })).toThrow(/rpcServers/);
      expect(JSON.parse(readFileSync(join(home, 'config.json'), 'utf8'))).toEqual(config);
    }
    expect(() => joinNetwork(homeWith({ ...config, cometbft: null }), input)).toThrow();
    expect(() => joinNetwork(folder(), input)).toThrow();
  });

  test('trust begins at or below the older of the two newest snapshots', () => {
    expect(trustHeightFor(35n, 10)).toBe(20n);
    expect(trustHeightFor(40n, 10)).toBe(30n);
    expect(trustHeightFor(9n, 10)).toBe(1n);
    expect(trustHeightFor(19n, 10)).toBe(1n);
    expect(() => trustHeightFor(19n, 0)).toThrow(/snapshotEvery/);
  });
});
