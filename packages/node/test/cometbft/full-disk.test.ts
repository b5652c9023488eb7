/**
 * A disk of its own for one node, filled to the last byte: the node says so and stops; the others go on; with
 * room it comes back with everything. Needs root (a tmpfs is mounted); in CI it must run.
 */
import { execFile } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest';
import { until } from '../processes.ts';
import { executeAnew, executedIn, readChain } from './support/read-chain.ts';
import { enrolment, type Load, offer, regulatorSeedOf, startLoad } from './support/trial-load.ts';
import { makeTrialNetwork, type TrialNetwork, type TrialNode } from './support/trial-network.ts';

const run = promisify(execFile);
const DISK = '32m';
const FREE_MIN_MIB = 4;

async function mount(directory: string): Promise<string | undefined> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK},mode=0700`, 'tmpfs', directory]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error);
  }
}

/** Takes all the room there is. */
function fill(path: string): void {
  const file = openSync(path, 'a');
  try {
    for (let size = 1 << 20; size >= 1; size = Math.floor(size / 2))
      try {
        for (;;) writeSync(file, Buffer.alloc(size));
      } catch {
        // Full for this size.
      }
  } finally {
    closeSync(file);
  }
}

let network: TrialNetwork;
let load: Load;
let missing: string | undefined;

function victim(): TrialNode {
  const [node] = network.hospitals;
  if (node === undefined) throw new Error('there are four');
  return node;
}

const place = (): string => join(victim().home, 'data');

beforeAll(async () => {
  network = await makeTrialNetwork();
  missing = await mount(place());
  if (missing !== undefined) return;
  setDiskFreeMin(victim(), FREE_MIN_MIB);
  for (const node of network.nodes) node.start();
  await network.reaches(2);
  load = startLoad(network, 2);
}, 120_000);

afterAll(async () => {
  await load?.stop(1_000);
  await Promise.all(network.nodes.map((node) => node.stop()));
  if (missing === undefined) await run('umount', [place()]);
  await network.end();
});

function skipUnlessMounted(context: TestContext): void {
  if (missing === undefined) return;
  if (process.env['CI'] === 'true') throw new Error(`no file system can be mounted: ${missing}`);
  context.skip(`no file system can be mounted here: ${missing}`);
}

function setDiskFreeMin(node: TrialNode, diskFreeMinMib: number): void {
  const path = join(node.home, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8')) as { readonly settings: object };
  writeFileSync(
    path,
    JSON.stringify({ ...config, settings: { ...config.settings, diskFreeMinMib } }),
  );
}

/** The network, without it. */
async function goesOn(without: TrialNode): Promise<void> {
  const others = network.hospitals.filter((node) => node !== without);
  const from = Math.max(...(await Promise.all(others.map((node) => node.height()))));
  await until(async () =>
    (await Promise.all(others.map((node) => node.height()))).every((at) => at >= from + 3),
  );
}

async function catchesUp(node: TrialNode): Promise<void> {
  const reached = await network.regulator.height();
  await until(async () => (await node.height()) > reached, 90_000);
}

describe('a full disk', () => {
  test('stops the node with a word about it, and nobody else; with room it goes on', async (context) => {
    skipUnlessMounted(context);
    const node = victim();
    await network.reaches(8);
    const ballast = join(place(), 'ballast');
    fill(ballast);
    // It says so before it cannot any more, and everywhere where an operator looks.
    await until(async () => (await node.status())?.halted === true);
    expect(node.log()).toMatch(/"event":"paused","reason":"the disk is full: \d+ MiB are left/);
    expect((await fetch(`${node.url}/healthz`)).status).toBe(503);
    await until(() => node.enginePids().length === 0);
    expect(await offer(node, enrolment(regulatorSeedOf(network), 100))).toBeUndefined();
    await goesOn(node);
    rmSync(ballast);
    // By itself.
    await catchesUp(node);
    expect((await fetch(`${node.url}/healthz`)).status).toBe(200);
  }, 180_000);

  test('that nobody saw coming stops it, too, and loses nothing', async (context) => {
    skipUnlessMounted(context);
    const node = victim();
    await node.stop();
    rmSync(join(place(), 'ballast'), { force: true });
    setDiskFreeMin(node, 0);
    node.start();
    await catchesUp(node);
    const ballast = join(place(), 'ballast');
    fill(ballast);
    // The engine cannot write its log of votes, or the node its database.
    await until(() => /no space left|could not be written/i.test(node.log()), 90_000);
    await goesOn(node);
    rmSync(ballast);
    // A database that failed is opened anew by a new process.
    if ((await node.status())?.halted === true) {
      await node.stop();
      node.start();
    }
    await catchesUp(node);

    await load.stop();
    await network.reaches(Math.max(...load.acknowledged.map(({ height }) => height ?? 0)) + 1);
    await Promise.all(network.nodes.map((each) => each.stop()));
    const [chain, other] = await Promise.all([node, network.regulator].map(readChain));
    if (chain === undefined || other === undefined) throw new Error('there are two');
    const common = Math.min(chain.blocks.length, other.blocks.length);
    expect(chain.headers.slice(0, common)).toEqual(other.headers.slice(0, common));
    const good = executedIn(chain).filter(({ outcome }) => outcome.ok);
    const found = new Set(good.map(({ tx }) => tx));
    expect(found.size).toBe(good.length);
    for (const { tx } of load.acknowledged) expect(found.has(tx)).toBe(true);
    expect(executeAnew(node, chain).at(-1)).toBe(chain.appHash);
  }, 300_000);
});
