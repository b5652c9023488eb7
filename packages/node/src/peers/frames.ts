/**
 * Length-prefixed frames on a byte stream. The reader copies each byte once, refuses a length before it
 * waits for the bytes, and never holds more than one frame and what the socket handed over with it.
 */
import type { Bytes } from '@yilian/crypto/bytes';

const LENGTH_BYTES = 4;

export function encodeFrame(...parts: readonly Bytes[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  const head = Buffer.allocUnsafe(LENGTH_BYTES);
  head.writeUInt32BE(length);
  return Buffer.concat([head, ...parts]);
}

export interface FrameReader {
  /** Feeds what arrived; calls back for each whole frame. False: the stream broke the limit, end it. */
  push(chunk: Bytes): boolean;
}

/** `limit` is asked for each frame: it changes once a connection is authenticated. */
export function createFrameReader(
  limit: () => number,
  onFrame: (frame: Bytes) => boolean,
): FrameReader {
  const head = Buffer.allocUnsafe(LENGTH_BYTES);
  let headFilled = 0;
  let frame: Uint8Array | undefined;
  let filled = 0;
  return {
    push: (chunk) => {
      let offset = 0;
      while (offset < chunk.length || (frame !== undefined && filled === frame.length)) {
        if (frame === undefined) {
          const taken = chunk.subarray(offset, offset + LENGTH_BYTES - headFilled);
          head.set(taken, headFilled);
          headFilled += taken.length;
          offset += taken.length;
          if (headFilled < LENGTH_BYTES) return true;
          const length = head.readUInt32BE();
          if (length > limit()) return false;
          frame = new Uint8Array(length);
          filled = 0;
          headFilled = 0;
        }
        const taken = chunk.subarray(offset, offset + frame.length - filled);
        frame.set(taken, filled);
        filled += taken.length;
        offset += taken.length;
        if (filled < frame.length) return true;
        const whole = frame;
        frame = undefined;
        if (!onFrame(whole)) return false;
      }
      return true;
    },
  };
}
