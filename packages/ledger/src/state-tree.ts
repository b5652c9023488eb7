/**
 * The state tree on a store: batch update, proofs, subtrees. Hashing and shape: state-proof.ts.
 *
 * Nodes lie under their path (hex digits from the root), one version only, so an update overwrites
 * instead of leaving garbage. A node holds for each child its hash, and for a leaf child also its key
 * hash, so that a leaf costs no node of its own. An update touches each node on its way once per block:
 * for m keys among n, at most m·log16(n) nodes.
 *
 *   stored node = bitmap (2) ‖ leaf map (2) ‖ per child present: hash (32) [‖ keyHash (32) if a leaf]
 */
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import type { HashFunction } from '@yilian/crypto/merkle';
import {
  HASH_LENGTH,
  type ProofLevel,
  type StateProof,
  type Subtree,
  type SubtreeLeaf,
  hashStateLeaf,
  hashStateNode,
  nibbleAt,
} from './state-proof.ts';
import { type Overlay, type Store, bytesToKey } from './store.ts';

/** What a tree node says of one child: the hash, and for a leaf the key. */
interface Child {
  readonly hash: Bytes;
  readonly leafKey: Bytes | undefined;
}

type Children = (Child | undefined)[];

const DIGITS = '0123456789abcdef';

/** Thrown when the store does not hold what the tree says it holds: damage, not a wrong request. */
export class StateDamagedError extends Error {
  readonly code = 'stateDamaged';
}

export function valueKey(keyHash: Bytes): string {
  return `v${bytesToKey(keyHash)}`;
}

function nodeKey(path: string): string {
  return `n${path}`;
}

function decodeNode(bytes: Bytes): Children {
  const bitmap = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  const leafMap = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
  const children: Children = Array.from({ length: 16 });
  let offset = 4;
  for (let slot = 0; slot < 16; slot++) {
    if (((bitmap >> slot) & 1) === 0) continue;
    const hash = bytes.subarray(offset, offset + HASH_LENGTH);
    offset += HASH_LENGTH;
    let leafKey: Bytes | undefined;
    if (((leafMap >> slot) & 1) === 1) {
      leafKey = bytes.subarray(offset, offset + HASH_LENGTH);
      offset += HASH_LENGTH;
    }
    children[slot] = { hash, leafKey };
  }
  if (offset !== bytes.length) throw new StateDamagedError('a tree node has another length');
  return children;
}

function encodeNode(children: Children): Bytes {
  let length = 4;
  for (const child of children)
    if (child !== undefined) length += child.leafKey === undefined ? HASH_LENGTH : 2 * HASH_LENGTH;
  const bytes = new Uint8Array(length);
  let bitmap = 0;
  let leafMap = 0;
  let offset = 4;
  for (let slot = 0; slot < 16; slot++) {
    const child = children[slot];
    if (child === undefined) continue;
    bitmap |= 1 << slot;
    bytes.set(child.hash, offset);
    offset += HASH_LENGTH;
    if (child.leafKey !== undefined) {
      leafMap |= 1 << slot;
      bytes.set(child.leafKey, offset);
      offset += HASH_LENGTH;
    }
  }
  bytes[0] = bitmap >> 8;
  bytes[1] = bitmap & 0xff;
  bytes[2] = leafMap >> 8;
  bytes[3] = leafMap & 0xff;
  return bytes;
}

/** One key to put (with the hash of its leaf) or, without a hash, to delete. */
interface Change {
  readonly hex: string;
  readonly keyHash: Bytes;
  readonly leafHash: Bytes | undefined;
}

/** A new value for a key, or none. */
export interface StateChange {
  readonly keyHash: Bytes;
  readonly value: Bytes | undefined;
}

/** The root hash of a tree without keys. */
export function emptyStateRoot(hash: HashFunction = sha256): Bytes {
  return hashStateNode([], hash);
}

/**
 * Applies `changes` (each key at most once) to the tree in `store` and returns the new root. The
 * order of `changes` does not matter. Values are the caller's to write; deleting an absent key is no
 * change.
 */
export function updateStateTree(
  store: Overlay,
  changes: readonly StateChange[],
  hash: HashFunction = sha256,
): Bytes {
  const sorted: Change[] = changes.map(({ keyHash, value }) => ({
    hex: toHex(keyHash),
    keyHash,
    leafHash: value === undefined ? undefined : hashStateLeaf(keyHash, hash(value), hash),
  }));
  sorted.sort((left, right) => (left.hex < right.hex ? -1 : 1));
  const root = store.get(nodeKey(''));
  const child = updateNode(store, '', root, sorted, hash);
  return child?.hash ?? emptyStateRoot(hash);
}

function updateNode(
  store: Overlay,
  path: string,
  existing: Bytes | undefined,
  changes: readonly Change[],
  hash: HashFunction,
): Child | undefined {
  const children: Children =
    existing === undefined ? Array.from({ length: 16 }) : decodeNode(existing);
  const depth = path.length;
  let start = 0;
  while (start < changes.length) {
    const first = changes[start];
    if (first === undefined) break;
    const digit = first.hex.charCodeAt(depth);
    let end = start + 1;
    while (end < changes.length && changes[end]?.hex.charCodeAt(depth) === digit) end++;
    const slot = nibbleAt(first.keyHash, depth);
    const group = changes.slice(start, end);
    children[slot] = updateChild(store, path + (DIGITS[slot] ?? ''), children[slot], group, hash);
    start = end;
  }
  let count = 0;
  let last: Child | undefined;
  for (const child of children) {
    if (child === undefined) continue;
    count++;
    last = child;
  }
  const collapses = depth > 0 && (count === 0 || (count === 1 && last?.leafKey !== undefined));
  if (collapses || count === 0) {
    if (existing !== undefined) store.delete(nodeKey(path));
    return last;
  }
  const bytes = encodeNode(children);
  if (existing === undefined) store.putNew(nodeKey(path), bytes);
  else store.put(nodeKey(path), bytes);
  return {
    hash: hashStateNode(
      children.map((child) => child?.hash),
      hash,
    ),
    leafKey: undefined,
  };
}

