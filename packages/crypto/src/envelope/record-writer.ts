/**
 * Seals a record of any size in constant memory: sections stream in, ciphertext streams out, the
 * header comes last because it holds what only the whole can tell (roots, counts, lengths).
 * Memory: one chunk, and as many more as the platform has under way at a time (chunk-pipeline.ts),
 * and 32 bytes per chunk written.
 */
import { type Eventual, keyBytesOf, type SealedParts, TAG_BYTES } from '../aead.ts';
import { type Bytes, type RandomBytes, equalBytes } from '../bytes.ts';
import { type Cbor, encode } from '../cbor.ts';
import type { HpkePublicKey } from '../hpke.ts';
import { HASH_BYTES, hashLeaf, LEAF_PREFIX, rootOfLeafHashes } from '../merkle.ts';
import type { Primitives, SealedLeaf } from '../primitives.ts';
import { type Authorship, sealAuthorship } from './authorship.ts';
import { bodyBytesOf, chunkInput } from './chunk.ts';
import { createChunkPipeline } from './chunk-pipeline.ts';
import { EnvelopeError } from './envelope-error.ts';
import {
  CHUNK_SIZES,
  CHUNKS_MAX,
  digestOf,
  encodeHeader,
  headerHashOf,
  type RecordHeader,
  type SectionFacts,
  sectionRootOf,
  SECTIONS_MAX,
} from './header.ts';
import {
  commitDataKey,
  type DataKey,
  deriveSectionKey,
  deriveSectionSecrets,
  type RecordContext,
} from './keys.ts';
import { bucketBytes, zeros } from './padding.ts';
import { type ByteStream, divideIntoChunks } from './plaintext-chunks.ts';
import {
  MANIFEST_PATH,
  MEDIA_TYPE_LENGTH_MAX,
  PATH_LENGTH_MAX,
  sealDescriptor,
  sealManifest,
  type SectionDescriptor,
  sectionLeaf,
} from './section.ts';
import type { SlotContent } from './slot-format.ts';
import { sealAuthorSlot, sealPatientSlots } from './slots.ts';

/**
 * Takes the body in order; the parts of one call belong together and are valid until it is through: a
 * sink that keeps them copies them. Awaited before the next call. When `writeSection` has failed, no
 * further call follows.
 */
export type BodySink = (parts: readonly Bytes[]) => Eventual<void>;

export interface RecordWriterOptions {
  readonly context: RecordContext;
  readonly primitives: Primitives;
  readonly randomBytes: RandomBytes;
  readonly sink: BodySink;
  /** `buckets` hides the exact size of every section (group-signed records). Default `none`. */
  readonly padding?: 'none' | 'buckets';
}

export interface SectionInput {
  readonly path: string;
  readonly mediaType: string;
  readonly content: ByteStream;
}

/** K_j and what it shall open. */
export type SlotRequest =
  | { readonly slotKey: Bytes; readonly opens: 'record' }
  | { readonly slotKey: Bytes; readonly opens: 'section'; readonly path: string };

export interface RecordClosing {
  readonly patientSlots: readonly SlotRequest[];
  /** The writing doctor's HPKE key. */
  readonly author?: HpkePublicKey;
  /** Sealed by the caller. */
  readonly package?: Bytes;
  /** Goes into the manifest. */
  readonly attributes?: Cbor;
  /** Group-signed records: makes the doctor's signature over the section root. */
  readonly authorship?: (sectionRoot: Bytes) => Eventual<Authorship>;
}

/** What remains when the body is written. */
export interface SealedRecord {
  readonly header: Bytes;
  /** SHA-256 of the header: on chain. */
  readonly headerHash: Bytes;
  /** RFC 9162 root over header hash and chunks: on chain. */
  readonly digest: Bytes;
  /** What the doctor signs. */
  readonly sectionRoot: Bytes;
  /** Leaf hash of every chunk, in the order of the body: stored with the object. */
  readonly chunkHashes: readonly Bytes[];
  readonly bodyBytes: number;
}

export interface RecordWriter {
  /** One at a time. After a failure the writer is dead: a retry is a new record with a new key. */
  writeSection(section: SectionInput): Promise<void>;
  /** Once. */
  finish(closing: RecordClosing): Promise<SealedRecord>;
}

