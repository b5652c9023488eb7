/** The embedded engine at the height of an upgrade that its program does not have. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { UnknownVersionError } from '@yilian/consensus/application-upgrades';
import { createOrderingNode, type OrderingNode } from '../../src/ordering-node.ts';
import { createMemoryNetwork } from '../../src/peers/memory-peers.ts';
import { until } from '../processes.ts';
import { enrolPatient, genesis, order, QUICK, validators } from './consortium.ts';

const root = mkdtempSync(join(tmpdir(), 'yilian-upgrade-'));
const running: OrderingNode[] = [];
const details: string[] = [];

async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((node) => node.stop()));
}

async function startAll(upgradeAt?: bigint): Promise<readonly OrderingNode[]> {
  const network = createMemoryNetwork();
  for (const [at, keys] of validators.entries())
    running.push(
      await createOrderingNode({
        directory: join(root, String(at)),
        genesis,
        secretKey: keys.seed,
        peers: network.join(keys.key),
        settings: QUICK,
        log: ({ event, detail }) => {
          if (event === 'halted') details.push(String(detail));
        },
        ...(upgradeAt === undefined ? {} : { upgrades: [{ height: upgradeAt, version: 2n }] }),
      }),
    );
  return running;
}

afterAll(async () => {
  await stopAll();
  rmSync(root, { recursive: true, force: true });
});

describe('UP-2 a version that the program does not have', () => {
  test('stops the chain before its height; it goes on with a program that has it', async () => {
    const [first] = await startAll(4n);
    if (first === undefined) throw new Error('there are four');
    // The block that proves another one counts, too.
    await order(first, enrolPatient());
    // Who would lead it halts; the rest has no quorum any more.
    await until(async () => {
      await first.submit(enrolPatient());
      return details.length >= 2;
    });
    for (const detail of details)
      expect(detail).toMatch(
        /block 4 is executed by application version 2, and this program has 1/,
      );
    expect(running.map((node) => node.latest().height)).toEqual([3n, 3n, 3n, 3n]);
    await stopAll();
    const [again] = await startAll();
    if (again === undefined) throw new Error('there are four');
    expect(await order(again, enrolPatient())).toBeGreaterThan(3n);
    await stopAll();
    await expect(startAll(2n)).rejects.toThrow(UnknownVersionError);
  }, 90_000);
});
