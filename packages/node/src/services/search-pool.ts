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

export interface SearchPool {
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
  readonly error?: string;
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
}): SearchPool {
  const { context, curve } = options;
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
    const worker = new Worker(workerUrl(), { workerData: context });
    const lane: (typeof lanes)[number] = { worker, busy: null };
    lanes.push(lane);
    worker.on('message', (reply: Reply) => {
      const { busy } = lane;
      if (busy === null || busy.id !== reply.id) return;
      lane.busy = null;
      running -= 1;
      if (reply.matches === undefined) busy.job.reject(new Error(reply.error ?? 'search failed'));
      else busy.job.resolve({ matches: reply.matches, cpuMs: reply.cpuMs ?? 0 });
      dispatch();
    });
    worker.on('error', (error) => {
      const { busy } = lane;
      lanes.splice(lanes.indexOf(lane), 1);
      if (busy !== null) {
        running -= 1;
        busy.job.reject(error);
      }
      if (!closed) addLane();
      dispatch();
    });
    worker.unref();
  };
  for (let i = 0; i < options.workers; i++) addLane();

  return {
    run: (task) => {
      if (closed) return Promise.reject(new Error('the search pool is closed'));
      if (options.workers === 0)
        return new Promise((resolve, reject) => {
          setImmediate(() => {
            const startedAt = performance.now();
            try {
              const matches = runSearchTask(curve, context, task);
              resolve({ matches, cpuMs: performance.now() - startedAt });
            } catch (error) {
              reject(error instanceof Error ? error : new Error('search failed'));
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
      for (const job of queue.splice(0)) job.reject(new Error('the search pool is closed'));
      await Promise.all(lanes.map(({ worker }) => worker.terminate()));
    },
  };
}
