/// <reference types="node" />
/**
 * The primitives of crypto/primitives on OpenSSL. Everything answers at once, but for large chunks of a
 * record that a second thread seals (sealing-lane.ts).
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
} from 'node:crypto';
import { availableParallelism } from 'node:os';
import { assertAeadInput, type SyncAead, TAG_BYTES } from '@yilian/crypto/aead';
import type { Bytes } from '@yilian/crypto/bytes';
import type { Primitives, SyncPrimitives } from '@yilian/crypto/primitives';
import { precheckSignature, type SignatureClaim } from '@yilian/crypto/signature';
import { releasable } from './chunk-memory.ts';
import { algorithmOf, plain, sealLeafHere, sealParts } from './node-sealing.ts';
import { createSealingLane, LANE_BYTES_MIN } from './sealing-lane.ts';

const nodeAead: SyncAead = {
  sealParts,
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

/** A platform that answers everything at once but the sealing of large chunks. */
export type NodePrimitives = SyncPrimitives & Required<Pick<Primitives, 'sealLeaf'>>;

/** OpenSSL through `node:crypto`; the same values as `purePrimitives`. */
export function createNodePrimitives(): NodePrimitives {
  const lane = availableParallelism() > 1 ? createSealingLane() : null;
  return {
    sha256,
    digest: sha256,
    aead: nodeAead,
    sealLeaf(input) {
      assertAeadInput(input);
      const underWay = lane?.offer(input) ?? null;
      if (underWay !== null) return underWay;
      const sealed = sealLeafHere(input);
      return input.plaintext.length < LANE_BYTES_MIN ? sealed : releasable(sealed);
    },
    encryptBlocks,
    verifySignature,
  };
}
