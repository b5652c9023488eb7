/** Cuts a stream of pieces of any size into chunks, and knows of each whether it is the last. */
import type { Bytes } from '../bytes.ts';

export interface PlaintextChunk {
  /** Valid until the next chunk is asked for. */
  readonly bytes: Bytes;
  readonly isFinal: boolean;
}

/** Pieces must not be written to after they were handed over. */
export type ByteStream = AsyncIterable<Bytes> | Iterable<Bytes>;

/**
 * Every chunk but the last has `chunkBytes`; an empty stream is one empty chunk. A piece that covers a
 * whole chunk is passed on without copying; one buffer serves all others. A chunk is held back until
 * it is known whether another follows.
 */
export async function* divideIntoChunks(
  stream: ByteStream,
  chunkBytes: number,
): AsyncGenerator<PlaintextChunk> {
  let buffer: Uint8Array | undefined;
  let filled = 0;
  let held: Bytes | null = null;
  for await (const piece of stream) {
    let offset = 0;
    while (offset < piece.length) {
      if (held !== null) yield { bytes: held, isFinal: false };
      held = null;
      const left = piece.length - offset;
      if (filled === 0 && left >= chunkBytes) {
        held = piece.subarray(offset, offset + chunkBytes);
        offset += chunkBytes;
        continue;
      }
      buffer ??= new Uint8Array(chunkBytes);
      const taken = Math.min(left, chunkBytes - filled);
      buffer.set(piece.subarray(offset, offset + taken), filled);
      filled += taken;
      offset += taken;
      if (filled === chunkBytes) {
        held = buffer;
        filled = 0;
      }
    }
  }
  yield { bytes: held ?? (buffer ?? new Uint8Array(0)).subarray(0, filled), isFinal: true };
}
