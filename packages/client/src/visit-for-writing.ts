/**
 * What a hospital needs of a visit in order to write records under it: from the patient's own package,
 * or drawn by the hospital when she is here without a device but her P is known. A drawn visit travels
 * to her inside the record's header, sealed under KDF(P^k) (cryptography.md §4).
 */
import { type Bytes, CodecError, type RandomBytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import type { ChainContext, SuiteContext } from '@yilian/crypto/context';
import { open, seal, ZERO_NONCE } from '@yilian/crypto/aead';
import { bindSuite } from '@yilian/crypto/context';
import type { Curve, G1 } from '@yilian/crypto/curve';
import type { BlindedKeyword } from '@yilian/crypto/keyword';
import { deriveSymmetricTagKey, type TagKey } from '@yilian/crypto/searchable-encryption';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { type Month, parseMonth } from '@yilian/crypto/period';
import { encodeProof } from '@yilian/crypto/proof';
import { identityTag, pseudonymOf } from '@yilian/crypto/pseudonym';
import type { Pid } from '@yilian/crypto/ids';
import { publicKey, sign } from '@yilian/crypto/signature';
import { visitAuthorisationMessage } from '@yilian/ledger/checks';
import type { AdmittedVisit } from './visit-package.ts';

export interface VisitForWriting {
  readonly hospital: string;
  readonly month: Month;
  readonly pid: Pid;
  readonly visitKey: Bytes;
  /** h */
  readonly identityTag: Bytes;
  /** The visit key's signature over [pid, hospital], 64 bytes. */
  readonly authorisation: Bytes;
  readonly patientKey: G1;
  /** κ */
  readonly keywordSecret: Bytes;
  readonly monthRoot: Bytes;
  readonly quarterRoot: Bytes;
  /** 64 bytes; null for a drawn visit: its records are indexed in mode `sym`. */
  readonly possession: Bytes | null;
  /** What the header carries to the patient, sealed per record; null for her own package. */
  readonly drawn: DrawnVisit | null;
}

/** The values that a hospital drew in the patient's place. */
export interface DrawnVisit {
  readonly hospital: string;
  readonly month: Month;
  /** Ed25519 seed: hers from now on, the hospital erases it when the visit is over. */
  readonly signingSeed: Bytes;
  readonly beta: Bytes;
  readonly keywordSecret: Bytes;
  readonly monthRoot: Bytes;
  readonly quarterRoot: Bytes;
}

/** The visit of an admitted package. */
export function visitOfPackage(curve: Curve, admitted: AdmittedVisit): VisitForWriting {
  const { visitPackage } = admitted;
  return {
    hospital: admitted.hospital,
    month: visitPackage.month,
    pid: admitted.pid,
    visitKey: visitPackage.visitKey,
    identityTag: admitted.identityTag,
    authorisation: admitted.authorisation,
    patientKey: visitPackage.patientKey,
    keywordSecret: visitPackage.keywordSecret,
    monthRoot: visitPackage.monthRoot,
    quarterRoot: visitPackage.quarterRoot,
    possession: encodeProof(curve, visitPackage.proof),
    drawn: null,
  };
}

/** A visit for a patient without a device: every value fresh. */
export function drawVisit(input: {
  readonly context: ChainContext;
  readonly hospital: string;
  readonly month: Month;
  readonly identity: string;
  readonly patientKey: G1;
  readonly randomBytes: RandomBytes;
}): VisitForWriting {
  const { context, hospital, month, identity, randomBytes } = input;
  const drawn: DrawnVisit = {
    hospital,
    month,
    signingSeed: randomBytes(32),
    beta: randomBytes(32),
    keywordSecret: randomBytes(32),
    monthRoot: randomBytes(32),
    quarterRoot: randomBytes(32),
  };
  const visitKey = publicKey(drawn.signingSeed);
  const tag = identityTag(context, identity, drawn.beta);
  const pid = pseudonymOf(visitKey, tag);
  return {
    hospital,
    month,
    pid,
    visitKey,
    identityTag: tag,
    authorisation: sign(drawn.signingSeed, visitAuthorisationMessage(context, pid, hospital)),
    patientKey: input.patientKey,
    keywordSecret: drawn.keywordSecret,
    monthRoot: drawn.monthRoot,
    quarterRoot: drawn.quarterRoot,
    possession: null,
    drawn,
  };
}

function packageAad(context: SuiteContext, recordId: Bytes): Bytes {
  return bindSuite(DOMAIN_TAGS.packageKey, context, recordId);
}

/** For the record's header, under the capsule's package key (used once: nonce 0). */
export function sealDrawnVisit(
  context: SuiteContext,
  recordId: Bytes,
  packageKey: Bytes,
  drawn: DrawnVisit,
): Bytes {
  return seal({
    key: packageKey,
    nonce: ZERO_NONCE,
    associatedData: packageAad(context, recordId),
    plaintext: encodeDrawnVisit(drawn),
  });
}

/** Null when the record is not hers (its package opens under another key). */
export function openDrawnVisit(
  context: SuiteContext,
  recordId: Bytes,
  packageKey: Bytes,
  sealed: Bytes,
): DrawnVisit | null {
  const plaintext = open({
    key: packageKey,
    nonce: ZERO_NONCE,
    associatedData: packageAad(context, recordId),
    sealed,
  });
  return plaintext === null ? null : decodeDrawnVisit(plaintext);
}

function drawnItems(drawn: DrawnVisit): Cbor {
  return [
    drawn.hospital,
    drawn.month,
    drawn.signingSeed,
    drawn.beta,
    drawn.keywordSecret,
    drawn.monthRoot,
    drawn.quarterRoot,
  ];
}

function readDrawn(value: Cbor): DrawnVisit | null {
  if (!Array.isArray(value) || value.length !== 7) return null;
  const [hospital, month, ...secrets]: readonly Cbor[] = value;
  if (typeof hospital !== 'string' || typeof month !== 'string') return null;
  const [signingSeed, beta, keywordSecret, monthRoot, quarterRoot] = secrets.map((secret) =>
    secret instanceof Uint8Array && secret.length === 32 ? secret : undefined,
  );
  if (
    signingSeed === undefined ||
    beta === undefined ||
    keywordSecret === undefined ||
    monthRoot === undefined ||
    quarterRoot === undefined
  )
    return null;
  return {
    hospital,
    month: parseMonth(month),
    signingSeed,
    beta,
    keywordSecret,
    monthRoot,
    quarterRoot,
  };
}

/** The tag key by which a patient finds a record whose header carries a visit drawn for her. */
export function packageTagKey(context: ChainContext, packageKey: Bytes): TagKey {
  return deriveSymmetricTagKey(context, packageKey as BlindedKeyword);
}

/** A drawn visit as bytes, for the patient's keyring. */
export function encodeDrawnVisit(drawn: DrawnVisit): Bytes {
  return encode(drawnItems(drawn));
}

/** Null for anything else. */
export function decodeDrawnVisit(bytes: Bytes): DrawnVisit | null {
  try {
    return readDrawn(decode(bytes, { bytesMax: 4096, depthMax: 1 }));
  } catch (error) {
    if (error instanceof CodecError) return null;
    throw error;
  }
}
