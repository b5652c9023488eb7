/**
 * The nodes as processes of their own: spawn, stop, kill, start again. A child that dies stays dead
 * until somebody starts it: the page shows what a consortium does without it.
 */
import { createHash } from 'node:crypto';
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
import type { NodeConfig, NodeSettings } from '../config.ts';
import type { NodeFacts } from '../network/make-network.ts';
import type { DemoFacts, DemoTicket } from './make-consortium.ts';
import { NODE_PROGRAM } from '../node-program.ts';
import type { NodeReport, PeersMoved } from '../node-process.ts';

const HOST = '127.0.0.1';
const FIRST_PORT = 19_000;
/** Below the ports that systems give to outgoing connections. */
const PORTS = 12_000;
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 10_000;
const LOG_BYTES_MAX = 16 * 1024 * 1024;

export interface NodeChild {
  readonly facts: NodeFacts;
  /** Of the last start; where it is tried first, before. */
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
  /** Asked at each start of a node. */
  readonly origins: () => readonly string[];
  readonly settings: Partial<NodeSettings>;
  /** One per node, where CometBFT orders: its peers must know it before it listens. */
  readonly enginePorts?: readonly number[];
}

interface Place {
  readonly facts: NodeFacts;
  readonly directory: string;
  /** Tried first at the next start. */
  httpPort: number;
  peerPort: number;
}

/**
 * Where a home's nodes are tried first. Each home has a place of its own, so that a consortium that starts
 * does not take the port of a node of another one that is down for a moment: its clients know the address.
 */
function firstPort(home: string, count: number): number {
  const places = Math.floor(PORTS / count);
  return FIRST_PORT + count * (createHash('sha256').update(home).digest().readUInt32BE() % places);
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

function peersOf(places: readonly Place[]): NodeConfig['peers'] {
  return places.map(({ facts, peerPort }) => ({
    key: facts.consensusKey,
    host: HOST,
    port: peerPort,
  }));
}

function engineOf(
  place: Place,
  places: readonly Place[],
  { facts, enginePorts }: NodeChildrenOptions,
): NodeConfig['cometbft'] {
  if (facts.engine !== 'cometbft') return null;
  const portOf = (each: Place): number => {
    const port = enginePorts?.[places.indexOf(each)];
    if (port === undefined) throw new Error('a CometBFT network needs a port for each engine');
    return port;
  };
  return {
    listen: { host: HOST, port: portOf(place) },
    peers: places
      .filter((other) => other !== place)
      .map((other) => ({ id: other.facts.engineId, host: HOST, port: portOf(other) })),
  };
}

function writeConfig(place: Place, places: readonly Place[], options: NodeChildrenOptions): void {
  const { facts } = place;
  const config: Omit<NodeConfig, 'settings'> &
    Pick<NodeChildrenOptions, 'settings'> & {
      readonly copies: readonly Record<'store' | 'node' | 'url', string>[];
    } = {
    name: facts.institution,
    institution: facts.institution,
    operator: facts.institution,
    http: { host: HOST, port: place.httpPort },
    peer: { host: HOST, port: place.peerPort },
    peers: peersOf(places),
    origins: options.origins(),
    settings: options.settings,
    cometbft: engineOf(place, places, options),
    copies: places.flatMap((each) =>
      each.facts.store === null || each === place
        ? []
        : [
            {
              store: each.facts.store,
              node: each.facts.id,
              url: `http://${HOST}:${each.httpPort}`,
            },
          ],
    ),
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

interface Surroundings {
  /** Before each start. */
  writeConfig(): void;
  noteProcesses(): void;
  /** Another peer port than the one that was tried first. */
  peerMoved(): void;
}

function isReport(message: unknown): message is NodeReport {
  if (typeof message !== 'object' || message === null || !('kind' in message)) return false;
  return message.kind === 'listening' || message.kind === 'ready';
}

class Child implements NodeChild {
  readonly facts: NodeFacts;
  readonly #place: Place;
  readonly #around: Surroundings;
  #process: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #starting: Promise<void> | undefined;

  constructor(place: Place, around: Surroundings) {
    this.facts = place.facts;
    this.#place = place;
    this.#around = around;
  }

  get url(): string {
    return `http://${HOST}:${this.#place.httpPort}`;
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
    const { directory } = this.#place;
    this.#around.writeConfig();
    const log = openLog(join(directory, 'node.log'));
    const child = spawn(process.execPath, [NODE_PROGRAM, '--home', directory, '--any-port'], {
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.#process = child;
    this.#around.noteProcesses();
    this.#ended = new Promise((resolve) => {
      child.once('exit', () => {
        if (this.#process === child) this.#process = undefined;
        this.#around.noteProcesses();
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
      child.on('message', (message: unknown) => {
        if (!isReport(message)) return;
        this.#hear(message);
        if (message.kind === 'ready') settle(resolve);
      });
      child.once('exit', (code) =>
        settle(() =>
          reject(
            new Error(
              `${this.facts.institution} ended with ${String(code)}; see ${join(directory, 'node.log')}`,
            ),
          ),
        ),
      );
    });
  }

  #hear(message: NodeReport): void {
    if (message.kind === 'ready') {
      this.#place.httpPort = message.httpPort;
      this.#around.writeConfig();
    } else if (message.peerPort !== this.#place.peerPort) {
      this.#place.peerPort = message.peerPort;
      this.#around.peerMoved();
    }
  }

  /** Tells a running node where its peers are now; one that is not running reads it when it starts. */
  tell(message: PeersMoved): void {
    if (this.#process?.connected === true) this.#process.send(message);
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

/**
 * The children, none started. A node binds its ports itself: first those of the last run, so that
 * addresses stay the same; when one is taken, any. The others are then told, so two consortiums may
 * start on one machine at the same moment.
 */
export function createNodeChildren(options: NodeChildrenOptions): readonly NodeChild[] {
  const { home, facts } = options;
  const first = firstPort(home, 2 * facts.nodes.length);
  const places: readonly Place[] = facts.nodes.map((node, position) => {
    const directory = join(home, 'nodes', node.institution);
    const last = lastPorts(directory);
    return {
      facts: node,
      directory,
      httpPort: last?.http ?? first + position,
      peerPort: last?.peer ?? first + facts.nodes.length + position,
    };
  });
  const children: Child[] = [];
  // A supervisor that comes after one that was killed waits for (or ends) exactly these.
  const noteProcesses = (): void => {
    const pids = children.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
    writeFileSync(join(home, 'processes.json'), JSON.stringify(pids));
  };
  const peerMoved = (): void => {
    for (const child of children) child.tell({ kind: 'peersMoved', peers: peersOf(places) });
  };
  for (const place of places)
    children.push(
      new Child(place, {
        writeConfig: () => writeConfig(place, places, options),
        noteProcesses,
        peerMoved,
      }),
    );
  return children;
}
