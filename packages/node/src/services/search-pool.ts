/**
 * Searches outside the thread that serves: as many workers as cores. Index bytes lie in shared memory,
 * so that a task carries references and no copies. Without workers (tests, tiny machines) the same
 * tasks run in turns of the event loop.
 */
import { Worker } from 'node:worker_threads';
import type { ChainContext } from '@yilian/crypto/context';
import type { Curve } from '@yilian/crypto/curve';
import type { Match } from '@yilian/crypto/searchable-encryption';
import { type SearchTask, runSearchTask } from './search-task.ts';

/** A search that got no result. Nothing of the task is in the text: it carries a right to search. */
export class SearchPoolError extends Error {
  /** `workerLost`: the thread ended while it searched; asking again uses another one. */
  readonly code: 'closed' | 'workerLost' | 'taskFailed';

  constructor(code: SearchPoolError['code'], message: string) {
    super(message);
    this.name = 'SearchPoolError';
    this.code = code;
  }
}

/** A worker that ends before it has answered anything is replaced after so long, not in a loop. */
const REPLACE_PAUSE_MS = 1_000;

export interface SearchPool {
  /** @throws SearchPoolError */
  run(task: SearchTask): Promise<{
    readonly matches: readonly (readonly Match[])[];
    readonly cpuMs: number;
  }>;
  /** Tasks that wait or run. */
  pending(): number;
  close(): Promise<void>;
}

interface Waiting {
  readonly task: SearchTask;
  readonly resolve: (result: {
    readonly matches: readonly (readonly Match[])[];
    readonly cpuMs: number;
  }) => void;
  readonly reject: (error: Error) => void;
}

interface Reply {
  readonly id: number;
  readonly matches?: readonly (readonly Match[])[];
  readonly cpuMs?: number;
}

function workerUrl(): URL {
  return import.meta.url.endsWith('.ts')
    ? new URL('../../dist/services/search-worker.js', import.meta.url)
    : new URL('./search-worker.js', import.meta.url);
}

export function createSearchPool(options: {
  readonly workers: number;
  readonly context: ChainContext;
  /** For running without workers. */
  readonly curve: Curve;
  /** What the workers run. */
  readonly program?: URL;
}): SearchPool {
  const { context, curve, program = workerUrl() } = options;
  const queue: Waiting[] = [];
  const lanes: { readonly worker: Worker; busy: { readonly id: number; job: Waiting } | null }[] =
    [];
  let running = 0;
  let nextId = 0;
  let closed = false;

  const dispatch = (): void => {
    for (const lane of lanes) {
      if (lane.busy !== null) continue;
      const job = queue.shift();
      if (job === undefined) return;
      const id = nextId++;
      lane.busy = { id, job };
      running += 1;
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread, no window
      lane.worker.postMessage({ id, task: job.task });
    }
  };

  const addLane = (): void => {
    const worker = new Worker(program, { workerData: context, execArgv: [] });
    const lane: (typeof lanes)[number] = { worker, busy: null };
    lanes.push(lane);
    let hasAnswered = false;
    worker.on('message', (reply: Reply) => {
      hasAnswered = true;
      const { busy } = lane;
      if (busy === null || busy.id !== reply.id) return;
      lane.busy = null;
      running -= 1;
      if (reply.matches === undefined)
        busy.job.reject(new SearchPoolError('taskFailed', 'the search failed'));
      else busy.job.resolve({ matches: reply.matches, cpuMs: reply.cpuMs ?? 0 });
      dispatch();
    });
    // An uncaught error, too, ends the thread: `exit` follows and does the rest.
    worker.on('error', () => undefined);
    worker.on('exit', () => {
      const { busy } = lane;
      lanes.splice(lanes.indexOf(lane), 1);
      if (busy !== null) {
        running -= 1;
        busy.job.reject(new SearchPoolError('workerLost', 'a search worker ended at its task'));
      }
      if (closed) return;
      if (hasAnswered || busy !== null) replace();
      else setTimeout(replace, REPLACE_PAUSE_MS).unref();
    });
    worker.unref();
  };
  const replace = (): void => {
    if (closed) return;
    addLane();
    dispatch();
  };
  for (let i = 0; i < options.workers; i++) addLane();

  return {
    run: (task) => {
      if (closed) return Promise.reject(new SearchPoolError('closed', 'the search pool is closed'));
      if (options.workers === 0)
        return new Promise((resolve, reject) => {
          setImmediate(() => {
            const startedAt = performance.now();
            try {
              const matches = runSearchTask(curve, context, task);
              resolve({ matches, cpuMs: performance.now() - startedAt });
            } catch {
              reject(new SearchPoolError('taskFailed', 'the search failed'));
            }
          });
        });
      return new Promise((resolve, reject) => {
        queue.push({ task, resolve, reject });
        dispatch();
      });
    },
    pending: () => queue.length + running,
    close: async () => {
      closed = true;
      for (const job of queue.splice(0))
        job.reject(new SearchPoolError('closed', 'the search pool is closed'));
      await Promise.all([...lanes].map(({ worker }) => worker.terminate()));
    },
  };
}
