/**
 * A consortium of real processes for one scenario: the program of `npm start` in a folder and on ports
 * of its own. The scenario reaches it as its users do, by HTTP, and its disks as an intruder would.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DemoConsortium, DemoNode } from '@yilian/client/demo-consortium';
import { SupervisorProcess } from '@yilian/node/demo/supervisor-process';

const READY_MS_MAX = 120_000;

export interface Consortium {
  /** Of the supervisor. */
  readonly url: string;
  /** Where the nodes keep everything. */
  readonly home: string;
  list(): Promise<DemoConsortium>;
  control(name: string, action: 'stop' | 'start' | 'kill'): Promise<void>;
  /** Waits until the node says that it is ready. */
  awaitRunning(name: string): Promise<DemoNode>;
  close(): Promise<void>;
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`)).ok;
  } catch {
    return false;
  }
}

async function waitFor(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + READY_MS_MAX;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited too long for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Starts the program in a fresh folder and waits until every node is ready. */
export async function startConsortium(engine: 'pbft' | 'cometbft'): Promise<Consortium> {
  const home = await mkdtemp(join(tmpdir(), 'yilian-scenario-'));
  const program = new SupervisorProcess({ home, engine });
  const discard = (): Promise<void> => rm(home, { recursive: true, force: true });
  const url = await program.url().catch(async (error: unknown) => {
    await program.send('SIGTERM');
    await discard();
    throw error;
  });
  const list = (): Promise<DemoConsortium> => program.consortium();
  const find = async (name: string): Promise<DemoNode> => {
    const node = (await list()).nodes.find((each) => each.name === name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  };
  const consortium: Consortium = {
    url,
    home,
    list,
    control: async (name, action) => program.control((await find(name)).id, action),
    awaitRunning: async (name) => {
      await waitFor(`${name} to be ready`, async () => isReady((await find(name)).url));
      return find(name);
    },
    close: async () => {
      await program.send('SIGTERM');
      if (process.env['YILIAN_KEEP'] === undefined) await discard();
    },
  };
  for (const { name } of (await list()).nodes) await consortium.awaitRunning(name);
  return consortium;
}
