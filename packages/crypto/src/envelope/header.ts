/**
 * The header of a record object: everything public about one version, in canonical CBOR. Its SHA-256
 * is on chain, so every byte of it is fixed there: suite, chunk size, slots, commitments, roots.
 * Layout: docs/spec/record-envelope.md.
 */
import { TAG_BYTES } from '../aead.ts';
import { type Bytes, CodecError } from '../bytes.ts';
import { type Cbor, decode, encode } from '../cbor.ts';
import type { Suite } from '../context.ts';
import { DOMAIN_TAGS } from '../domain-tags.ts';
import { sha256 } from '../hash.ts';
import { HASH_BYTES, type HashFunction, hashLeaf, rootOfLeafHashes } from '../merkle.ts';
import { EnvelopeError } from './envelope-error.ts';
import { COMMITMENT_BYTES, type RecordContext } from './keys.ts';
import { PATIENT_SLOT_COUNTS, patientSlotBytes } from './slot-format.ts';

/** What anybody sees of a section. Neither path nor key can be told from it. */
export interface SectionFacts {
  /** Salted leaf of the section tree, already hashed as a leaf. */
  readonly leaf: Bytes;
  /** RFC 9162 root over the section's chunks and, last, its sealed descriptor. */
  readonly ciphertextRoot: Bytes;
  /** 0 for the manifest, which is all descriptor; at least 1 for every other section. */
  readonly chunkCount: number;
  /** Bytes of the final chunk with its tag; 0 when there is none. */
  readonly finalChunkBytes: number;
  /** Sealed [path, media type, length], or the sealed manifest. */
  readonly descriptor: Bytes;
}

export interface RecordHeader extends RecordContext {
  /** com: fixes the DEK. */
  readonly commitment: Bytes;
  /** The manifest first, then the sections in the order of the body. */
  readonly sections: readonly SectionFacts[];
  /** Unlabelled, shuffled, padded to 4, 8, 16, 32 or 64. */
  readonly patientSlots: readonly Bytes[];
  /** HPKE to the writing doctor. */
  readonly authorSlot: Bytes | null;
  /** The visit package of a patient whose device was not at hand, sealed elsewhere. */
  readonly package: Bytes | null;
  /** The doctor's signature, sealed under the DEK: group-signed records only. */
  readonly authorship: Bytes | null;
  /** Slots of kinds that come later; empty today. */
  readonly administratorSlots: readonly Bytes[];
  readonly personSlots: readonly Bytes[];
}

/** The sizes a writer may choose; nothing else parses. */
export const CHUNK_SIZES: readonly number[] = [1, 2, 4, 8, 16].map((times) => times * 65_536);

export const HEADER_BYTES_MAX: number = 1024 * 1024;
export const SECTIONS_MAX = 1024;
/** Chunks of one record: 64 GiB in the smallest chunks, 1 TiB in the largest, 32 MiB of hashes. */
export const CHUNKS_MAX: number = 2 ** 20;

const OPTIONAL_BYTES_MAX = 65_536;
const OTHER_SLOTS_MAX = 64;

/** Canonical bytes. @throws EnvelopeError `notSealable` when they would not parse again */
export function encodeHeader(header: RecordHeader): Bytes {
  const bytes = encode([
    DOMAIN_TAGS.recordHeader,
    header.chainId,
    header.suite,
    header.recordId,
    header.chunkBytes,
    header.commitment,
    header.sections.map((section) => [
      section.leaf,
      section.ciphertextRoot,
      section.chunkCount,
      section.finalChunkBytes,
      section.descriptor,
    ]),
    header.patientSlots,
    header.authorSlot,
    header.package,
    header.authorship,
    header.administratorSlots,
    header.personSlots,
  ]);
  if (bytes.length > HEADER_BYTES_MAX)
    throw new EnvelopeError('notSealable', 'the header would be longer than its limit');
  return bytes;
}

/** SHA-256 of the header as stored: this value is on chain. */
export function headerHashOf(header: Bytes): Bytes {
  return sha256(header);
}

/** RFC 9162 root over the header's hash and the chunks' leaf hashes. */
export function digestOf(
  headerHash: Bytes,
  chunkHashes: readonly Bytes[],
  hash: HashFunction,
): Bytes {
  return rootOfLeafHashes([hashLeaf(headerHash, hash), ...chunkHashes], hash);
}

/** What the doctor signs: the RFC 9162 root over the salted section leaves, manifest included. */
export function sectionRootOf(header: { readonly sections: readonly SectionFacts[] }): Bytes {
  return rootOfLeafHashes(header.sections.map((section) => section.leaf));
}

