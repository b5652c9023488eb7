/**
 * No acknowledged transaction is lost, on a disk that drops everything after its last flush. A
 * transaction is acknowledged when a node answers with its final outcome.
 */
import { describe, expect, test } from 'vitest';
import { toHex } from '@yilian/crypto/bytes';
import { createMemoryNetwork, type MemoryNetwork } from '../../src/peers/memory-peers.ts';
import type { OrderingDisk, OrderingNode } from '../../src/ordering-node.ts';
import { enrolPatient, order, startNode, validators } from './consortium.ts';
import { createFaultyDisk, type FaultyDisk } from './faulty-disk.ts';

const diskPort = (disk: FaultyDisk): OrderingDisk => ({
  openStore: () => disk.openStore(),
  openLog: () => Promise.resolve(disk.openFile()),
});

function start(network: MemoryNetwork, disks: readonly FaultyDisk[]): Promise<OrderingNode[]> {
  return Promise.all(
    disks.map((disk, i) =>
      startNode({
        keys: validators[i] ?? never(),
        network,
        directory: 'none',
        disk: diskPort(disk),
      }),
    ),
  );
}

/** Clients that submit one after another to each node until they are told to stop. */
function load(nodes: readonly OrderingNode[]): {
  readonly acknowledged: Map<string, { readonly node: number; readonly height: bigint }>;
  readonly stop: () => void;
} {
  const acknowledged = new Map<string, { node: number; height: bigint }>();
  let stopped = false;
  const client = async (node: OrderingNode, index: number): Promise<void> => {
    // oxlint-disable-next-line no-unmodified-loop-condition -- `stop` sets it
    while (!stopped) {
      // oxlint-disable-next-line no-await-in-loop -- a closed loop is the point
      const submission = await node.submit(enrolPatient());
      if (!submission.admitted) return;
      // oxlint-disable-next-line no-await-in-loop -- as above
      const outcome = await node.outcome(submission.id, 2_000);
      if (outcome !== 'timeout' && !stopped)
        acknowledged.set(toHex(submission.id), { node: index, height: outcome.height });
    }
  };
  for (const [index, node] of nodes.entries())
    for (let i = 0; i < 3; i++) client(node, index).catch(() => undefined);
  return {
    acknowledged,
    stop: () => {
      stopped = true;
    },
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 2_000 && !condition(); tries++) {
    // oxlint-disable-next-line no-await-in-loop -- polling
    await pause(5);
  }
  if (!condition()) throw new Error('the condition was never met');
}

/** Acknowledged ids that the node which acknowledged them does not know any more. */
function lost(
  nodes: readonly OrderingNode[],
  acknowledged: ReadonlyMap<string, { readonly node: number; readonly height: bigint }>,
): string[] {
  return [...acknowledged].flatMap(([id, { node, height }]) => {
    const found = nodes[node]?.outcomeNow(new Uint8Array(Buffer.from(id, 'hex')));
    return found?.height === height ? [] : [id];
  });
}

