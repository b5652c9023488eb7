/** One pairing and one pass of AES: what a worker does with a token and an epoch. Runs in any thread. */
import type { Bytes } from '@yilian/crypto/bytes';
import type { ChainContext } from '@yilian/crypto/context';
import type { Curve } from '@yilian/crypto/curve';
import {
  type EpochIndex,
  type Match,
  type TagKey,
  searchEpoch,
  trapdoorTagKey,
} from '@yilian/crypto/searchable-encryption';
import { encryptBlocks } from '../native-primitives.ts';

/** What may cross a thread: bytes and numbers. */
export interface SearchTask {
  readonly mode: 'pk' | 'sym';
  /** T (96 bytes) or K (32 bytes). */
  readonly right: Bytes;
  readonly epochs: readonly { readonly point: Bytes; readonly index: EpochIndex }[];
}

/** Matches per epoch, in order. The caller parsed T and A before: points here are good. */
export function runSearchTask(
  curve: Curve,
  context: ChainContext,
  task: SearchTask,
): readonly (readonly Match[])[] {
  if (task.mode === 'sym') {
    const key = task.right as TagKey;
    return task.epochs.map(({ index }) => searchEpoch(key, index, encryptBlocks));
  }
  const trapdoor = curve.prepareG2(curve.parseG2(task.right));
  try {
    return task.epochs.map(({ point, index }) => {
      const epochPoint = curve.parseG1(point);
      const key = trapdoorTagKey({ curve, context, epochPoint, trapdoor });
      const matches = searchEpoch(key, index, encryptBlocks);
      key.fill(0);
      return matches;
    });
  } finally {
    curve.freePreparedG2(trapdoor);
  }
}
