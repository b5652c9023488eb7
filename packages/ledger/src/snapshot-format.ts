/**
 * A snapshot: everything of one height that decides later roots, in chunks that can be verified one by one
 * against the app hash of that height.
 *
 *   manifest    = [1, chainId, height, time, [stateRoot, logRoot, logSize], [prefix…], [count…]]
 *   state chunk = [0, prefix, [[keyHash, value]…], state proof]          one per prefix, in order
 *   log chunk   = [1, start, [leaf…], [hash…]]                           one per count, in order
 *
 * in canonical CBOR. A state chunk is a subtree of the state tree, a log chunk a node of the log's tree: the
 * largest that carry at most `CHUNK_BYTES`, so that the cut depends on the state alone and every replica makes
 * the same bytes. (A fixed length of prefix would let somebody who grinds key hashes fill one chunk beyond
 * every limit.) The proofs lead to the roots of the manifest, which hash to the app hash. Nothing else
 * in a manifest is believed: a wrong list of chunks is found out by the first chunk beside what it leaves out,
 * and the time counts until the next block, for admission only.
 */
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type AppHashParts, appHashPartsItems, readAppHashParts } from './app-hash.ts';
import {
  checkPrefix,
  readStateProof,
  type StateProof,
  stateProofItems,
  type Subtree,
} from './state-proof.ts';

export const SNAPSHOT_FORMAT = 1;
/** Of keys and values, or of leaves, in one chunk. A single longer item is a chunk of its own. */
export const CHUNK_BYTES = 4_194_304;
/** Beyond this nothing is parsed. */
export const CHUNK_BYTES_MAX: number = 8 * 1024 * 1024;
export const CHUNKS_MAX: number = 1 << 20;
const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;
const ITEMS_MAX = 1 << 20;
const PATH_MAX = 64;

export interface SnapshotManifest {
  readonly chainId: string;
  readonly height: number;
  /** Block time, whole seconds since 1970. */
  readonly time: number;
  readonly parts: AppHashParts;
  /** Of the state chunks: hex digits, ascending, none the beginning of another. */
  readonly prefixes: readonly string[];
  /** Leaves of each log chunk. */
  readonly logCounts: readonly number[];
}

export interface LogRangeChunk {
  readonly start: number;
  readonly leaves: readonly Bytes[];
  /** Siblings from the range up. */
  readonly path: readonly Bytes[];
}

export type SnapshotChunk =
  | { readonly kind: 'state'; readonly subtree: Subtree }
  | { readonly kind: 'log'; readonly range: LogRangeChunk };

export function chunkCount(manifest: SnapshotManifest): number {
  return manifest.prefixes.length + manifest.logCounts.length;
}

export function encodeManifest(manifest: SnapshotManifest): Bytes {
  const { chainId, height, time, parts, prefixes, logCounts } = manifest;
  return encode([
    SNAPSHOT_FORMAT,
    chainId,
    height,
    time,
    appHashPartsItems(parts),
    [...prefixes],
    [...logCounts],
  ]);
}

/** @throws CodecError also when the chunks cannot cover the log, or cover anything twice */
export function parseManifest(bytes: Bytes): SnapshotManifest {
  const fields = Fields.of(decode(bytes, { bytesMax: MANIFEST_BYTES_MAX, depthMax: 3 }), 7);
  if (fields.whole() !== SNAPSHOT_FORMAT)
    throw new CodecError('malformed', 'a snapshot of another format');
  const chunks = { min: 0, max: CHUNKS_MAX };
  const manifest: SnapshotManifest = {
    chainId: fields.name(),
    height: fields.whole(),
    time: fields.whole(),
    parts: readAppHashParts(fields.any()),
    prefixes: fields.list(chunks, (list) => list.text(64)),
    logCounts: fields.list(chunks, (list) => list.whole()),
  };
  checkCover(manifest);
  return manifest;
}

function checkCover({ prefixes, logCounts, parts }: SnapshotManifest): void {
  let previous: string | undefined;
  for (const prefix of prefixes) {
    checkPrefix(prefix);
    if (previous !== undefined && (prefix <= previous || prefix.startsWith(previous)))
      throw new CodecError('malformed', 'prefixes that overlap or are out of order');
    previous = prefix;
  }
  const leaves = logCounts.reduce((sum, count) => sum + count, 0);
  if (leaves !== parts.logSize || logCounts.includes(0))
    throw new CodecError('malformed', 'ranges that do not cover the log');
}

export function encodeStateChunk(subtree: Subtree): Bytes {
  const { prefix, leaves, proof } = subtree;
  const items: readonly Cbor[] = leaves.map(({ keyHash, value }) => [keyHash, value]);
  return encode([0, prefix, items, stateProofItems(proof)]);
}

export function encodeLogChunk({ start, leaves, path }: LogRangeChunk): Bytes {
  return encode([1, start, [...leaves], [...path]]);
}

function readSubtree(fields: Fields): Subtree {
  const prefix = fields.text(64);
  checkPrefix(prefix);
  const leaves = fields.list({ min: 1, max: ITEMS_MAX }, (list) => {
    const leaf = list.nested(2);
    return { keyHash: leaf.bytes(32), value: leaf.bytes() };
  });
  const proof: StateProof = readStateProof(fields.any());
  return { prefix, leaves, proof };
}

/** @throws CodecError */
export function parseChunk(bytes: Bytes): SnapshotChunk {
  const fields = Fields.of(decode(bytes, { bytesMax: CHUNK_BYTES_MAX, depthMax: 6 }), 4);
  if (fields.whole(1) === 0) return { kind: 'state', subtree: readSubtree(fields) };
  const range: LogRangeChunk = {
    start: fields.whole(),
    leaves: fields.list({ min: 1, max: ITEMS_MAX }, (list) => list.bytes()),
    path: fields.list({ min: 0, max: PATH_MAX }, (list) => list.bytes(32)),
  };
  return { kind: 'log', range };
}

/** Whether one of the sorted `prefixes` is the beginning of `path`, or begins with it. */
export function coversPath(prefixes: readonly string[], path: string): boolean {
  let low = 0;
  let high = prefixes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((prefixes[middle] ?? '') < path) low = middle + 1;
    else high = middle;
  }
  const after = prefixes[low];
  const before = prefixes[low - 1];
  return (after?.startsWith(path) ?? false) || (before !== undefined && path.startsWith(before));
}
