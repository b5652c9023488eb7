/**
 * Cut cables between machines, by network namespaces: whoever has more than two thirds goes on, everybody
 * else stops and says so, and after healing there is one chain. Needs root; in CI it must run.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '@yilian/crypto/bytes';
import { until } from '../processes.ts';
import { type Machines, makeMachines, namespacesMissing } from './support/namespaces.ts';
import { readChain } from './support/read-chain.ts';
import { enrolment, offer, type Offered, regulatorSeedOf } from './support/trial-load.ts';
import { makeTrialNetwork, type TrialNetwork, type TrialNode } from './support/trial-network.ts';

const missing = await namespacesMissing();
if (missing !== undefined && process.env['CI'] !== 'true')
  process.stderr.write(`partitions are not tested: no network namespaces here (${missing})\n`);

/** So long nothing may happen where nothing can: several heartbeats. */
const STILL_MS = 5_000;

let machines: Machines;
let network: TrialNetwork;

function at(node: number): TrialNode {
  const found = network.nodes[node];
  if (found === undefined) throw new Error('there are five');
  return found;
}

async function heights(...nodes: readonly number[]): Promise<readonly number[]> {
  return Promise.all(nodes.map((node) => at(node).height()));
}

async function grows(...nodes: readonly number[]): Promise<void> {
  const from = Math.max(...(await heights(...nodes)));
  await until(async () => (await heights(...nodes)).every((height) => height >= from + 3), 90_000);
}

/** What was decided before the cut may still arrive; after that nothing. */
async function standsStill(...nodes: readonly number[]): Promise<void> {
  let last = '';
  await until(async () => {
    await new Promise((resolve) => setTimeout(resolve, STILL_MS));
    const now = (await heights(...nodes)).join(' ');
    const isStill = now === last;
    last = now;
    return isStill;
  }, 60_000);
}

async function isReady(node: number): Promise<boolean> {
  return (await fetch(`${at(node).url}/readyz`)).ok;
}

function tx(height: number): Offered {
  return enrolment(regulatorSeedOf(network), height + 2_000);
}

describe.skipIf(missing !== undefined && process.env['CI'] !== 'true')('a partition', () => {
  beforeAll(async () => {
    machines = await makeMachines(5);
    network = await makeTrialNetwork({
      hosts: machines.addresses,
      runs: machines.addresses.map((_, machine) => ({ prefix: machines.prefix(machine) })),
    });
    for (const node of network.nodes) node.start();
    await network.reaches(2, 90_000);
  }, 180_000);

  afterAll(async () => {
    await network?.end();
    await machines?.end();
  });

  test('leaves a minority behind that accepts nothing, and takes it in again', async () => {
    await machines.split([0, 1, 3, 4], [2]);
    await grows(0, 1, 3, 4);
    await standsStill(2);
    const before = await at(2).height();
    // Whoever asks the cut-off hospital hears that it is not up to date, and nothing becomes final there.
    expect(await isReady(2)).toBe(false);
    expect(await isReady(0)).toBe(true);
    const offered = tx(before);
    const [here, there] = await Promise.all([offer(at(0), tx(before)), offer(at(2), offered)]);
    expect(here?.height).toBeGreaterThan(before);
    expect(there).toBeUndefined();
    await machines.heal();
    await network.reaches(Math.max(...(await heights(0, 1, 3, 4))), 90_000);
    // What it had taken in the meantime is not lost either.
    await until(async () => (await offer(at(1), offered)) !== undefined);
    await grows(0, 1, 2, 3, 4);
  }, 240_000);

  test('in halves stops both: there is no chain without two thirds', async () => {
    await machines.split([0, 1, 4], [2, 3]);
    await standsStill(0, 1, 2, 3, 4);
    const stood = await heights(0, 1, 2, 3);
    const offered = [tx(Math.max(...stood)), tx(Math.max(...stood))] as const;
    expect(await Promise.all([offer(at(0), offered[0]), offer(at(2), offered[1])])).toEqual([
      undefined,
      undefined,
    ]);
    expect(await heights(0, 1, 2, 3)).toEqual(stood);
    await machines.heal();
    await grows(0, 1, 2, 3, 4);
    for (const each of offered) await until(async () => (await offer(at(3), each)) !== undefined);
  }, 240_000);

  test('never makes two chains', async () => {
    await Promise.all(network.nodes.map((node) => node.stop()));
    const chains = await Promise.all(network.nodes.map(readChain));
    const common = Math.min(...chains.map(({ blocks }) => blocks.length));
    const ids = chains.map(({ blocks }) =>
      blocks.slice(0, common).map(({ blockId }) => toHex(blockId)),
    );
    expect(common).toBeGreaterThan(6);
    for (const each of ids) expect(each).toEqual(ids[0]);
  }, 60_000);
});
