/**
 * A network as `network init` makes it, its nodes as processes of the built program with real engines, and
 * ways to hurt them. A process that is killed here is one that was started here.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type StatusDocument, statusDocument } from '@yilian/api/documents';
import { freePorts } from '../../../src/bind-port.ts';
import { findEngine } from '../../../src/cometbft/find-engine.ts';
import { initNetwork } from '../../../src/network/init-network.ts';
import { parseNetworkFile } from '../../../src/network/network-file.ts';
import { NODE_PROGRAM } from '../../../src/node-program.ts';
import { isAlive, until } from '../../processes.ts';
import { StageProxy } from './stage-proxy.ts';

const ANSWER_MS_MAX = 2_000;

/** Process ids of engines that run on a home, whoever started them. */
function enginesOf(engineHome: string): readonly number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^[1-9]\d*$/.test(name)) return [];
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      return words.includes('start') && words.includes(engineHome) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

export interface Place {
  readonly institution: string;
  readonly home: string;
  readonly url: string;
  /** Present when messages between engine and node can be stopped. */
  readonly proxy: StageProxy | undefined;
}

export interface NodeRun {
  /** Words before the program: `ip netns exec …`. */
  readonly prefix?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export class TrialNode {
  readonly institution: string;
  readonly home: string;
  readonly url: string;
  readonly proxy: StageProxy | undefined;
  readonly #run: NodeRun;
  #child: ChildProcess | undefined;
  #ended: Promise<number | null> = Promise.resolve(null);

  constructor(place: Place, run: NodeRun) {
    this.institution = place.institution;
    this.home = place.home;
    this.url = place.url;
    this.proxy = place.proxy;
    this.#run = run;
  }

  get engineHome(): string {
    return join(this.home, 'data', 'cometbft');
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** Starts the process; it answers later. */
  start(more: NodeRun = {}): void {
    if (this.#child !== undefined) throw new Error(`${this.institution} runs already`);
    const log = openSync(join(this.home, 'node.log'), 'a');
    const prefix = more.prefix ?? this.#run.prefix ?? [];
    const words = [...prefix, process.execPath, NODE_PROGRAM, '--home', this.home];
    const [program, ...args] = words;
    if (program === undefined) throw new Error('a program is more than no words');
    const child = spawn(program, args, {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...this.#run.environment, ...more.environment },
    });
    closeSync(log);
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code) => {
        if (this.#child === child) this.#child = undefined;
        resolve(code);
      });
    });
  }

  /** Resolves with its exit code when the process has ended by itself. */
  ended(): Promise<number | null> {
    return this.#ended;
  }

  enginePids(): readonly number[] {
    return enginesOf(this.engineHome);
  }

  /** SIGKILL, and resolves when the killed are gone. Of `engine` alone the node starts another. */
  async kill(victim: 'node' | 'engine' | 'both'): Promise<void> {
    const engines = victim === 'node' ? [] : this.enginePids();
    if (victim !== 'engine') this.#child?.kill('SIGKILL');
    for (const pid of engines)
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It was faster.
      }
    if (victim !== 'engine') await this.#ended;
    await until(() => !engines.some(isAlive));
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await this.#ended;
    clearTimeout(timer);
  }

  async status(): Promise<StatusDocument | undefined> {
    try {
      const response = await fetch(`${this.url}/v1/status`, {
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      });
      return statusDocument.parse(await response.json());
    } catch {
      return undefined;
    }
  }

  async height(): Promise<number> {
    return Number((await this.status())?.height ?? 0);
  }

  log(): string {
    return readFileSync(join(this.home, 'node.log'), 'utf8');
  }

  /** The answer of the engine itself, as its operator would ask it. */
  signState(): { readonly height: number; readonly path: string } {
    const path = join(this.engineHome, 'data', 'priv_validator_state.json');
    const { height } = JSON.parse(readFileSync(path, 'utf8')) as { readonly height: string };
    return { height: Number(height), path };
  }
}

export interface TrialNetwork {
  readonly directory: string;
  /** Four hospitals (the last one a community hospital), then the regulator. */
  readonly nodes: readonly TrialNode[];
  readonly hospitals: readonly TrialNode[];
  readonly regulator: TrialNode;
  /** Resolves when everybody that runs has this height. */
  reaches(height: number, ms?: number): Promise<void>;
  /** Stops all and takes everything away. */
  end(): Promise<void>;
}

