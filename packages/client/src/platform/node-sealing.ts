/// <reference types="node" />
/**
 * AES-GCM and leaf hash on OpenSSL, in whatever thread asks: what `node-ciphers.ts` and the thread of
 * `sealing-lane.ts` have in common. Kept apart so that the thread loads nothing more.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { type AeadInput, assertAeadInput, type SealedParts, TAG_BYTES } from '@yilian/crypto/aead';
import type { Bytes } from '@yilian/crypto/bytes';
import { LEAF_PREFIX } from '@yilian/crypto/merkle';
import type { SealedLeaf } from '@yilian/crypto/primitives';

/** The same memory without Buffer's own `slice`, which shares where Uint8Array's copies. */
export function plain(buffer: Buffer): Bytes {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

export function algorithmOf(key: Bytes): 'aes-128-gcm' | 'aes-256-gcm' {
  return key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm';
}

/** `Aead.sealParts`. @throws AeadError */
export function sealParts(input: AeadInput & { readonly plaintext: Bytes }): SealedParts {
  assertAeadInput(input);
  const cipher = createCipheriv(algorithmOf(input.key), input.key, input.nonce, {
    authTagLength: TAG_BYTES,
  });
  cipher.setAAD(input.associatedData);
  const ciphertext = cipher.update(input.plaintext);
  cipher.final();
  return { ciphertext: plain(ciphertext), tag: plain(cipher.getAuthTag()) };
}

/** `Primitives.sealLeaf`, in this thread. @throws AeadError */
export function sealLeafHere(input: AeadInput & { readonly plaintext: Bytes }): SealedLeaf {
  const { ciphertext, tag } = sealParts(input);
  const hash = createHash('sha256').update(LEAF_PREFIX).update(ciphertext).update(tag);
  return { ciphertext, tag, leafHash: plain(hash.digest()) };
}
