/** Whole nodes on real CometBFT under more load than they can carry, and without the engine's memory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, expect, test } from 'vitest';
import type { Genesis } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import { freePorts } from '../../src/bind-port.ts';
import { createCometbftNode } from '../../src/cometbft/cometbft-node.ts';
import { engineNodeId } from '../../src/cometbft/engine-files.ts';
import type { LogEvent } from '../../src/logging.ts';
import type { OrderingNode } from '../../src/ordering-node.ts';
import { createMemoryNetwork } from '../../src/peers/memory-peers.ts';
import { keysOf, request, validators } from '../engine/consortium.ts';
import { findCometbft, genesisOf, until } from './network.ts';

const path = findCometbft();
const root = mkdtempSync(join(tmpdir(), 'yl-load-'));
const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(cleanUps.splice(0).map((cleanUp) => cleanUp()));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Site {
  readonly node: OrderingNode;
  readonly events: readonly LogEvent[];
}

let made = 0;
async function start(
  count: number,
  settings: Parameters<typeof createCometbftNode>[0]['settings'] = {},
): Promise<readonly Site[]> {
  const members = validators.slice(0, count);
  const genesis: Genesis = {
    ...genesisOf(members.map((keys) => ({ keys, leads: true }))),
    engine: 'cometbft',
    timeNs: BigInt(Date.now()) * 1_000_000n,
  };
  const ports = await freePorts(count);
  const seeds = members.map((_, index) => keysOf(`engine ${index}`).seed);
  const addresses = seeds.map((seed, index) => ({
    id: engineNodeId(seed),
    host: '127.0.0.1',
    port: ports[index] ?? 0,
  }));
  const peers = createMemoryNetwork();
  const directory = join(root, String(made++));
  return Promise.all(
    members.map(async (keys, index) => {
      const events: LogEvent[] = [];
      const node = await createCometbftNode({
        name: `h-${index}`,
        directory: join(directory, String(index)),
        genesis,
        consensusSeed: keys.seed,
        engineSeed: seeds[index] ?? keys.seed,
        config: {
          listen: { host: '127.0.0.1', port: ports[index] ?? 0 },
          peers: addresses.filter((_, other) => other !== index),
        },
        program: { path: path ?? '', version: '' },
        peers: peers.join(keys.key),
        settings: { blockIntervalMs: 100, verificationWorkers: 0, ...settings },
        log: (event) => events.push(event),
      });
      cleanUps.push(() => node.stop());
      await until(() => node.latest().height > 0n);
      return { node, events };
    }),
  );
}

/** An acknowledged transaction and where. */
interface Acknowledged {
  readonly node: OrderingNode;
  readonly id: Bytes;
}

async function expectFinal(all: readonly Acknowledged[]): Promise<void> {
  const outcomes = await Promise.all(all.map(({ node, id }) => node.outcome(id, 60_000)));
  const words = outcomes.map((each) =>
    each === 'timeout' ? each : each.outcome.ok ? 'ok' : each.outcome.rejection.code,
  );
  expect(new Set(words)).toEqual(new Set(['ok']));
}

test.skipIf(path === undefined)(
  'five times what a network carries: blocks go on, refusals say so, nothing acknowledged is lost',
  async () => {
    const sites = await start(4, { mempoolCountMax: 60 });
    const acknowledged: Acknowledged[] = [];
    const refusals = new Set<string>();
    let offered = 0;
    let answered = 0;
    const submit = async (node: OrderingNode): Promise<void> => {
      const tx = request();
      offered += 1;
      const submission = await node.submit(tx, `client ${offered % 50}`);
      answered += 1;
      if (submission.admitted) acknowledged.push({ node, id: submission.id });
      else refusals.add(submission.rejection.code);
    };
    const finalCount = (): number =>
      sites.reduce((sum, { node }) => sum - node.status().mempool.count, acknowledged.length);
    const heights = sites.map(({ node }) => node.latest().height);
    const risen = (): boolean =>
      sites.every(({ node }, i) => node.latest().height >= (heights[i] ?? 0n) + 10n);
    const isEnough = (): boolean => risen() && offered >= 2_000 && offered >= 5 * finalCount();
    const submissions: Promise<void>[] = [];
    // Nobody waits for an answer.
    while (!isEnough()) {
      for (const { node } of sites) for (let i = 0; i < 25; i++) submissions.push(submit(node));
      await pause(10);
    }
    await Promise.all(submissions);
    expect(answered).toBe(offered);
    expect(refusals).toEqual(new Set(['mempoolFull']));
    expect(acknowledged.length).toBeGreaterThan(60);
    await expectFinal(acknowledged);
    let tip = 0n;
    for (const { node } of sites) {
      const { height } = node.latest();
      if (height > tip) tip = height;
    }
    await until(() => sites.every(({ node }) => node.latest().height >= tip));
    // When the load is gone, everybody is served again, and all hold one chain.
    await expectFinal(
      await Promise.all(
        sites.map(async ({ node }) => {
          const submission = await node.submit(request());
          if (!submission.admitted) throw new Error(submission.rejection.code);
          return { node, id: submission.id };
        }),
      ),
    );
    const headers = sites.map(({ node }) => Buffer.from(node.header(tip)?.header ?? ''));
    expect(new Set(headers.map((header) => header.toString('hex'))).size).toBe(1);
    expect(sites.flatMap(({ node }) => node.status().halted ?? [])).toEqual([]);
  },
);

test.skipIf(path === undefined)(
  'an engine that dies with its mempool gets again what was acknowledged',
  async () => {
    // The wait before an empty block: long, so that what is acknowledged is still in memory.
    const [site] = await start(1, { blockIntervalMs: 2_000 });
    if (site === undefined) throw new Error('there is a node');
    const { node, events } = site;
    const pids = (): readonly unknown[] =>
      events.flatMap((event) => (event.event === 'engineStarted' ? [event['pid']] : []));
    const acknowledge = async (): Promise<Acknowledged> => {
      const submission = await node.submit(request());
      if (!submission.admitted) throw new Error(submission.rejection.code);
      return { node, id: submission.id };
    };
    // A block just made: the next is an interval away.
    await expectFinal([await acknowledge()]);
    const waiting = await Promise.all(Array.from({ length: 30 }, acknowledge));
    process.kill(Number(pids().at(-1)), 'SIGKILL');
    await until(() => pids().length === 2);
    await expectFinal(waiting);
  },
);
