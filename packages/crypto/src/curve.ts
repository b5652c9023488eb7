/**
 * The pairing-friendly curve BLS12-381 behind one interface, and the only place where bytes become
 * points. Two backends give the same results: curve-mcl.ts (fast) and curve-noble.ts (cross-check).
 *
 * Rules this file exists for, each a hazard that was found by running code:
 * - a point from outside is never the identity, lies in the subgroup of order r, and has one encoding
 *   (both libraries decode infinity; mcl checks the subgroup only while a process-wide flag is set);
 * - no element of GT is ever made from bytes: an encoding of it leaves this file and none comes back;
 * - nobody can set a coordinate.
 *
 * Serialisation: the compressed form of ZCash and of the IETF draft on pairing-friendly curves
 * (appendix "Point Serialization"): 48 bytes for G1, 96 for G2, big-endian, three flag bits first.
 * GT bytes: twelve Fp limbs, big-endian, constant coefficient first (the order of @noble/curves).
 * Hash to curve: RFC 9380, suites BLS12381G{1,2}_XMD:SHA-256_SSWU_RO_ with a tag of our own.
 */
import { expand_message_xmd } from '@noble/curves/abstract/hash-to-curve.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { type Bytes, type RandomBytes, utf8 } from './bytes.ts';
import type { DomainTag } from './domain-tags.ts';

declare const kind: unique symbol;

/** An element of G1. From bytes only by `parseG1`; results of arithmetic may be the identity. */
export interface G1 {
  readonly [kind]: 'G1';
}

/** An element of G2. From bytes only by `parseG2`; results of arithmetic may be the identity. */
export interface G2 {
  readonly [kind]: 'G2';
}

/** An integer modulo the group order r. */
export interface Scalar {
  readonly [kind]: 'Scalar';
}

/** A fixed element of G2 with its Miller lines computed. Holds memory until `free` is called. */
export interface PreparedG2 {
  readonly [kind]: 'PreparedG2';
}

/** One factor e(g1, g2) of a product of pairings. */
export interface Pair {
  readonly g1: G1;
  readonly g2: G2 | PreparedG2;
}

export const G1_BYTES = 48;
export const G2_BYTES = 96;
export const GT_BYTES = 576;
export const SCALAR_BYTES = 32;

/** Bytes from outside are not a point or scalar that we accept. */
export class PointError extends Error {
  /** `notInGroup` covers both "off the curve" and "in another subgroup": no backend tells them apart. */
  readonly code: 'length' | 'encoding' | 'infinity' | 'notInGroup' | 'scalar';

  constructor(code: PointError['code'], message: string) {
    super(message);
    this.name = 'PointError';
    this.code = code;
  }
}

/** Arithmetic on BLS12-381. Values of one backend must not be given to the other. */
export interface Curve {
  readonly backend: 'mcl' | 'noble';
  readonly g1: G1;
  readonly g2: G2;

  /** @throws PointError */
  parseG1(bytes: Bytes): G1;
  /** @throws PointError */
  parseG2(bytes: Bytes): G2;
  /** 48 bytes. The identity encodes too (for comparing), but nothing parses it. */
  encodeG1(point: G1): Bytes;
  /** 96 bytes. */
  encodeG2(point: G2): Bytes;
  isIdentityG1(point: G1): boolean;
  isIdentityG2(point: G2): boolean;
  equalG1(left: G1, right: G1): boolean;
  equalG2(left: G2, right: G2): boolean;
  addG1(left: G1, right: G1): G1;
  addG2(left: G2, right: G2): G2;
  negateG1(point: G1): G1;
  negateG2(point: G2): G2;
  multiplyG1(point: G1, scalar: Scalar): G1;
  multiplyG2(point: G2, scalar: Scalar): G2;
  /** Σ scalar·point; at least one term. */
  sumG1(terms: readonly { readonly point: G1; readonly scalar: Scalar }[]): G1;
  sumG2(terms: readonly { readonly point: G2; readonly scalar: Scalar }[]): G2;
  /** RFC 9380 hash_to_curve with `dst` as the domain separation tag. Never the identity in practice. */
  hashToG1(dst: string, message: Bytes): G1;
  hashToG2(dst: string, message: Bytes): G2;

