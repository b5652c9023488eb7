/** Hashes and key derivation, named by standard: FIPS 180-4, RFC 2104, RFC 5869, RIPEMD-160. */
import { extract as hkdfExtract, expand as hkdfExpand } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { ripemd160 as nobleRipemd160 } from '@noble/hashes/legacy.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import type { Bytes } from './bytes.ts';

/** SHA-256: 32 bytes. */
export function sha256(bytes: Bytes): Bytes {
  return nobleSha256(bytes);
}

/** RIPEMD-160: 20 bytes; only for pseudonyms (WW-5), never where collisions matter. */
export function ripemd160(bytes: Bytes): Bytes {
  return nobleRipemd160(bytes);
}

/** HMAC-SHA-256: 32 bytes. */
export function hmacSha256(key: Bytes, message: Bytes): Bytes {
  return hmac(nobleSha256, key, message);
}

/** HKDF-SHA-256 (RFC 5869). `length` ≤ 8160 bytes; an absent salt is 32 zero bytes. */
export function hkdf(input: {
  readonly ikm: Bytes;
  readonly info: Bytes;
  readonly length: number;
  readonly salt?: Bytes;
}): Bytes {
  const pseudoRandomKey = hkdfExtract(nobleSha256, input.ikm, input.salt);
  return hkdfExpand(nobleSha256, pseudoRandomKey, input.info, input.length);
}
