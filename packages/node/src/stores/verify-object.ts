/** What a store checks before it says that it holds a record: layout, header hash, every chunk, digest. */
import { type Bytes, concatBytes, equalBytes } from '@yilian/crypto/bytes';
import { chunkCountOf } from '@yilian/crypto/envelope/chunk';
import { EnvelopeError } from '@yilian/crypto/envelope/envelope-error';
import { HEADER_BYTES_MAX, parseHeader } from '@yilian/crypto/envelope/header';
import { objectBytesOf, verifyBody } from '@yilian/crypto/envelope/object';
import { nativePrimitives } from '../native-primitives.ts';
import type { Announcement } from './object-store.ts';

const LENGTH_BYTES = 4;
const HASH_BYTES = 32;

/** Reads exact lengths out of a stream, then hands on the rest of it. */
class StreamReader {
  readonly #parts: AsyncIterator<Bytes>;
  #rest: Bytes = new Uint8Array(0);

  constructor(content: AsyncIterable<Bytes>) {
    this.#parts = content[Symbol.asyncIterator]();
  }

  /** Fewer bytes at the end of the stream. */
  async read(length: number): Promise<Bytes> {
    const parts: Bytes[] = [];
    let have = 0;
    while (have < length) {
      if (this.#rest.length === 0) {
        const next = await this.#parts.next();
        if (next.done === true) break;
        this.#rest = next.value;
        continue;
      }
      const part = this.#rest.subarray(0, length - have);
      this.#rest = this.#rest.subarray(part.length);
      parts.push(part);
      have += part.length;
    }
    return concatBytes(...parts);
  }

  async *remaining(): AsyncGenerator<Bytes> {
    if (this.#rest.length > 0) yield this.#rest;
    for (;;) {
      const next = await this.#parts.next();
      if (next.done === true) return;
      yield next.value;
    }
  }
}

/** Consumes `content` whole (or stops at the first fault): true when it is what was announced. */
export async function verifyObject(
  announced: Announcement,
  content: AsyncIterable<Bytes>,
): Promise<boolean> {
  const reader = new StreamReader(content);
  const prefix = await reader.read(LENGTH_BYTES);
  if (prefix.length !== LENGTH_BYTES) return false;
  const headerBytes = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_BYTES).getUint32(0);
  if (headerBytes > HEADER_BYTES_MAX) return false;
  const header = await reader.read(headerBytes);
  try {
    // `verifyBody` compares the header's hash; counts are believed only for reading on.
    const parsed = parseHeader(header);
    if (objectBytesOf(headerBytes, parsed) !== announced.length) return false;
    const hashes = await reader.read(chunkCountOf(parsed) * HASH_BYTES);
    const computed = await verifyBody(
      { header, body: reader.remaining() },
      announced,
      nativePrimitives,
    );
    return equalBytes(concatBytes(...computed), hashes);
  } catch (error) {
    if (error instanceof EnvelopeError) return false;
    throw error;
  }
}
