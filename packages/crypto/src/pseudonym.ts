/**
 * Pseudonyms and the visit package (QJ-3, LM-2, GT-7, WW-5): one identity per visit, none of which can be
 * linked to another by anybody who was not shown both.
 *
 * s_v = HKDF(K_patient, ["visit", hospitalId, n]) for the n-th visit at a hospital ·
 * visit signing seed = HKDF(s_v, "sign"), β_v = HKDF(s_v, "id") · h = SHA-256([ID, β_v]) ·
 * PID = RIPEMD160(SHA256(visit key ‖ h)).
 *
 * Promises: PIDs of one patient are unlinkable without K_patient (HKDF as a pseudo-random function);
 * opening (ID, β_v) proves one PID and gives neither the signing key nor any other visit (F8); an
 * enumeration of all identity numbers does not open h, because β_v is 32 random-looking bytes (F20);
 * K_patient alone finds every visit again: walk n until 20 in a row are unknown.
 * Does not promise: unlinkability against the hospital visited, or by time and place of a visit.
 *
 * s_v exists inside `deriveVisit` only: no function of this file returns it.
 * QJ name: NameGen = `deriveVisit` + `pseudonymOf`.
 */
import { type Bytes, CodecError, concatBytes, equalBytes, type RandomBytes } from './bytes.ts';
import { decode, encode } from './cbor.ts';
import { bindChain, type ChainContext } from './context.ts';
import { type Curve, type G1, G1_BYTES, type Scalar } from './curve.ts';
import { DOMAIN_TAGS } from './domain-tags.ts';
import { Fields } from './fields.ts';
import { hkdf, ripemd160, sha256 } from './hash.ts';
import { type Pid, toPid } from './ids.ts';
import { deriveKeywordSecret } from './keyword.ts';
import { deriveLabelRoot } from './label.ts';
import { type Month, parseMonth, type Quarter, quarterOfMonth } from './period.ts';
import { type PossessedKey, provePossession, verifyPossessedKey } from './possession.ts';
import { encodeProof, type ExponentProof, parseProof, PROOF_BYTES } from './proof.ts';
import { publicKey, type PublicKey } from './signature.ts';

/** Recovery of a patient's visits stops after so many unknown numbers in a row. */
export const VISIT_GAP_MAX = 20;
export const VISIT_BETA_BYTES = 32;
const KEY_BYTES = 32;

/** What the patient's device holds of one visit. The seed s_v it came from is already gone. */
export interface Visit {
  /** Ed25519 seed; stays on the device. */
  readonly signingSeed: Bytes;
  readonly visitKey: PublicKey;
  /** β_v, 32 bytes. */
  readonly beta: Bytes;
}

/** The n-th visit at a hospital, from K_patient. @param number n, from 0 */
export function deriveVisit(input: {
  readonly context: ChainContext;
  readonly patientSecret: Bytes;
  readonly hospitalId: Bytes;
  readonly number: number;
}): Visit {
  const { context, patientSecret, hospitalId, number } = input;
  if (!Number.isSafeInteger(number) || number < 0)
    throw new CodecError('malformed', 'visits are numbered from 0');
  const seed = hkdf({
    ikm: patientSecret,
    info: bindChain(DOMAIN_TAGS.visitSeed, context, hospitalId, number),
    length: 32,
  });
  const signingSeed = hkdf({
    ikm: seed,
    info: bindChain(DOMAIN_TAGS.visitSigningSeed, context),
    length: 32,
  });
  const beta = hkdf({
    ikm: seed,
    info: bindChain(DOMAIN_TAGS.visitBeta, context),
    length: VISIT_BETA_BYTES,
  });
  seed.fill(0);
  return { signingSeed, visitKey: publicKey(signingSeed), beta };
}

/** h = SHA-256([ID, β_v]): also LK's identity tag, opened to the referring doctor. 32 bytes. */
export function identityTag(context: ChainContext, identity: string, beta: Bytes): Bytes {
  return sha256(bindChain(DOMAIN_TAGS.identityTag, context, identity, beta));
}

/** PID = RIPEMD160(SHA256(visit key ‖ h)). @throws CodecError for keys or tags that have not 32 bytes */
export function pseudonymOf(visitKey: Bytes, tag: Bytes): Pid {
  if (visitKey.length !== KEY_BYTES || tag.length !== 32)
    throw new CodecError('malformed', 'visit key and identity tag have 32 bytes');
  return toPid(ripemd160(sha256(concatBytes(visitKey, tag))));
}