function updateChild(
  store: Overlay,
  path: string,
  child: Child | undefined,
  changes: readonly Change[],
  hash: HashFunction,
): Child | undefined {
  if (child !== undefined && child.leafKey === undefined) {
    const node = store.get(nodeKey(path));
    if (node === undefined) throw new StateDamagedError('a tree node is missing');
    return updateNode(store, path, node, changes, hash);
  }
  const puts = changes.filter((change) => change.leafHash !== undefined);
  if (child?.leafKey !== undefined) {
    const hex = toHex(child.leafKey);
    if (!changes.some((change) => change.hex === hex)) {
      if (puts.length === 0) return child;
      puts.push({ hex, keyHash: child.leafKey, leafHash: child.hash });
      puts.sort((left, right) => (left.hex < right.hex ? -1 : 1));
    }
  }
  const [only] = puts;
  if (only?.leafHash === undefined) return undefined;
  if (puts.length === 1) return { hash: only.leafHash, leafKey: only.keyHash };
  return updateNode(store, path, undefined, puts, hash);
}

function levelOf(children: Children, own: number): ProofLevel {
  let bitmap = 0;
  let count = 0;
  for (let slot = 0; slot < 16; slot++) {
    if (slot === own || children[slot] === undefined) continue;
    bitmap |= 1 << slot;
    count++;
  }
  const siblings = new Uint8Array(count * HASH_LENGTH);
  let offset = 0;
  for (let slot = 0; slot < 16; slot++) {
    const child = children[slot];
    if (slot === own || child === undefined) continue;
    siblings.set(child.hash, offset);
    offset += HASH_LENGTH;
  }
  return { bitmap, siblings };
}

/** Where the way along `digits` ends. */
interface Descent {
  readonly levels: ProofLevel[];
  /** The leaf met on the way, if any. */
  readonly leafKey: Bytes | undefined;
  /** The node at the end of all digits, if the way led that far. */
  readonly node: Children | undefined;
}

function descend(store: Store, digits: string): Descent {
  const levels: ProofLevel[] = [];
  for (let depth = 0; ; depth++) {
    const bytes = store.get(nodeKey(digits.slice(0, depth)));
    if (bytes === undefined && depth > 0) throw new StateDamagedError('a tree node is missing');
    const node: Children = bytes === undefined ? [] : decodeNode(bytes);
    if (depth === digits.length) return { levels, leafKey: undefined, node };
    const own = Number.parseInt(digits.charAt(depth), 16);
    levels.push(levelOf(node, own));
    const child = node[own];
    if (child === undefined) return { levels, leafKey: undefined, node: undefined };
    if (child.leafKey !== undefined) return { levels, leafKey: child.leafKey, node: undefined };
  }
}

function valueOf(store: Store, keyHash: Bytes): Bytes {
  const value = store.get(valueKey(keyHash));
  if (value === undefined) throw new StateDamagedError('a value is missing');
  return value;
}

/** Inclusion or absence of one key; `value` is undefined when absent. */
export function proveState(
  store: Store,
  keyHash: Bytes,
): { readonly value: Bytes | undefined; readonly proof: StateProof } {
  const hex = toHex(keyHash);
  const { levels, leafKey } = descend(store, hex);
  if (leafKey === undefined) return { value: undefined, proof: { levels, other: null } };
  const value = valueOf(store, leafKey);
  if (toHex(leafKey) === hex) return { value, proof: { levels, other: null } };
  return {
    value: undefined,
    proof: { levels, other: { keyHash: leafKey, valueHash: sha256(value) } },
  };
}

/**
 * Every key under `prefix` with the way to it: what a client reads so that its question does not name
 * a key, and what a snapshot chunk is made of. `undefined` when there are more than `leavesMax`.
 */
export function proveSubtree(store: Store, prefix: string, leavesMax: number): Subtree | undefined {
  const { levels, leafKey, node } = descend(store, prefix);
  if (leafKey !== undefined) {
    const value = valueOf(store, leafKey);
    if (toHex(leafKey).startsWith(prefix))
      return { prefix, leaves: [{ keyHash: leafKey, value }], proof: { levels, other: null } };
    const other = { keyHash: leafKey, valueHash: sha256(value) };
    return { prefix, leaves: [], proof: { levels, other } };
  }
  const leaves: SubtreeLeaf[] = [];
  const complete = node === undefined || collect(store, prefix, node, leaves, leavesMax);
  return complete ? { prefix, leaves, proof: { levels, other: null } } : undefined;
}

function collect(
  store: Store,
  path: string,
  node: Children,
  leaves: SubtreeLeaf[],
  leavesMax: number,
): boolean {
  for (let slot = 0; slot < 16; slot++) {
    const child = node[slot];
    if (child === undefined) continue;
    if (child.leafKey !== undefined) {
      if (leaves.length === leavesMax) return false;
      leaves.push({ keyHash: child.leafKey, value: valueOf(store, child.leafKey) });
      continue;
    }
    const below = path + (DIGITS[slot] ?? '');
    const bytes = store.get(nodeKey(below));
    if (bytes === undefined) throw new StateDamagedError('a tree node is missing');
    if (!collect(store, below, decodeNode(bytes), leaves, leavesMax)) return false;
  }
  return true;
}
