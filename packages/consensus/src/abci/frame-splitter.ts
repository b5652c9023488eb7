/**
 * Cuts a stream of bytes into frames, each with its length before it as an unsigned varint. Chunks end
 * anywhere, also within a length. A frame within one chunk is a view of it; parts of a longer one wait in a
 * list and are joined once, so that the work is linear in the bytes.
 */
import type { Bytes } from '@yilian/crypto/bytes';

export type FrameFault = 'frameTooLarge' | 'malformed';

/** No length that fits has more. */
const LENGTH_BYTES_MAX = 5;

/** One new array with all parts in order. They are too many for a list of arguments. */
export function joinBytes(parts: readonly Bytes[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export class FrameSplitter {
  readonly #frameBytesMax: number;
  /** The length that is being read: value so far, and its bytes. */
  #length = 0;
  #lengthBytes = 0;
  /** Bytes that the frame still lacks; undefined while its length is being read. */
  #missing: number | undefined;
  #parts: Bytes[] = [];

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax;
  }

  /**
   * Hands every frame that `chunk` completes to `take`, in order. Nobody may write into `chunk` afterwards.
   * After a fault the stream cannot be read any further.
   */
  push(chunk: Bytes, take: (frame: Bytes) => void): FrameFault | undefined {
    let at = 0;
    while (at < chunk.length || this.#missing === 0) {
      if (this.#missing === undefined) {
        const fault = this.#readLength(chunk[at++] ?? 0);
        if (fault !== undefined) return fault;
        continue;
      }
      const part = chunk.subarray(at, at + this.#missing);
      at += part.length;
      this.#missing -= part.length;
      if (this.#missing > 0) {
        this.#parts.push(part);
        continue;
      }
      const frame = this.#parts.length === 0 ? part : joinBytes([...this.#parts, part]);
      this.#parts = [];
      this.#missing = undefined;
      take(frame);
    }
    return undefined;
  }

  /** Whether the stream may end here. */
  get isBetweenFrames(): boolean {
    return this.#missing === undefined && this.#lengthBytes === 0;
  }

  #readLength(byte: number): FrameFault | undefined {
    // By multiplication: a shift would turn a length of 2^31 negative.
    this.#length += (byte & 0x7f) * 0x80 ** this.#lengthBytes;
    this.#lengthBytes += 1;
    if (this.#length > this.#frameBytesMax) return 'frameTooLarge';
    if (byte >= 0x80) return this.#lengthBytes === LENGTH_BYTES_MAX ? 'malformed' : undefined;
    this.#missing = this.#length;
    this.#length = 0;
    this.#lengthBytes = 0;
    return undefined;
  }
}
