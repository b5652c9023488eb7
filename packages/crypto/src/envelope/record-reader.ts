/**
 * Opens a sealed record. Order of checks, each before the next step touches anything:
 *   1. header = the one whose hash is on chain, for this chain and record, under an allowed suite;
 *   2. header, chunk hashes and digest on chain belong together, and so do chunk hashes and the
 *      ciphertext root of every section;
 *   3. the DEK or section key is the one committed to (F9);
 *   4. each chunk has its hash, then its tag; then its plaintext is handed out.
 * Slots, counts, chunk size and suite are header bytes, so 1 covers them (F23). Without the header
 * nothing opens, whatever keys and chunks are left (F11).
 */
import type { Eventual } from '../aead.ts';
import { type Bytes, equalBytes } from '../bytes.ts';
import type { Suite } from '../context.ts';
import { hashLeaf, LEAF_PREFIX, rootOfLeafHashes, verifyInclusion } from '../merkle.ts';
import type { Primitives } from '../primitives.ts';
import { type ChunkExtent, chunkCountOf, chunkExtent, chunkInput } from './chunk.ts';
import { EnvelopeError } from './envelope-error.ts';
import { digestOf, headerHashOf, parseHeader, type RecordHeader } from './header.ts';
import { type DataKey, deriveSectionKey, type SectionKey } from './keys.ts';
import { MANIFEST_PATH, type Manifest, type SectionDescriptor } from './section.ts';
import { checkDataKey } from './slots.ts';
import { unlockManifest, unlockSection, type UnlockedSection } from './unlock-section.ts';

/** What the chain says, and what the patient's certificate allows. */
export interface ExpectedRecord {
  readonly chainId: string;
  readonly recordId: Bytes;
  readonly headerHash: Bytes;
  readonly digest: Bytes;
  /** A suite is allowed by the patient's certificate, never chosen down. */
  readonly allowedSuites: readonly Suite[];
}

/** A header that is the one on chain; chunks are still to be checked one by one. */
export interface VerifiedRecord {
  readonly header: RecordHeader;
  /** Whether a chunk's leaf hash is the one in its section's tree. */
  readonly isChunk: (section: number, index: number, leafHash: Bytes) => boolean;
}

/** Step 1. @throws EnvelopeError `headerHash`, `headerMalformed`, `otherRecord`, `suiteNotAllowed` */
export function verifyHeader(bytes: Bytes, expected: Omit<ExpectedRecord, 'digest'>): RecordHeader {
  if (!equalBytes(headerHashOf(bytes), expected.headerHash))
    throw new EnvelopeError('headerHash', 'the header is not the one on chain');
  const header = parseHeader(bytes);
  if (header.chainId !== expected.chainId || !equalBytes(header.recordId, expected.recordId))
    throw new EnvelopeError('otherRecord', 'the header is for another record');
  if (!expected.allowedSuites.includes(header.suite))
    throw new EnvelopeError('suiteNotAllowed', `suite ${header.suite} is not allowed here`);
  return header;
}

/**
 * Steps 1 and 2, with the hashes of all chunks (32 bytes each, from the untrusted store).
 * @throws EnvelopeError as `verifyHeader`, and `digest`, `ciphertextRoot`
 */
export function verifyRecord(
  object: { readonly header: Bytes; readonly chunkHashes: readonly Bytes[] },
  expected: ExpectedRecord,
  primitives: Primitives,
): VerifiedRecord {
  const header = verifyHeader(object.header, expected);
  const hash = (bytes: Bytes): Bytes => primitives.sha256(bytes);
  const { chunkHashes } = object;
  if (chunkHashes.length !== chunkCountOf(header))
    throw new EnvelopeError('digest', 'there is not one hash per chunk');
  if (!equalBytes(digestOf(expected.headerHash, chunkHashes, hash), expected.digest))
    throw new EnvelopeError('digest', 'header and chunk hashes do not make the digest on chain');
  const firstChunks: number[] = [];
  let first = 0;
  for (const facts of header.sections) {
    firstChunks.push(first);
    const chunks = chunkHashes.slice(first, first + facts.chunkCount);
    const root = rootOfLeafHashes([...chunks, hashLeaf(facts.descriptor, hash)], hash);
    if (!equalBytes(root, facts.ciphertextRoot))
      throw new EnvelopeError('ciphertextRoot', 'chunk hashes do not make a section’s root');
    first += facts.chunkCount;
  }
  return {
    header,
    isChunk(section, index, leafHash) {
      const known = chunkHashes[(firstChunks[section] ?? chunkHashes.length) + index];
      return known !== undefined && equalBytes(known, leafHash);
    },
  };
}

/**
 * Steps 1 and 2 for a reader who fetches a few chunks of a large record: each comes with its path in
 * its section's tree, whose root is in the header. `pathOf` answers from the untrusted store.
 */
