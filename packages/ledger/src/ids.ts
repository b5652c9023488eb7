/** Identifiers that appear in transactions, state and receipts. Hexadecimal only at the edge. */
import type { Brand } from '@yilian/crypto/brand';
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import { type ChainContext, bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { sha256 } from '@yilian/crypto/hash';

/** 32 bytes; stays the same when the member's key is rotated. */
export type MemberId = Brand<Bytes, 'MemberId'>;
/** 32 bytes; a function of the capsule's C alone, so a repeated C is a repeated id (F2). */
export type RecordId = Brand<Bytes, 'RecordId'>;
/** 20 bytes; the pseudonym of one visit (QJ-3). */
export type Pid = Brand<Bytes, 'Pid'>;
/** 16 bytes from the patient's random source. */
export type GrantId = Brand<Bytes, 'GrantId'>;
/** 32 bytes over the unsigned part of a transaction. */
export type TransactionId = Brand<Bytes, 'TransactionId'>;
/** 32 bytes; salted hash of a patient's certificate. */
export type PatientCommitment = Brand<Bytes, 'PatientCommitment'>;

function sized<T extends Bytes>(name: string, length: number): (bytes: Bytes) => T {
  return (bytes) => {
    if (bytes.length !== length) throw new CodecError('malformed', `${name} has ${length} bytes`);
    return bytes as T;
  };
}

/** @throws CodecError when the length is wrong, as do its neighbours */
export const toMemberId: (bytes: Bytes) => MemberId = sized<MemberId>('a member id', 32);
export const toRecordId: (bytes: Bytes) => RecordId = sized<RecordId>('a record id', 32);
export const toPid: (bytes: Bytes) => Pid = sized<Pid>('a PID', 20);
export const toGrantId: (bytes: Bytes) => GrantId = sized<GrantId>('a grant id', 16);
export const toTransactionId: (bytes: Bytes) => TransactionId = sized<TransactionId>(
  'a transaction id',
  32,
);
export const toPatientCommitment: (bytes: Bytes) => PatientCommitment = sized<PatientCommitment>(
  'a patient commitment',
  32,
);

/** The id of the member whose first Ed25519 key is `firstKey` (32 bytes). */
export function deriveMemberId(context: ChainContext, firstKey: Bytes): MemberId {
  return toMemberId(sha256(bindChain(DOMAIN_TAGS.memberId, context, firstKey)));
}

/** The id of the record whose capsule carries `c` (48 bytes, compressed G1). */
export function deriveRecordId(context: ChainContext, c: Bytes): RecordId {
  return toRecordId(sha256(bindChain(DOMAIN_TAGS.recordId, context, c)));
}
