/** An authenticated socket: AES-256-GCM frames with counted nonces. See handshake.ts. */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Bytes } from '@yilian/crypto/bytes';
import type { SessionKeys } from './handshake.ts';

const CIPHER = 'aes-256-gcm';
const TAG_BYTES = 16;

function nonceOf(count: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(count), 4);
  return nonce;
}

export interface SecureChannel {
  /** Parts of one frame. Frames must be sent in the order in which they were sealed. */
  seal(message: Bytes): readonly Bytes[];
  /** Undefined when the frame is not the next one of the other side: end the connection. */
  open(frame: Bytes): Bytes | undefined;
}

export function createSecureChannel(keys: SessionKeys): SecureChannel {
  let sent = 0;
  let received = 0;
  return {
    seal: (message) => {
      const cipher = createCipheriv(CIPHER, keys.sending, nonceOf(sent++), {
        authTagLength: TAG_BYTES,
      });
      const sealed = cipher.update(message);
      return [sealed, cipher.final(), cipher.getAuthTag()];
    },
    open: (frame) => {
      if (frame.length < TAG_BYTES) return undefined;
      const end = frame.length - TAG_BYTES;
      const decipher = createDecipheriv(CIPHER, keys.receiving, nonceOf(received++), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAuthTag(frame.subarray(end));
      const opened = decipher.update(frame.subarray(0, end));
      try {
        decipher.final();
      } catch {
        return undefined;
      }
      return new Uint8Array(opened.buffer, opened.byteOffset, opened.length);
    },
  };
}