  /** 32 bytes, big-endian, 0 < value < r. @throws PointError `scalar` */
  parseScalar(bytes: Bytes): Scalar;
  /** 32 bytes, big-endian. */
  encodeScalar(scalar: Scalar): Bytes;
  /** 48 big-endian bytes mod r: bias below 2^−128. */
  reduceToScalar(bytes: Bytes): Scalar;
  scalarFromInteger(value: bigint): Scalar;
  isZero(scalar: Scalar): boolean;
  addScalars(left: Scalar, right: Scalar): Scalar;
  subtractScalars(left: Scalar, right: Scalar): Scalar;
  multiplyScalars(left: Scalar, right: Scalar): Scalar;
  negateScalar(scalar: Scalar): Scalar;
  /** The scalar must not be zero. */
  invertScalar(scalar: Scalar): Scalar;
  /** Overwrites a secret as far as the language allows; the scalar is zero afterwards. */
  wipeScalar(scalar: Scalar): void;

  /** The canonical 576 bytes of ∏ e(g1, g2), for key derivation; factors with an identity count as 1. */
  pairingBytes(pairs: readonly Pair[]): Bytes;
  /** ∏ left = ∏ right, by one product and one final exponentiation. */
  pairingsEqual(
    left: readonly Pair[],
    right: readonly { readonly g1: G1; readonly g2: G2 }[],
  ): boolean;
  prepareG2(point: G2): PreparedG2;
  freePreparedG2(prepared: PreparedG2): void;
}

/** A fresh nonzero scalar from 48 random bytes. */
export function randomScalar(curve: Curve, randomBytes: RandomBytes): Scalar {
  for (;;) {
    const wide = randomBytes(48);
    if (wide.length !== 48) throw new Error('the random source returned another length');
    const scalar = curve.reduceToScalar(wide);
    if (!curve.isZero(scalar)) return scalar;
  }
}

/** RFC 9380 hash_to_field for r: expand_message_xmd(SHA-256) to 48 bytes, then mod r. */
export function hashToScalar(curve: Curve, tag: DomainTag, message: Bytes): Scalar {
  return curve.reduceToScalar(expand_message_xmd(message, utf8(tag), 48, sha256));
}

/**
 * `scalar` as the sum of two fresh ones. Neither backend multiplies in constant time, so a long-term
 * scalar meets a point only in this form: what the timing shows is of no use the next time.
 */
export function splitScalar(
  curve: Curve,
  scalar: Scalar,
  randomBytes: RandomBytes,
): readonly [Scalar, Scalar] {
  const first = randomScalar(curve, randomBytes);
  return [first, curve.subtractScalars(scalar, first)];
}

/** point·scalar for a long-term scalar (see `splitScalar`). */
export function multiplySecretG1(
  curve: Curve,
  point: G1,
  secret: Scalar,
  randomBytes: RandomBytes,
): G1 {
  const [first, second] = splitScalar(curve, secret, randomBytes);
  const product = curve.addG1(curve.multiplyG1(point, first), curve.multiplyG1(point, second));
  curve.wipeScalar(first);
  curve.wipeScalar(second);
  return product;
}

/** point·scalar for a long-term scalar (see `splitScalar`). */
export function multiplySecretG2(
  curve: Curve,
  point: G2,
  secret: Scalar,
  randomBytes: RandomBytes,
): G2 {
  const [first, second] = splitScalar(curve, secret, randomBytes);
  const product = curve.addG2(curve.multiplyG2(point, first), curve.multiplyG2(point, second));
  curve.wipeScalar(first);
  curve.wipeScalar(second);
  return product;
}
