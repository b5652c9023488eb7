/**
 * kill −9 of a node, of its engine, of both: at every stage of a block and at any moment, under load. What
 * was said to be final is there afterwards, once, on every node, and a ledger to which nothing happened comes
 * to the same state. `YILIAN_FAULT_CYCLES` sets the number of kills (at least 100 for a long run).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '@yilian/crypto/bytes';
import { isAlive, until } from '../processes.ts';
import { executeAnew, executedIn, readChain } from './support/read-chain.ts';
import { type Stage, STAGES } from './support/stage-proxy.ts';
import { type Load, startLoad } from './support/trial-load.ts';
import { makeTrialNetwork, type TrialNetwork, type TrialNode } from './support/trial-network.ts';

const CYCLES = Number(process.env['YILIAN_FAULT_CYCLES'] ?? 18);
const CYCLE_MS_MAX = 60_000;
/** How long after `Commit` reached the node it is killed: before, within and after the write. */
const WRITING_MS_MAX = 12;

type Victim = 'node' | 'engine' | 'both';

interface Cycle {
  readonly victim: Victim;
  readonly moment: Stage | 'anyTime';
}

const KINDS: readonly Cycle[] = [...STAGES, 'anyTime' as const].flatMap((moment) =>
  (['node', 'engine', 'both'] as const).map((victim) => ({ victim, moment })),
);

let network: TrialNetwork;
let load: Load;

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

async function strike(node: TrialNode, { victim, moment }: Cycle): Promise<void> {
  if (moment === 'anyTime') await pause(Math.random() * 500);
  else {
    if (node.proxy === undefined) throw new Error('stages need a proxy');
    await node.proxy.arm(moment);
    if (moment === 'commitWriting') await pause(Math.random() * WRITING_MS_MAX);
  }
  const engines = node.enginePids();
  await node.kill(victim);
  // Without its node an engine ends, whatever it waited for.
  await until(() => !engines.some(isAlive));
}

beforeAll(async () => {
  network = await makeTrialNetwork({ staged: true });
  for (const node of network.nodes) node.start();
  await network.reaches(2);
  load = startLoad(network);
}, 120_000);

afterAll(async () => {
  await network.end();
});

describe('kill −9', () => {
  test(
    `${CYCLES} times, at every stage: nothing final is lost or repeated, and all agree`,
    async () => {
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        const kind = KINDS[cycle % KINDS.length];
        const node =
          network.nodes[(cycle + Math.floor(cycle / KINDS.length)) % network.nodes.length];
        if (kind === undefined || node === undefined)
          throw new Error('there is one for each cycle');
        const what = `${kind.victim} of ${node.institution} at ${kind.moment}`;
        await strike(node, kind);
        const reached = Math.max(...(await Promise.all(network.nodes.map((n) => n.height()))));
        if (!node.isRunning) node.start();
        await network.reaches(reached + 1, CYCLE_MS_MAX).catch(async () => {
          const heights = await Promise.all(network.nodes.map((n) => n.height()));
          throw new Error(
            `after ${what}: ${heights.join(' ')}, wanted ${reached + 1}\n${node.log()}`,
          );
        });
        expect(node.enginePids(), what).toHaveLength(1);
      }
      await load.stop();
      expect(load.acknowledged.length).toBeGreaterThan(CYCLES);
      expect(load.offeredAgain()).toBeGreaterThan(0);

      await network.reaches(Math.max(...load.acknowledged.map(({ height }) => height ?? 0)) + 1);
      await Promise.all(network.nodes.map((node) => node.stop()));
      const chains = await Promise.all(network.nodes.map(readChain));
      const common = Math.min(...chains.map(({ blocks }) => blocks.length));
      const [first, firstNode] = [chains[0], network.nodes[0]];
      if (first === undefined || firstNode === undefined) throw new Error('there are five');
      const idsOf = (chain: typeof first): readonly string[] =>
        chain.blocks
          .slice(0, common)
          .map(({ blockId, parentAppHash }) => toHex(blockId) + toHex(parentAppHash));
      for (const chain of chains) {
        expect(idsOf(chain)).toEqual(idsOf(first));
        expect(chain.headers.slice(0, common)).toEqual(first.headers.slice(0, common));
        const executed = executedIn(chain);
        const good = executed.filter(({ outcome }) => outcome.ok);
        expect(new Set(good.map(({ tx }) => tx)).size).toBe(good.length);
        const heights = new Map(good.map(({ tx, height }) => [tx, height]));
        for (const { tx, height } of load.acknowledged) {
          expect(heights.get(tx)).toBeGreaterThan(0);
          if (height !== null) expect(heights.get(tx)).toBe(height);
        }
      }
      const anew = executeAnew(firstNode, first);
      expect(anew.at(-1)).toBe(first.appHash);
      expect(anew.slice(0, -1)).toEqual(
        first.blocks.slice(1).map(({ parentAppHash }) => toHex(parentAppHash)),
      );
    },
    CYCLES * CYCLE_MS_MAX,
  );
});
