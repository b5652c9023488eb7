/**
 * Proofs of knowledge of one exponent over several bases (Schnorr 1991 for one base,
 * Chaum–Pedersen 1992 for equality of two logarithms), made non-interactive by Fiat–Shamir with the
 * challenge and the response on the wire.
 *
 * Promises: whoever makes the proof knows x with `images[j] = bases[j]^x` for all j, and chose it for
 * this statement only: the challenge hashes the statement that the caller passes, which must contain
 * every base and image that is not a constant of the chain.
 * Does not promise: simulation-extractability beyond the random oracle model.
 *
 * Notation: ρ nonce · R_j = bases[j]^ρ commitments · c challenge · z = ρ + c·x response.
 * Deviation: ρ is hedged (a hash of the secret, fresh bytes and the statement), so a repeating random
 * source does not give two statements one nonce.
 */
import { type Bytes, concatBytes, type RandomBytes } from './bytes.ts';
import type { Cbor } from './cbor.ts';
import { bindChain, bindSuite, type ChainContext, type Suite } from './context.ts';
import {
  type Curve,
  type G1,
  hashToScalar,
  PointError,
  type Scalar,
  SCALAR_BYTES,
} from './curve.ts';
import { DOMAIN_TAGS, type DomainTag } from './domain-tags.ts';
import { sha256 } from './hash.ts';

/** 64 bytes on the wire: challenge ‖ response. */
export interface ExponentProof {
  readonly challenge: Scalar;
  readonly response: Scalar;
}

export const PROOF_BYTES = 64;

/** What a proof is about: its purpose and every value it must not be separable from. */
export interface Statement {
  readonly tag: DomainTag;
  readonly context: ChainContext;
  /** `null` where the thing proved serves records of every suite (visits, epochs). */
  readonly suite: Suite | null;
  /** Hashed before the commitments. */
  readonly before: readonly Cbor[];
  /** Hashed after the commitments. */
  readonly after: readonly Cbor[];
}

function bindStatement(statement: Statement, tag: DomainTag, items: readonly Cbor[]): Bytes {
  const { context, suite } = statement;
  if (suite === null) return bindChain(tag, context, ...items);
  return bindSuite(tag, { chainId: context.chainId, suite }, ...items);
}

function challengeOf(curve: Curve, statement: Statement, commitments: readonly G1[]): Scalar {
  const encoded = commitments.map((point) => curve.encodeG1(point));
  const { tag, before, after } = statement;
  return hashToScalar(curve, tag, bindStatement(statement, tag, [...before, ...encoded, ...after]));
}

/** Proves `bases[j]^secret` for all j. */
export function proveExponent(input: {
  readonly curve: Curve;
  readonly statement: Statement;
  readonly bases: readonly G1[];
  readonly secret: Scalar;
  readonly randomBytes: RandomBytes;
}): ExponentProof {
  const { curve, statement, bases, secret, randomBytes } = input;
  const secretBytes = curve.encodeScalar(secret);
  const { tag, before, after } = statement;
  const seed = concatBytes(
    sha256(concatBytes(secretBytes, randomBytes(32))),
    bindStatement(statement, DOMAIN_TAGS.proofNonce, [tag, before, after]),
  );
  secretBytes.fill(0);
  const nonce = hashToScalar(curve, DOMAIN_TAGS.proofNonce, seed);
  seed.fill(0);
  const commitments = bases.map((base) => curve.multiplyG1(base, nonce));
  const challenge = challengeOf(curve, statement, commitments);
  const response = curve.addScalars(nonce, curve.multiplyScalars(challenge, secret));
  curve.wipeScalar(nonce);
  return { challenge, response };
}

/** Whether the proof shows one exponent from every base to its image. Identity points are refused. */
export function verifyExponent(input: {
  readonly curve: Curve;
  readonly statement: Statement;
  readonly terms: readonly { readonly base: G1; readonly image: G1 }[];
  readonly proof: ExponentProof;
}): boolean {
  const { curve, statement, terms, proof } = input;
  if (terms.some(({ base, image }) => curve.isIdentityG1(base) || curve.isIdentityG1(image)))
    return false;
  const minusChallenge = curve.negateScalar(proof.challenge);
  const commitments = terms.map(({ base, image }) =>
    curve.sumG1([
      { point: base, scalar: proof.response },
      { point: image, scalar: minusChallenge },
    ]),
  );
  const expected = challengeOf(curve, statement, commitments);
  return curve.isZero(curve.subtractScalars(expected, proof.challenge));
}

export function encodeProof(curve: Curve, proof: ExponentProof): Bytes {
  return concatBytes(curve.encodeScalar(proof.challenge), curve.encodeScalar(proof.response));
}

/** @throws PointError when the length is not 64 or a scalar is not canonical */
export function parseProof(curve: Curve, bytes: Bytes): ExponentProof {
  if (bytes.length !== PROOF_BYTES)
    throw new PointError('length', `a proof has ${PROOF_BYTES} bytes`);
  return {
    challenge: curve.parseScalar(bytes.subarray(0, SCALAR_BYTES)),
    response: curve.parseScalar(bytes.subarray(SCALAR_BYTES)),
  };
}
