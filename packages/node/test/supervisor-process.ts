/** `npm start` as a test runs it: the built program on a home of its own, its output read line by line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { demoConsortium, type DemoConsortium } from '@yilian/api/documents';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

export class Supervisor {
  readonly #process: ChildProcess;
  readonly #home: string;
  readonly #ended: Promise<Ended>;
  #output = '';

  constructor(home: string, port = '0') {
    this.#home = home;
    this.#process = spawn(process.execPath, [PROGRAM], {
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        YILIAN_HOME: home,
        YILIAN_PORT: port,
        YILIAN_HEARTBEAT_MS: '2000',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const read = (piece: Buffer): void => {
      this.#output += piece.toString('utf8');
    };
    this.#process.stdout?.on('data', read);
    this.#process.stderr?.on('data', read);
    this.#ended = new Promise((resolve) => {
      this.#process.once('close', (code, signal) =>
        resolve({ code, signal, output: this.#output }),
      );
    });
  }

  get output(): string {
    return this.#output;
  }

  /** The address that it prints when everything runs. */
  async url(): Promise<string> {
    let hasEnded = false;
    void this.#ended.then(() => {
      hasEnded = true;
    });
    await until(() => hasEnded || this.#output.includes('Yilian runs:'), 90_000);
    const [, address] = /Yilian runs: (\S+)/.exec(this.#output) ?? [];
    if (address === undefined) throw new Error(`it did not start: ${this.#output}`);
    return address.replace('localhost', '127.0.0.1');
  }

  async consortium(): Promise<DemoConsortium> {
    const response = await fetch(`${await this.url()}/demo/consortium`);
    return demoConsortium.parse(await response.json());
  }

  async command(id: string, action: 'stop' | 'start' | 'kill'): Promise<void> {
    const response = await fetch(`${await this.url()}/demo/nodes/${id}/${action}`, {
      method: 'POST',
    });
    if (!response.ok) throw new Error(`${action} was refused with ${response.status}`);
  }

  /** Process ids of its nodes, as it writes them down for its successor. */
  nodeProcesses(): readonly number[] {
    return JSON.parse(readFileSync(join(this.#home, 'processes.json'), 'utf8')) as number[];
  }

  ended(): Promise<Ended> {
    return this.#ended;
  }

  send(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): Promise<Ended> {
    this.#process.kill(signal);
    return this.#ended;
  }
}

/** Which directory a node process serves; undefined when there is no such process. */
export function homeOfProcess(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[3];
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // A process that has ended and was not waited for is none any more.
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}

/** @throws Error when `condition` was not met in time */
export async function until(
  condition: () => boolean | Promise<boolean>,
  ms = 45_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('the condition was never met');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Height of a node, 0 when it does not answer. */
export async function heightOf(url: string): Promise<bigint> {
  try {
    const response = await fetch(`${url}/v1/status`);
    const { height } = (await response.json()) as { readonly height?: number | string };
    return BigInt(height ?? 0);
  } catch {
    return 0n;
  }
}
