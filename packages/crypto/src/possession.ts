/**
 * Proof of possession of a patient key: Schnorr 1991 over g1, bound to where it is shown. It stops rogue
 * keys P^s, whose owner would let others' tags and slots be computed for him.
 *
 * Promises: whoever made the proof knew log P when he named this hospital and visit (or this certificate
 * request); a proof shown to one hospital or for one visit says nothing at another.
 * Does not promise: that P belongs to the person at the desk; that is the certificate's work.
 */
import { type Brand } from './brand.ts';
import type { Bytes, RandomBytes } from './bytes.ts';
import type { ChainContext } from './context.ts';
import type { Curve, G1, Scalar } from './curve.ts';
import { DOMAIN_TAGS } from './domain-tags.ts';
import { type ExponentProof, proveExponent, type Statement, verifyExponent } from './proof.ts';

/** Where a patient key is shown. */
export type PossessionPurpose =
  | { readonly kind: 'visit'; readonly hospitalId: Bytes; readonly visitKey: Bytes }
  | { readonly kind: 'certificate'; readonly requestHash: Bytes };

/** A patient key whose possession was verified for one hospital and visit. */
export type PossessedKey = Brand<
  { readonly patientKey: G1; readonly hospitalId: Bytes; readonly visitKey: Bytes },
  'PossessedKey'
>;

function possessionStatement(
  curve: Curve,
  context: ChainContext,
  patientKey: G1,
  purpose: PossessionPurpose,
): Statement {
  const key = curve.encodeG1(patientKey);
  const common = { context, suite: null, after: [] };
  return purpose.kind === 'visit'
    ? {
        ...common,
        tag: DOMAIN_TAGS.possessionVisit,
        before: [key, purpose.hospitalId, purpose.visitKey],
      }
    : { ...common, tag: DOMAIN_TAGS.possessionCertificate, before: [key, purpose.requestHash] };
}

/** P = g1^a. */
export function patientKeyOf(curve: Curve, patientScalar: Scalar): G1 {
  return curve.multiplyG1(curve.g1, patientScalar);
}

export function provePossession(input: {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly patientScalar: Scalar;
  readonly patientKey: G1;
  readonly purpose: PossessionPurpose;
  readonly randomBytes: RandomBytes;
}): ExponentProof {
  const { curve, context, patientScalar, patientKey, purpose, randomBytes } = input;
  const statement = possessionStatement(curve, context, patientKey, purpose);
  return proveExponent({ curve, statement, bases: [curve.g1], secret: patientScalar, randomBytes });
}

/** Whether the maker of `proof` knew log P for this purpose. */
export function verifyPossession(input: {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly patientKey: G1;
  readonly purpose: PossessionPurpose;
  readonly proof: ExponentProof;
}): boolean {
  const { curve, context, patientKey, purpose, proof } = input;
  const statement = possessionStatement(curve, context, patientKey, purpose);
  const terms = [{ base: curve.g1, image: patientKey }];
  return verifyExponent({ curve, statement, terms, proof });
}

/** The key, in the form that an index service takes, once possession holds for this hospital and visit. */
export function verifyPossessedKey(input: {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly patientKey: G1;
  readonly hospitalId: Bytes;
  readonly visitKey: Bytes;
  readonly proof: ExponentProof;
}): PossessedKey | undefined {
  const { hospitalId, visitKey, patientKey } = input;
  const purpose = { kind: 'visit', hospitalId, visitKey } as const;
  if (!verifyPossession({ ...input, purpose })) return undefined;
  return { patientKey, hospitalId, visitKey } as unknown as PossessedKey;
}
