/** What a doctor's client asks its own institution, a store, or the registration centre for. */
import type { Bytes } from '@yilian/crypto/bytes';
import { type ChainContext, bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { type Codec, boundedBytes, fields, fixedBytes, flag, nullable, uint } from './codec.ts';
import { LIMITS, SIZES } from './sizes.ts';

/** `postEpochKey`: P with the visit package's proof of possession. */
export interface EpochKeyPost {
  /** P, G1, 48 bytes. */
  readonly patientKey: Bytes;
  /** Schnorr proof over [hospital, visit key]. */
  readonly possession: Bytes;
  readonly visitKey: Bytes;
  /** Day number (days since 1970 in UTC) of the index epoch wished; null: the current one. */
  readonly epoch: number | null;
}

export const epochKeyPost: Codec<EpochKeyPost> = fields<EpochKeyPost>({
  patientKey: fixedBytes(SIZES.g1),
  possession: boundedBytes(256),
  visitKey: fixedBytes(SIZES.key),
  epoch: nullable(uint(0xffff_ffff)),
});

export interface EpochKeyAnswer {
  readonly epoch: number;
  /** A = g1^ρ. */
  readonly epochKey: Bytes;
  /** Schnorr proof over [hospital, epoch]. */
  readonly proof: Bytes;
  /** P^ρ. */
  readonly indexPoint: Bytes;
}

export const epochKeyAnswer: Codec<EpochKeyAnswer> = fields<EpochKeyAnswer>({
  epoch: uint(0xffff_ffff),
  epochKey: fixedBytes(SIZES.g1),
  proof: boundedBytes(256),
  indexPoint: fixedBytes(SIZES.g1),
});

/** `postInstitutionRecord`. */
export interface InstitutionRecordPost {
  /** `encodeUnsignedTransaction` of an issueRecord or amendRecord whose sender is the institution's key. */
  readonly transaction: Bytes;
  /** [stores, object key] sealed to the author's HPKE key: kept for the author, closed to the institution's disks. */
  readonly sealedLocation: Bytes;
}

export const institutionRecordPost: Codec<InstitutionRecordPost> = fields<InstitutionRecordPost>({
  transaction: boundedBytes(LIMITS.transactionBytesMax),
  sealedLocation: boundedBytes(1024),
});

/** `getLocation`. */
export interface SealedLocation {
  readonly sealedLocation: Bytes;
}

export const sealedLocation: Codec<SealedLocation> = fields<SealedLocation>({
  sealedLocation: boundedBytes(1024),
});

/** HPKE info of a location sealed to its author. */
export function sealedLocationInfo(context: ChainContext, recordId: Bytes): Bytes {
  return bindChain(DOMAIN_TAGS.sealedLocationInfo, context, recordId);
}

/** Body of the signed header of `putCiphertext`. */
export interface CiphertextAnnouncement {
  readonly headerHash: Bytes;
  /** Merkle digest over header hash and chunks. */
  readonly digest: Bytes;
  /** Bytes of the whole object, header included. */
  readonly length: number;
}

export const ciphertextAnnouncement: Codec<CiphertextAnnouncement> = fields<CiphertextAnnouncement>(
  {
    headerHash: fixedBytes(SIZES.hash),
    digest: fixedBytes(SIZES.hash),
    length: uint(),
  },
);

/** The store's word that it holds these bytes: goes into issueRecord. */
export interface StorageAttestation {
  /** Member id of the store. */
  readonly store: Bytes;
  readonly signature: Bytes;
}

export const storageAttestation: Codec<StorageAttestation> = fields<StorageAttestation>({
  store: fixedBytes(SIZES.memberId),
  signature: fixedBytes(SIZES.signature),
});

/**
 * `registerMember`. A patient needs one call. Everybody else co-signs her own enrolment: the first call
 * (cosignature null) answers with the draft, the second brings the co-signature of the new key over it.
 */
export interface RegistrationPost {
  /** Certificate request with proofs of possession (certificate.ts). */
  readonly request: Bytes;
  /** One-time secret the centre handed out in person, 16 bytes. */
  readonly secret: Bytes;
  readonly cosignature: Bytes | null;
}

export const registrationPost: Codec<RegistrationPost> = fields<RegistrationPost>({
  request: boundedBytes(LIMITS.certificateBytesMax),
  secret: fixedBytes(16),
  cosignature: nullable(fixedBytes(SIZES.signature)),
});

export interface RegistrationAnswer {
  /** The certificate, signed by the regulator. */
  readonly certificate: Bytes;
  /** Patients only: 32 bytes; the chain has a hash of salt and certificate. */
  readonly salt: Bytes | null;
  /** Id of the enrolMember transaction: what the new key signs (members), what becomes final. */
  readonly transactionId: Bytes;
  /** False after the first call of a member: the draft waits for the co-signature. */
  readonly submitted: boolean;
}

export const registrationAnswer: Codec<RegistrationAnswer> = fields<RegistrationAnswer>({
  certificate: boundedBytes(LIMITS.certificateBytesMax),
  salt: nullable(fixedBytes(32)),
  transactionId: fixedBytes(SIZES.transactionId),
  submitted: flag,
});
