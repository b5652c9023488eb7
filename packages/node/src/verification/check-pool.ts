/**
 * Signature checks outside the thread that orders. While all workers are busy, checks gather; a worker
 * that is free takes its share of what waits, up to `BATCH_MAX`, in one message. Each has two batches at
 * most, so that it never idles and the queue stays here, where it is counted.
 */
import { Worker } from 'node:worker_threads';
import type { Check } from '@yilian/consensus/application';
import { encodeCheckFrame } from './check-frame.ts';
import { runChecks } from './run-checks.ts';

export interface CheckPool {
  /** One answer per check, in order. Never rejects on bytes from outside; rejects when the pool closes. */
  verify(checks: readonly Check[]): Promise<readonly boolean[]>;
  /** Checks that wait or run: admission refuses new work when this grows too large. */
  pending(): number;
  close(): Promise<void>;
}

const BATCH_MAX = 256;
const BATCHES_PER_WORKER = 2;
/** Checks that the main thread decides in one go when there are no workers: about two milliseconds. */
const INLINE_BATCH = 24;

/** One call of `verify`. */
interface Question {
  readonly answers: boolean[];
  left: number;
  readonly resolve: (answers: readonly boolean[]) => void;
  readonly reject: (error: Error) => void;
}

interface Job {
  readonly check: Check;
  readonly question: Question;
  /** Place of the check in its question. */
  readonly place: number;
}

interface Lane {
  readonly worker: Worker;
  readonly batches: (readonly Job[])[];
}

/**
 * Compiled beside this file; from source (tests) the build's copy serves, since a worker loads no
 * TypeScript. It gets no flags of its parent: `--conditions source` would lead it to the source again.
 */
function workerUrl(): URL {
  return import.meta.url.endsWith('.ts')
    ? new URL('../../dist/verification/check-worker.js', import.meta.url)
    : new URL('./check-worker.js', import.meta.url);
}

class Pool implements CheckPool {
  #waiting: Job[] = [];
  #running = 0;
  #closed: Error | undefined;
  #scheduled = false;
  readonly #lanes: Lane[] = [];
  readonly #onFailure: (error: Error) => void;

  constructor(workers: number, onFailure: (error: Error) => void) {
    this.#onFailure = onFailure;
    for (let i = 0; i < workers; i++) this.#addLane();
  }

  verify(checks: readonly Check[]): Promise<readonly boolean[]> {
    const closed = this.#closed;
    if (closed !== undefined) return Promise.reject(closed);
    if (checks.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const answers = Array.from<boolean>({ length: checks.length }).fill(false);
      const question: Question = { answers, left: checks.length, resolve, reject };
      for (const [place, check] of checks.entries()) this.#waiting.push({ check, question, place });
      this.#schedule();
    });
  }

  pending(): number {
    return this.#waiting.length + this.#running;
  }

  async close(): Promise<void> {
    this.#fail(new Error('the check pool is closed'));
    await Promise.all(this.#lanes.map(({ worker }) => worker.terminate()));
  }

  /** After the current turn, so that calls of one turn travel together. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#lanes.length === 0) void this.#runInline();
      else this.#dispatch();
    });
  }

  #dispatch(): void {
    for (let round = 0; round < BATCHES_PER_WORKER; round++)
      for (const lane of this.#lanes) {
        if (this.#waiting.length === 0) return;
        if (lane.batches.length > round) continue;
        const share = Math.ceil(this.#waiting.length / this.#lanes.length);
        const batch = this.#waiting.splice(0, Math.min(BATCH_MAX, share));
        lane.batches.push(batch);
        this.#running += batch.length;
        const frame = encodeCheckFrame(batch.map(({ check }) => check));
        lane.worker.postMessage(frame, [frame.buffer]);
      }
  }

  async #runInline(): Promise<void> {
    if (this.#running > 0 || this.#waiting.length === 0) return;
    const batch = this.#waiting.splice(0, INLINE_BATCH);
    this.#running = batch.length;
    const answers = await runChecks(batch.map(({ check }) => check));
    this.#running = 0;
    this.#settle(batch, answers);
    this.#schedule();
  }

  #settle(batch: readonly Job[], answers: Uint8Array): void {
    for (const [i, { question, place }] of batch.entries()) {
      question.answers[place] = answers[i] === 1;
      question.left -= 1;
      if (question.left === 0) question.resolve(question.answers);
    }
  }

  #addLane(): void {
    const lane: Lane = { worker: new Worker(workerUrl(), { execArgv: [] }), batches: [] };
    lane.worker.unref();
    lane.worker.on('message', (answers: Uint8Array) => {
      const batch = lane.batches.shift() ?? [];
      this.#running -= batch.length;
      this.#dispatch();
      this.#settle(batch, answers);
    });
    lane.worker.on('error', (error: unknown) => {
      // A worker decides bytes without throwing: this is a bug or a lack of memory, not bad input.
      const failure = error instanceof Error ? error : new Error(String(error));
      this.#fail(failure);
      this.#onFailure(failure);
    });
    this.#lanes.push(lane);
  }

  #fail(error: Error): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    const jobs = [...this.#waiting, ...this.#lanes.flatMap(({ batches }) => batches.flat())];
    this.#waiting = [];
    for (const { question } of jobs) question.reject(error);
  }
}

/** `workers` 0 decides on the calling thread, a few checks per turn of the event loop. */
export function createCheckPool(options: {
  readonly workers: number;
  /** A worker died: nothing can be verified any more. */
  readonly onFailure: (error: Error) => void;
}): CheckPool {
  return new Pool(options.workers, options.onFailure);
}
