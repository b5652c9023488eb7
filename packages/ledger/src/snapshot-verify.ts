/**
 * Whether what strangers offer as a snapshot is one. Nothing is trusted but the app hash of the height, which
 * stands in a header that the caller verified.
 */
import { type Bytes, CodecError, equalBytes } from '@yilian/crypto/bytes';
import { hashLeaf } from '@yilian/crypto/merkle';
import { verifyRange } from '@yilian/crypto/merkle-range';
import { hashAppHashParts } from './app-hash.ts';
import {
  coversPath,
  type LogRangeChunk,
  parseChunk,
  parseManifest,
  type SnapshotChunk,
  type SnapshotManifest,
} from './snapshot-format.ts';
import { type Subtree, verifySubtree } from './state-proof.ts';

const DIGITS = '0123456789abcdef';

/**
 * `malformed`: not canonical, or of another form. Of a manifest: `wrongChain`, `wrongHeight`, `wrongAppHash`
 * (its roots are not those of the header), `incomplete` (a chunk shows something that no chunk will bring),
 * `wrongRoot` (found at the end). Of a chunk: `wrongChunk` (of another place),
 * `notUnderAppHash` (altered, with something left out or added, of another height or chain).
 */
export type SnapshotRefusal =
  | 'malformed'
  | 'wrongChain'
  | 'wrongHeight'
  | 'wrongAppHash'
  | 'incomplete'
  | 'wrongRoot'
  | 'wrongChunk'
  | 'notUnderAppHash';

export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: SnapshotRefusal };

export function refuse(code: SnapshotRefusal): {
  readonly ok: false;
  readonly code: SnapshotRefusal;
} {
  return { ok: false, code };
}

function parsed<T>(parse: (bytes: Bytes) => T, bytes: Bytes): Checked<T> {
  try {
    return { ok: true, value: parse(bytes) };
  } catch (error) {
    if (error instanceof CodecError) return refuse('malformed');
    throw error;
  }
}

/** `appHash`: of `height`, out of a trusted header of the next height. */
export function verifyManifest(
  bytes: Bytes,
  trusted: { readonly chainId: string; readonly height: number; readonly appHash: Bytes },
): Checked<SnapshotManifest> {
  const manifest = parsed(parseManifest, bytes);
  if (!manifest.ok) return manifest;
  const { chainId, height, parts } = manifest.value;
  if (chainId !== trusted.chainId) return refuse('wrongChain');
  if (height !== trusted.height) return refuse('wrongHeight');
  if (!equalBytes(hashAppHashParts(parts), trusted.appHash)) return refuse('wrongAppHash');
  return manifest;
}

/** Chunk `index` of a verified manifest. */
export function verifyChunk(
  manifest: SnapshotManifest,
  index: number,
  bytes: Bytes,
): Checked<SnapshotChunk> {
  const chunk = parsed(parseChunk, bytes);
  if (!chunk.ok) return chunk;
  const refused =
    chunk.value.kind === 'state'
      ? whyNotSubtree(manifest, index, chunk.value.subtree)
      : whyNotRange(manifest, index, chunk.value.range);
  return refused === undefined ? chunk : refuse(refused);
}

function whyNotSubtree(
  { prefixes, parts }: SnapshotManifest,
  index: number,
  subtree: Subtree,
): SnapshotRefusal | undefined {
  const { prefix, proof } = subtree;
  if (prefixes[index] !== prefix) return 'wrongChunk';
  if (proof.levels.length !== prefix.length || proof.other !== null) return 'notUnderAppHash';
  if (!verifySubtree(parts.stateRoot, subtree)) return 'notUnderAppHash';
  // What stands beside the way must come with another chunk.
  for (const [depth, { bitmap }] of proof.levels.entries())
    for (let slot = 0; slot < 16; slot++) {
      if (((bitmap >> slot) & 1) === 0) continue;
      if (!coversPath(prefixes, prefix.slice(0, depth) + (DIGITS[slot] ?? ''))) return 'incomplete';
    }
  return undefined;
}

/** Position in the log of the first leaf of chunk `index`. */
export function logStart({ prefixes, logCounts }: SnapshotManifest, index: number): number {
  const before = logCounts.slice(0, index - prefixes.length);
  return before.reduce((sum, count) => sum + count, 0);
}

function whyNotRange(
  manifest: SnapshotManifest,
  index: number,
  { start, leaves, path }: LogRangeChunk,
): SnapshotRefusal | undefined {
  const { prefixes, logCounts, parts } = manifest;
  if (logCounts[index - prefixes.length] !== leaves.length) return 'wrongChunk';
  if (logStart(manifest, index) !== start) return 'wrongChunk';
  const leafHashes = leaves.map((leaf) => hashLeaf(leaf));
  const claim = { start, leafHashes, size: parts.logSize, path, root: parts.logRoot };
  return verifyRange(claim) ? undefined : 'notUnderAppHash';
}
