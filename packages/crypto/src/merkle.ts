/**
 * Merkle trees of RFC 9162 §2.1 (Certificate Transparency v2): leaves and nodes are hashed under
 * different prefixes and an odd node is never doubled, so that a root has one list of leaves only
 * ([a, b, c] and [a, b, c, c] differ).
 *
 * Promises: a root and size fix the list (collision resistance of SHA-256); an inclusion proof shows
 * one leaf at one index, a consistency proof that one list begins with another. Does not promise
 * anything about a size that is not bound to the root by the caller: carry both.
 *
 * Notation: MTH = `merkleRoot`, PATH = `proveInclusion`, SUBPROOF = inside `proveConsistency`. All
 * functions take leaf *hashes* (`hashLeaf`) unless they say leaves. Sizes and indexes are
 * non-negative safe integers. The hash is injectable so that a node can use its native SHA-256.
 */
import { type Bytes, concatBytes, equalBytes } from './bytes.ts';
import { type Cbor, decode, encode } from './cbor.ts';
import { sha256 } from './hash.ts';

export type HashFunction = (bytes: Bytes) => Bytes;

/** The hash of the complete subtree over leaves `index·2^level … (index+1)·2^level − 1`. */
export type NodeSource = (level: number, index: number) => Bytes;

/** Bytes of every hash in a tree. */
export const HASH_BYTES = 32;

/** First byte of what is hashed for a leaf: public so that a large leaf can be hashed in parts. */
export const LEAF_PREFIX: Bytes = Uint8Array.of(0);
const NODE_PREFIX: Bytes = Uint8Array.of(1);

/** For what is hashed and thrown away: a hash function reads its argument before it returns. */
const preimage = new Uint8Array(1_024);

/** MTH({}) = hash of nothing. */
export function emptyRoot(hash: HashFunction = sha256): Bytes {
  return hash(new Uint8Array(0));
}

/** hash(0x00 ‖ leaf) */
export function hashLeaf(leaf: Bytes, hash: HashFunction = sha256): Bytes {
  if (leaf.length >= preimage.length) return hash(concatBytes(LEAF_PREFIX, leaf));
  preimage.set(LEAF_PREFIX);
  preimage.set(leaf, 1);
  return hash(preimage.subarray(0, 1 + leaf.length));
}

/** hash(0x01 ‖ left ‖ right) */
export function hashNode(left: Bytes, right: Bytes, hash: HashFunction = sha256): Bytes {
  preimage.set(NODE_PREFIX);
  preimage.set(left, 1);
  preimage.set(right, 1 + left.length);
  return hash(preimage.subarray(0, 1 + left.length + right.length));
}

function assertSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 0)
    throw new RangeError(`${size} is not the size of a tree`);
}

/** Largest power of two below `size` (size ≥ 2), with its exponent. */
export function splitOf(size: number): { left: number; level: number } {
  let left = 1;
  let level = 0;
  while (left * 2 < size) {
    left *= 2;
    level += 1;
  }
  return { left, level };
}

/** MTH of the leaves `start … start + size − 1`; `start` is a multiple of the covering power of two. */
export function rangeRoot(
  nodes: NodeSource,
  start: number,
  size: number,
  hash: HashFunction,
): Bytes {
  if (size === 1) return nodes(0, start);
  const { left, level } = splitOf(size);
  if (left * 2 === size) return nodes(level + 1, start / size);
  return hashNode(
    nodes(level, start / left),
    rangeRoot(nodes, start + left, size - left, hash),
    hash,
  );
}

/** Serves complete subtrees out of a list of leaf hashes, computing each when asked. */
export function nodesOf(leafHashes: readonly Bytes[], hash: HashFunction = sha256): NodeSource {
  const node: NodeSource = (level, index) => {
    if (level === 0) {
      const leaf = leafHashes[index];
      if (leaf === undefined) throw new RangeError(`no leaf ${index} in this tree`);
      return leaf;
    }
    return hashNode(node(level - 1, index * 2), node(level - 1, index * 2 + 1), hash);
  };
  return node;
}

