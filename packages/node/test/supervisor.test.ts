/**
 * The built program with its six processes, killed in every way there is. Killing keeps the page cache;
 * what a power cut does is tested in engine/durability.test.ts.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { decode } from '@yilian/crypto/cbor';
import { SupervisorProcess } from '../src/demo/supervisor-process.ts';
import { heightOf, homeOfProcess, isAlive, until } from './processes.ts';

const root = mkdtempSync(join(tmpdir(), 'yilian-supervisor-'));
const home = join(root, 'home');
const started: SupervisorProcess[] = [];

function start(at = home, port?: string): SupervisorProcess {
  const supervisor = new SupervisorProcess({
    home: at,
    heartbeatMs: 2_000,
    ...(port === undefined ? {} : { port }),
  });
  started.push(supervisor);
  return supervisor;
}

afterAll(async () => {
  for (const supervisor of started) await supervisor.send('SIGKILL');
  // Its nodes notice that it is gone.
  const pids = readdirSync(root).flatMap((name) => pidsOf(join(root, name)));
  await until(() => !pids.some(isAlive)).catch(() => {
    for (const pid of pids) if (homeOfProcess(pid)?.startsWith(root)) process.kill(pid, 'SIGKILL');
  });
  rmSync(root, { recursive: true, force: true });
});

function pidsOf(directory: string): readonly number[] {
  try {
    return JSON.parse(readFileSync(join(directory, 'processes.json'), 'utf8')) as number[];
  } catch {
    return [];
  }
}

/** [header, certificate] of a height. */
async function headerOf(url: string, height: bigint): Promise<string> {
  const response = await fetch(`${url}/v1/headers/${height}`);
  if (!response.ok) return `none (${response.status})`;
  const value = decode(new Uint8Array(await response.arrayBuffer()));
  const [header]: readonly unknown[] = Array.isArray(value) ? value : [];
  return header instanceof Uint8Array ? Buffer.from(header).toString('hex') : 'none';
}

test('kill −9 of nodes and of the supervisor: the chain goes on from where it was', async () => {
  const first = start();
  const { anchor, nodes } = await first.consortium();
  expect(nodes).toHaveLength(5);
  const [victim, second, other] = nodes;
  if (victim === undefined || second === undefined || other === undefined)
    throw new Error('too few nodes');
  const grows = async (url: string): Promise<void> => {
    const from = await heightOf(url);
    await until(async () => (await heightOf(url)) >= from + 2n);
  };
  await grows(victim.url);

  // By the button.
  await first.control(victim.id, 'kill');
  expect(await heightOf(victim.url)).toBe(0n);
  expect((await first.consortium()).nodes.find(({ id }) => id === victim.id)?.running).toBe(false);
  await grows(other.url);
  await first.control(victim.id, 'start');
  const reached = await heightOf(other.url);
  await until(async () => (await heightOf(victim.url)) >= reached);
  expect(await headerOf(victim.url, reached)).toBe(await headerOf(other.url, reached));

  // By its process id, behind the supervisor's back.
  const pid = first
    .nodeProcesses()
    .find((each) => homeOfProcess(each)?.endsWith(second.institution));
  if (pid === undefined) throw new Error('no such process');
  process.kill(pid, 'SIGKILL');
  await until(
    async () =>
      (await first.consortium()).nodes.find(({ id }) => id === second.id)?.running === false,
  );
  await grows(other.url);
  await first.control(second.id, 'start');
  await until(async () => (await heightOf(second.url)) >= reached);

  // A second one on the same home is refused and disturbs nothing.
  const refused = await start().ended();
  expect(refused.code).toBe(1);
  expect(refused.output).toMatch(/already runs/);
  expect(refused.output).toContain(home);
  expect(refused.output).not.toContain('Yilian runs:');
  await grows(other.url);

  // The supervisor itself.
  const before = await heightOf(other.url);
  const header = await headerOf(other.url, before);
  const orphans = first.nodeProcesses();
  expect(orphans).toHaveLength(5);
  await first.send('SIGKILL');
  const again = start();
  const restarted = await again.consortium();
  expect(orphans.filter(isAlive)).toEqual([]);
  expect(restarted.anchor).toEqual(anchor);
  expect(restarted.nodes.map(({ id }) => id)).toEqual(nodes.map(({ id }) => id));
  for (const { url } of restarted.nodes) {
    await until(async () => (await heightOf(url)) > before);
    expect(await headerOf(url, before)).toBe(header);
  }

  // Ctrl-C.
  const children = again.nodeProcesses();
  expect(children.every(isAlive)).toBe(true);
  const stopped = await again.send('SIGINT');
  expect(stopped.code).toBe(0);
  expect(children.filter(isAlive)).toEqual([]);
  expect(await heightOf(other.url)).toBe(0n);
}, 240_000);

test('a port that is taken is said, and the next one used', async () => {
  const { server, port } = await take();
  try {
    const supervisor = start(join(root, 'elsewhere'), String(port));
    const url = await supervisor.url();
    expect(supervisor.output).toContain(`Port ${port} is taken, using `);
    expect(Number(new URL(url).port)).not.toBe(port);
    expect((await supervisor.consortium()).nodes).toHaveLength(5);
    expect((await supervisor.send('SIGTERM')).code).toBe(0);
  } finally {
    server.close();
  }
}, 120_000);

test('two consortiums that start at the same moment both run, each with peers of its own', async () => {
  const pair = [start(join(root, 'one')), start(join(root, 'two'))];
  const [one, two] = await Promise.all(pair.map((each) => each.consortium()));
  if (one === undefined || two === undefined) throw new Error('two were started');
  expect(one.anchor.chainId).not.toBe(two.anchor.chainId);
  const urls = [...one.nodes, ...two.nodes].map(({ url }) => url);
  expect(new Set(urls).size).toBe(10);
  // A block needs a quorum, so nodes that found only strangers at their peers' ports would make none.
  for (const url of urls) await until(async () => (await heightOf(url)) >= 1n);
  // Whoever is started again after its ports were taken is found by the others.
  const [victim, other] = two.nodes;
  if (victim === undefined || other === undefined) throw new Error('too few nodes');
  const [, second] = pair;
  if (second === undefined) throw new Error('two were started');
  await second.control(victim.id, 'kill');
  const { server } = await take(Number(new URL(victim.url).port));
  try {
    await second.control(victim.id, 'start');
    const moved = (await second.consortium()).nodes.find(({ id }) => id === victim.id);
    if (moved === undefined) throw new Error('the node is gone');
    expect(moved.url).not.toBe(victim.url);
    const reached = await heightOf(other.url);
    await until(async () => (await heightOf(moved.url)) > reached);
  } finally {
    server.close();
  }
  for (const each of pair) expect((await each.send('SIGTERM')).code).toBe(0);
}, 240_000);

test.each(['ham', '-1', '70000', '1.5'])('a port %s is refused with a reason', async (port) => {
  const ended = await start(join(root, 'no-port'), port).ended();
  expect(ended.code).toBe(1);
  expect(ended.output).toContain(`YILIAN_PORT must be a port number, not "${port}"`);
});

function take(wished = 0): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: wished }, () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('no address'));
      else resolve({ server, port: address.port });
    });
  });
}
