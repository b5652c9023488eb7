/** Records to take apart: deterministic randomness, everything the readers need. */
import { type Bytes, concatBytes, u64be } from '../src/bytes.ts';
import type { Suite } from '../src/context.ts';
import type { ChunkExtent } from '../src/envelope/chunk.ts';
import type { RecordContext } from '../src/envelope/keys.ts';
import type { ByteStream } from '../src/envelope/plaintext-chunks.ts';
import type { ExpectedRecord } from '../src/envelope/record-reader.ts';
import {
  type RecordClosing,
  type RecordWriterOptions,
  sealRecord,
  type SealedRecord,
} from '../src/envelope/record-writer.ts';
import type { RandomBytes } from '../src/bytes.ts';
import { sha256 } from '../src/hash.ts';
import { purePrimitives } from '../src/primitives.ts';

/** A stream of bytes that looks random and repeats with its seed. */
export function seededBytes(seed: number): RandomBytes {
  let counter = 0n;
  return (length) => {
    const parts: Bytes[] = [];
    for (let made = 0; made < length; made += 32)
      parts.push(sha256(concatBytes(Uint8Array.of(seed), u64be(counter++))));
    return concatBytes(...parts).slice(0, length);
  };
}

export const CHUNK_BYTES = 65_536;
export const recordId: Bytes = sha256(Uint8Array.of(1));
export const context: RecordContext = {
  chainId: 'chain-1',
  suite: 'intl',
  recordId,
  chunkBytes: CHUNK_BYTES,
};

/** K_1 opens the record, K_2 the section `labs`. */
export const recordSlotKey: Bytes = new Uint8Array(32).fill(0x11);
export const sectionSlotKey: Bytes = new Uint8Array(32).fill(0x22);

export interface Fixture {
  readonly sealed: SealedRecord;
  readonly body: Bytes;
  readonly expected: ExpectedRecord;
  readonly fetchChunk: (extent: ChunkExtent) => Bytes;
}

export function expectedOf(
  sealed: { readonly headerHash: Bytes; readonly digest: Bytes },
  suite: Suite = 'intl',
): ExpectedRecord {
  const { headerHash, digest } = sealed;
  return { chainId: 'chain-1', recordId, headerHash, digest, allowedSuites: [suite] };
}

export function fetchFrom(body: Bytes): (extent: ChunkExtent) => Bytes {
  return ({ offset, length }) => body.subarray(offset, offset + length);
}

export const image: Bytes = seededBytes(99)(2 * CHUNK_BYTES + 1000);
export const labs: Bytes = seededBytes(98)(500);

export const standardSections = [
  { path: 'Observation', mediaType: 'application/fhir+json', content: [labs] },
  { path: 'dicom/1', mediaType: 'application/dicom', content: [image] },
] as const;

export async function sealFixture(
  options: Partial<RecordWriterOptions> = {},
  sections: readonly { path: string; mediaType: string; content: ByteStream }[] = standardSections,
  closing: Partial<RecordClosing> = {},
): Promise<Fixture> {
  const parts: Bytes[] = [];
  const sealed = await sealRecord(
    {
      context,
      primitives: purePrimitives,
      randomBytes: seededBytes(1),
      sink: (chunk) => {
        for (const part of chunk) parts.push(part.slice());
      },
      ...options,
    },
    sections,
    { patientSlots: [{ slotKey: recordSlotKey, opens: 'record' }], ...closing },
  );
  const body = concatBytes(...parts);
  const suite = (options.context ?? context).suite;
  return { sealed, body, expected: expectedOf(sealed, suite), fetchChunk: fetchFrom(body) };
}

export async function collect(stream: AsyncIterable<Bytes>): Promise<Bytes> {
  const parts: Bytes[] = [];
  for await (const part of stream) parts.push(part.slice());
  return concatBytes(...parts);
}
