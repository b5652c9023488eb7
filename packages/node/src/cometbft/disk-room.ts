/**
 * How much room is left. An engine stops in the middle of things when the disk is full, and a database that
 * cannot write is of no use until its process starts anew: a node that halts a little earlier, and goes on
 * when there is room, has neither.
 */
import { statfsSync } from 'node:fs';

/** Bytes that this user may still write where `directory` lies; undefined where the system does not say. */
function freeBytes(directory: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

const MIB = 1024 * 1024;

export type Room =
  | { readonly kind: 'enough' }
  /** The node must not go on. */
  | { readonly kind: 'none'; readonly message: string };

/** Enough again only with half as much more: no node goes on and off. */
const AGAIN = 1.5;

/** Looks at the file system of `directory`. `minMib` 0 asks for nothing. */
export function createRoomWatch(input: {
  readonly directory: string;
  readonly minMib: number;
  readonly free?: (directory: string) => number | undefined;
}): () => Room {
  const { directory, minMib, free = freeBytes } = input;
  let isShort = false;
  return () => {
    if (minMib === 0) return { kind: 'enough' };
    const bytes = free(directory);
    const needed = minMib * MIB * (isShort ? AGAIN : 1);
    isShort = bytes !== undefined && bytes < needed;
    if (bytes === undefined || !isShort) return { kind: 'enough' };
    return {
      kind: 'none',
      message:
        `the disk is full: ${Math.floor(bytes / MIB)} MiB are left where ${directory} lies, and ` +
        `${Math.ceil(minMib * AGAIN)} MiB are needed; make room, and the node goes on by itself`,
    };
  };
}
