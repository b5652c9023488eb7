/**
 * A consortium of real processes for one scenario: the program of `npm start` in a folder and on ports
 * of its own. The scenario reaches it as its users do, by HTTP, and its disks as an intruder would.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fetchConsortium } from '@yilian/client/connect';
import type { DemoConsortium, DemoNode } from '@yilian/client/demo-consortium';

const PROGRAM = fileURLToPath(import.meta.resolve('@yilian/node/main'));
const START_MS_MAX = 120_000;

export interface Consortium {
  /** Of the supervisor. */
  readonly url: string;
  /** Where the nodes keep everything. */
  readonly home: string;
  list(): Promise<DemoConsortium>;
  control(name: string, action: 'stop' | 'start' | 'kill'): Promise<void>;
  /** Waits until the node answers again with a height of at least `height`. */
  awaitRunning(name: string): Promise<DemoNode>;
  close(): Promise<void>;
}

function addressFrom(program: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const timer = setTimeout(() => {
      reject(new Error(`the consortium did not start in time:\n${output}`));
    }, START_MS_MAX);
    const read = (piece: Buffer): void => {
      output += piece.toString('utf8');
      const [address] = /http:\/\/(?:127\.0\.0\.1|localhost):\d+/.exec(output) ?? [];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address);
    };
    program.stdout?.on('data', read);
    program.stderr?.on('data', read);
    program.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`the consortium ended with ${String(code)}:\n${output}`));
    });
  });
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`)).ok;
  } catch {
    return false;
  }
}

async function waitFor(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + START_MS_MAX;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited too long for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Starts the program in a fresh folder and waits until every node is ready. */
export async function startConsortium(): Promise<Consortium> {
  const home = await mkdtemp(join(tmpdir(), 'yilian-scenario-'));
  const program = spawn(process.execPath, [PROGRAM], {
    env: { ...process.env, YILIAN_HOME: home, YILIAN_PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // Whatever ends this process ends the consortium.
  const end = (): void => {
    program.kill('SIGTERM');
  };
  process.once('exit', end);
  const ended = new Promise<void>((resolve) => {
    program.once('exit', () => {
      process.off('exit', end);
      resolve();
    });
  });
  const url = await addressFrom(program).catch(async (error: unknown) => {
    end();
    await ended;
    await rm(home, { recursive: true, force: true });
    throw error;
  });
  const list = (): Promise<DemoConsortium> =>
    fetchConsortium({ fetch: (address, init) => fetch(address, init) }, url);
  const find = async (name: string): Promise<DemoNode> => {
    const node = (await list()).nodes.find((each) => each.name === name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  };
  const consortium: Consortium = {
    url,
    home,
    list,
    control: async (name, action) => {
      const { id } = await find(name);
      const answer = await fetch(`${url}/demo/nodes/${id}/${action}`, { method: 'POST' });
      if (!answer.ok) throw new Error(`${action} of ${name} failed`);
    },
    awaitRunning: async (name) => {
      await waitFor(`${name} to be ready`, async () => isReady((await find(name)).url));
      return find(name);
    },
    close: async () => {
      end();
      await ended;
      if (process.env['YILIAN_KEEP'] === undefined)
        await rm(home, { recursive: true, force: true });
    },
  };
  for (const { name } of (await list()).nodes) await consortium.awaitRunning(name);
  return consortium;
}
