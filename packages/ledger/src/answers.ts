/** What `query` answers, in canonical CBOR, and how a client checks it against a header's app hash. */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { hashLeaf, verifyConsistency, verifyInclusion } from '@yilian/crypto/merkle';
import {
  type AppHashParts,
  appHashPartsItems,
  hashAppHashParts,
  readAppHashParts,
} from './app-hash.ts';
import { Fields } from '@yilian/crypto/fields';
import {
  type StateProof,
  type Subtree,
  readStateProof,
  stateProofItems,
  verifyStateProof,
  verifySubtree,
} from './state-proof.ts';

const LIMITS = { bytesMax: 8 * 1024 * 1024, depthMax: 8 };
const PATH_MAX = 64;

/** One state key at one height. `value` is null when the key is absent. */
export interface StateAnswer {
  readonly height: number;
  readonly parts: AppHashParts;
  readonly value: Bytes | null;
  readonly proof: StateProof;
}

/** All keys under a prefix at one height. */
export interface SubtreeAnswer {
  readonly height: number;
  readonly parts: AppHashParts;
  readonly subtree: Subtree;
}

/** One log leaf, in the log of one height. */
export interface LogAnswer {
  readonly height: number;
  readonly parts: AppHashParts;
  readonly position: number;
  readonly leaf: Bytes;
  /** From the leaf's sibling up. */
  readonly path: readonly Bytes[];
}

/** That the log of `oldSize` leaves is the beginning of the log of one height. */
export interface ConsistencyAnswer {
  readonly height: number;
  readonly parts: AppHashParts;
  readonly oldSize: number;
  readonly oldRoot: Bytes;
  readonly path: readonly Bytes[];
}

/** Part of an unproved list. */
export interface ListAnswer {
  /** Length of the whole list. */
  readonly count: number;
  readonly items: readonly Bytes[];
}

/** Where the ledger stands (unproved but for `parts`). */
export interface StatusAnswer {
  readonly height: number;
  /** Block time, whole seconds. */
  readonly time: number;
  readonly parts: AppHashParts;
  /** Keys in state: a prefix of d digits holds about stateSize / 16^d of them. */
  readonly stateSize: number;
}

function encodeAt(answer: { height: number; parts: AppHashParts }, ...rest: Cbor[]): Bytes {
  return encode([answer.height, appHashPartsItems(answer.parts), ...rest]);
}

export function encodeStateAnswer(answer: StateAnswer): Bytes {
  return encodeAt(answer, answer.value, stateProofItems(answer.proof));
}

/** @throws CodecError */
export function parseStateAnswer(bytes: Bytes): StateAnswer {
  const fields = Fields.of(decode(bytes, LIMITS), 4);
  return {
    height: fields.whole(),
    parts: readAppHashParts(fields.any()),
    value: fields.orNull((own) => own.bytes()),
    proof: readStateProof(fields.any()),
  };
}

export function encodeSubtreeAnswer(answer: SubtreeAnswer): Bytes {
  const { prefix, leaves, proof } = answer.subtree;
  const items = leaves.map((leaf) => [leaf.keyHash, leaf.value]);
  return encodeAt(answer, prefix, items, stateProofItems(proof));
}

/** @throws CodecError */
export function parseSubtreeAnswer(bytes: Bytes): SubtreeAnswer {
  const fields = Fields.of(decode(bytes, LIMITS), 5);
  const height = fields.whole();
  const parts = readAppHashParts(fields.any());
  const prefix = fields.text(64);
  const leaves = fields.list({ min: 0, max: 1 << 20 }, (list) => {
    const leaf = list.nested(2);
    return { keyHash: leaf.bytes(32), value: leaf.bytesUpTo(LIMITS.bytesMax) };
  });
  return { height, parts, subtree: { prefix, leaves, proof: readStateProof(fields.any()) } };
}