export interface TrialOptions {
  readonly heartbeatMs?: number;
  /** Whether messages between engines and nodes can be stopped. */
  readonly staged?: boolean;
  /** Address of each member; default: this machine's own. */
  readonly hosts?: readonly string[];
  readonly runs?: readonly NodeRun[];
}

const INSTITUTIONS = ['city-first', 'city-second', 'county', 'township', 'commission'] as const;
const TIERS = ['tertiary', 'tertiary', 'secondary', 'community', undefined] as const;

async function networkFile({ heartbeatMs = 2_000, hosts }: TrialOptions): Promise<string> {
  const ports = await freePorts(3 * INSTITUTIONS.length);
  const entries = INSTITUTIONS.map((institution, at) => {
    const [http, peer, engine] = ports.slice(3 * at, 3 * at + 3);
    const tier = TIERS[at] === undefined ? '' : `tier: ${TIERS[at]}, `;
    const host = hosts?.[at] ?? '127.0.0.1';
    return `{ institution: ${institution}, ${tier}host: ${host}, ports: { http: ${http}, peer: ${peer}, engine: ${engine} } }`;
  });
  return [
    'chain: trial',
    'blockIntervalMs: 100',
    `heartbeatMs: ${heartbeatMs}`,
    'hospitals:',
    ...entries.slice(0, -1).map((entry) => `  - ${entry}`),
    `regulator: ${entries.at(-1)}`,
  ].join('\n');
}

/** An engine that speaks to the node through the proxy beside it. */
function stagedEngine(root: string, program: string): string {
  const path = join(root, 'staged-engine');
  writeFileSync(
    path,
    `#!/bin/sh\n[ "$1" = start ] && exec '${program}' "$@" --proxy_app "unix://$3/run/proxy.sock"\nexec '${program}' "$@"\n`,
  );
  chmodSync(path, 0o755);
  return path;
}

/** Short, so that sockets lie beside the rest. */
export async function makeTrialNetwork(options: TrialOptions = {}): Promise<TrialNetwork> {
  const root = mkdtempSync(join(tmpdir(), 'yt-'));
  const directory = join(root, 'n');
  await initNetwork(parseNetworkFile(await networkFile(options)), directory);
  const { path } = await findEngine();
  const engine = options.staged === true ? stagedEngine(root, path) : path;
  const nodes = await Promise.all(
    INSTITUTIONS.map(async (institution, at) => {
      const home = join(directory, 'nodes', institution);
      const file = join(home, 'config.json');
      const config = JSON.parse(readFileSync(file, 'utf8')) as {
        readonly http: { readonly host: string; readonly port: number };
        readonly settings: object;
      };
      const run = options.runs?.[at] ?? {};
      const http = { ...config.http, host: options.hosts?.[at] ?? config.http.host };
      const settings = { ...config.settings, verificationWorkers: 0, searchWorkers: 0 };
      writeFileSync(file, JSON.stringify({ ...config, http, settings }));
      const sockets = join(home, 'data', 'cometbft', 'run');
      mkdirSync(sockets, { recursive: true, mode: 0o700 });
      const proxy =
        options.staged === true
          ? await StageProxy.listen(join(sockets, 'proxy.sock'), join(sockets, 'application.sock'))
          : undefined;
      const url = `http://${http.host}:${http.port}`;
      return new TrialNode(
        { institution, home, url, proxy },
        { ...run, environment: { YILIAN_COMETBFT: engine, ...run.environment } },
      );
    }),
  );
  const [regulator] = nodes.slice(-1);
  if (regulator === undefined) throw new Error('a network has a regulator');
  return {
    directory,
    nodes,
    hospitals: nodes.slice(0, -1),
    regulator,
    reaches: (height, ms) =>
      until(async () => {
        const running = nodes.filter(({ isRunning }) => isRunning);
        const heights = await Promise.all(running.map((node) => node.height()));
        return heights.every((each) => each >= height);
      }, ms),
    end: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
      for (const { proxy } of nodes) await proxy?.close();
      await until(() => nodes.every((node) => node.enginePids().length === 0)).catch(() => {
        for (const node of nodes) for (const pid of node.enginePids()) process.kill(pid, 'SIGKILL');
      });
      rmSync(root, { recursive: true, force: true });
    },
  };
}
