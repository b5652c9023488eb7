/**
 * The primitives whose speed decides whether a 1 GB image can be sealed at a desk: hash, content
 * cipher, block cipher of the search index, signature check. Everything else in this package runs on
 * noble alone. Each platform fills this port (Node: OpenSSL, browser: WebCrypto); `purePrimitives`
 * runs everywhere and is what the other two are tested against. Keys, nonces and associated data are
 * the caller's; an implementation never makes any.
 */
import { ecb } from '@noble/ciphers/aes.js';
import { sha256 } from '@noble/hashes/sha2.js';
import {
  type Aead,
  type AeadInput,
  type Eventual,
  pureAead,
  type SealedParts,
  type SyncAead,
} from './aead.ts';
import type { Bytes } from './bytes.ts';
import { type SignatureClaim, verifySignature } from './signature.ts';

/** A sealed chunk with its hash as a leaf of a Merkle tree: SHA-256 over 0x00 ‖ ciphertext ‖ tag. */
export interface SealedLeaf extends SealedParts {
  readonly leafHash: Bytes;
  /** Frees the ciphertext, whose bytes are gone then. To be called when nobody needs them any more, or never. */
  readonly release?: () => void;
}

export interface Primitives {
  /** SHA-256 over the parts in order, at once. */
  readonly sha256: (...parts: readonly Bytes[]) => Bytes;
  /** The same value, possibly later and possibly on another thread: for large inputs. */
  readonly digest: (...parts: readonly Bytes[]) => Eventual<Bytes>;
  readonly aead: Aead;
  /**
   * `aead.sealParts` and the digest of the result in one go, several at a time where a platform has
   * more than one thread. The plaintext was read when this returns. A platform that gains nothing by
   * it leaves it out.
   * @throws AeadError, at once
   */
  readonly sealLeaf?: (input: AeadInput & { readonly plaintext: Bytes }) => Eventual<SealedLeaf>;
  /** AES-256 on independent 16-byte blocks (`blocks.length` is a multiple of 16), for the search index only. */
  readonly encryptBlocks: (key: Bytes, blocks: Bytes) => Bytes;
  /** The one Ed25519 rule of signature.ts. */
  readonly verifySignature: (claim: SignatureClaim) => Eventual<boolean>;
}

/** A platform that answers everything at once. */
export interface SyncPrimitives extends Primitives {
  readonly digest: (...parts: readonly Bytes[]) => Bytes;
  readonly aead: SyncAead;
  readonly verifySignature: (claim: SignatureClaim) => boolean;
}

function sha256Parts(...parts: readonly Bytes[]): Bytes {
  const hash = sha256.create();
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** noble throughout: no platform needed. */
export const purePrimitives: SyncPrimitives = {
  sha256: sha256Parts,
  digest: sha256Parts,
  aead: pureAead,
  encryptBlocks: (key, blocks) => ecb(key, { disablePadding: true }).encrypt(blocks),
  verifySignature,
};
