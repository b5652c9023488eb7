/// <reference types="node" />
/**
 * The primitives of crypto/primitives on OpenSSL. Everything answers at once.
 * `authTagLength` is always given: without it Node takes tags of 4 bytes.
 */
import { createCipheriv, createDecipheriv, createHash, createPublicKey, verify } from 'node:crypto';
import { assertAeadInput, type SyncAead, TAG_BYTES } from '@yilian/crypto/aead';
import { type Bytes, concatBytes, fromHex } from '@yilian/crypto/bytes';
import type { SyncPrimitives } from '@yilian/crypto/primitives';
import { precheckSignature, type SignatureClaim } from '@yilian/crypto/signature';

/** The same memory without Buffer's own `slice`, which shares where Uint8Array's copies. */
function plain(buffer: Buffer): Bytes {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function algorithmOf(key: Bytes): 'aes-128-gcm' | 'aes-256-gcm' {
  return key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm';
}

const nodeAead: SyncAead = {
  sealParts(input) {
    assertAeadInput(input);
    const cipher = createCipheriv(algorithmOf(input.key), input.key, input.nonce, {
      authTagLength: TAG_BYTES,
    });
    cipher.setAAD(input.associatedData);
    const ciphertext = cipher.update(input.plaintext);
    cipher.final();
    return { ciphertext: plain(ciphertext), tag: plain(cipher.getAuthTag()) };
  },
  open(input) {
    assertAeadInput(input);
    const end = input.sealed.length - TAG_BYTES;
    if (end < 0) return null;
    const decipher = createDecipheriv(algorithmOf(input.key), input.key, input.nonce, {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(input.associatedData);
    decipher.setAuthTag(input.sealed.subarray(end));
    const plaintext = decipher.update(input.sealed.subarray(0, end));
    try {
      decipher.final();
    } catch {
      // GCM decrypts before it has seen the tag: what came out so far must not leave this function.
      plaintext.fill(0);
      return null;
    }
    return plain(plaintext);
  },
};

function sha256(...parts: readonly Bytes[]): Bytes {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return plain(hash.digest());
}

function encryptBlocks(key: Bytes, blocks: Bytes): Bytes {
  const cipher = createCipheriv('aes-256-ecb', key, null);
  cipher.setAutoPadding(false);
  const encrypted = cipher.update(blocks);
  cipher.final();
  return plain(encrypted);
}

/** SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410). */
const ED25519_SPKI_PREFIX = fromHex('302a300506032b6570032100');

function verifySignature(claim: SignatureClaim): boolean {
  if (!precheckSignature(claim)) return false;
  try {
    const key = createPublicKey({
      key: Buffer.from(concatBytes(ED25519_SPKI_PREFIX, claim.publicKey)),
      format: 'der',
      type: 'spki',
    });
    return verify(null, claim.message, key, claim.signature);
  } catch {
    return false;
  }
}

/** OpenSSL through `node:crypto`; the same values as `purePrimitives`. */
export function createNodePrimitives(): SyncPrimitives {
  return { sha256, digest: sha256, aead: nodeAead, encryptBlocks, verifySignature };
}
