/**
 * The authenticated tree of the state: hashing, and the checking of proofs (clients import this file).
 *
 * Shape: a radix-16 trie over 32-byte key hashes in which a leaf sits at the shortest prefix that no
 * other key shares (the Jellyfish Merkle tree of Diem, Gao–Hu–Wu 2021, with the sixteen children hashed
 * flat, which costs a third of the hashing and still keeps a proof under 3 KB at ten million keys).
 * The shape depends on the set of keys alone, never on the order in which they came.
 *   leaf  = SHA-256(0x00 ‖ keyHash ‖ SHA-256(value))
 *   node  = SHA-256(0x01 ‖ bitmap, 2 bytes ‖ hashes of the children present, in order)
 * The root is always hashed as a node, with whatever children there are.
 *
 * Promises: a root fixes the set of (keyHash, value); inclusion, absence, and completeness of all keys
 * under a prefix can be shown. A leaf cannot be taken for a node: 65 bytes begin with 0x00 or 0x01.
 */
import { type Bytes, CodecError, equalBytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { sha256 } from '@yilian/crypto/hash';
import type { HashFunction } from '@yilian/crypto/merkle';
import { Fields } from '@yilian/crypto/fields';

export const HASH_LENGTH = 32;
/** First byte of a node's preimage; a leaf's is 0. */
export const NODE_PREFIX = 1;
const DEPTH_MAX = 64;

export function nibbleAt(keyHash: Bytes, depth: number): number {
  const byte = keyHash[depth >> 1] ?? 0;
  return depth % 2 === 0 ? byte >> 4 : byte & 15;
}

/** For what is hashed and thrown away: a hash function reads its argument before it returns. */
const leafPreimage = new Uint8Array(1 + 2 * HASH_LENGTH);

export function hashStateLeaf(
  keyHash: Bytes,
  valueHash: Bytes,
  hash: HashFunction = sha256,
): Bytes {
  leafPreimage.set(keyHash, 1);
  leafPreimage.set(valueHash, 1 + HASH_LENGTH);
  return hash(leafPreimage);
}

/** `children`: sixteen places. */
export function hashStateNode(
  children: readonly (Bytes | undefined)[],
  hash: HashFunction = sha256,
): Bytes {
  const preimage = new Uint8Array(3 + 16 * HASH_LENGTH);
  preimage[0] = NODE_PREFIX;
  let bitmap = 0;
  let length = 3;
  for (let slot = 0; slot < 16; slot++) {
    const child = children[slot];
    if (child === undefined) continue;
    bitmap |= 1 << slot;
    preimage.set(child, length);
    length += HASH_LENGTH;
  }
  preimage[1] = bitmap >> 8;
  preimage[2] = bitmap & 0xff;
  return hash(preimage.subarray(0, length));
}

/** The other children of the node at one depth of the way down. */
export interface ProofLevel {
  /** Bit s is set when child s exists; the bit of the way itself is clear. */
  readonly bitmap: number;
  /** Their hashes, 32 bytes each, in order. */
  readonly siblings: Bytes;
}

/**
 * The way from the root towards a key or prefix, as far as there are nodes. `other` is the leaf that
 * stands at its end when that leaf is not the one asked for.
 */
export interface StateProof {
  readonly levels: readonly ProofLevel[];
  readonly other: { readonly keyHash: Bytes; readonly valueHash: Bytes } | null;
}

function rootOf(keyHash: Bytes, proof: StateProof, end: Bytes | undefined): Bytes | null {
  let current = end;
  for (let depth = proof.levels.length - 1; depth >= 0; depth--) {
    const level = proof.levels[depth];
    if (level === undefined) return null;
    const own = nibbleAt(keyHash, depth);
    if (((level.bitmap >> own) & 1) === 1) return null;
    const children: (Bytes | undefined)[] = [];
    let offset = 0;
    for (let slot = 0; slot < 16; slot++) {
      if (slot === own) children.push(current);
      else if (((level.bitmap >> slot) & 1) === 1) {
        children.push(level.siblings.subarray(offset, offset + HASH_LENGTH));
        offset += HASH_LENGTH;
      } else children.push(undefined);
    }
    if (offset !== level.siblings.length) return null;
    current = hashStateNode(children);
  }
  return current ?? null;
}

function sharesPrefix(left: Bytes, right: Bytes, digits: number): boolean {
  for (let depth = 0; depth < digits; depth++)
    if (nibbleAt(left, depth) !== nibbleAt(right, depth)) return false;
  return true;
}

/**
 * Whether `proof` shows that the key with hash `keyHash` has this value (or, with `undefined`, none)
 * under `root`.
 */
export function verifyStateProof(claim: {
  readonly root: Bytes;
  readonly keyHash: Bytes;
  readonly value: Bytes | undefined;
  readonly proof: StateProof;
}): boolean {
  const { root, keyHash, value, proof } = claim;
  const { levels, other } = proof;
  if (keyHash.length !== HASH_LENGTH || levels.length === 0 || levels.length > DEPTH_MAX)
    return false;
  let end: Bytes | undefined;
  if (value !== undefined) {
    if (other !== null) return false;
    end = hashStateLeaf(keyHash, sha256(value));
  } else if (other !== null) {
    if (equalBytes(other.keyHash, keyHash)) return false;
    if (!sharesPrefix(other.keyHash, keyHash, levels.length)) return false;
    end = hashStateLeaf(other.keyHash, other.valueHash);
  }
  const computed = rootOf(keyHash, proof, end);
  return computed !== null && equalBytes(computed, root);
}

/** One key of a subtree. */
export interface SubtreeLeaf {
  readonly keyHash: Bytes;
  readonly value: Bytes;
}

/** All keys whose hash begins with the digits of `prefix`, and the way to their subtree. */
export interface Subtree {
  /** Lower-case hex digits, 0 to 64 of them. */
  readonly prefix: string;
  /** In the order of their key hashes. */
  readonly leaves: readonly SubtreeLeaf[];
  readonly proof: StateProof;
}

interface HashedLeaf {
  readonly keyHash: Bytes;
  readonly leafHash: Bytes;
}

/** Hash of the subtree over sorted leaves that share `depth` digits. */
function subtreeHash(leaves: readonly HashedLeaf[], depth: number): Bytes | undefined {
  const [only] = leaves;
  if (only === undefined) return undefined;
  if (leaves.length === 1 && depth > 0) return only.leafHash;
  return subtreeNode(leaves, depth);
}

function subtreeNode(leaves: readonly HashedLeaf[], depth: number): Bytes {
  const groups: HashedLeaf[][] = Array.from({ length: 16 }, () => []);
  for (const leaf of leaves) groups[nibbleAt(leaf.keyHash, depth)]?.push(leaf);
  return hashStateNode(groups.map((group) => subtreeHash(group, depth + 1)));
}

/** Whether a subtree is complete and authentic under `root`. */
export function verifySubtree(root: Bytes, subtree: Subtree): boolean {
  const { prefix, proof } = subtree;
  if (!/^[0-9a-f]{0,64}$/.test(prefix) || proof.levels.length > prefix.length) return false;
  const path = prefixBytes(prefix);
  const hashed: HashedLeaf[] = [];
  let previous: Bytes | undefined;
  for (const { keyHash, value } of subtree.leaves) {
    if (keyHash.length !== HASH_LENGTH || !sharesPrefix(keyHash, path, prefix.length)) return false;
    if (previous !== undefined && !isBefore(previous, keyHash)) return false;
    previous = keyHash;
    hashed.push({ keyHash, leafHash: hashStateLeaf(keyHash, sha256(value)) });
  }
  let end: Bytes | undefined;
  if (proof.other !== null) {
    const { keyHash, valueHash } = proof.other;
    if (hashed.length > 0 || sharesPrefix(keyHash, path, prefix.length)) return false;
    if (!sharesPrefix(keyHash, path, proof.levels.length)) return false;
    end = hashStateLeaf(keyHash, valueHash);
  } else if (proof.levels.length === prefix.length) {
    // A single leaf is its own subtree, except at the root.
    end = prefix === '' ? subtreeNode(hashed, 0) : subtreeHash(hashed, prefix.length);
  } else {
    // The way ended early: at nothing, or at the one leaf of the subtree.
    if (hashed.length > 1) return false;
    end = hashed[0]?.leafHash;
  }
  const computed = rootOf(path, proof, end);
  return computed !== null && equalBytes(computed, root);
}

function isBefore(left: Bytes, right: Bytes): boolean {
  for (let i = 0; i < HASH_LENGTH; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function prefixBytes(prefix: string): Bytes {
  const bytes = new Uint8Array(HASH_LENGTH);
  for (let depth = 0; depth < prefix.length; depth++) {
    const digit = Number.parseInt(prefix.charAt(depth), 16);
    bytes[depth >> 1] = (bytes[depth >> 1] ?? 0) | (depth % 2 === 0 ? digit << 4 : digit);
  }
  return bytes;
}

export function stateProofItems(proof: StateProof): Cbor {
  return [
    proof.levels.map((level) => [level.bitmap, level.siblings]),
    proof.other === null ? null : [proof.other.keyHash, proof.other.valueHash],
  ];
}

/** @throws CodecError */
export function readStateProof(value: Cbor): StateProof {
  const fields = Fields.of(value, 2);
  const levels = fields.list({ min: 0, max: DEPTH_MAX }, (list) => {
    const level = list.nested(2);
    return { bitmap: level.whole(0xffff), siblings: level.bytesUpTo(16 * HASH_LENGTH) };
  });
  const other = fields.orNull((own) => {
    const leaf = own.nested(2);
    return { keyHash: leaf.bytes(HASH_LENGTH), valueHash: leaf.bytes(HASH_LENGTH) };
  });
  return { levels, other };
}

export function encodeStateProof(proof: StateProof): Bytes {
  return encode(stateProofItems(proof));
}

/** @throws CodecError */
export function parseStateProof(bytes: Bytes): StateProof {
  return readStateProof(decode(bytes, { bytesMax: 64 * 1024, depthMax: 4 }));
}

/** @throws CodecError unless `prefix` is 0 to 64 hex digits */
export function checkPrefix(prefix: string): void {
  if (!/^[0-9a-f]{0,64}$/.test(prefix)) throw new CodecError('malformed', 'expected hex digits');
}
