/**
 * Ed25519 (RFC 8032) under one rule, the same at every replica, client and worker.
 *
 * Verifiers in the field disagree (cofactored or not, small orders, non-canonical points), and where
 * verification decides what a block means, disagreement is a fork. The rule:
 *   1. the key is a canonical encoding of a point on the curve that is not of small order;
 *   2. R is not of small order; S < L;
 *   3. the bytes of [S]B − [k]A equal the bytes of R (cofactorless).
 * Rule 3 is what OpenSSL and BoringSSL compute, so that `precheckSignature` (rules 1 and 2 on bytes)
 * followed by the platform's verification gives the same answer; tests hold them together. Points
 * with a torsion part are decided by 3 alone, alike everywhere. Batch verification must not be used:
 * it is cofactored by nature.
 *
 * Promises: unforgeability; one signature accepted by one verifier is accepted by all. Does not
 * promise that a signer has only one signature for a message: never an id or nonce from a signature.
 *
 * Notation: A = public key, (R, S) = signature, B = base point, L = its order, k = SHA-512(R ‖ A ‖ M).
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import type { Brand } from './brand.ts';
import { type Bytes, concatBytes, equalBytes } from './bytes.ts';
import type { Cbor } from './cbor.ts';
import { bindChain, type ChainContext } from './context.ts';
import type { DomainTag } from './domain-tags.ts';

export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
export const SEED_BYTES = 32;

/** 32 bytes that satisfy rule 1. */
export type PublicKey = Brand<Bytes, 'Ed25519PublicKey'>;

/** Three byte strings from anywhere; nothing is known about them before verification. */
export interface SignatureClaim {
  readonly publicKey: Bytes;
  readonly message: Bytes;
  readonly signature: Bytes;
}

/** Port: `precheckSignature` first, then the platform's Ed25519. */
export type SignatureVerifier = (claim: SignatureClaim) => boolean;

const { Point } = ed25519;
const ORDER = Point.Fn.ORDER;
const PRIME = Point.Fp.ORDER;

function readLittleEndian(bytes: Bytes): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  return value;
}

function littleEndian32(value: bigint): Bytes {
  const bytes = new Uint8Array(32);
  let rest = value;
  for (let i = 0; i < 32; i++) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** y of a point of order 8: the positive root of d·y⁴ + 2·y² − 1 = 0 over GF(2^255 − 19). */
const ORDER_8_Y = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n;

/** The y coordinates of all eight points of small order; either sign of x is refused with them. */
const SMALL_ORDER_Y: readonly Bytes[] = [0n, 1n, PRIME - 1n, ORDER_8_Y, PRIME - ORDER_8_Y].map(
  littleEndian32,
);

const PRIME_BYTES = littleEndian32(PRIME);
const ORDER_BYTES = littleEndian32(ORDER);

/** left < right, both little endian of equal length. Public values: the time may depend on them. */
function isBelow(left: Bytes, right: Bytes): boolean {
  for (let i = left.length - 1; i >= 0; i--) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** The y coordinate of the point that is being looked at, without the sign of x. */
const y = new Uint8Array(32);

function isRefusedEncoding(point: Bytes): boolean {
  for (let i = 0; i < 32; i++) y[i] = point[i] ?? 0;
  y[31] = (y[31] ?? 0) & 0x7f;
  if (!isBelow(y, PRIME_BYTES)) return true;
  return SMALL_ORDER_Y.some((refused) => equalBytes(refused, y));
}

/**
 * Rules 1 and 2 as far as bytes alone decide them: lengths, canonical y, no small order in A or R,
 * S < L. A native verifier runs this first and then decides the rest by itself.
 */
export function precheckSignature(claim: Omit<SignatureClaim, 'message'>): boolean {
  const { publicKey, signature } = claim;
  if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  if (isRefusedEncoding(publicKey) || isRefusedEncoding(signature.subarray(0, 32))) return false;
  return isBelow(signature.subarray(32), ORDER_BYTES);
}

/** The whole rule, in pure TypeScript. Never throws. */
export function verifySignature(claim: SignatureClaim): boolean {
  if (!precheckSignature(claim)) return false;
  const r = claim.signature.subarray(0, 32);
  let a;
  try {
    a = Point.fromBytes(claim.publicKey);
  } catch {
    return false;
  }
  const s = readLittleEndian(claim.signature.subarray(32));
  const k = readLittleEndian(sha512(concatBytes(r, claim.publicKey, claim.message))) % ORDER;
  const recomputed = Point.BASE.multiplyUnsafe(s).add(a.negate().multiplyUnsafe(k));
  return equalBytes(recomputed.toBytes(), r);
}

/**
 * ZIP-215, the rule of CometBFT: cofactored, and any encoding of a point. Only for votes that its engines
 * have counted: whoever holds to the one rule above could otherwise be left behind by a block that they
 * made final. Unforgeable like it. Never throws.
 */
export function verifyCofactored({ publicKey, message, signature }: SignatureClaim): boolean {
  if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  try {
    return ed25519.verify(signature, message, publicKey, { zip215: true });
  } catch {
    return false;
  }
}

/** A key that satisfies rule 1, or `null`. To be called at enrolment and on every key from outside. */
export function parsePublicKey(bytes: Bytes): PublicKey | null {
  if (bytes.length !== PUBLIC_KEY_BYTES || isRefusedEncoding(bytes)) return null;
  try {
    Point.fromBytes(bytes);
  } catch {
    return null;
  }
  return Uint8Array.from(bytes) as PublicKey;
}

/** The public key of a 32-byte seed (RFC 8032 §5.1.5). */
export function publicKey(seed: Bytes): PublicKey {
  return ed25519.getPublicKey(seed) as PublicKey;
}

/** RFC 8032 §5.1.6: deterministic, 64 bytes. */
export function sign(seed: Bytes, message: Bytes): Bytes {
  return ed25519.sign(message, seed);
}

/** What a signature of Yilian is over: `[tag, chainId, …items]` in canonical CBOR. */
export interface BoundMessage {
  readonly tag: DomainTag;
  readonly context: ChainContext;
  readonly items: readonly Cbor[];
}

export function encodeBound(message: BoundMessage): Bytes {
  return bindChain(message.tag, message.context, ...message.items);
}

export function signBound(seed: Bytes, message: BoundMessage): Bytes {
  return sign(seed, encodeBound(message));
}

export function verifyBound(
  claim: { readonly publicKey: Bytes; readonly signature: Bytes },
  message: BoundMessage,
  verify: SignatureVerifier = verifySignature,
): boolean {
  return verify({
    publicKey: claim.publicKey,
    signature: claim.signature,
    message: encodeBound(message),
  });
}
