/**
 * The state tree on a store: batch update, proofs, subtrees. Hashing and shape: state-proof.ts.
 *
 * Nodes lie under their path (hex digits from the root), one version only, so an update overwrites
 * instead of leaving garbage. A node holds for each child its hash, and for a leaf child also its key
 * hash, so that a leaf costs no node of its own. An update touches each node on its way once per block:
 * for m keys among n, at most m·log16(n) nodes.
 *
 * What is stored of a node: state-node.ts.
 */
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import type { HashFunction } from '@yilian/crypto/merkle';
import { StateDamagedError } from './state-damaged-error.ts';
import {
  type Child,
  type ChildChange,
  type Children,
  changeChildren,
  decodeNode,
  hashStoredNode,
  isEmptyNode,
  nodeChild,
  onlyLeaf,
} from './state-node.ts';
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

const DIGITS = '0123456789abcdef';

export function valueKey(keyHash: Bytes): string {
  return `v${bytesToKey(keyHash)}`;
}

function nodeKey(path: string): string {
  return `n${path}`;
}

/** One key to put (with the hash of its leaf) or, without a hash, to delete. */
interface Change {
  /** The key hash, one character per byte: sorts as the bytes do. */
  readonly name: string;
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
    name: bytesToKey(keyHash),
    keyHash,
    leafHash: value === undefined ? undefined : hashStateLeaf(keyHash, hash(value), hash),
  }));
  sorted.sort(byName);
  const child = updateNode(store, '', store.get(nodeKey('')), sorted, hash);
  return child?.hash ?? emptyStateRoot(hash);
}

function byName(left: Change, right: Change): number {
  return left.name < right.name ? -1 : 1;
}

function updateNode(
  store: Overlay,
  path: string,
  existing: Bytes | undefined,
  changes: readonly Change[],
  hash: HashFunction,
): Child | undefined {
  const depth = path.length;
  const changed: ChildChange[] = [];
  let start = 0;
  while (start < changes.length) {
    const first = changes[start];
    if (first === undefined) break;
    const slot = nibbleAt(first.keyHash, depth);
    let end = start + 1;
    for (let next = changes[end]; next !== undefined; next = changes[++end])
      if (nibbleAt(next.keyHash, depth) !== slot) break;
    const below = path + (DIGITS[slot] ?? '');
    const old = existing === undefined ? undefined : nodeChild(existing, slot);
    if (old === undefined && end === start + 1) {
      // By far the most common: a new key where there was none.
      const { leafHash, keyHash } = first;
      const leaf = leafHash === undefined ? undefined : { hash: leafHash, leafKey: keyHash };
      changed.push({ slot, child: leaf });
    } else {
      const group = changes.slice(start, end);
      changed.push({ slot, child: updateChild(store, below, old, group, hash) });
    }
    start = end;
  }
  const node = changeChildren(existing, changed);
  const leaf = depth > 0 ? onlyLeaf(node) : undefined;
  if (leaf !== undefined || isEmptyNode(node)) {
    if (existing !== undefined) store.delete(nodeKey(path));
    return leaf;
  }
  if (existing === undefined) store.putNew(nodeKey(path), node);
  else store.put(nodeKey(path), node);
  return { hash: hashStoredNode(node, hash), leafKey: undefined };
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
    const name = bytesToKey(child.leafKey);
    if (!changes.some((change) => change.name === name)) {
      if (puts.length === 0) return child;
      puts.push({ name, keyHash: child.leafKey, leafHash: child.hash });
      puts.sort(byName);
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

/** @throws StateDamagedError */
export function valueOf(store: Store, keyHash: Bytes): Bytes {
  const value = store.get(valueKey(keyHash));
  if (value === undefined) throw new StateDamagedError('a value is missing');
  return value;
}

/** The way to the node or leaf at the end of `prefix`, which must be there. */
export function provePrefix(store: Store, prefix: string): StateProof {
  return { levels: descend(store, prefix).levels, other: null };
}

/** The stored node at `path`; undefined only for the root of a tree without keys. @throws StateDamagedError */
export function treeNode(store: Store, path: string): Children | undefined {
  const bytes = store.get(nodeKey(path));
  if (bytes === undefined && path !== '') throw new StateDamagedError('a tree node is missing');
  return bytes === undefined ? undefined : decodeNode(bytes);
}

/** The root of the tree in `store`. */
export function stateRoot(store: Store, hash: HashFunction = sha256): Bytes {
  const bytes = store.get(nodeKey(''));
  return bytes === undefined ? emptyStateRoot(hash) : hashStoredNode(bytes, hash);
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