describe('a loss of power', () => {
  test('of the whole consortium under load loses nothing that was acknowledged, again and again', async () => {
    const disks = validators.map(() => createFaultyDisk({ flushMs: 2 }));
    const acknowledged = new Map<string, { node: number; height: bigint }>();
    for (let round = 0; round < 4; round++) {
      // oxlint-disable-next-line no-await-in-loop -- one power cut after another
      const nodes = await start(createMemoryNetwork(), disks);
      expect(lost(nodes, acknowledged)).toEqual([]);
      const clients = load(nodes);
      const before = acknowledged.size;
      // oxlint-disable-next-line no-await-in-loop -- as above
      await until(() => clients.acknowledged.size > 20);
      // oxlint-disable-next-line no-await-in-loop -- not at the same moment of a block each time
      await pause(round * 3);
      clients.stop();
      for (const disk of disks) disk.crash({ tornBytes: round * 17, zeroFill: round % 2 === 1 });
      for (const entry of clients.acknowledged) acknowledged.set(...entry);
      expect(acknowledged.size).toBeGreaterThan(before);
      // oxlint-disable-next-line no-await-in-loop -- as above
      await Promise.all(nodes.map((node) => node.stop().catch(() => undefined)));
    }
    const nodes = await start(createMemoryNetwork(), disks);
    expect(lost(nodes, acknowledged)).toEqual([]);
    await order(nodes[0] ?? never(), enrolPatient());
    await Promise.all(nodes.map((node) => node.stop()));
  });

  test('on a disk that says "written" too early does lose acknowledged transactions: the test above can fail', async () => {
    const disks = validators.map(() => createFaultyDisk({ lying: true, flushMs: 1_500 }));
    const nodes = await start(createMemoryNetwork(), disks);
    const clients = load(nodes);
    await until(() => clients.acknowledged.size > 5);
    clients.stop();
    for (const disk of disks) disk.crash();
    await Promise.all(nodes.map((node) => node.stop().catch(() => undefined)));
    const again = await start(createMemoryNetwork(), disks);
    expect(lost(again, clients.acknowledged).length).toBeGreaterThan(0);
    await Promise.all(again.map((node) => node.stop()));
  });

  test('right before and right after every single flush of a node leaves a node that continues', async () => {
    const disks = validators.map(() => createFaultyDisk({}));
    const [disk] = disks;
    if (disk === undefined) return;
    const network = createMemoryNetwork();
    let nodes = await start(network, disks);
    const others = nodes.slice(1);
    const acknowledged = new Map<string, { node: number; height: bigint }>();
    // A block takes a node three flushes: its prepare (or proposal), its commit, the block itself.
    for (let flush = 1; flush <= 7; flush++)
      for (const moment of ['before', 'after'] as const) {
        let crashed = false;
        disk.crashAtFlush(flush, moment, () => {
          crashed = true;
        });
        const clients = load(nodes.slice(0, 1));
        // oxlint-disable-next-line no-await-in-loop -- one crash after another
        await until(() => crashed);
        clients.stop();
        for (const entry of clients.acknowledged) acknowledged.set(...entry);
        // oxlint-disable-next-line no-await-in-loop -- as above
        await nodes[0]?.stop().catch(() => undefined);
        // The consortium goes on without it.
        // oxlint-disable-next-line no-await-in-loop -- as above
        await order(others[0] ?? never(), enrolPatient());
        // oxlint-disable-next-line no-await-in-loop -- as above
        const [back] = await start(network, [disk]);
        nodes = [back ?? never(), ...others];
        expect(lost(nodes, acknowledged), `${moment} flush ${flush}`).toEqual([]);
      }
    const height = await order(nodes[0] ?? never(), enrolPatient());
    await until(() => nodes.every((node) => node.latest().height >= height));
    const headers = nodes.map((node) => toHex(node.header(height)?.header ?? new Uint8Array()));
    expect(new Set(headers).size).toBe(1);
    await Promise.all(nodes.map((node) => node.stop()));
  });

  test('a node whose disk fails halts, answers from what it has, and says nothing more', async () => {
    const disks = validators.map(() => createFaultyDisk({}));
    const nodes = await start(createMemoryNetwork(), disks);
    const [node, ...others] = nodes;
    if (node === undefined) return;
    await order(node, enrolPatient());
    const { height } = node.latest();
    disks[0]?.crash();
    await order(others[0] ?? never(), enrolPatient());
    await until(() => node.status().halted !== undefined);
    expect(node.latest().height).toBeLessThanOrEqual(height + 1n);
    expect(await node.submit(enrolPatient())).toEqual({
      admitted: false,
      rejection: { code: 'unavailable' },
    });
    await Promise.all(nodes.map((each) => each.stop().catch(() => undefined)));
  });
});

function never(): never {
  throw new Error('a test has lost its footing');
}
