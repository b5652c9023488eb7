/// <reference types="node" />
/**
 * The primitives of crypto/primitives on OpenSSL. Everything answers at once, but for the digest of
 * large inputs.
 * `authTagLength` is always given: without it Node takes tags of 4 bytes.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPublicKey,
  type KeyObject,
  hash as hashAtOnce,
  verify,
  webcrypto,
} from 'node:crypto';
import { assertAeadInput, type Eventual, type SyncAead, TAG_BYTES } from '@yilian/crypto/aead';
import type { Bytes } from '@yilian/crypto/bytes';
import type { Primitives } from '@yilian/crypto/primitives';
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
  const [first] = parts;
  // One call into OpenSSL instead of three: most of the time for inputs of some hundred bytes.
  if (first !== undefined && parts.length === 1)
    return plain(hashAtOnce('sha256', first, 'buffer'));
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return plain(hash.digest());
}

/** Below this a copy and two changes of thread cost more than hashing at once. */
const DIGEST_ELSEWHERE_BYTES_MIN = 131_072;
/** Above this the copy costs memory that no chunk of a record asks for. */
const DIGEST_ELSEWHERE_BYTES_MAX = 2_097_152;

/** Digests under way on other threads; one more is made at once, so that no thread waits for another. */
const DIGESTS_ELSEWHERE_MAX = 3;

/**
 * Large inputs are hashed on libuv's threads, through WebCrypto, as long as those keep up. WebCrypto
 * copies its input before it returns, so one buffer joins the parts of all calls.
 */
function createDigest(): Primitives['digest'] {
  let joined = new Uint8Array(0);
  let elsewhere = 0;

  async function digestElsewhere(input: Uint8Array<ArrayBuffer>): Promise<Bytes> {
    elsewhere++;
    try {
      return new Uint8Array(await webcrypto.subtle.digest('SHA-256', input));
    } finally {
      elsewhere--;
    }
  }

  return (...parts): Eventual<Bytes> => {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (
      length < DIGEST_ELSEWHERE_BYTES_MIN ||
      length > DIGEST_ELSEWHERE_BYTES_MAX ||
      elsewhere >= DIGESTS_ELSEWHERE_MAX
    )
      return sha256(...parts);
    if (joined.length < length) joined = new Uint8Array(length);
    let offset = 0;
    for (const part of parts) {
      joined.set(part, offset);
      offset += part.length;
    }
    return digestElsewhere(joined.subarray(0, length));
  };
}

function encryptBlocks(key: Bytes, blocks: Bytes): Bytes {
  const cipher = createCipheriv('aes-256-ecb', key, null);
  cipher.setAutoPadding(false);
  const encrypted = cipher.update(blocks);
  cipher.final();
  return plain(encrypted);
}

/** As many validators as a set may have: their keys come again with every header. */
const KEYS_KEPT_MAX = 256;
const keys = new Map<string, KeyObject>();

/** A raw key enters as JWK: half the cost of DER. */
function toKeyObject(publicKey: Bytes): KeyObject {
  const x = Buffer.from(publicKey).toString('base64url');
  const known = keys.get(x);
  if (known !== undefined) return known;
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  if (keys.size >= KEYS_KEPT_MAX) keys.clear();
  keys.set(x, key);
  return key;
}

function verifySignature(claim: SignatureClaim): boolean {
  if (!precheckSignature(claim)) return false;
  try {
    return verify(null, claim.message, toKeyObject(claim.publicKey), claim.signature);
  } catch {
    return false;
  }
}

/** A platform that answers everything at once but the digest of large inputs. */
export interface NodePrimitives extends Primitives {
  readonly aead: SyncAead;
  readonly verifySignature: (claim: SignatureClaim) => boolean;
}

/** OpenSSL through `node:crypto`; the same values as `purePrimitives`. */
export function createNodePrimitives(): NodePrimitives {
  return { sha256, digest: createDigest(), aead: nodeAead, encryptBlocks, verifySignature };
}