function assertContext(context: RecordContext): void {
  if (context.recordId.length !== HASH_BYTES || !CHUNK_SIZES.includes(context.chunkBytes))
    throw new EnvelopeError('notSealable', 'record id or chunk size is outside the format');
}

/** @throws EnvelopeError `notSealable` */
export function createRecordWriter(options: RecordWriterOptions): RecordWriter {
  const { primitives, randomBytes, sink } = options;
  const { chainId, suite, recordId, chunkBytes } = options.context;
  const context: RecordContext = { chainId, suite, recordId, chunkBytes };
  assertContext(context);
  const dataKey = randomBytes(keyBytesOf(suite)) as DataKey;
  if (dataKey.length !== keyBytesOf(suite) || equalBytes(dataKey, new Uint8Array(dataKey.length)))
    throw new EnvelopeError('notSealable', 'the source of randomness is dry');
  const hash = (bytes: Bytes): Bytes => primitives.sha256(bytes);

  const chunkHashes: Bytes[] = [];
  const written: { facts: SectionFacts; descriptor: SectionDescriptor }[] = [];
  let state: 'ready' | 'busy' | 'dead' = 'ready';

  async function guarded<T>(action: () => Promise<T>, after: 'ready' | 'dead'): Promise<T> {
    if (state !== 'ready')
      throw new EnvelopeError('notSealable', 'the writer is busy, has failed or is finished');
    state = 'busy';
    try {
      const result = await action();
      state = after;
      return result;
    } catch (error) {
      // A second attempt under the same key would use its nonces again.
      state = 'dead';
      throw error;
    }
  }

  function factsFor(
    path: string,
    secrets: ReturnType<typeof deriveSectionSecrets>,
    sealed: { chunks: readonly Bytes[]; finalChunkBytes: number; descriptor: Bytes },
  ): SectionFacts {
    const ciphertextRoot = rootOfLeafHashes(
      [...sealed.chunks, hashLeaf(sealed.descriptor, hash)],
      hash,
    );
    return {
      leaf: sectionLeaf(context, { path, ciphertextRoot, secrets }),
      ciphertextRoot,
      chunkCount: sealed.chunks.length,
      finalChunkBytes: sealed.finalChunkBytes,
      descriptor: sealed.descriptor,
    };
  }

  async function seal(section: SectionInput): Promise<void> {
    assertSection(section, written);
    const { path, mediaType } = section;
    const secrets = deriveSectionSecrets(context, deriveSectionKey(context, dataKey, path));
    const count = { bytes: 0 };
    const stream = counted(section.content, count, options.padding ?? 'none');
    const { chunks, finalChunkBytes } = await sealChunks(path, secrets.contentKey, stream);
    const descriptor = { path, mediaType, length: count.bytes };
    const facts = factsFor(path, secrets, {
      chunks,
      finalChunkBytes,
      descriptor: sealDescriptor(context, secrets, descriptor),
    });
    for (const chunk of chunks) chunkHashes.push(chunk);
    written.push({ facts, descriptor });
  }

  /** For platforms without `sealLeaf`. */
  function hashed(parts: SealedParts): Eventual<SealedLeaf> {
    const leafHash = primitives.digest(LEAF_PREFIX, parts.ciphertext, parts.tag);
    return leafHash instanceof Uint8Array
      ? { ...parts, leafHash }
      : leafHash.then((known) => ({ ...parts, leafHash: known }));
  }

  async function sealChunks(
    path: string,
    contentKey: Bytes,
    stream: ByteStream,
  ): Promise<{ chunks: readonly Bytes[]; finalChunkBytes: number }> {
    const pipeline = createChunkPipeline(sink);
    let index = 0;
    let finalChunkBytes = 0;
    try {
      for await (const { bytes, isFinal } of divideIntoChunks(stream, chunkBytes)) {
        if (chunkHashes.length + index >= CHUNKS_MAX)
          throw new EnvelopeError('notSealable', 'a record has too many chunks');
        const place = { path, index: index++, isFinal };
        const input = { ...chunkInput(context, contentKey, place), plaintext: bytes };
        if (isFinal) finalChunkBytes = bytes.length + TAG_BYTES;
        // Either way `bytes` was read before the next chunk is asked for.
        await pipeline.put(
          primitives.sealLeaf?.(input) ?? hashed(await primitives.aead.sealParts(input)),
        );
      }
      return { chunks: await pipeline.finish(), finalChunkBytes };
    } catch (error) {
      await pipeline.abandon();
      throw error;
    }
  }

  function slotContent(request: SlotRequest): SlotContent {
    if (request.opens === 'record') return { opens: 'record', key: dataKey };
    const index = written.findIndex(({ descriptor }) => descriptor.path === request.path);
    if (index < 0)
      throw new EnvelopeError('notSealable', 'a slot names a section that was not written');
    return {
      opens: 'section',
      index: index + 1,
      key: deriveSectionKey(context, dataKey, request.path),
    };
  }

  async function close(closing: RecordClosing): Promise<SealedRecord> {
    const manifestSecrets = deriveSectionSecrets(
      context,
      deriveSectionKey(context, dataKey, MANIFEST_PATH),
    );
    const manifest = factsFor(MANIFEST_PATH, manifestSecrets, {
      chunks: [],
      finalChunkBytes: 0,
      descriptor: sealManifest(context, manifestSecrets, {
        sections: written.map(({ descriptor }) => descriptor),
        attributes: closing.attributes ?? null,
      }),
    });
    const sections = [manifest, ...written.map(({ facts }) => facts)];
    const sectionRoot = sectionRootOf({ sections });
    const authorship = await closing.authorship?.(sectionRoot);
    const header: RecordHeader = {
      ...context,
      commitment: commitDataKey(context, dataKey),
      sections,
      patientSlots: sealPatientSlots({
        context,
        slots: closing.patientSlots.map((request) => ({
          slotKey: request.slotKey,
          content: slotContent(request),
        })),
        randomBytes,
      }),
      authorSlot:
        closing.author === undefined
          ? null
          : await sealAuthorSlot(context, closing.author, dataKey),
      package: closing.package ?? null,
      authorship: authorship === undefined ? null : sealAuthorship(context, dataKey, authorship),
      administratorSlots: [],
      personSlots: [],
    };
    const bytes = encodeHeader(header);
    const headerHash = headerHashOf(bytes);
    return {
      header: bytes,
      headerHash,
      digest: digestOf(headerHash, chunkHashes, hash),
      sectionRoot,
      chunkHashes,
      bodyBytes: bodyBytesOf(header),
    };
  }

  return {
    writeSection: (section) => guarded(() => seal(section), 'ready'),
    finish: (closing) => guarded(() => close(closing), 'dead'),
  };
}

