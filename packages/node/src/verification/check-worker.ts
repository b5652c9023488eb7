/** The thread behind check-pool.ts: a frame of checks in, one byte per check out, in order. */
import { parentPort } from 'node:worker_threads';
import { useNativeSha256 } from '@yilian/crypto/hash';
import { decodeCheckFrame } from './check-frame.ts';
import { runChecks } from './run-checks.ts';
import { sha256 } from './sha256.ts';

const port = parentPort;
if (port === null) throw new Error('check-worker.ts runs as a worker thread only');

useNativeSha256(sha256);

let last: Promise<void> = Promise.resolve();
port.on('message', (frame: Uint8Array) => {
  last = last.then(async () => {
    const answers = await runChecks(decodeCheckFrame(frame));
    port.postMessage(answers, [answers.buffer]);
  });
});
