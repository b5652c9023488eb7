/** Hashes and key derivation, named by standard: FIPS 180-4, RFC 2104, RFC 5869, RIPEMD-160. */
import { extract as hkdfExtract, expand as hkdfExpand } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { ripemd160 as nobleRipemd160 } from '@noble/hashes/legacy.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { type Bytes, toHex, utf8 } from './bytes.ts';

let digest: (bytes: Bytes) => Bytes = nobleSha256;

/** SHA-256: 32 bytes. */
export function sha256(bytes: Bytes): Bytes {
  return digest(bytes);
}

/** FIPS 180-4, one block and two; the digests are those of NIST's examples. */
const EXAMPLES: readonly (readonly [string, string])[] = [
  ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
];

/**
 * Puts the platform's SHA-256 in the place of the portable one, in this thread: the same function, several
 * times as fast. A node calls it at start.
 * @throws Error when `native` is another function
 */
export function useNativeSha256(native: (bytes: Bytes) => Bytes): void {
  for (const [text, expected] of EXAMPLES) {
    const made = native(utf8(text));
    if (toHex(made) !== expected) throw new Error('assertion: this is not SHA-256');
  }
  digest = native;
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