function malformed(what: string): EnvelopeError {
  return new EnvelopeError('headerMalformed', `header: ${what}`);
}

function bytesOf(value: Cbor | undefined, what: string, length?: number): Bytes {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length))
    throw malformed(what);
  return value;
}

function optionalBytesOf(value: Cbor | undefined, what: string): Bytes | null {
  if (value === null) return null;
  const bytes = bytesOf(value, what);
  if (bytes.length > OPTIONAL_BYTES_MAX) throw malformed(what);
  return bytes;
}

function arrayOf(value: Cbor | undefined, what: string, length?: number): readonly Cbor[] {
  if (!isArray(value) || (length !== undefined && value.length !== length)) throw malformed(what);
  return value;
}

function isArray(value: Cbor | undefined): value is readonly Cbor[] {
  return Array.isArray(value);
}

function countOf(value: Cbor | undefined, what: string, max: number): number {
  if (typeof value !== 'number' || value < 0 || value > max) throw malformed(what);
  return value;
}

function suiteOf(value: Cbor | undefined): Suite {
  if (value !== 'intl' && value !== 'paper') throw malformed('suite');
  return value;
}

function otherSlotsOf(value: Cbor | undefined, what: string): readonly Bytes[] {
  const slots = arrayOf(value, what);
  if (slots.length > OTHER_SLOTS_MAX) throw malformed(what);
  return slots.map((slot) => {
    const bytes = bytesOf(slot, what);
    if (bytes.length > OPTIONAL_BYTES_MAX) throw malformed(what);
    return bytes;
  });
}

function sectionOf(value: Cbor, index: number, chunkBytes: number): SectionFacts {
  const fields = arrayOf(value, 'section', 5);
  const chunkCount = countOf(fields[2], 'chunk count', CHUNKS_MAX);
  const finalChunkBytes = countOf(fields[3], 'final chunk', chunkBytes + TAG_BYTES);
  // One plaintext has one division into chunks: an empty final chunk stands alone or not at all.
  const isManifest = index === 0;
  const divided =
    chunkCount === 0
      ? isManifest && finalChunkBytes === 0
      : !isManifest && finalChunkBytes >= TAG_BYTES + (chunkCount > 1 ? 1 : 0);
  if (!divided) throw malformed('division into chunks');
  return {
    leaf: bytesOf(fields[0], 'section leaf', HASH_BYTES),
    ciphertextRoot: bytesOf(fields[1], 'ciphertext root', HASH_BYTES),
    chunkCount,
    finalChunkBytes,
    descriptor: bytesOf(fields[4], 'descriptor'),
  };
}

/** Strict. @throws EnvelopeError `headerMalformed` */
export function parseHeader(bytes: Bytes): RecordHeader {
  let value: Cbor;
  try {
    value = decode(bytes, { bytesMax: HEADER_BYTES_MAX, depthMax: 4 });
  } catch (error) {
    if (error instanceof CodecError) throw malformed(error.message);
    throw error;
  }
  const fields = arrayOf(value, 'fields', 13);
  if (fields[0] !== DOMAIN_TAGS.recordHeader) throw malformed('tag');
  const chainId = fields[1];
  if (typeof chainId !== 'string') throw malformed('chain id');
  const suite = suiteOf(fields[2]);
  const chunkBytes = fields[4];
  if (typeof chunkBytes !== 'number' || !CHUNK_SIZES.includes(chunkBytes))
    throw malformed('chunk size');
  const sections = arrayOf(fields[6], 'sections');
  if (sections.length < 1 || sections.length > SECTIONS_MAX) throw malformed('number of sections');
  const facts = sections.map((section, index) => sectionOf(section, index, chunkBytes));
  if (facts.reduce((count, section) => count + section.chunkCount, 0) > CHUNKS_MAX)
    throw malformed('number of chunks');
  const patientSlots = arrayOf(fields[7], 'patient slots');
  if (!PATIENT_SLOT_COUNTS.includes(patientSlots.length)) throw malformed('number of slots');
  return {
    chainId,
    suite,
    recordId: bytesOf(fields[3], 'record id', HASH_BYTES),
    chunkBytes,
    commitment: bytesOf(fields[5], 'commitment', COMMITMENT_BYTES),
    sections: facts,
    patientSlots: patientSlots.map((slot) => bytesOf(slot, 'slot', patientSlotBytes(suite))),
    authorSlot: optionalBytesOf(fields[8], 'author slot'),
    package: optionalBytesOf(fields[9], 'package'),
    authorship: optionalBytesOf(fields[10], 'authorship'),
    administratorSlots: otherSlotsOf(fields[11], 'administrator slots'),
    personSlots: otherSlotsOf(fields[12], 'person slots'),
  };
}
