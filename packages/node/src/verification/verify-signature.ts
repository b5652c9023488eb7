/**
 * Ed25519 by native code, under the one rule of @yilian/crypto/signature: what its precheck lets through,
 * libsodium and OpenSSL decide as the pure verifier does. libsodium where it is there (sodium-verifier.ts), else the
 * platform's OpenSSL, for which a raw key enters as JWK (half the cost of DER) and keys that come again are kept.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { precheckSignature, type SignatureVerifier } from '@yilian/crypto/signature';
import { loadSodiumVerifier } from './sodium-verifier.ts';

function toKeyObject(publicKey: Bytes): KeyObject {
  const x = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length);
  return createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: x.toString('base64url') },
    format: 'jwk',
  });
}

function createVerifier(keyOf: (publicKey: Bytes) => KeyObject): SignatureVerifier {
  return ({ publicKey, message, signature }) => {
    if (!precheckSignature({ publicKey, signature })) return false;
    try {
      return verify(null, message, keyOf(publicKey), signature);
    } catch {
      // OpenSSL refuses some encodings when the key is made, before any signature is looked at.
      return false;
    }
  };
}

/** By OpenSSL; keys that come again and again, such as hospitals', are made once and kept. Never throws. */
export function createCachingVerifier(keysMax = 256): SignatureVerifier {
  const keys = new Map<string, KeyObject>();
  return createVerifier((publicKey) => {
    const name = toHex(publicKey);
    const known = keys.get(name);
    if (known !== undefined) return known;
    const made = toKeyObject(publicKey);
    if (keys.size >= keysMax) keys.clear();
    keys.set(name, made);
    return made;
  });
}

/** Hospitals and doctors in sight; patients' keys come once. */
const KEYS_MAX = 1_024;

/** Never throws. */
export const verifySignature: SignatureVerifier =
  loadSodiumVerifier() ?? createCachingVerifier(KEYS_MAX);

/** The PKCS #8 wrapping of a raw Ed25519 seed (RFC 8410 §7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Signing with a 32-byte seed; 64 bytes, deterministic (RFC 8032). */
export function createSigner(seed: Bytes): (message: Bytes) => Bytes {
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  return (message) => new Uint8Array(sign(null, message, key));
}
