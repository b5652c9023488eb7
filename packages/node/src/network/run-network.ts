/**
 * Several institutions of one network on this machine, for trials: their nodes as processes of their own
 * that outlive the command which started them. Real hosts use a service manager instead (docs/deployment).
 */
import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { statusDocument } from '@yilian/api/documents';
import { ROUTES } from '@yilian/api/routes';
import { readNodeFiles } from '../config.ts';
import { NODE_PROGRAM } from '../node-program.ts';

const READY_MS_MAX = 120_000;
/** For the first block after all answer. Where fewer than a quorum run here, none may come. */
const FOLLOW_MS_MAX = 30_000;
const STOP_MS_MAX = 15_000;
const POLL_MS = 200;
const ANSWER_MS_MAX = 3_000;

/** `noNetwork`: nothing there that `network init` wrote; `notReady`: a node did not come up. */
export class NetworkRunError extends Error {
  readonly code: 'noNetwork' | 'notReady';
  /** The folder, or the institution whose node it is. */
  readonly place: string;
  /** The end of the node's log. */
  readonly log: string;

  constructor(code: NetworkRunError['code'], message: string, place: string, log = '') {
    super(message);
    this.name = 'NetworkRunError';
    this.code = code;
    this.place = place;
    this.log = log;
  }
}

export interface NodeStanding {
  readonly institution: string;
  readonly url: string;
  readonly pid: number | null;
  /** Null: no answer. */
  readonly height: number | null;
  /** It answers and orders nothing: the reason is in its log. */
  readonly halted: boolean;
  readonly peers: number | null;
}

function homesOf(
  directory: string,
): readonly { readonly institution: string; readonly home: string }[] {
  const nodes = join(directory, 'nodes');
  if (!existsSync(nodes) || readdirSync(nodes).length === 0)
    throw new NetworkRunError(
      'noNetwork',
      `${directory} holds no network; make one with "yilian network init".`,
      directory,
    );
  return readdirSync(nodes)
    .sort()
    .map((institution) => ({ institution, home: join(nodes, institution) }));
}

/** The process that runs this home, if it does: process ids are given out again, so its command line is read. */
function runningPid(home: string): number | null {
  try {
    const pid = Number(readFileSync(join(home, 'process.pid'), 'utf8'));
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return command.includes('node-process') && command.includes(home) ? pid : null;
  } catch {
    return null;
  }
}

async function standing(institution: string, home: string): Promise<NodeStanding> {
  const { http } = readNodeFiles(home).config;
  const url = `http://${http.host}:${http.port}`;
  const pid = runningPid(home);
  try {
    const response = await fetch(`${url}${ROUTES.getStatus.path}`, {
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    const status = statusDocument.parse(await response.json());
    const { halted, peers } = status;
    const height = Number(status.height);
    return { institution, url, pid, height, halted, peers: peers.connected };
  } catch {
    return { institution, url, pid, height: null, halted: false, peers: null };
  }
}

/** @throws NetworkRunError `noNetwork` */
export async function networkStatus(directory: string): Promise<readonly NodeStanding[]> {
  return Promise.all(
    homesOf(directory).map(({ institution, home }) => standing(institution, home)),
  );
}

function startNode(home: string): number {
  const log = openSync(join(home, 'node.log'), 'a', 0o600);
  const child = spawn(process.execPath, [NODE_PROGRAM, '--home', home], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  child.unref();
  if (child.pid === undefined) throw new NetworkRunError('notReady', `${home} did not start`, home);
  writeFileSync(join(home, 'process.pid'), String(child.pid));
  return child.pid;
}

function lastLines(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim().split('\n').slice(-3).join('\n');
  } catch {
    return '';
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Starts what does not run yet and resolves when all answer. Those that run go on.
 * @throws NetworkRunError; what was started stays, so that its log can be read
 */
export async function networkUp(
  directory: string,
  onProgress: (institution: string) => void,
): Promise<readonly NodeStanding[]> {
  const homes = homesOf(directory);
  for (const { home } of homes) if (runningPid(home) === null) startNode(home);
  const deadline = Date.now() + READY_MS_MAX;
  const waiting = new Map(homes.map(({ institution, home }) => [institution, home]));
  while (waiting.size > 0) {
    for (const [institution, home] of waiting) {
      const now = await standing(institution, home);
      if (now.height !== null) {
        waiting.delete(institution);
        onProgress(institution);
      } else if (now.pid === null || Date.now() > deadline) {
        const log = join(home, 'node.log');
        throw new NetworkRunError(
          'notReady',
          `${institution} ${now.pid === null ? 'ended' : 'does not answer'}; the end of ${log}:\n${lastLines(log)}`,
          institution,
          lastLines(log),
        );
      }
    }
    if (waiting.size > 0) await pause(POLL_MS);
  }
  return untilFollowing(directory);
}

/** Waits until all have the block that the furthest has now, and at least one; not for ever. */
async function untilFollowing(directory: string): Promise<readonly NodeStanding[]> {
  let nodes = await networkStatus(directory);
  const target = Math.max(1, ...nodes.map(({ height }) => height ?? 0));
  const deadline = Date.now() + FOLLOW_MS_MAX;
  while (nodes.some(({ height }) => (height ?? 0) < target) && Date.now() < deadline) {
    await pause(POLL_MS);
    nodes = await networkStatus(directory);
  }
  return nodes;
}

/** SIGTERM to all, SIGKILL to who does not end. Returns who ran. @throws NetworkRunError `noNetwork` */
export async function networkDown(directory: string): Promise<readonly string[]> {
  const running = homesOf(directory).flatMap(({ institution, home }) => {
    const pid = runningPid(home);
    return pid === null ? [] : [{ institution, home, pid }];
  });
  for (const { pid } of running) process.kill(pid, 'SIGTERM');
  const deadline = Date.now() + STOP_MS_MAX;
  while (running.some(({ home }) => runningPid(home) !== null) && Date.now() < deadline)
    await pause(POLL_MS);
  for (const { home, pid } of running) {
    if (runningPid(home) !== null) process.kill(pid, 'SIGKILL');
    rmSync(join(home, 'process.pid'), { force: true });
  }
  return running.map(({ institution }) => institution);
}
