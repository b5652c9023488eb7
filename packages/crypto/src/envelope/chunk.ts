/**
 * Chunks (STREAM, Hoang–Reyhanitabar–Rogaway–Vizár 2015, in the form nonce = counter, final flag
 * authenticated): order, count and end of a section cannot be changed without notice.
 */
import type { AeadInput } from '../aead.ts';
import { NONCE_BYTES, TAG_BYTES } from '../aead.ts';
import type { Bytes } from '../bytes.ts';
import { bindSuite } from '../context.ts';
import { DOMAIN_TAGS } from '../domain-tags.ts';
import type { RecordHeader, SectionFacts } from './header.ts';
import type { RecordContext } from './keys.ts';

/** Where a chunk stands. */
export interface ChunkPlace {
  readonly path: string;
  /** Within its section, from 0. */
  readonly index: number;
  readonly isFinal: boolean;
}

/** Key, nonce and associated data of one chunk. */
export function chunkInput(
  context: RecordContext,
  contentKey: Bytes,
  place: ChunkPlace,
): AeadInput {
  const nonce = new Uint8Array(NONCE_BYTES);
  new DataView(nonce.buffer).setUint32(NONCE_BYTES - 4, place.index);
  return {
    key: contentKey,
    nonce,
    associatedData: bindSuite(
      DOMAIN_TAGS.recordChunk,
      context,
      context.recordId,
      context.chunkBytes,
      place.path,
      place.index,
      place.isFinal,
    ),
  };
}

/** Bytes of chunk `index` of a section, with its tag. */
export function sealedChunkBytes(chunkBytes: number, facts: SectionFacts, index: number): number {
  return index === facts.chunkCount - 1 ? facts.finalChunkBytes : chunkBytes + TAG_BYTES;
}

/** Bytes of all chunks of a section. */
export function sectionBodyBytes(chunkBytes: number, facts: SectionFacts): number {
  if (facts.chunkCount === 0) return 0;
  return (facts.chunkCount - 1) * (chunkBytes + TAG_BYTES) + facts.finalChunkBytes;
}

/** A chunk's place in the body of the object. */
export interface ChunkExtent {
  /** Among all chunks of the record: leaf `chunk + 1` of the digest. */
  readonly chunk: number;
  /** From the beginning of the body. */
  readonly offset: number;
  readonly length: number;
}

/** Where chunk `index` of section `section` lies. @throws RangeError when there is none */
export function chunkExtent(header: RecordHeader, section: number, index: number): ChunkExtent {
  let chunk = 0;
  let offset = 0;
  for (const [at, facts] of header.sections.entries()) {
    if (at === section) {
      if (index < 0 || index >= facts.chunkCount)
        throw new RangeError(`section ${section} has no chunk ${index}`);
      return {
        chunk: chunk + index,
        offset: offset + index * (header.chunkBytes + TAG_BYTES),
        length: sealedChunkBytes(header.chunkBytes, facts, index),
      };
    }
    chunk += facts.chunkCount;
    offset += sectionBodyBytes(header.chunkBytes, facts);
  }
  throw new RangeError(`the record has no section ${section}`);
}

/** Chunks of the whole record. */
export function chunkCountOf(header: RecordHeader): number {
  return header.sections.reduce((count, facts) => count + facts.chunkCount, 0);
}

/** Bytes of the body: all chunks, nothing between them. */
export function bodyBytesOf(header: RecordHeader): number {
  return header.sections.reduce(
    (sum, facts) => sum + sectionBodyBytes(header.chunkBytes, facts),
    0,
  );
}
