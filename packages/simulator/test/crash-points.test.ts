import { expect, test } from 'vitest';
import { createCheckers } from '../src/checkers.ts';
import { type Cluster, createCluster } from '../src/cluster.ts';
import type { Observer } from '../src/node.ts';

interface CrashPoint {
  readonly node: number;
  /** The n-th write of this node. */
  readonly write: number;
  readonly when: 'beforeFlush' | 'afterFlush';
}

/** A short run with three transactions, in which one node dies at one write and comes back. */
function run(point: CrashPoint | undefined): {
  readonly cluster: Cluster;
  readonly writes: readonly number[];
} {
  const checkers = createCheckers();
  const writes = [0, 0, 0, 0];
  const flushed = [0, 0, 0, 0];
  const dieAndReturn = (index: number): void => {
    const node = cluster.nodes[index];
    node?.crash();
    cluster.schedule.after(40, 'restart', () => node?.start());
  };
  const afterFlush = (index: number): void => {
    flushed[index] = writes[index] ?? 0;
    if (point?.when === 'afterFlush' && point.node === index && flushed[index] === point.write) {
      point = undefined;
      dieAndReturn(index);
    }
  };
  const observer: Observer = {
    ...checkers.observer,
    onEffect: (node, effect) => {
      checkers.observer.onEffect(node, effect);
      if (effect.kind !== 'persist' && effect.kind !== 'commitBlock') return;
      writes[node.index] = (writes[node.index] ?? 0) + 1;
      if (
        point?.when === 'beforeFlush' &&
        point.node === node.index &&
        writes[node.index] === point.write
      ) {
        point = undefined;
        cluster.schedule.after(0, 'crash', () => dieAndReturn(node.index));
      }
    },
    onPersisted: (node, record) => {
      checkers.observer.onPersisted(node, record);
      afterFlush(node.index);
    },
    onCommitted: (node, decided, tip) => {
      checkers.observer.onCommitted(node, decided, tip);
      afterFlush(node.index);
    },
  };
  const cluster = createCluster({ seed: 5, validators: 4, leaders: 3, observer });
  for (const node of cluster.nodes) node.start();
  for (let i = 0; i < 3; i++) {
    for (const node of cluster.nodes) if (node.isUp()) node.submit(Uint8Array.of(0, i));
    cluster.runFor(150);
  }
  cluster.runFor(6_000);
  return { cluster, writes };
}

test('PB-2 a crash at any write of any replica, before or after its flush, breaks no promise', () => {
  const { writes, cluster } = run(undefined);
  const heights = new Set(cluster.nodes.map((node) => node.height()));
  expect(heights.size).toBe(1);
  let tried = 0;
  for (const when of ['beforeFlush', 'afterFlush'] as const)
    for (let node = 0; node < 4; node++)
      for (let write = 1; write <= Math.min(writes[node] ?? 0, 16); write++) {
        const { cluster: crashed } = run({ node, write, when });
        const executed = crashed.nodes.map((each) => each.application().executed().toSorted());
        expect(executed[0]?.length).toBe(3);
        for (const list of executed) expect(list).toEqual(executed[0]);
        tried++;
      }
  expect(tried).toBeGreaterThan(80);
});
