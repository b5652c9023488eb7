/// <reference types="node" />
/**
 * Memory of large chunks, given back when a chunk was taken. OpenSSL's binding makes a buffer for every
 * ciphertext; left to the collector, some 30 to 60 MiB of them lie about at any time.
 */
import { MessageChannel } from 'node:worker_threads';
import type { SealedLeaf } from '@yilian/crypto/primitives';

/** What is transferred to a closed port belongs to nobody, and is freed at once. */
const nowhere = new MessageChannel().port1;
nowhere.close();

/** `sealed`, to be released when it was taken. */
export function releasable(sealed: SealedLeaf): SealedLeaf {
  const { buffer } = sealed.ciphertext;
  if (!(buffer instanceof ArrayBuffer)) return sealed;
  return { ...sealed, release: () => nowhere.postMessage(null, [buffer]) };
}

const THRESHOLD_BYTES = 16_777_216;
let isThresholdRaised = false;

/**
 * glibc fetches blocks as large as a chunk from the system and returns them when freed, 256 page faults
 * each time, until it has seen a larger one freed: from then on it keeps up to twice that size for the
 * next call (mallopt(3), M_MMAP_THRESHOLD). Elsewhere this does nothing.
 */
export function keepFreedChunks(): void {
  if (isThresholdRaised) return;
  isThresholdRaised = true;
  nowhere.postMessage(null, [new ArrayBuffer(THRESHOLD_BYTES)]);
}
