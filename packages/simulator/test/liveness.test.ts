import { decodeMessage, encodeMessage } from '@yilian/consensus/pbft/message-codec';
import type { PrePrepare } from '@yilian/consensus/pbft/messages';
import { headerId, proposalBody } from '@yilian/consensus/header';
import { signedBody } from '@yilian/consensus/pbft/signed-body';
import { transactionsRoot } from '@yilian/consensus/transactions-root';
import { toHex } from '@yilian/crypto/bytes';
import { expect, test } from 'vitest';
import { createCheckers } from '../src/checkers.ts';
import { type Cluster, createCluster } from '../src/cluster.ts';
import { nativeSha256 } from '../src/keys.ts';

function start(seed: number, options: { readonly byzantine?: ReadonlySet<number> } = {}): Cluster {
  const checkers = createCheckers(options);
  const cluster = createCluster({ seed, validators: 4, leaders: 3, observer: checkers.observer });
  for (const node of cluster.nodes) node.start();
  return cluster;
}

test('PB-17 an idle chain makes heartbeat blocks and nothing else', () => {
  const cluster = start(1);
  cluster.runFor(21_000); // a heartbeat every two seconds
  const heights = cluster.nodes.map((node) => Number(node.height()));
  for (const height of heights) expect(height).toBeGreaterThanOrEqual(9);
  for (const height of heights) expect(height).toBeLessThanOrEqual(11);
  expect(
    cluster.nodes.every((node) => node.blocks().every(({ certificate }) => certificate.view === 0)),
  ).toBe(true);
});

test('PB-22 a primary that is dead from the start costs one view change, not the chain', () => {
  const cluster = start(2);
  const dead = cluster.nodes[0];
  dead?.crash();
  cluster.nodes[1]?.submit(Uint8Array.of(0, 1));
  cluster.runFor(8_000);
  for (const node of cluster.nodes.slice(1)) expect(node.application().executed()).toHaveLength(1);
});

test('a cluster without a quorum decides nothing, and goes on when the quorum is back', () => {
  const cluster = start(3);
  cluster.nodes[2]?.crash();
  cluster.nodes[3]?.crash();
  cluster.nodes[0]?.submit(Uint8Array.of(0, 1));
  cluster.runFor(20_000);
  expect(cluster.nodes[0]?.height()).toBe(0n);
  cluster.nodes[3]?.start();
  cluster.runFor(20_000);
  for (const index of [0, 1, 3])
    expect(cluster.nodes[index]?.application().executed()).toHaveLength(1);
});

test('PB-20 a replica that was away for long catches up by certified blocks', () => {
  const cluster = start(4);
  cluster.nodes[3]?.crash();
  for (let i = 0; i < 60; i++) {
    cluster.nodes[i % 3]?.submit(Uint8Array.of(0, i));
    cluster.runFor(120);
  }
  cluster.nodes[3]?.start();
  cluster.runFor(5_000);
  expect(cluster.nodes[3]?.application().executed()).toHaveLength(60);
  expect(cluster.nodes[3]?.height()).toBe(cluster.nodes[0]?.height());
});

test('PB-22 without faults every hospital that may lead does so in turn', () => {
  const cluster = start(5);
  for (let i = 0; i < 90; i++) {
    cluster.nodes[i % 4]?.submit(Uint8Array.of(0, i));
    cluster.runFor(100);
  }
  const proposers = new Map<string, number>();
  const blocks = cluster.nodes[0]?.blocks() ?? [];
  for (const { block } of blocks) {
    const name = toHex(block.header.proposer);
    proposers.set(name, (proposers.get(name) ?? 0) + 1);
  }
  expect(proposers.size).toBe(3);
  for (const made of proposers.values())
    expect(made).toBeGreaterThanOrEqual(0.9 * (blocks.length / 3));
});

test('PB-15 a primary that tells two halves two things makes no fork', () => {
  for (let seed = 0; seed < 5; seed++) {
    const liar = 0;
    const cluster = start(seed, { byzantine: new Set([liar]) });
    const pair = cluster.keys[liar];
    if (pair === undefined) throw new Error('missing');
    const lieAbout = (message: PrePrepare): PrePrepare => {
      const header = {
        ...message.block.header,
        count: 0,
        size: 0,
        transactionsRoot: transactionsRoot([], nativeSha256),
      };
      const blockId = headerId(header);
      const lie = { ...message, blockId };
      return {
        ...lie,
        signature: pair.sign(signedBody('simulated', lie)),
        block: {
          ...message.block,
          header,
          transactions: [],
          signature: pair.sign(proposalBody('simulated', blockId)),
        },
      };
    };
    cluster.network.intercept(({ from, to, bytes }) => {
      if (from !== liar || to < 2) return [bytes];
      const message = decodeMessage(bytes);
      return message.kind === 'prePrepare' && message.block.header.count > 0
        ? [encodeMessage(lieAbout(message)), bytes]
        : [bytes];
    });
    for (let i = 0; i < 12; i++) {
      cluster.nodes[1 + (i % 3)]?.submit(Uint8Array.of(0, i));
      cluster.runFor(300);
    }
    cluster.runFor(20_000);
    for (const node of cluster.nodes.slice(1))
      expect(node.application().executed()).toHaveLength(12);
  }
});
