/**
 * What real nodes do when something about them is wrong: each says what it is and what to do, and none of them
 * signs. One network; each test spoils one node and repairs it.
 */
import { spawn } from 'node:child_process';
import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeGenesisDocument, encodeGenesisDocument } from '@yilian/consensus/genesis';
import { isAlive, until } from '../processes.ts';
import { makeTrialNetwork, type TrialNetwork, type TrialNode } from './support/trial-network.ts';

let network: TrialNetwork;

function at(place: number): TrialNode {
  const node = network.nodes[place];
  if (node === undefined) throw new Error('there are five');
  return node;
}

/** What it says from now on. */
function listen(node: TrialNode): () => string {
  const { length } = node.log();
  return () => node.log().slice(length);
}

/** Starts it and returns its last words. */
async function refuses(node: TrialNode, environment: Record<string, string> = {}): Promise<string> {
  const said = listen(node);
  node.start({ environment });
  expect(await node.ended()).toBe(1);
  expect(node.enginePids()).toEqual([]);
  expect(said()).not.toMatch(/^\s+at /m);
  return said();
}

async function worksAgain(node: TrialNode): Promise<void> {
  const reached = await at(0).height();
  node.start();
  await until(async () => (await node.height()) > reached);
}

function occupy(port: number, host: string): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

interface Config {
  readonly peer: { readonly host: string; readonly port: number };
  readonly cometbft: { readonly listen: { readonly host: string; readonly port: number } };
}

function configOf(node: TrialNode): Config {
  return JSON.parse(readFileSync(join(node.home, 'config.json'), 'utf8')) as Config;
}

beforeAll(async () => {
  network = await makeTrialNetwork();
  for (const node of network.nodes) node.start();
  await network.reaches(3);
}, 120_000);

afterAll(async () => {
  await network.end();
});

describe('a node does not start', () => {
  test('when what its key has signed is missing, and never makes that anew', async () => {
    const node = at(1);
    await node.stop();
    const { path } = node.signState();
    renameSync(path, `${path}.away`);
    expect(await refuses(node)).toMatch(
      /priv_validator_state\.json is missing.*sign a second block/,
    );
    // Nor when only the engine has blocks.
    const chain = join(node.home, 'data', 'chain');
    renameSync(chain, `${chain}-away`);
    expect(await refuses(node)).toMatch(/priv_validator_state\.json is missing/);
    rmSync(chain, { recursive: true });
    renameSync(`${chain}-away`, chain);
    renameSync(`${path}.away`, path);
    await worksAgain(node);
  }, 120_000);

  test('on the data of another chain', async () => {
    const node = at(1);
    await node.stop();
    const path = join(node.home, 'genesis.cbor');
    const own = readFileSync(path);
    const genesis = decodeGenesisDocument(new Uint8Array(own));
    writeFileSync(path, encodeGenesisDocument({ ...genesis, timeNs: genesis.timeNs + 1n }));
    expect(await refuses(node)).toMatch(/belongs to another chain; config, keys and genesis\.cbor/);
    writeFileSync(path, own);
    await worksAgain(node);
  }, 120_000);

  test('beside a CometBFT of another version, or none', async () => {
    const node = at(1);
    await node.stop();
    const program = join(network.directory, 'other-version');
    writeFileSync(program, '#!/bin/sh\necho 1.0.1\n');
    chmodSync(program, 0o755);
    expect(await refuses(node, { YILIAN_COMETBFT: program })).toMatch(
      /is CometBFT 1\.0\.1; this node speaks to v0\.38/,
    );
    expect(await refuses(node, { YILIAN_COMETBFT: join(network.directory, 'none') })).toMatch(
      /YILIAN_COMETBFT names .*which is not there/,
    );
    await worksAgain(node);
  }, 120_000);

  test('twice, or where a port is taken', async () => {
    const node = at(1);
    const second = spawnSecond(node);
    expect(await second).toMatch(/in use|listens there; stop it/);
    expect(await node.height()).toBeGreaterThan(0);
    await node.stop();
    const { host, port } = configOf(node).peer;
    const server = await occupy(port, host);
    expect(await refuses(node)).toMatch(/EADDRINUSE.*another program listens there; stop it/);
    server.close();
    await worksAgain(node);
  }, 120_000);

  test('with a genesis that its configuration does not fit', async () => {
    const node = at(1);
    await node.stop();
    const path = join(node.home, 'config.json');
    const own = readFileSync(path, 'utf8');
    writeFileSync(path, JSON.stringify({ ...(JSON.parse(own) as object), cometbft: null }));
    expect(await refuses(node)).toMatch(/cometbft must be there/);
    writeFileSync(path, own);
    await worksAgain(node);
  }, 120_000);
});

