/** Who votes changes while the embedded engine runs: in, out, and by stake, without a restart. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { toHex } from '@yilian/crypto/bytes';
import type { ValidatorEntry } from '@yilian/ledger/contracts/governance/validators';
import type { OrderingNode } from '../../src/ordering-node.ts';
import { createMemoryNetwork } from '../../src/peers/memory-peers.ts';
import { enrolPatient, genesis, keysOf, order, startNode, validators } from './consortium.ts';
import { changeValidators, entryOf, Follower, governedValidators, names } from './governance.ts';

const root = mkdtempSync(join(tmpdir(), 'yilian-validators-'));
let made = 0;
const running = new Set<OrderingNode>();
afterEach(async () => {
  await Promise.all([...running].map((node) => node.stop()));
  running.clear();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const [first, second, third, fourth] = validators;
const fifth = keysOf('the fifth hospital');
if (!first || !second || !third || !fourth) throw new Error('four hospitals');
const four: readonly ValidatorEntry[] = validators.map((keys, i) =>
  entryOf(keys, `h-${i}`, { leads: i < 3 }),
);
const five = [...four, entryOf(fifth, 'h-4')];
const equal = 'equal' as const;

/** Four that vote and one that follows. */
async function sites(): Promise<{
  readonly nodes: readonly OrderingNode[];
  readonly node: OrderingNode;
  readonly joining: OrderingNode;
  readonly follower: Follower;
  readonly restart: (which: OrderingNode) => Promise<OrderingNode>;
}> {
  const network = createMemoryNetwork();
  const started = await Promise.all(
    [...validators, fifth].map(async (keys) => {
      const directory = join(root, String(made++));
      const open = (): Promise<OrderingNode> => startNode({ keys, network, directory });
      const node = await open();
      return { node, open };
    }),
  );
  const nodes = started.map(({ node }) => node);
  for (const node of nodes) running.add(node);
  const [node] = nodes;
  const joining = nodes[4];
  if (node === undefined || joining === undefined) throw new Error('five sites');
  const follower = new Follower(genesis, node);
  // The genesis is years old, and a change that is put to the vote in block 1 has lapsed in block 2.
  await pass(node, 2);
  return {
    nodes,
    node,
    joining,
    follower,
    restart: async (which) => {
      const site = started.find((each) => each.node === which);
      if (site === undefined) throw new Error('not one of them');
      await which.stop();
      running.delete(which);
      const again = await site.open();
      running.add(again);
      return again;
    },
  };
}

async function pass(node: OrderingNode, count: number): Promise<bigint> {
  let height = 0n;
  // oxlint-disable-next-line no-await-in-loop -- one block each
  for (let i = 0; i < count; i++) height = await order(node, enrolPatient());
  return height;
}

test('an observer becomes a validator two heights after the change, and the chain needs it from then on', async () => {
  const { nodes, node, joining, follower } = await sites();
  expect(joining.status().role).toBe('observer');
  const height = await changeValidators(node, { mode: equal, validators: five }, [
    first,
    second,
    fourth,
    fifth,
  ]);
  await pass(node, 3);
  expect(await follower.votersAt(height + 1n)).toEqual(names(validators));
  expect(await follower.votersAt(height + 2n)).toEqual(names([...validators, fifth]));
  await vi.waitFor(() => expect(joining.status().role).toBe('validator'));
  expect(governedValidators(joining).epoch).toBe(1);
  // Of five, four are a quorum: without one of the old ones the new one's vote decides.
  const [, , , stopped] = nodes;
  await stopped?.stop();
  const last = await pass(node, 8);
  await follower.follow(last);
  const proposers = new Set<string>();
  joining.subscribe(({ proposer }) => proposers.add(toHex(proposer)));
  await vi.waitFor(
    async () => {
      await pass(node, 1);
      expect(proposers).toContain(toHex(fifth.key));
    },
    { timeout: 30_000 },
  );
}, 120_000);

test('a validator that leaves follows without a vote, and comes back with its key after a restart', async () => {
  const { nodes, node, joining, follower, restart } = await sites();
  const joined = await changeValidators(node, { mode: equal, validators: five }, [
    first,
    second,
    third,
    fifth,
  ]);
  await follower.follow(joined + 2n);
  const left = await changeValidators(node, { mode: equal, validators: four }, [
    first,
    second,
    third,
    fourth,
  ]);
  await pass(node, 3);
  expect(await follower.votersAt(left + 1n)).toEqual(names([...validators, fifth]));
  expect(await follower.votersAt(left + 2n)).toEqual(names(validators));
  await vi.waitFor(() => expect(joining.status().role).toBe('observer'));
  // It still follows; three of four decide without it, and without one of the four.
  await nodes[3]?.stop();
  const height = await pass(node, 3);
  await vi.waitFor(() => expect(joining.latest().height).toBeGreaterThanOrEqual(height), {
    timeout: 20_000,
  });
  const again = await restart(joining);
  expect(again.status().role).toBe('observer');
  const back = await changeValidators(node, { mode: equal, validators: five }, [
    first,
    second,
    third,
    fifth,
  ]);
  await pass(node, 3);
  expect(await follower.votersAt(back + 2n)).toEqual(names([...validators, fifth]));
  await vi.waitFor(() => expect(again.status().role).toBe('validator'));
}, 120_000);

test('in stake mode the quorum is of stake, and turns are in proportion to it', async () => {
  const { nodes, node, follower } = await sites();
  const powers = [5, 5, 4, 2];
  const staked = four.map((each, i) => ({ ...each, power: powers[i] ?? 1 }));
  const height = await changeValidators(node, { mode: 'stake', validators: staked }, [
    first,
    second,
    third,
  ]);
  await pass(node, 2);
  const trusted = await follower.follow(height + 2n);
  expect(trusted.validators.totalPower).toBe(16n);
  // Without the lightest 14 of 16 are left, a quorum; its turns do not come: it never led.
  await nodes[3]?.stop();
  const proposers: string[] = [];
  node.subscribe(({ proposer }) => proposers.push(toHex(proposer)));
  await vi.waitFor(
    async () => {
      await pass(node, 4);
      expect(proposers.length).toBeGreaterThanOrEqual(28);
    },
    { timeout: 60_000 },
  );
  const turns = proposers.slice(0, 28);
  const count = (key: Uint8Array): number => turns.filter((each) => each === toHex(key)).length;
  expect([first, second, third, fourth].map(({ key }) => count(key))).toEqual([10, 10, 8, 0]);
}, 120_000);
