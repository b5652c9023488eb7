/**
 * A disk that keeps only what was flushed. A crash may keep any part of the rest, and tears the first
 * write that it does not keep whole. Writes are framed with a checksum, and reading stops at the first
 * frame that does not hold.
 */
import { concatBytes, equalBytes } from '@yilian/crypto/bytes';
import { nativeSha256 } from './keys.ts';
import type { Random } from './random.ts';

export interface SimulatedDisk {
  readonly write: (bytes: Uint8Array) => void;
  /** Everything written so far becomes durable. */
  readonly flush: () => void;
  readonly crash: (random: Random) => void;
  /** What a restarted process finds. */
  readonly read: () => readonly Uint8Array[];
  readonly hasUnflushed: () => boolean;
  readonly tornCount: () => number;
}

const CHECKSUM_BYTES = 8;

function frame(bytes: Uint8Array): Uint8Array {
  return concatBytes(nativeSha256(bytes).subarray(0, CHECKSUM_BYTES), bytes);
}

function unframe(framed: Uint8Array): Uint8Array | undefined {
  const bytes = framed.subarray(CHECKSUM_BYTES);
  const checksum = nativeSha256(bytes).subarray(0, CHECKSUM_BYTES);
  return equalBytes(framed.subarray(0, CHECKSUM_BYTES), checksum) ? bytes : undefined;
}

export function createDisk(): SimulatedDisk {
  let frames: Uint8Array[] = [];
  let durable = 0;
  let torn = 0;
  return {
    write: (bytes) => void frames.push(frame(bytes)),
    flush: () => {
      durable = frames.length;
    },
    crash: (random) => {
      const kept = random.between(durable, frames.length);
      const half = frames[kept];
      frames = frames.slice(0, kept);
      if (half !== undefined && random.chance(0.5)) {
        frames.push(half.subarray(0, random.between(0, half.length - 1)));
        torn++;
      }
    },
    read: () => {
      const found: Uint8Array[] = [];
      for (const framed of frames) {
        const bytes = unframe(framed);
        if (bytes === undefined) break;
        found.push(bytes);
      }
      // Recovery cuts a torn tail, so that later writes do not hide behind it.
      frames = frames.slice(0, found.length);
      durable = frames.length;
      return found;
    },
    hasUnflushed: () => frames.length > durable,
    tornCount: () => torn,
  };
}