function assertSection(
  section: SectionInput,
  written: readonly { readonly descriptor: SectionDescriptor }[],
): void {
  const { path, mediaType } = section;
  if (path === MANIFEST_PATH || path.length > PATH_LENGTH_MAX)
    throw new EnvelopeError('notSealable', 'a section has no path, or too long a one');
  if (mediaType.length > MEDIA_TYPE_LENGTH_MAX)
    throw new EnvelopeError('notSealable', 'a media type is too long');
  encode([path, mediaType]);
  if (written.some(({ descriptor }) => descriptor.path === path))
    throw new EnvelopeError('notSealable', `section ${path} was written before`);
  if (written.length + 1 >= SECTIONS_MAX)
    throw new EnvelopeError('notSealable', 'a record has too many sections');
}

/** The stream, its length counted, followed by the zeros that its bucket asks for. */
async function* counted(
  content: ByteStream,
  count: { bytes: number },
  padding: 'none' | 'buckets',
): AsyncGenerator<Bytes> {
  for await (const piece of content) {
    count.bytes += piece.length;
    yield piece;
  }
  if (padding === 'buckets') yield* zeros(bucketBytes(count.bytes) - count.bytes);
}

/** `createRecordWriter` for callers that have all sections at hand. */
export async function sealRecord(
  options: RecordWriterOptions,
  sections: AsyncIterable<SectionInput> | Iterable<SectionInput>,
  closing: RecordClosing,
): Promise<SealedRecord> {
  const writer = createRecordWriter(options);
  for await (const section of sections) await writer.writeSection(section);
  return writer.finish(closing);
}