/** MTH over leaf hashes. */
export function rootOfLeafHashes(leafHashes: readonly Bytes[], hash: HashFunction = sha256): Bytes {
  if (leafHashes.length === 0) return emptyRoot(hash);
  return rangeRoot(nodesOf(leafHashes, hash), 0, leafHashes.length, hash);
}

/** MTH over leaves. */
export function merkleRoot(leaves: readonly Bytes[], hash: HashFunction = sha256): Bytes {
  return rootOfLeafHashes(
    leaves.map((leaf) => hashLeaf(leaf, hash)),
    hash,
  );
}

/** MTH of the first `size` leaves of a tree whose complete subtrees are stored. */
export function rootAt(nodes: NodeSource, size: number, hash: HashFunction = sha256): Bytes {
  assertSize(size);
  return size === 0 ? emptyRoot(hash) : rangeRoot(nodes, 0, size, hash);
}

/**
 * An append-only tree in O(log n) memory: the roots of its complete subtrees, largest first
 * (one for each 1 in the binary form of `size`).
 */
export interface Frontier {
  readonly size: number;
  readonly peaks: readonly Bytes[];
}

export const EMPTY_FRONTIER: Frontier = { size: 0, peaks: [] };

/**
 * The tree with one leaf more. `keepNode` is told of every subtree that became complete, the leaf
 * itself first: stored by (level, index) they serve later as a `NodeSource`.
 */
export function appendLeafHash(
  frontier: Frontier,
  leafHash: Bytes,
  hash: HashFunction = sha256,
  keepNode: (level: number, index: number, node: Bytes) => void = () => {},
): Frontier {
  const peaks = [...frontier.peaks];
  let node = leafHash;
  let level = 0;
  let index = frontier.size;
  keepNode(level, index, node);
  while (index % 2 === 1) {
    const left = peaks.pop();
    if (left === undefined) throw new RangeError('a frontier lacks a peak for its size');
    node = hashNode(left, node, hash);
    level += 1;
    index = (index - 1) / 2;
    keepNode(level, index, node);
  }
  peaks.push(node);
  return { size: frontier.size + 1, peaks };
}

/** MTH of the tree behind a frontier. */
export function frontierRoot(frontier: Frontier, hash: HashFunction = sha256): Bytes {
  const [last, ...others] = frontier.peaks.toReversed();
  if (last === undefined) return emptyRoot(hash);
  return others.reduce((right, left) => hashNode(left, right, hash), last);
}

/** Canonical CBOR [size, …peaks]. */
export function encodeFrontier(frontier: Frontier): Bytes {
  return encode([frontier.size, ...frontier.peaks]);
}

/** Strict inverse of `encodeFrontier`; `null` for anything else. */
export function parseFrontier(bytes: Bytes): Frontier | null {
  let value: Cbor;
  try {
    value = decode(bytes);
  } catch {
    return null;
  }
  if (!Array.isArray(value)) return null;
  const [size, ...items] = value as readonly Cbor[];
  if (typeof size !== 'number' || size < 0) return null;
  const peaks: Bytes[] = [];
  for (const item of items) {
    if (!(item instanceof Uint8Array) || item.length !== HASH_BYTES) return null;
    peaks.push(item);
  }
  return peaks.length === onesOf(size) ? { size, peaks } : null;
}

function onesOf(size: number): number {
  let ones = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  return ones;
}

/**
 * PATH(index, D_size), RFC 9162 §2.1.3.1: from the leaf's sibling up.
 * @throws RangeError unless index < size
 */
export function proveInclusion(
  nodes: NodeSource,
  index: number,
  size: number,
  hash: HashFunction = sha256,
): readonly Bytes[] {
  assertSize(size);
  if (!Number.isSafeInteger(index) || index < 0 || index >= size)
    throw new RangeError(`no leaf ${index} in a tree of ${size}`);
  const path: Bytes[] = [];
  let start = 0;
  let rest = size;
  while (rest > 1) {
    const { left } = splitOf(rest);
    if (index - start < left) {
      path.push(rangeRoot(nodes, start + left, rest - left, hash));
      rest = left;
    } else {
      path.push(rangeRoot(nodes, start, left, hash));
      start += left;
      rest -= left;
    }
  }
  return path.toReversed();
}

