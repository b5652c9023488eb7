import { afterAll, beforeAll, expect, test } from 'vitest';
import { createNetwork } from '../src/network.ts';
import type { Network } from '../src/network.ts';
import { createMemoryStorage, type Fetch } from '../src/platform/platform.ts';
import { createVerifiedReader, type VerifiedReader } from '../src/verified-reader.ts';
import { type Cast, createCast } from './support/cast.ts';
import { startConsortium, type TestConsortium } from './support/consortium.ts';
import { flipBit } from './support/wire.ts';

const TIMEOUT_MS = 30_000;

let consortium: TestConsortium;
let cast: Cast;

beforeAll(async () => {
  consortium = await startConsortium();
  cast = await createCast(consortium);
  await cast.connection.reader.head();
}, 120_000);

afterAll(async () => {
  await consortium.stop();
});

/** Nodes that take questions for the newest header and never answer; each question is noted. */
function clientWith(behaviour: {
  readonly hung?: readonly string[];
  readonly lying?: readonly string[];
}): {
  readonly network: Network;
  readonly reader: VerifiedReader;
  readonly asked: string[];
} {
  const { hung = [], lying = [] } = behaviour;
  const asked: string[] = [];
  const { network: plain } = cast.connection;
  const fetch: Fetch = async (target, init) => {
    const url = new URL(target);
    const node = plain.nodes.find((each) => each.url.startsWith(url.origin));
    if (node === undefined || !url.pathname.endsWith('/headers/latest'))
      return globalThis.fetch(target, init);
    asked.push(node.name);
    if (hung.includes(node.name))
      return new Promise((_resolve, reject) => {
        init.signal?.addEventListener('abort', () => reject(new Error('aborted')));
      });
    const answer = await globalThis.fetch(target, init);
    if (!lying.includes(node.name)) return answer;
    const body = new Uint8Array(await answer.arrayBuffer());
    return new Response(flipBit(0.5)(body).slice(), { headers: answer.headers });
  };
  const network = createNetwork({
    platform: { ...cast.platform, fetch, storage: createMemoryStorage() },
    anchor: plain.anchor,
    nodes: plain.nodes,
    timeoutMs: TIMEOUT_MS,
    retries: 0,
  });
  return { network, reader: createVerifiedReader(network), asked };
}

/** Whether it came before any question could time out. */
async function comesAtOnce(action: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), TIMEOUT_MS / 2);
  });
  const came = await Promise.race([action.then(() => true), late]);
  clearTimeout(timer);
  return came;
}

test('whichever single node hangs, the head is read without waiting for it', async () => {
  for (const { name } of cast.connection.network.nodes) {
    const { reader } = clientWith({ hung: [name] });
    for (let round = 0; round < 4; round++)
      expect(await comesAtOnce(reader.head({ fresh: true })), name).toBe(true);
  }
}, 120_000);

test('two nodes that hang are given substitutes', async () => {
  const { reader } = clientWith({ hung: ['tertiary-1', 'secondary-1'] });
  for (let round = 0; round < 3; round++)
    expect(await comesAtOnce(reader.head({ fresh: true }))).toBe(true);
}, 60_000);

test('the word of one operator is not enough while another one may answer', async () => {
  const { network, reader, asked } = clientWith({
    hung: cast.connection.network.nodes.map(({ name }) => name).slice(1),
  });
  const first = network.nodes[0]?.name ?? '';
  // Everybody but one hangs: it is waited for, and all are asked.
  expect(
    await Promise.race([reader.head().then(() => 'came'), cast.platform.wait(7_000)]),
  ).not.toBe('came');
  expect(new Set(asked).size).toBe(network.nodes.length);
  expect(asked).toContain(first);
}, 60_000);

test('a node that lies is passed over, named, and outvoted by nobody but proofs', async () => {
  const { network, reader } = clientWith({ lying: ['tertiary-1'] });
  for (let round = 0; round < 6; round++) await reader.head({ fresh: true });
  await expect.poll(() => network.lies.map(({ source }) => source.node)).toContain('tertiary-1');
  expect(new Set(network.lies.map(({ source }) => source.node))).toEqual(new Set(['tertiary-1']));
}, 60_000);

test('when all lie there is no head', async () => {
  const everybody = cast.connection.network.nodes.map(({ name }) => name);
  await expect(clientWith({ lying: everybody }).reader.head()).rejects.toMatchObject({
    name: 'VerificationError',
  });
}, 60_000);
