/** A search worker's thread: tasks in, matches out, nothing kept between them. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ChainContext } from '@yilian/crypto/context';
import { createMclCurve } from '@yilian/crypto/curve-mcl';
import { type SearchTask, runSearchTask } from './search-task.ts';

const port = parentPort;
if (port === null) throw new Error('a search worker runs in a thread of its own');
const context = workerData as ChainContext;
const curve = await createMclCurve();

port.on('message', ({ id, task }: { readonly id: number; readonly task: SearchTask }) => {
  const startedAt = performance.now();
  try {
    const matches = runSearchTask(curve, context, task);
    task.right.fill(0);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
    port.postMessage({ id, matches, cpuMs: performance.now() - startedAt });
  } catch {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
    port.postMessage({ id });
  }
});