export function verifyRecordByPaths(
  header: Bytes,
  expected: Omit<ExpectedRecord, 'digest'>,
  pathOf: (section: number, index: number) => readonly Bytes[],
): VerifiedRecord {
  const parsed = verifyHeader(header, expected);
  return {
    header: parsed,
    isChunk(section, index, leafHash) {
      const facts = parsed.sections[section];
      if (facts === undefined || index >= facts.chunkCount) return false;
      return verifyInclusion({
        leafHash,
        index,
        size: facts.chunkCount + 1,
        path: pathOf(section, index),
        root: facts.ciphertextRoot,
      });
    },
  };
}

/** One chunk against the digest on chain, without header or keys: what a store or an auditor can do. */
export async function verifyChunk(
  claim: {
    readonly sealed: Bytes;
    /** Among all chunks of the record. */
    readonly chunk: number;
    readonly chunkCount: number;
    readonly path: readonly Bytes[];
    readonly digest: Bytes;
  },
  primitives: Primitives,
): Promise<boolean> {
  return verifyInclusion({
    leafHash: await primitives.digest(LEAF_PREFIX, claim.sealed),
    index: claim.chunk + 1,
    size: claim.chunkCount + 1,
    path: claim.path,
    root: claim.digest,
  });
}

/** Fetches the bytes of a chunk from wherever the body lies; nothing it returns is trusted. */
export type FetchChunk = (extent: ChunkExtent) => Eventual<Bytes>;

export interface SectionReader {
  readonly descriptor: SectionDescriptor;
  readonly chunkCount: number;
  /** Where chunk `index` of this section lies in the body. */
  extentOf(index: number): ChunkExtent;
  /** @throws EnvelopeError `chunkHash`, `chunkSealed` */
  openChunk(index: number, sealed: Bytes): Promise<Bytes>;
  /**
   * Plaintext from chunk `from` on, each piece checked before it is handed out. Resume by asking for
   * the first chunk that is missing (plaintext offset ÷ chunk size).
   */
  read(fetchChunk: FetchChunk, from?: number): AsyncGenerator<Bytes>;
}

export interface RecordReader {
  readonly manifest: Manifest;
  /** @throws EnvelopeError `noSuchSection`, `sectionCommitment`, `descriptor` */
  section(path: string): SectionReader;
}

function sectionReader(
  record: VerifiedRecord,
  section: UnlockedSection,
  primitives: Primitives,
): SectionReader {
  const { header } = record;
  const { descriptor, facts } = section;

  async function openChunk(index: number, sealed: Bytes): Promise<Bytes> {
    const extent = chunkExtent(header, section.index, index);
    const leafHash = await primitives.digest(LEAF_PREFIX, sealed);
    if (sealed.length !== extent.length || !record.isChunk(section.index, index, leafHash))
      throw new EnvelopeError('chunkHash', `chunk ${index} of a section is not the recorded one`);
    const isFinal = index === facts.chunkCount - 1;
    const place = { path: descriptor.path, index, isFinal };
    const plaintext = await primitives.aead.open({
      ...chunkInput(header, section.secrets.contentKey, place),
      sealed,
    });
    if (plaintext === null)
      throw new EnvelopeError('chunkSealed', `chunk ${index} of a section does not decrypt`);
    const end = Math.max(0, descriptor.length - index * header.chunkBytes);
    return end < plaintext.length ? plaintext.subarray(0, end) : plaintext;
  }

  return {
    descriptor,
    chunkCount: facts.chunkCount,
    extentOf: (index) => chunkExtent(header, section.index, index),
    openChunk,
    async *read(fetchChunk, from = 0) {
      for (let index = from; index < facts.chunkCount; index++) {
        const sealed = await fetchChunk(chunkExtent(header, section.index, index));
        const plaintext = await openChunk(index, sealed);
        if (plaintext.length > 0) yield plaintext;
      }
    },
  };
}

/** With the DEK: everything. @throws EnvelopeError `commitment`, `sectionCommitment`, `descriptor` */
export function openRecord(
  record: VerifiedRecord,
  dataKey: Bytes,
  primitives: Primitives,
): RecordReader {
  const { header } = record;
  const key: DataKey = checkDataKey(header, dataKey);
  const manifest = unlockManifest(header, deriveSectionKey(header, key, MANIFEST_PATH));
  return {
    manifest,
    section(path) {
      const at = manifest.sections.findIndex((listed) => listed.path === path);
      const listed = manifest.sections[at];
      if (listed === undefined)
        throw new EnvelopeError('noSuchSection', 'the manifest lists no such section');
      const section = unlockSection(header, at + 1, deriveSectionKey(header, key, path));
      const { descriptor } = section;
      if (
        descriptor.path !== path ||
        descriptor.mediaType !== listed.mediaType ||
        descriptor.length !== listed.length
      )
        throw new EnvelopeError('descriptor', 'manifest and section disagree');
      return sectionReader(record, section, primitives);
    },
  };
}

/**
 * With a section key only: that section, its path and its place in the tree that the doctor signed;
 * nothing of the others. @throws EnvelopeError `noSuchSection`, `sectionCommitment`, `descriptor`
 */
export function openSection(
  record: VerifiedRecord,
  opening: { readonly index: number; readonly key: SectionKey },
  primitives: Primitives,
): SectionReader {
  const section = unlockSection(record.header, opening.index, opening.key);
  return sectionReader(record, section, primitives);
}
