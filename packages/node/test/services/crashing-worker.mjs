/** A search worker that ends as the first byte of its task says. */
import { parentPort } from 'node:worker_threads';

parentPort.on('message', ({ id, task }) => {
  const [how] = task.right;
  if (how === 1) process.exit(3);
  if (how === 2)
    setImmediate(() => {
      throw new Error('uncaught');
    });
  else parentPort.postMessage({ id, matches: [[]], cpuMs: how });
});
