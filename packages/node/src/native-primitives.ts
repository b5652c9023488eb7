/** The primitives of crypto on OpenSSL, for what a node does in bulk: hashing uploads, testing tags. */
import { createCipheriv, createHash } from 'node:crypto';
import { pureAead } from '@yilian/crypto/aead';
import type { Bytes } from '@yilian/crypto/bytes';
import type { SyncPrimitives } from '@yilian/crypto/primitives';
import { verifySignature } from './verification/verify-signature.ts';

/** The same memory; Buffer's own `slice` shares where Uint8Array's copies. */
function plain(buffer: Buffer): Bytes {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function sha256(...parts: readonly Bytes[]): Bytes {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return plain(hash.digest());
}

/** AES-256 on independent 16-byte blocks. */
export function encryptBlocks(key: Bytes, blocks: Bytes): Bytes {
  const cipher = createCipheriv('aes-256-ecb', key, null);
  cipher.setAutoPadding(false);
  const encrypted = cipher.update(blocks);
  cipher.final();
  return plain(encrypted);
}

export const nativePrimitives: SyncPrimitives = {
  sha256,
  digest: sha256,
  aead: pureAead,
  encryptBlocks,
  verifySignature,
};
