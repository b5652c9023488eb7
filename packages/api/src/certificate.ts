/**
 * Certificates of the regulator, and the requests for them. Keys are made on the member's device; the
 * regulator only says whose they are. A member's certificate is public (its hash is in state); a
 * patient's is confidential: the chain has a salted hash and nothing else of it.
 *
 * A request proves possession of the Ed25519 key by its signature and of P by a Schnorr proof over the
 * request's hash. The HPKE key is not proven: whoever names another's key harms himself only.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { type ChainContext, bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { sha256 } from '@yilian/crypto/hash';
import {
  type Codec,
  type Parsed,
  encodeMessage,
  fields,
  fixedBytes,
  list,
  nullable,
  oneOf,
  parseMessage,
  text,
  uint,
} from './codec.ts';
import { LIMITS, SIZES } from './sizes.ts';

export const CERTIFIED_ROLES = [
  'patient',
  'regulator',
  'hospital',
  'node',
  'doctor',
  'department',
  'store',
] as const;
export type CertifiedRole = (typeof CERTIFIED_ROLES)[number];

/** What a patient allows beyond the default suite; nothing is ever chosen down without it. */
export const PROFILES = ['paper', 'afgh', 'administrator'] as const;
export type Profile = (typeof PROFILES)[number];

/** What a member says of herself. */
export interface CertificateSubject {
  /** Name for people: a doctor's name and title, a patient's health card number. */
  readonly name: string;
  readonly role: CertifiedRole;
  /** Short names; empty for patients. */
  readonly institution: string;
  readonly operator: string;
  /** Ed25519, 32 bytes. */
  readonly signingKey: Bytes;
  /** X25519, 32 bytes; zeros when it receives nothing. */
  readonly hpkeKey: Bytes;
  /** P, 48 bytes, of patients. */
  readonly patientKey: Bytes | null;
  /** Licence number of a clinician, or empty. */
  readonly licence: string;
  readonly profiles: readonly Profile[];
}

const certificateSubject: Codec<CertificateSubject> = fields<CertificateSubject>({
  name: text(128, /^[^\p{Cc}]{1,128}$/u),
  role: oneOf(...CERTIFIED_ROLES),
  institution: text(64, /^[a-z0-9-]{0,64}$/),
  operator: text(64, /^[a-z0-9-]{0,64}$/),
  signingKey: fixedBytes(SIZES.key),
  hpkeKey: fixedBytes(SIZES.key),
  patientKey: nullable(fixedBytes(SIZES.g1)),
  licence: text(64, /^[^\p{Cc}]{0,64}$/u),
  profiles: list(oneOf(...PROFILES), PROFILES.length),
});

export interface CertificateRequest {
  readonly subject: CertificateSubject;
  /** Of the signing key over `certificateRequestMessage`. */
  readonly signature: Bytes;
  /** Patients: proof of possession of P over `certificateRequestHash`, 64 bytes. */
  readonly possession: Bytes | null;
}

const certificateRequest: Codec<CertificateRequest> = fields<CertificateRequest>({
  subject: certificateSubject,
  signature: fixedBytes(SIZES.signature),
  possession: nullable(fixedBytes(64)),
});

export function certificateRequestMessage(
  context: ChainContext,
  subject: CertificateSubject,
): Bytes {
  return bindChain(DOMAIN_TAGS.certificateRequest, context, certificateSubject.toCbor(subject));
}

/** What the proof of possession of P is bound to, 32 bytes. */
export function certificateRequestHash(context: ChainContext, subject: CertificateSubject): Bytes {
  return sha256(certificateRequestMessage(context, subject));
}

export function encodeCertificateRequest(request: CertificateRequest): Bytes {
  return encodeMessage(certificateRequest, request);
}

export function parseCertificateRequest(bytes: Bytes): Parsed<CertificateRequest> {
  return parseMessage(certificateRequest, bytes, LIMITS.certificateBytesMax);
}

export interface CertificateContent {
  readonly chainId: string;
  /** 16 random bytes. */
  readonly serial: Bytes;
  readonly subject: CertificateSubject;
  /** Unix time. */
  readonly notBefore: number;
  /** Unix time, exclusive. A certificate that ends never stops consensus: consensus keys do not expire. */
  readonly notAfter: number;
}

export interface Certificate {
  readonly content: CertificateContent;
  /** The regulator's Ed25519 signature over `certificateMessage`. */
  readonly signature: Bytes;
}

const certificateContent: Codec<CertificateContent> = fields<CertificateContent>({
  chainId: text(64, /^[a-z0-9-]{1,64}$/),
  serial: fixedBytes(16),
  subject: certificateSubject,
  notBefore: uint(),
  notAfter: uint(),
});

const certificate: Codec<Certificate> = fields<Certificate>({
  content: certificateContent,
  signature: fixedBytes(SIZES.signature),
});

/** The bytes that the regulator signs. */
export function certificateMessage(context: ChainContext, content: CertificateContent): Bytes {
  const items: Cbor = certificateContent.toCbor(content);
  return bindChain(DOMAIN_TAGS.certificateSignature, context, items);
}

export function encodeCertificate(value: Certificate): Bytes {
  return encodeMessage(certificate, value);
}

/** Form only; the caller verifies the signature with the regulator's key and compares hash and dates. */
export function parseCertificate(bytes: Bytes): Parsed<Certificate> {
  return parseMessage(certificate, bytes, LIMITS.certificateBytesMax);
}

/** Stands in `enrolMember` for members that are not patients. 32 bytes. */
export function certificateHash(context: ChainContext, encoded: Bytes): Bytes {
  return sha256(bindChain(DOMAIN_TAGS.certificateHash, context, encoded));
}

/** Stands in `enrolMember` for a patient; hiding by the 32-byte salt. 32 bytes. */
export function patientCommitment(context: ChainContext, salt: Bytes, encoded: Bytes): Bytes {
  return sha256(bindChain(DOMAIN_TAGS.patientCommitment, context, salt, encoded));
}
