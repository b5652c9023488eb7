/** Real sealed records as objects, and small tools to read and spoil them. */
import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import { encodeObjectHead } from '@yilian/crypto/envelope/object';
import { createRecordWriter } from '@yilian/crypto/envelope/record-writer';
import { nativePrimitives } from '../../src/native-primitives.ts';
import type { Announcement, StoredObject } from '../../src/stores/object-store.ts';
import { type StoredName, storedName } from '../../src/stores/stored-head.ts';
import { CONTEXT, randomBytes } from './support.ts';

export interface Sealed {
  readonly bytes: Bytes;
  readonly announced: Announcement;
}

const ZEROES = new Uint8Array(1_048_576);

/** A record whose plaintext has `length` bytes, with what the chain would say of it. */
export async function sealRecord(length: number): Promise<Sealed> {
  const body: Bytes[] = [];
  const writer = createRecordWriter({
    context: { ...CONTEXT, suite: 'intl', recordId: randomBytes(32), chunkBytes: 65_536 },
    primitives: nativePrimitives,
    randomBytes,
    sink: (parts) => {
      for (const part of parts) body.push(part.slice());
    },
  });
  function* content(): Generator<Bytes> {
    for (let left = length; left > 0; left -= ZEROES.length)
      yield ZEROES.subarray(0, Math.min(left, ZEROES.length));
  }
  await writer.writeSection({ path: 'a', mediaType: 'text/plain', content: content() });
  const sealed = await writer.finish({
    patientSlots: [{ slotKey: randomBytes(32), opens: 'record' }],
  });
  const bytes = concatBytes(encodeObjectHead(sealed), ...body);
  return {
    bytes,
    announced: { headerHash: sealed.headerHash, digest: sealed.digest, length: bytes.length },
  };
}

export async function* pieces(bytes: Bytes, size = 10_000): AsyncGenerator<Bytes> {
  for (let offset = 0; offset < bytes.length; offset += size)
    yield bytes.subarray(offset, offset + size);
  await Promise.resolve();
}

export async function readAll(
  object: StoredObject,
  start = 0,
  end: number = object.length,
): Promise<Bytes> {
  const parts: Bytes[] = [];
  for await (const part of object.read({ start, end })) parts.push(new Uint8Array(part));
  return concatBytes(...parts);
}

export function freshName(): StoredName {
  return storedName(CONTEXT, randomBytes(32));
}

export function flip(bytes: Bytes, at: number): Bytes {
  const changed = bytes.slice();
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

/** Where the chunk hashes begin. */
export function headEnd(bytes: Bytes): number {
  return 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}