/**
 * PROOF(oldSize, D_newSize), RFC 9162 §2.1.4.1. Empty when the sizes are equal or the old tree is empty.
 * @throws RangeError unless oldSize ≤ newSize
 */
export function proveConsistency(
  nodes: NodeSource,
  oldSize: number,
  newSize: number,
  hash: HashFunction = sha256,
): readonly Bytes[] {
  assertSize(oldSize);
  assertSize(newSize);
  if (oldSize > newSize) throw new RangeError('a tree cannot be consistent with a smaller one');
  if (oldSize === 0 || oldSize === newSize) return [];
  const path: Bytes[] = [];
  let start = 0;
  let old = oldSize;
  let rest = newSize;
  let known = true;
  while (old !== rest) {
    const { left } = splitOf(rest);
    if (old <= left) {
      path.push(rangeRoot(nodes, start + left, rest - left, hash));
      rest = left;
    } else {
      path.push(rangeRoot(nodes, start, left, hash));
      start += left;
      old -= left;
      rest -= left;
      known = false;
    }
  }
  if (!known) path.push(rangeRoot(nodes, start, rest, hash));
  return path.toReversed();
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** RFC 9162 §2.1.3.2. False for anything malformed; never throws. */
export function verifyInclusion(
  claim: {
    readonly leafHash: Bytes;
    readonly index: number;
    readonly size: number;
    readonly path: readonly Bytes[];
    readonly root: Bytes;
  },
  hash: HashFunction = sha256,
): boolean {
  if (!isSize(claim.size) || !isSize(claim.index) || claim.index >= claim.size) return false;
  if (claim.leafHash.length !== HASH_BYTES) return false;
  let position = claim.index;
  let last = claim.size - 1;
  let node = claim.leafHash;
  for (const sibling of claim.path) {
    if (last === 0 || sibling.length !== HASH_BYTES) return false;
    if (position % 2 === 1 || position === last) {
      node = hashNode(sibling, node, hash);
      while (position % 2 === 0 && position !== 0) {
        position /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      node = hashNode(node, sibling, hash);
    }
    position = Math.floor(position / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalBytes(node, claim.root);
}

/** RFC 9162 §2.1.4.2, with the empty old tree allowed. False for anything malformed; never throws. */
export function verifyConsistency(
  claim: {
    readonly oldSize: number;
    readonly oldRoot: Bytes;
    readonly newSize: number;
    readonly newRoot: Bytes;
    readonly path: readonly Bytes[];
  },
  hash: HashFunction = sha256,
): boolean {
  const { oldSize, oldRoot, newSize, newRoot, path } = claim;
  if (!isSize(oldSize) || !isSize(newSize) || oldSize > newSize) return false;
  if (oldRoot.length !== HASH_BYTES || newRoot.length !== HASH_BYTES) return false;
  if (path.some((node) => node.length !== HASH_BYTES)) return false;
  if (oldSize === newSize) return path.length === 0 && equalBytes(oldRoot, newRoot);
  if (oldSize === 0) return path.length === 0 && equalBytes(oldRoot, emptyRoot(hash));

  let position = oldSize - 1;
  let last = newSize - 1;
  while (position % 2 === 1) {
    position = (position - 1) / 2;
    last = Math.floor(last / 2);
  }
  // An old tree that is itself a complete subtree is its own first node (the proof leaves it out).
  const [first, ...rest] = position === 0 ? [oldRoot, ...path] : path;
  if (first === undefined) return false;
  let oldNode = first;
  let newNode = first;
  for (const sibling of rest) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      oldNode = hashNode(sibling, oldNode, hash);
      newNode = hashNode(sibling, newNode, hash);
      while (position % 2 === 0 && position !== 0) {
        position /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      newNode = hashNode(newNode, sibling, hash);
    }
    position = Math.floor(position / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalBytes(oldNode, oldRoot) && equalBytes(newNode, newRoot);
}