/** The same home in one more process, on the same ports. */
function spawnSecond(node: TrialNode): Promise<string> {
  const { home } = node;
  const copy = new (node.constructor as typeof TrialNode)(
    { institution: node.institution, home, url: node.url, proxy: undefined },
    {},
  );
  const said = listen(node);
  copy.start();
  return copy.ended().then((code) => {
    expect(code).toBe(1);
    return said();
  });
}

describe('an engine', () => {
  test('that cannot listen is tried again, with its reason in the log, until it can', async () => {
    const node = at(2);
    await node.stop();
    const { host, port } = configOf(node).cometbft.listen;
    const server = await occupy(port, host);
    const said = listen(node);
    node.start();
    await until(() => (said().match(/"event":"engineEnded"/g) ?? []).length >= 2);
    expect(said()).toMatch(/address already in use/);
    expect((await node.status())?.halted).toBe(false);
    server.close();
    const reached = await at(0).height();
    await until(async () => (await node.height()) > reached);
  }, 120_000);

  test('that its node left behind is ended before another one starts', async () => {
    const node = at(2);
    await node.stop();
    // Not an engine, but called like one.
    writeFileSync(join(network.directory, 'start'), 'setTimeout(() => undefined, 600_000);');
    const orphan = spawn(process.execPath, ['start', '--home', node.engineHome], {
      cwd: network.directory,
      stdio: 'ignore',
    });
    const { pid } = orphan;
    if (pid === undefined) throw new Error('it did not start');
    await until(() => node.enginePids().includes(pid));
    const said = listen(node);
    await worksAgain(node);
    expect(said()).toMatch(new RegExp(`"event":"orphanEngineEnded","pid":${pid}`));
    expect(isAlive(pid)).toBe(false);
    expect(node.enginePids()).toHaveLength(1);
  }, 120_000);

  test('whose own data is lost says so, and signs nothing of what it signed before', async () => {
    const node = at(3);
    const before = node.signState().height;
    await node.stop();
    const data = join(node.engineHome, 'data');
    for (const name of ['blockstore.db', 'state.db', 'evidence.db', 'cs.wal'])
      rmSync(join(data, name), { recursive: true, force: true });
    expect(await refuses(node)).toMatch(/the engine's data is lost\. Move the node’s chain/);
    // What helps: everything but what was signed is fetched again.
    for (const name of ['chain', 'services'])
      rmSync(join(node.home, 'data', name), { recursive: true, force: true });
    await worksAgain(node);
    await until(() => node.signState().height > before);
  }, 180_000);

  test('plays its blocks again to a node that has lost its own', async () => {
    const node = at(3);
    await node.stop();
    rmSync(join(node.home, 'data', 'chain'), { recursive: true });
    await worksAgain(node);
  }, 120_000);
});

describe('a version of the application that a program does not have', () => {
  const fileOf = (node: TrialNode): string => join(node.home, 'config.json');
  const setUpgrades = (node: TrialNode, upgrades: readonly object[]): (() => void) => {
    const own = readFileSync(fileOf(node), 'utf8');
    writeFileSync(fileOf(node), JSON.stringify({ ...(JSON.parse(own) as object), upgrades }));
    return () => writeFileSync(fileOf(node), own);
  };

  test('stops all nodes before its height, and no other one executes that block', async () => {
    const reached = Math.max(...(await Promise.all(network.nodes.map((node) => node.height()))));
    const last = reached + 6;
    await Promise.all(network.nodes.map((node) => node.stop()));
    const undo = network.nodes.map((node) => setUpgrades(node, [{ height: last + 1, version: 2 }]));
    const said = network.nodes.map(listen);
    for (const node of network.nodes) node.start();
    const word = `block ${last + 1} is executed by application version 2, and this program has 1: put`;
    await until(() => said.every((words) => words().includes(word)), 90_000);
    for (const node of network.nodes) {
      expect((await node.status())?.halted).toBe(true);
      expect(await node.height()).toBe(last);
    }
    // And again, however often it is started; readers are served.
    const again = listen(at(0));
    await at(0).stop();
    at(0).start();
    await until(() => again().includes(word));
    await until(async () => (await at(0).height()) === last);
    // As if the release were in place: the chain goes on from there.
    await Promise.all(network.nodes.map((node) => node.stop()));
    for (const each of undo) each();
    for (const node of network.nodes) node.start();
    await network.reaches(last + 2, 90_000);
  }, 240_000);

  test('is refused where the list of upgrades does not rise, or is past already', async () => {
    const node = at(1);
    await node.stop();
    const undoOne = setUpgrades(node, [
      { height: 9, version: 3 },
      { height: 12, version: 2 },
    ]);
    expect(await refuses(node)).toMatch(/upgrades: heights and versions must rise/);
    undoOne();
    const undoOther = setUpgrades(node, [{ height: 2, version: 2 }]);
    expect(await refuses(node)).toMatch(/is executed by application version 2/);
    undoOther();
    await worksAgain(node);
  }, 120_000);
});

describe('time', () => {
  test('on an idle chain passes, and a node with a wrong clock releases nothing', async () => {
    const node = at(3);
    await node.stop();
    const shift = join(network.directory, 'an-hour-ahead.mjs');
    writeFileSync(shift, 'const now = Date.now; Date.now = () => now() + 3_600_000;\n');
    const said = listen(node);
    node.start({ environment: { NODE_OPTIONS: `--import=${shift}` } });
    const reached = await at(0).height();
    await until(async () => (await node.height()) > reached);
    const isReady = async (each: TrialNode): Promise<boolean> =>
      (await fetch(`${each.url}/readyz`)).ok;
    // It votes like everybody else; what is bound to a time waits for the right clock.
    await until(() => /"event":"clockDiffers","seconds":3[56]\d\d/.test(said()));
    expect(await isReady(node)).toBe(false);
    // Nobody sends anything, and block time goes on with the others' clocks.
    const from = (await at(0).status())?.blockTimeMs ?? 0;
    await until(async () => ((await at(0).status())?.blockTimeMs ?? 0) > from + 4_000);
    expect(Math.abs(((await at(0).status())?.blockTimeMs ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(await isReady(at(0))).toBe(true);
    await node.stop();
    await worksAgain(node);
    await until(() => isReady(node));
  }, 120_000);

  test('after which a certificate is over stops no ordering, and is told', async () => {
    const [voter, absent] = [at(1), at(2)];
    await Promise.all([voter.stop(), absent.stop()]);
    const shift = join(network.directory, 'three-years-ahead.mjs');
    writeFileSync(shift, 'const now = Date.now; Date.now = () => now() + 3 * 31_536_000_000;\n');
    const said = listen(voter);
    voter.start({ environment: { NODE_OPTIONS: `--import=${shift}` } });
    // Without its vote there would be no block: one of four is not there.
    const reached = await at(0).height();
    await until(async () => (await at(0).height()) >= reached + 4, 90_000);
    await until(() => /"event":"certificateEnds".*this certificate is over/.test(said()), 60_000);
    await voter.stop();
    await Promise.all([voter, absent].map(worksAgain));
  }, 180_000);

  test('stands still without a quorum, which the rest says', async () => {
    await Promise.all([at(2), at(3)].map((node) => node.stop()));
    const said = listen(at(0));
    await until(() => /"event":"chainStands"/.test(said()), 90_000);
    expect(said()).toMatch(/fewer than two thirds of the validators/);
    expect((await fetch(`${at(0).url}/readyz`)).ok).toBe(false);
    await Promise.all([at(2), at(3)].map(worksAgain));
  }, 180_000);
});
