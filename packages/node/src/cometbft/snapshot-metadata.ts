/**
 * What an offered snapshot says of itself: the ledger's manifest, and the block time to the nanosecond.
 * `[manifest, timeNs]` in canonical CBOR; `hash` is its SHA-256.
 *
 * Who votes next is not in it. The engine follows the ledger's state two heights later, so the three sets of
 * its tip follow from the state where that did not change meanwhile; and only of such heights are there snapshots.
 */
import type { EngineTip } from '@yilian/consensus/abci/engine-tip';
import type { Genesis, Validator } from '@yilian/consensus/application';
import type { Snapshot } from '@yilian/consensus/abci/common-messages';
import { createValidatorSet } from '@yilian/consensus/validator-set';
import { type Bytes, CodecError, equalBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { hashAppHashParts } from '@yilian/ledger/app-hash';
import { Fields } from '@yilian/crypto/fields';
import {
  chunkCount,
  encodeManifest,
  SNAPSHOT_FORMAT,
  type SnapshotManifest,
} from '@yilian/ledger/snapshot-format';
import { type SnapshotRefusal, verifyManifest } from '@yilian/ledger/snapshot-verify';
import { sha256 } from '../verification/sha256.ts';

/** CometBFT takes 4 MB with everything around it. */
const METADATA_BYTES_MAX = 3_900_000;

/**
 * `wrongFormat`: made by a later version. `wrongHash`: hash or number of chunks are not those of the metadata.
 * `wrongTime`: the two times differ.
 */
export type OfferRefusal = SnapshotRefusal | 'wrongFormat' | 'wrongHash' | 'wrongTime';

export interface OfferedSnapshot {
  readonly manifest: SnapshotManifest;
  /** Block time; a stranger's word until the next block. */
  readonly timeNs: bigint;
}

/** Whether the sets of a tip follow from the state of its height. */
export function isSettled({ lastValidators, validators, nextValidators }: EngineTip): boolean {
  return (
    equalBytes(lastValidators.hash, nextValidators.hash) &&
    equalBytes(validators.hash, nextValidators.hash)
  );
}

/** Where the engine's chain stands at a restored snapshot. `governed`: the set of the restored state. */
export function settledTip(
  { manifest, timeNs }: OfferedSnapshot,
  governed: { readonly epoch: number; readonly validators: readonly Validator[] },
): EngineTip {
  const { chainId, height, parts } = manifest;
  const set = createValidatorSet({ chainId, ...governed });
  return {
    height: BigInt(height),
    timeNs,
    appHash: hashAppHashParts(parts),
    lastValidators: set,
    validators: set,
    nextValidators: set,
  };
}

export function describeSnapshot({ manifest, timeNs }: OfferedSnapshot): Snapshot {
  const metadata = encode([encodeManifest(manifest), timeNs]);
  return {
    height: BigInt(manifest.height),
    format: SNAPSHOT_FORMAT,
    chunks: chunkCount(manifest),
    hash: sha256(metadata),
    metadata,
  };
}

function parseMetadata(
  metadata: Bytes,
): { readonly manifest: Bytes; readonly timeNs: bigint } | undefined {
  try {
    const fields = Fields.of(decode(metadata, { bytesMax: METADATA_BYTES_MAX, depthMax: 2 }), 2);
    return { manifest: fields.bytes(), timeNs: fields.u64() };
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}

/** `appHash`: of the snapshot's height, from a header that the engine's light client verified. */
export function verifyOffer(
  snapshot: Snapshot,
  trusted: { readonly genesis: Pick<Genesis, 'chainId'>; readonly appHash: Bytes },
):
  | { readonly ok: true; readonly value: OfferedSnapshot }
  | { readonly ok: false; readonly code: OfferRefusal } {
  const { genesis, appHash } = trusted;
  if (snapshot.format !== SNAPSHOT_FORMAT) return { ok: false, code: 'wrongFormat' };
  if (!equalBytes(sha256(snapshot.metadata), snapshot.hash))
    return { ok: false, code: 'wrongHash' };
  const parsed = parseMetadata(snapshot.metadata);
  if (parsed === undefined) return { ok: false, code: 'malformed' };
  const { timeNs } = parsed;
  const height = Number(snapshot.height);
  const manifest = verifyManifest(parsed.manifest, { chainId: genesis.chainId, height, appHash });
  if (!manifest.ok) return manifest;
  if (chunkCount(manifest.value) !== snapshot.chunks) return { ok: false, code: 'wrongHash' };
  if (Number(timeNs / 1_000_000_000n) !== manifest.value.time)
    return { ok: false, code: 'wrongTime' };
  return { ok: true, value: { manifest: manifest.value, timeNs } };
}
