/**
 * The primitives of crypto/primitives on WebCrypto, which answers later. What WebCrypto lacks
 * (hashing at once, bare AES blocks) or does not have everywhere (Ed25519) stays with noble.
 */
import {
  type Aead,
  type AeadInput,
  assertAeadInput,
  type SealedParts,
  TAG_BYTES,
} from '@yilian/crypto/aead';
import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import { type Primitives, purePrimitives } from '@yilian/crypto/primitives';

/** WebCrypto's types exclude shared memory, which no caller here uses; views are passed as they are. */
function asSource(bytes: Bytes): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : Uint8Array.from(bytes);
}

function parameters(input: AeadInput): AesGcmParams {
  return {
    name: 'AES-GCM',
    iv: asSource(input.nonce),
    additionalData: asSource(input.associatedData),
    tagLength: TAG_BYTES * 8,
  };
}

function createWebAead(subtle: SubtleCrypto): Aead {
  // One key seals many chunks in a row, so the last imported one is kept.
  let lastKey: { bytes: Bytes; imported: Promise<CryptoKey> } | undefined;

  function importKey(bytes: Bytes): Promise<CryptoKey> {
    if (lastKey?.bytes !== bytes)
      lastKey = {
        bytes,
        imported: subtle.importKey('raw', asSource(bytes), 'AES-GCM', false, [
          'encrypt',
          'decrypt',
        ]),
      };
    return lastKey.imported;
  }

  return {
    async sealParts(input): Promise<SealedParts> {
      assertAeadInput(input);
      const key = await importKey(input.key);
      const sealed = new Uint8Array(
        await subtle.encrypt(parameters(input), key, asSource(input.plaintext)),
      );
      const end = sealed.length - TAG_BYTES;
      return { ciphertext: sealed.subarray(0, end), tag: sealed.subarray(end) };
    },
    async open(input): Promise<Bytes | null> {
      assertAeadInput(input);
      if (input.sealed.length < TAG_BYTES) return null;
      const key = await importKey(input.key);
      try {
        return new Uint8Array(await subtle.decrypt(parameters(input), key, asSource(input.sealed)));
      } catch {
        return null;
      }
    },
  };
}

/** WebCrypto where it helps; the same values as `purePrimitives`. */
export function createWebPrimitives(subtle: SubtleCrypto = crypto.subtle): Primitives {
  return {
    sha256: purePrimitives.sha256,
    digest: async (...parts) =>
      new Uint8Array(await subtle.digest('SHA-256', asSource(concatBytes(...parts)))),
    aead: createWebAead(subtle),
    encryptBlocks: purePrimitives.encryptBlocks,
    verifySignature: purePrimitives.verifySignature,
  };
}
