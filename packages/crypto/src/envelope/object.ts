/**
 * A record as one object of a store:
 *
 *   header length (4 bytes, most significant first) ‖ header ‖ chunk hashes (32 bytes each) ‖ body
 *
 * Header and body are verifiable apart: the header by its hash on chain, each chunk by its hash, the
 * hashes together with the header by the digest. Their number follows from the header.
 */
import type { Eventual } from '../aead.ts';
import { type Bytes, concatBytes, equalBytes } from '../bytes.ts';
import { HASH_BYTES, LEAF_PREFIX } from '../merkle.ts';
import type { Primitives } from '../primitives.ts';
import { bodyBytesOf, chunkCountOf, type ChunkExtent, sealedChunkBytes } from './chunk.ts';
import { EnvelopeError } from './envelope-error.ts';
import {
  digestOf,
  HEADER_BYTES_MAX,
  headerHashOf,
  parseHeader,
  type RecordHeader,
} from './header.ts';
import type { ByteStream } from './plaintext-chunks.ts';

const LENGTH_BYTES = 4;

/** Everything before the body. */
export function encodeObjectHead(object: {
  readonly header: Bytes;
  readonly chunkHashes: readonly Bytes[];
}): Bytes {
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setUint32(0, object.header.length);
  return concatBytes(length, object.header, ...object.chunkHashes);
}

/** Reads `length` bytes at `offset` of an object; fewer at its end. */
export type ReadObject = (offset: number, length: number) => Eventual<Bytes>;

/** An object's parts: the header is the one on chain, nothing else is verified yet. */
export interface ObjectParts {
  readonly header: Bytes;
  readonly chunkHashes: readonly Bytes[];
  /** Where the body begins. */
  readonly bodyOffset: number;
  /** Bytes of the whole object. */
  readonly objectBytes: number;
  /** For `SectionReader.read`. */
  readonly fetchChunk: (extent: ChunkExtent) => Eventual<Bytes>;
}

async function readExactly(read: ReadObject, offset: number, length: number): Promise<Bytes> {
  const bytes = await read(offset, length);
  if (bytes.length !== length)
    throw new EnvelopeError('headerMalformed', 'the object ends before its head does');
  return bytes;
}

/** Bytes of a whole object. */
export function objectBytesOf(headerBytes: number, header: RecordHeader): number {
  return LENGTH_BYTES + headerBytes + HASH_BYTES * chunkCountOf(header) + bodyBytesOf(header);
}

/**
 * The header is compared with its hash before its counts are believed.
 * @throws EnvelopeError `headerHash`, `headerMalformed`
 */
export async function readObject(read: ReadObject, headerHash: Bytes): Promise<ObjectParts> {
  const prefix = await readExactly(read, 0, LENGTH_BYTES);
  const headerBytes = new DataView(prefix.buffer, prefix.byteOffset).getUint32(0);
  if (headerBytes > HEADER_BYTES_MAX)
    throw new EnvelopeError('headerMalformed', 'a header is longer than its limit');
  const header = await readExactly(read, LENGTH_BYTES, headerBytes);
  if (!equalBytes(headerHashOf(header), headerHash))
    throw new EnvelopeError('headerHash', 'the header is not the one on chain');
  const parsed = parseHeader(header);
  const count = chunkCountOf(parsed);
  const hashesOffset = LENGTH_BYTES + headerBytes;
  const hashes = await readExactly(read, hashesOffset, count * HASH_BYTES);
  const chunkHashes = Array.from({ length: count }, (_, i) =>
    hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
  const bodyOffset = hashesOffset + hashes.length;
  return {
    header,
    chunkHashes,
    bodyOffset,
    objectBytes: objectBytesOf(headerBytes, parsed),
    fetchChunk: (extent) => read(bodyOffset + extent.offset, extent.length),
  };
}

/**
 * What a store does before it attests that it keeps an object: hashes a body that streams in, in
 * constant memory, and compares with the chain. Needs no key.
 * @returns the leaf hash of every chunk
 * @throws EnvelopeError `headerHash`, `headerMalformed`, `digest`
 */
export async function verifyBody(
  object: { readonly header: Bytes; readonly body: ByteStream },
  expected: { readonly headerHash: Bytes; readonly digest: Bytes },
  primitives: Primitives,
): Promise<readonly Bytes[]> {
  if (!equalBytes(headerHashOf(object.header), expected.headerHash))
    throw new EnvelopeError('headerHash', 'the header is not the one on chain');
  const header = parseHeader(object.header);
  const lengths = chunkLengths(header);
  const chunkHashes: Bytes[] = [];
  let parts: Bytes[] = [LEAF_PREFIX];
  let wanted = lengths.next();
  let missing = wanted.done === true ? 0 : wanted.value;
  for await (const piece of object.body) {
    let offset = 0;
    while (offset < piece.length) {
      if (wanted.done === true) throw new EnvelopeError('digest', 'the body is too long');
      const taken = Math.min(missing, piece.length - offset);
      parts.push(piece.subarray(offset, offset + taken));
      offset += taken;
      missing -= taken;
      if (missing > 0) continue;
      chunkHashes.push(await primitives.digest(...parts));
      parts = [LEAF_PREFIX];
      wanted = lengths.next();
      missing = wanted.done === true ? 0 : wanted.value;
    }
  }
  if (wanted.done !== true) throw new EnvelopeError('digest', 'the body is too short');
  const digest = digestOf(expected.headerHash, chunkHashes, (bytes) => primitives.sha256(bytes));
  if (!equalBytes(digest, expected.digest))
    throw new EnvelopeError('digest', 'header and body do not make the digest on chain');
  return chunkHashes;
}

function* chunkLengths(header: RecordHeader): Generator<number> {
  for (const facts of header.sections)
    for (let index = 0; index < facts.chunkCount; index++)
      yield sealedChunkBytes(header.chunkBytes, facts, index);
}
