import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { toHex } from '@yilian/crypto/bytes';
import { createMemoryNetwork, type MemoryNetwork } from '../../src/peers/memory-peers.ts';
import type { OrderingNode } from '../../src/ordering-node.ts';
import { enrolPatient, observer, order, startNode, validators } from './consortium.ts';

const root = mkdtempSync(join(tmpdir(), 'yilian-ordering-'));
let made = 0;
const fresh = (): string => join(root, String(made++));
const running: OrderingNode[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function consortium(network: MemoryNetwork): Promise<OrderingNode[]> {
  const nodes = await Promise.all(
    validators.map((keys) => startNode({ keys, network, directory: fresh() })),
  );
  running.push(...nodes);
  return nodes;
}

describe('four replicas in one process', () => {
  test('transactions handed to any node become final at every node, in one order', async () => {
    const network = createMemoryNetwork();
    const nodes = await consortium(network);
    await Promise.all(nodes.flatMap((node) => [1, 2, 3].map(() => order(node, enrolPatient()))));
    await vi.waitFor(() => {
      const heights = nodes.map((node) => node.latest().height);
      expect(new Set(heights).size).toBe(1);
    });
    const { height } = nodes[0]?.latest() ?? { height: 0n };
    const ids = nodes.map((node) => toHex(node.block(height)?.header ?? new Uint8Array()));
    expect(new Set(ids).size).toBe(1);
    expect(observer.key.length).toBe(32);
  });
});
