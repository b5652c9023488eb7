/// <reference types="node" />
/** The thread of `sealing-lane.ts`: seals one chunk after the other, keeps nothing. */
import { workerData } from 'node:worker_threads';
import { sealLeafHere } from './node-sealing.ts';
import type { SealingOrder, SealingReply, SealingThreadData } from './sealing-lane.ts';

const { port, slots } = workerData as SealingThreadData;

function reply(message: SealingReply, transfer: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

port.on('message', ({ at, length, input }: SealingOrder) => {
  const plaintext = slots[at]?.subarray(0, length);
  if (plaintext === undefined) throw new RangeError(`the lane has no slot ${at}`);
  const sealed = sealLeafHere({ ...input, plaintext });
  input.key.fill(0);
  const { buffer } = sealed.ciphertext;
  reply({ at, sealed }, buffer instanceof ArrayBuffer ? [buffer] : []);
});
reply('ready');
