/**
 * AES-GCM (NIST SP 800-38D), suites `intl` (256-bit keys) and `paper` (128-bit keys).
 * Tags are 16 bytes and nothing shorter: a verifier that takes 4-byte tags is forged in 2^32 tries.
 * GCM does not commit to its key (a ciphertext can open under two keys), so every use that a third
 * party relies on carries a commitment (commitment.ts) which is checked first.
 */
import { gcm } from '@noble/ciphers/aes.js';
import { type Bytes, concatBytes } from './bytes.ts';
import type { Suite } from './context.ts';

export const TAG_BYTES = 16;
export const NONCE_BYTES = 12;

/** A value that a platform may deliver later (WebCrypto) or at once (Node, noble). */
export type Eventual<T> = T | Promise<T>;

/** What one AEAD call is about. The key length (16 or 32 bytes) selects AES-128 or AES-256. */
export interface AeadInput {
  readonly key: Bytes;
  /** 12 bytes, never used twice under one key for sealing. */
  readonly nonce: Bytes;
  readonly associatedData: Bytes;
}

/** Ciphertext and tag apart, so that a platform need not copy a chunk in order to join them. */
export interface SealedParts {
  /** As long as the plaintext. */
  readonly ciphertext: Bytes;
  /** 16 bytes, never fewer. */
  readonly tag: Bytes;
}

/** AES-GCM (NIST SP 800-38D) with 12-byte nonces and 16-byte tags, nothing shorter. */
export interface Aead {
  /** @throws AeadError for a key or nonce of another length */
  readonly sealParts: (input: AeadInput & { readonly plaintext: Bytes }) => Eventual<SealedParts>;
  /**
   * `sealed` = ciphertext ‖ tag. `null` when the tag does not match or there is none.
   * @throws AeadError for a key or nonce of another length
   */
  readonly open: (input: AeadInput & { readonly sealed: Bytes }) => Eventual<Bytes | null>;
}

/** A platform that answers at once. */
export interface SyncAead extends Aead {
  readonly sealParts: (input: AeadInput & { readonly plaintext: Bytes }) => SealedParts;
  readonly open: (input: AeadInput & { readonly sealed: Bytes }) => Bytes | null;
}

/** Only for a first and last message under a key that is derived for it. */
export const ZERO_NONCE: Bytes = new Uint8Array(NONCE_BYTES);

/** Thrown when a key or nonce has the wrong length: a mistake of the caller, never of the sender. */
export class AeadError extends Error {
  readonly code: 'keyLength' | 'nonceLength';

  constructor(code: AeadError['code'], message: string) {
    super(message);
    this.name = 'AeadError';
    this.code = code;
  }
}

/** Bytes of a content key under each suite. */
export function keyBytesOf(suite: Suite): 16 | 32 {
  return KEY_BYTES[suite];
}

const KEY_BYTES: Readonly<Record<Suite, 16 | 32>> = { intl: 32, paper: 16 };

/** What every implementation of the port checks before it calls its platform. @throws AeadError */
export function assertAeadInput(input: AeadInput): void {
  if (input.key.length !== 16 && input.key.length !== 32)
    throw new AeadError('keyLength', 'an AES key has 16 or 32 bytes');
  if (input.nonce.length !== NONCE_BYTES)
    throw new AeadError('nonceLength', `a nonce has ${NONCE_BYTES} bytes`);
}

/** ciphertext ‖ 16-byte tag. @throws AeadError */
export function seal(input: AeadInput & { readonly plaintext: Bytes }): Bytes {
  assertAeadInput(input);
  return gcm(input.key, input.nonce, input.associatedData).encrypt(input.plaintext);
}

/** Inverse of `seal`; `null` when anything (key, nonce, data, ciphertext, tag) is not as it was. @throws AeadError */
export function open(input: AeadInput & { readonly sealed: Bytes }): Bytes | null {
  assertAeadInput(input);
  if (input.sealed.length < TAG_BYTES) return null;
  try {
    return gcm(input.key, input.nonce, input.associatedData).decrypt(input.sealed);
  } catch {
    return null;
  }
}

/** `seal` and `open` as the port wants them. */
export const pureAead: SyncAead = {
  sealParts(input) {
    const sealed = seal(input);
    const end = sealed.length - TAG_BYTES;
    return { ciphertext: sealed.subarray(0, end), tag: sealed.subarray(end) };
  },
  open,
};

/** Joins what `sealParts` keeps apart. */
export function joinSealed(parts: { readonly ciphertext: Bytes; readonly tag: Bytes }): Bytes {
  return concatBytes(parts.ciphertext, parts.tag);
}