export function encodeLogAnswer(answer: LogAnswer): Bytes {
  return encodeAt(answer, answer.position, answer.leaf, [...answer.path]);
}

/** @throws CodecError */
export function parseLogAnswer(bytes: Bytes): LogAnswer {
  const fields = Fields.of(decode(bytes, LIMITS), 5);
  return {
    height: fields.whole(),
    parts: readAppHashParts(fields.any()),
    position: fields.whole(),
    leaf: fields.bytesUpTo(LIMITS.bytesMax),
    path: fields.list({ min: 0, max: PATH_MAX }, (list) => list.bytes(32)),
  };
}

export function encodeConsistencyAnswer(answer: ConsistencyAnswer): Bytes {
  return encodeAt(answer, answer.oldSize, answer.oldRoot, [...answer.path]);
}

/** @throws CodecError */
export function parseConsistencyAnswer(bytes: Bytes): ConsistencyAnswer {
  const fields = Fields.of(decode(bytes, LIMITS), 5);
  return {
    height: fields.whole(),
    parts: readAppHashParts(fields.any()),
    oldSize: fields.whole(),
    oldRoot: fields.bytes(32),
    path: fields.list({ min: 0, max: 2 * PATH_MAX }, (list) => list.bytes(32)),
  };
}

export function encodeListAnswer(answer: ListAnswer): Bytes {
  return encode([answer.count, [...answer.items]]);
}

/** @throws CodecError */
export function parseListAnswer(bytes: Bytes): ListAnswer {
  const fields = Fields.of(decode(bytes, LIMITS), 2);
  return {
    count: fields.whole(),
    items: fields.list({ min: 0, max: 1 << 20 }, (list) => list.bytesUpTo(LIMITS.bytesMax)),
  };
}

export function encodeStatusAnswer(answer: StatusAnswer): Bytes {
  return encodeAt(answer, answer.time, answer.stateSize);
}

/** @throws CodecError */
export function parseStatusAnswer(bytes: Bytes): StatusAnswer {
  const fields = Fields.of(decode(bytes, LIMITS), 4);
  return {
    height: fields.whole(),
    parts: readAppHashParts(fields.any()),
    time: fields.whole(),
    stateSize: fields.whole(),
  };
}

function hasAppHash(parts: AppHashParts, appHash: Bytes): boolean {
  return equalBytes(hashAppHashParts(parts), appHash);
}

/** `appHash`: of `answer.height`, out of a trusted header of the next height. */
export function verifyStateAnswer(appHash: Bytes, keyHash: Bytes, answer: StateAnswer): boolean {
  return (
    hasAppHash(answer.parts, appHash) &&
    verifyStateProof({
      root: answer.parts.stateRoot,
      keyHash,
      value: answer.value ?? undefined,
      proof: answer.proof,
    })
  );
}

export function verifySubtreeAnswer(
  appHash: Bytes,
  prefix: string,
  answer: SubtreeAnswer,
): boolean {
  return (
    answer.subtree.prefix === prefix &&
    hasAppHash(answer.parts, appHash) &&
    verifySubtree(answer.parts.stateRoot, answer.subtree)
  );
}

export function verifyLogAnswer(appHash: Bytes, answer: LogAnswer): boolean {
  return (
    hasAppHash(answer.parts, appHash) &&
    verifyInclusion({
      leafHash: hashLeaf(answer.leaf),
      index: answer.position,
      size: answer.parts.logSize,
      path: answer.path,
      root: answer.parts.logRoot,
    })
  );
}

export function verifyConsistencyAnswer(appHash: Bytes, answer: ConsistencyAnswer): boolean {
  return (
    hasAppHash(answer.parts, appHash) &&
    verifyConsistency({
      oldSize: answer.oldSize,
      oldRoot: answer.oldRoot,
      newSize: answer.parts.logSize,
      newRoot: answer.parts.logRoot,
      path: answer.path,
    })
  );
}
