/** The program of `npm start` as a child: on a home of its own, its output read as it comes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { demoConsortium, type DemoConsortium } from '@yilian/api/documents';

const PROGRAM = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../dist/main.js' : '../main.js', import.meta.url),
);
const START_MS_MAX = 120_000;

export interface SupervisorOptions {
  readonly home: string;
  /** As in YILIAN_PORT; default `0`: any. */
  readonly port?: string;
  readonly heartbeatMs?: number;
  /** As in YILIAN_ENGINE; default: the embedded one. */
  readonly engine?: 'pbft' | 'cometbft';
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

export class SupervisorProcess {
  readonly home: string;
  readonly #process: ChildProcess;
  readonly #ended: Promise<Ended>;
  readonly #url: Promise<string>;
  #output = '';

  constructor({ home, port = '0', heartbeatMs, engine = 'pbft' }: SupervisorOptions) {
    this.home = home;
    const program = spawn(process.execPath, [PROGRAM], {
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        YILIAN_HOME: home,
        YILIAN_PORT: port,
        YILIAN_ENGINE: engine,
        ...(heartbeatMs === undefined ? {} : { YILIAN_HEARTBEAT_MS: String(heartbeatMs) }),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = program;
    // Whatever ends this process ends the consortium.
    const end = (): void => void program.kill('SIGTERM');
    process.once('exit', end);
    this.#ended = new Promise((resolve) => {
      program.once('close', (code, signal) => {
        process.off('exit', end);
        resolve({ code, signal, output: this.#output });
      });
    });
    this.#url = new Promise((resolve, reject) => {
      const fail = (): void => reject(new Error(`it did not start:\n${this.#output}`));
      const timer = setTimeout(fail, START_MS_MAX);
      const read = (piece: Buffer): void => {
        this.#output += piece.toString('utf8');
        const [, address] = /Yilian runs: (\S+)\n/.exec(this.#output) ?? [];
        if (address === undefined) return;
        clearTimeout(timer);
        resolve(address.replace('localhost', '127.0.0.1'));
      };
      program.stdout.on('data', read);
      program.stderr.on('data', read);
      void this.#ended.then(() => {
        clearTimeout(timer);
        fail();
      });
    });
    // Who does not ask for the address need not hear that there is none.
    this.#url.catch(() => undefined);
  }

  /** What it printed so far. */
  get output(): string {
    return this.#output;
  }

  /** The address that it prints when everything runs. */
  url(): Promise<string> {
    return this.#url;
  }

  async consortium(): Promise<DemoConsortium> {
    const response = await fetch(`${await this.#url}/demo/consortium`);
    return demoConsortium.parse(await response.json());
  }

  /** Acts on the process of one node. `id`: its member id, hex. */
  async control(id: string, action: 'stop' | 'start' | 'kill'): Promise<void> {
    const address = `${await this.#url}/demo/nodes/${id}/${action}`;
    const response = await fetch(address, { method: 'POST' });
    if (!response.ok) throw new Error(`${action} was refused with ${response.status}`);
  }

  /** Process ids of its nodes, as it writes them down for its successor. */
  nodeProcesses(): readonly number[] {
    return JSON.parse(readFileSync(join(this.home, 'processes.json'), 'utf8')) as number[];
  }

  ended(): Promise<Ended> {
    return this.#ended;
  }

  send(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): Promise<Ended> {
    this.#process.kill(signal);
    return this.#ended;
  }
}
