/**
 * The append-only log: an RFC 9162 tree over one leaf per executed transaction. Complete subtrees are
 * stored by (level, index), so that a proof of any old leaf against any later size reads O(log n)
 * hashes and nothing is kept in memory.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import {
  type Frontier,
  type HashFunction,
  type NodeSource,
  appendLeafHash,
  frontierRoot,
  hashLeaf,
  proveConsistency,
  proveInclusion,
  rootAt,
} from '@yilian/crypto/merkle';
import { StateDamagedError } from './state-damaged-error.ts';
import { type Overlay, type Store, numberKey } from './store.ts';

function hashKey(level: number, index: number): string {
  return `l${String.fromCharCode(level)}${numberKey(index)}`;
}

function leafKey(index: number): string {
  return `L${numberKey(index)}`;
}

/** The subtrees of the log. A leaf's own hash is made from the leaf (older databases hold it). */
export function logNodes(store: Store): NodeSource {
  return (level, index) => {
    const node = store.get(hashKey(level, index));
    if (node !== undefined) return node;
    const leaf = level === 0 ? logLeaf(store, index) : undefined;
    if (leaf === undefined) throw new StateDamagedError('a log hash is missing');
    return hashLeaf(leaf);
  };
}

/** The roots of the complete subtrees of a log of `size` leaves, largest first. */
function frontierAt(store: Store, size: number): Frontier {
  const nodes = logNodes(store);
  const peaks: Bytes[] = [];
  let rest = size;
  let level = 0;
  let start = size;
  while (rest > 0) {
    if (rest % 2 === 1) {
      start -= 2 ** level;
      peaks.unshift(nodes(level, start / 2 ** level));
    }
    rest = Math.floor(rest / 2);
    level++;
  }
  return { size, peaks };
}

/** Appends `leaves` to a log of `size` leaves; returns the new root. */
export function appendToLog(
  store: Overlay,
  size: number,
  leaves: readonly Bytes[],
  hash: HashFunction = sha256,
): Bytes {
  let frontier = frontierAt(store, size);
  for (const leaf of leaves) {
    store.putNew(leafKey(frontier.size), leaf);
    frontier = appendLeafHash(frontier, hashLeaf(leaf, hash), hash, (level, index, node) => {
      if (level > 0) store.putNew(hashKey(level, index), node);
    });
  }
  return frontierRoot(frontier, hash);
}

export function logLeaf(store: Store, index: number): Bytes | undefined {
  return store.get(leafKey(index));
}

export function logRoot(store: Store, size: number): Bytes {
  return rootAt(logNodes(store), size);
}

/** From the leaf's sibling up. @throws RangeError unless index < size */
export function proveLogInclusion(store: Store, index: number, size: number): readonly Bytes[] {
  return proveInclusion(logNodes(store), index, size);
}

/** @throws RangeError unless oldSize ≤ newSize */
export function proveLogConsistency(
  store: Store,
  oldSize: number,
  newSize: number,
): readonly Bytes[] {
  return proveConsistency(logNodes(store), oldSize, newSize);
}
