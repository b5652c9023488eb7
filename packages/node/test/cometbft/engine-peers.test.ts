/** Who is missing among the engine's peers is dialed, and nobody else. */
import { expect, test } from 'vitest';
import { createEnginePeerKeeper } from '../../src/cometbft/engine-peers.ts';
import type { RpcParameter } from '../../src/cometbft/engine-rpc.ts';

const peer = (digit: string): { id: string; host: string; port: number } => ({
  id: digit.repeat(40),
  host: `h-${digit}.example`,
  port: 26_656,
});
const OWN = '0'.repeat(40);

function open(netInfo: () => unknown) {
  const calls: { method: string; params: Readonly<Record<string, RpcParameter>> }[] = [];
  const wanted = [peer('a'), peer('b'), peer('0')];
  let ms = 0;
  const keeper = createEnginePeerKeeper({
    rpc: {
      call: async (method, params) => {
        calls.push({ method, params });
        return method === 'net_info' ? netInfo() : {};
      },
    },
    wanted: () => wanted,
    ownId: OWN,
    nowMs: () => ms,
  });
  return { keeper, calls, wanted, pass: (more: number) => void (ms += more) };
}
const connectedTo = (...digits: readonly string[]): unknown => ({
  peers: digits.map((digit) => ({ node_info: { id: digit.repeat(40) } })),
});

test('dials those who are missing, never itself, and not before it is time', async () => {
  const { keeper, calls, pass } = open(() => connectedTo('a', 'f'));
  await keeper.tend();
  expect(calls).toEqual([]);
  pass(5_000);
  await keeper.tend();
  await keeper.tend();
  expect(calls.map(({ method }) => method)).toEqual(['net_info', 'dial_peers']);
  // The list of the configuration stays in force: these are not made persistent in its place.
  expect(calls[1]?.params).toMatchObject({
    peers: [`${'b'.repeat(40)}@h-b.example:26656`],
    persistent: false,
  });
});

test('is quiet when all are there, and meets who is introduced later', async () => {
  const { keeper, calls, wanted, pass } = open(() => connectedTo('a', 'b'));
  pass(5_000);
  await keeper.tend();
  expect(calls.map(({ method }) => method)).toEqual(['net_info']);
  wanted.push(peer('c'));
  pass(5_000);
  await keeper.tend();
  expect(calls.at(-1)?.params['peers']).toEqual([`${'c'.repeat(40)}@h-c.example:26656`]);
});

test.each([null, {}, { peers: 3 }, { peers: [null, {}, { node_info: { id: 4 } }] }])(
  'takes an answer that names nobody for nobody: %j',
  async (answer) => {
    const { keeper, calls, pass } = open(() => answer);
    pass(5_000);
    await keeper.tend();
    expect(calls.at(-1)?.params['peers']).toHaveLength(2);
  },
);

test('a node alone asks nothing', async () => {
  const { keeper, calls, wanted, pass } = open(() => connectedTo());
  wanted.splice(0, 2);
  pass(5_000);
  await keeper.tend();
  expect(calls).toEqual([]);
});

test('an engine that does not answer is asked again later', async () => {
  let isUp = false;
  const { keeper, calls, pass } = open(() => {
    if (!isUp) throw new Error('no answer');
    return connectedTo('a');
  });
  pass(5_000);
  await expect(keeper.tend()).rejects.toThrow();
  isUp = true;
  pass(5_000);
  await keeper.tend();
  expect(calls.at(-1)?.method).toBe('dial_peers');
});
