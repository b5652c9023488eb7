/**
 * Writes a snapshot into an empty store: chunk after chunk, each verified before, with a marker under `r` that
 * moves on in the same batch. A store with the marker is no ledger yet: it has no meta value. After a crash the
 * next chunk continues where the marker stands. At the end roots are computed from what lies in the
 * store, and only when they are those of the manifest the marker gives way to the meta value.
 *
 * State comes before log, so that what follows from both (look-ups, queues of ids to be dropped) can be made
 * leaf by leaf. Bodies of transactions and undo pages are not in a snapshot: questions about older heights begin
 * anew.
 */
import { type Bytes, CodecError, equalBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { sha256 } from '@yilian/crypto/hash';
import type { HashFunction } from '@yilian/crypto/merkle';
import { getValidators } from './contracts/governance/validators.ts';
import { getRecord } from './contracts/records/record.ts';
import { indexRecord } from './contracts/records/record-lookups.ts';
import { parseGenesis } from './genesis.ts';
import { deriveMemberId, type TransactionId } from './ids.ts';
import { putMeta } from './ledger-meta.ts';
import type { Validator } from './ledger-port.ts';
import { type DropHint, NO_DROPS, readLive, scheduleDrops } from './live-ids.ts';
import { appendToLog, logLeaf, logRoot } from './log.ts';
import { type LogLeaf, parseLogLeaf } from './log-leaf.ts';
import { indexLogLeaf } from './log-lookups.ts';
import {
  chunkCount,
  encodeManifest,
  type LogRangeChunk,
  type SnapshotManifest,
} from './snapshot-format.ts';
import { type Checked, refuse, verifyChunk } from './snapshot-verify.ts';
import type { SubtreeLeaf } from './state-proof.ts';
import type { StateReader, WriteBatch } from './state-reader.ts';
import { stateRoot, updateStateTree, valueKey } from './state-tree.ts';
import { lookups, State } from './state.ts';
import { Overlay, readerStore, type Store } from './store.ts';
import { toRecordId } from '@yilian/crypto/ids';

const MARKER_KEY = 'r';

/** How far a restoration came. */
export interface RestoreMarker {
  /** Of the encoded manifest. */
  readonly manifestHash: Bytes;
  /** Chunks before this one are in the store. */
  readonly next: number;
  /** Keys so far. */
  readonly keys: number;
  readonly drops: DropHint;
}

function putMarker(overlay: Overlay, { manifestHash, next, keys, drops }: RestoreMarker): void {
  overlay.put(MARKER_KEY, encode([manifestHash, next, keys, drops.from, drops.to]));
}

function getMarker(store: Store): RestoreMarker | undefined {
  const value = store.get(MARKER_KEY);
  if (value === undefined) return undefined;
  const fields = Fields.of(decode(value), 5);
  return {
    manifestHash: fields.bytes(32),
    next: fields.whole(),
    keys: fields.whole(),
    drops: { from: fields.whole(), to: fields.whole() },
  };
}

/** Undefined when no restoration is under way. */
export function restoreMarker(reader: StateReader): RestoreMarker | undefined {
  return getMarker(readerStore(reader));
}

/** Manifests are immutable by convention, and every chunk asks. */
const manifestHashes = new WeakMap<SnapshotManifest, Bytes>();

export function manifestHash(manifest: SnapshotManifest): Bytes {
  const known = manifestHashes.get(manifest);
  if (known !== undefined) return known;
  const hash = sha256(encodeManifest(manifest));
  manifestHashes.set(manifest, hash);
  return hash;
}

/**
 * For a store without anything. `appState`: of the chain's genesis, whose members the log does not name.
 * @throws CodecError when that is no genesis document
 */
export function beginRestore(
  reader: StateReader,
  manifest: SnapshotManifest,
  appState: Bytes,
): WriteBatch {
  const overlay = new Overlay(readerStore(reader));
  const state = new State(overlay);
  const genesis = parseGenesis(appState);
  for (const { key } of genesis.members)
    state.append(lookups.members(), deriveMemberId(genesis, key));
  putMarker(overlay, {
    manifestHash: manifestHash(manifest),
    next: 0,
    keys: 0,
    drops: NO_DROPS,
  });
  return overlay.toWriteBatch();
}

function requireMarker(store: Store, manifest: SnapshotManifest): RestoreMarker {
  const marker = getMarker(store);
  if (marker === undefined || !equalBytes(marker.manifestHash, manifestHash(manifest)))
    throw new Error('assertion: another snapshot is being restored');
  return marker;
}

/** The chunk at the marker, verified; what it puts into the store. */
export function restoreChunk(input: {
  readonly reader: StateReader;
  readonly manifest: SnapshotManifest;
  readonly bytes: Bytes;
  readonly hash?: HashFunction;
}): Checked<WriteBatch> {
  const { reader, manifest, bytes, hash = sha256 } = input;
  const store = readerStore(reader);
  const marker = requireMarker(store, manifest);
  const chunk = verifyChunk(manifest, marker.next, bytes);
  if (!chunk.ok) return chunk;
  const overlay = new Overlay(store);
  const next = marker.next + 1;
  if (chunk.value.kind === 'state') {
    const { leaves } = chunk.value.subtree;
    putLeaves(overlay, leaves, hash);
    putMarker(overlay, { ...marker, next, keys: marker.keys + leaves.length });
  } else {
    const drops = putLogRange(overlay, chunk.value.range, marker.drops, hash);
    if (drops === undefined) return refuse('malformed');
    putMarker(overlay, { ...marker, next, drops });
  }
  return { ok: true, value: overlay.toWriteBatch() };
}

function putLeaves(overlay: Overlay, leaves: readonly SubtreeLeaf[], hash: HashFunction): void {
  updateStateTree(overlay, leaves, hash);
  for (const { keyHash, value } of leaves) overlay.putNew(valueKey(keyHash), value);
}

function putLogRange(
  overlay: Overlay,
  { start, leaves }: LogRangeChunk,
  hint: DropHint,
  hash: HashFunction,
): DropHint | undefined {
  let parsed: readonly LogLeaf[];
  try {
    parsed = leaves.map(parseLogLeaf);
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
  appendToLog(overlay, start, leaves, hash);
  const state = new State(overlay);
  let drops = hint;
  const live: { id: TransactionId; expiryHeight: number }[] = [];
  for (const [index, leaf] of parsed.entries()) {
    const position = start + index;
    indexLogLeaf(overlay, state, leaf, position);
    indexFacts(state, leaf);
    const expiryHeight = readLive(state, leaf.transaction);
    if (expiryHeight !== undefined) live.push({ id: leaf.transaction, expiryHeight });
    if (parsed[index + 1]?.height !== leaf.height)
      drops = scheduleDrops(overlay, leaf.height, live.splice(0), drops);
  }
  return drops;
}

/** Lists of what facts made: members, records. */
function indexFacts(state: State, { facts }: LogLeaf): void {
  for (const [kind, id] of facts) {
    if (!(id instanceof Uint8Array)) continue;
    if (kind === 'member') state.append(lookups.members(), id);
    if (kind !== 'record') continue;
    const record = getRecord(state, toRecordId(id));
    if (record !== undefined) indexRecord(state, record);
  }
}

/** Whether the set of validators changed in the last two blocks, of which the engine has not heard yet. */
function changesValidators(store: Store, { height, parts }: SnapshotManifest): boolean {
  for (let position = parts.logSize - 1; position >= 0; position--) {
    const bytes = logLeaf(store, position);
    if (bytes === undefined) return false;
    const leaf = parseLogLeaf(bytes);
    if (leaf.height < height - 1) return false;
    if (leaf.facts.some(([kind]) => kind === 'validators')) return true;
  }
  return false;
}

/**
 * Who orders the height of the snapshot and the next two, out of the restored state. For after the last chunk.
 * Undefined when the set changed too late for that: nobody makes a snapshot of such a height.
 */
export function restoredValidators(
  reader: StateReader,
  manifest: SnapshotManifest,
): { readonly epoch: number; readonly validators: readonly Validator[] } | undefined {
  const store = readerStore(reader);
  if (changesValidators(store, manifest)) return undefined;
  const { epoch, validators } = getValidators(new State(new Overlay(store)));
  return {
    epoch,
    validators: validators.map(({ key, power, leads }) => ({ key, power: BigInt(power), leads })),
  };
}

/** After the last chunk: the ledger stands at the snapshot's height when this is written. */
export function finishRestore(input: {
  readonly reader: StateReader;
  readonly manifest: SnapshotManifest;
  readonly hash?: HashFunction;
}): Checked<WriteBatch> {
  const { reader, manifest, hash = sha256 } = input;
  const { chainId, height, time, parts } = manifest;
  const store = readerStore(reader);
  const { next, keys, drops } = requireMarker(store, manifest);
  if (next !== chunkCount(manifest)) return refuse('incomplete');
  if (!equalBytes(stateRoot(store, hash), parts.stateRoot)) return refuse('wrongRoot');
  if (!equalBytes(logRoot(store, parts.logSize), parts.logRoot)) return refuse('wrongRoot');
  const overlay = new Overlay(store);
  overlay.delete(MARKER_KEY);
  putMeta(overlay, { chainId, height, time, parts, stateSize: keys, drops });
  return { ok: true, value: overlay.toWriteBatch() };
}
