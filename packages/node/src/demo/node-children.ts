/**
 * The nodes as processes of their own: spawn, stop, kill, start again. A child that dies stays dead
 * until somebody starts it: the page shows what a consortium does without it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  closeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NodeConfig, NodeSettings } from '../config.ts';
import type { DemoFacts, DemoNodeFacts, DemoTicket } from './make-consortium.ts';
import { findFreePort } from './ports.ts';

const HOST = '127.0.0.1';
const FIRST_PEER_PORT = 19_080;
const FIRST_HTTP_PORT = 19_090;
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 10_000;
const LOG_BYTES_MAX = 16 * 1024 * 1024;

const NODE_PROGRAM = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../dist/node-process.js' : '../node-process.js',
    import.meta.url,
  ),
);

export interface NodeChild {
  readonly facts: DemoNodeFacts;
  readonly url: string;
  isRunning(): boolean;
  /** Resolves when it answers HTTP. */
  start(): Promise<void>;
  /** SIGTERM, then SIGKILL after ten seconds. */
  stop(): Promise<void>;
  /** SIGKILL at once. */
  kill(): Promise<void>;
  /** Hands a one-time enrolment secret to the registration centre. */
  admit(ticket: DemoTicket): Promise<void>;
}

export interface NodeChildrenOptions {
  readonly home: string;
  readonly facts: DemoFacts;
  readonly origins: readonly string[];
  readonly settings: Partial<NodeSettings>;
}

interface Place {
  readonly facts: DemoNodeFacts;
  readonly directory: string;
  readonly httpPort: number;
  readonly peerPort: number;
}

/** What the last run wrote down; its ports are tried first, so that addresses stay the same. */
function lastPorts(directory: string): { readonly http: number; readonly peer: number } | null {
  try {
    const config = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')) as NodeConfig;
    return { http: config.http.port, peer: config.peer.port };
  } catch {
    return null;
  }
}

function writeConfig(place: Place, places: readonly Place[], options: NodeChildrenOptions): void {
  const { facts } = place;
  const config = {
    name: facts.institution,
    institution: facts.institution,
    operator: facts.institution,
    http: { host: HOST, port: place.httpPort },
    peer: { host: HOST, port: place.peerPort },
    peers: places.map((each) => ({
      key: each.facts.consensusKey,
      host: HOST,
      port: each.peerPort,
    })),
    origins: options.origins,
    settings: options.settings,
  };
  writeFileSync(join(place.directory, 'config.json'), JSON.stringify(config, null, 2));
}

/** One old log is kept beside the running one. */
function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  try {
    if (statSync(path).size > LOG_BYTES_MAX) rmSync(path);
  } catch {
    // There is none yet.
  }
  return openSync(path, 'a');
}

class Child implements NodeChild {
  readonly facts: DemoNodeFacts;
  readonly url: string;
  readonly #directory: string;
  readonly #noteProcesses: () => void;
  #process: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #starting: Promise<void> | undefined;

  constructor(place: Place, noteProcesses: () => void) {
    this.facts = place.facts;
    this.url = `http://${HOST}:${place.httpPort}`;
    this.#directory = place.directory;
    this.#noteProcesses = noteProcesses;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  isRunning(): boolean {
    return this.#process !== undefined && this.#starting === undefined;
  }

  start(): Promise<void> {
    if (this.#process !== undefined) return this.#starting ?? Promise.resolve();
    this.#starting = this.#spawn().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #spawn(): Promise<void> {
    await this.#ended;
    const log = openLog(join(this.#directory, 'node.log'));
    const child = spawn(process.execPath, [NODE_PROGRAM, '--home', this.#directory], {
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.#process = child;
    this.#noteProcesses();
    this.#ended = new Promise((resolve) => {
      child.once('exit', () => {
        if (this.#process === child) this.#process = undefined;
        this.#noteProcesses();
        resolve();
      });
    });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`${this.facts.institution} did not start in time`));
      }, READY_MS_MAX);
      const settle = (action: () => void): void => {
        clearTimeout(timer);
        action();
      };
      child.once('message', () => settle(resolve));
      child.once('exit', (code) =>
        settle(() =>
          reject(
            new Error(
              `${this.facts.institution} ended with ${String(code)}; see ${join(this.#directory, 'node.log')}`,
            ),
          ),
        ),
      );
    });
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await this.#ended;
    clearTimeout(timer);
  }

  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  admit({ role, institution, secret }: DemoTicket): Promise<void> {
    const child = this.#process;
    if (child === undefined || !child.connected)
      return Promise.reject(new Error('the registration centre is not running'));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        child.off('message', listener);
        reject(new Error('the registration centre did not answer'));
      }, 5_000);
      const listener = (message: unknown): void => {
        const isAnswer =
          typeof message === 'object' &&
          message !== null &&
          'kind' in message &&
          message.kind === 'admitted' &&
          'secret' in message &&
          message.secret === secret;
        if (!isAnswer) return;
        clearTimeout(timer);
        child.off('message', listener);
        resolve();
      };
      child.on('message', listener);
      child.send({ kind: 'admit', secret, role, institution: institution ?? '' });
    });
  }
}

/** Chooses ports, writes each node's configuration, and gives the children, none started. */
export async function createNodeChildren(
  options: NodeChildrenOptions,
): Promise<readonly NodeChild[]> {
  const { home, facts } = options;
  const places: Place[] = [];
  const chosen = new Set<number>();
  const choose = async (preferred: number): Promise<number> => {
    let port = await findFreePort(HOST, chosen.has(preferred) ? 0 : preferred);
    while (chosen.has(port)) port = await findFreePort(HOST, 0);
    chosen.add(port);
    return port;
  };
  for (const [position, node] of facts.nodes.entries()) {
    const directory = join(home, 'nodes', node.institution);
    const last = lastPorts(directory);
    places.push({
      facts: node,
      directory,
      httpPort: await choose(last?.http ?? FIRST_HTTP_PORT + position),
      peerPort: await choose(last?.peer ?? FIRST_PEER_PORT + position),
    });
  }
  for (const place of places) writeConfig(place, places, options);
  const children: Child[] = [];
  // A supervisor that comes after one that was killed waits for (or ends) exactly these.
  const noteProcesses = (): void => {
    const pids = children.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
    writeFileSync(join(home, 'processes.json'), JSON.stringify(pids));
  };
  for (const place of places) children.push(new Child(place, noteProcesses));
  return children;
}