/** Whether (ID, β_v) opens a pseudonym. */
export function verifyPseudonymOpening(input: {
  readonly context: ChainContext;
  readonly pid: Bytes;
  readonly visitKey: Bytes;
  readonly identity: string;
  readonly beta: Bytes;
}): boolean {
  const { context, pid, visitKey, identity, beta } = input;
  if (visitKey.length !== KEY_BYTES || beta.length !== VISIT_BETA_BYTES) return false;
  return equalBytes(pseudonymOf(visitKey, identityTag(context, identity, beta)), pid);
}

/** What the patient's device gives to the hospital it visits. No secret of hers beyond this hospital and month. */
export interface VisitPackage {
  readonly hospitalId: Bytes;
  /** The month of admission. */
  readonly month: Month;
  readonly visitKey: Bytes;
  /** β_v */
  readonly beta: Bytes;
  /** P */
  readonly patientKey: G1;
  readonly proof: ExponentProof;
  /** κ of this hospital and month. */
  readonly keywordSecret: Bytes;
  /** Root of the labels of this hospital and month. */
  readonly monthRoot: Bytes;
  /** Root of the labels of this hospital and quarter. */
  readonly quarterRoot: Bytes;
}

export function createVisitPackage(input: {
  readonly curve: Curve;
  readonly context: ChainContext;
  /** K_patient */
  readonly patientSecret: Bytes;
  /** a */
  readonly patientScalar: Scalar;
  readonly patientKey: G1;
  readonly hospitalId: Bytes;
  readonly number: number;
  readonly month: Month;
  readonly randomBytes: RandomBytes;
}): VisitPackage {
  const { curve, context, patientSecret, patientScalar, patientKey, hospitalId, month } = input;
  const { visitKey, beta } = deriveVisit(input);
  const purpose = { kind: 'visit', hospitalId, visitKey } as const;
  const { randomBytes } = input;
  const quarter: Quarter = quarterOfMonth(month);
  return {
    hospitalId,
    month,
    visitKey,
    beta,
    patientKey,
    proof: provePossession({ curve, context, patientScalar, patientKey, purpose, randomBytes }),
    keywordSecret: deriveKeywordSecret({ context, patientSecret, hospitalId, month }),
    monthRoot: deriveLabelRoot({ context, patientSecret, hospitalId, period: month }),
    quarterRoot: deriveLabelRoot({ context, patientSecret, hospitalId, period: quarter }),
  };
}

/** The package's key in the form the index service takes; nothing when the package is for another hospital or unproved. */
export function verifyVisitPackage(
  curve: Curve,
  context: ChainContext,
  hospitalId: Bytes,
  visitPackage: VisitPackage,
): PossessedKey | undefined {
  const { patientKey, visitKey, proof } = visitPackage;
  if (!equalBytes(visitPackage.hospitalId, hospitalId)) return undefined;
  return verifyPossessedKey({ curve, context, patientKey, hospitalId, visitKey, proof });
}

/** Canonical CBOR of [hospitalId, month, visitKey, β_v, P, proof, κ, monthRoot, quarterRoot]. */
export function encodeVisitPackage(curve: Curve, visitPackage: VisitPackage): Bytes {
  return encode([
    visitPackage.hospitalId,
    visitPackage.month,
    visitPackage.visitKey,
    visitPackage.beta,
    curve.encodeG1(visitPackage.patientKey),
    encodeProof(curve, visitPackage.proof),
    visitPackage.keywordSecret,
    visitPackage.monthRoot,
    visitPackage.quarterRoot,
  ]);
}

/** @throws CodecError, PointError */
export function decodeVisitPackage(curve: Curve, bytes: Bytes): VisitPackage {
  const fields = Fields.of(decode(bytes), 9);
  return {
    hospitalId: fields.bytes(),
    month: parseMonth(fields.text()),
    visitKey: fields.bytes(KEY_BYTES),
    beta: fields.bytes(VISIT_BETA_BYTES),
    patientKey: curve.parseG1(fields.bytes(G1_BYTES)),
    proof: parseProof(curve, fields.bytes(PROOF_BYTES)),
    keywordSecret: fields.bytes(32),
    monthRoot: fields.bytes(32),
    quarterRoot: fields.bytes(32),
  };
}
