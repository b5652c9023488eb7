/** Identifiers that appear in transactions, state and receipts. Hexadecimal only at the edge. */
import type { Brand } from '@yilian/crypto/brand';
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import { type ChainContext, bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { sha256 } from '@yilian/crypto/hash';

/** 32 bytes; stays the same when the member's key is rotated. */
export type MemberId = Brand<Bytes, 'MemberId'>;
/** 32 bytes over the unsigned part of a transaction. */
export type TransactionId = Brand<Bytes, 'TransactionId'>;
/** 32 bytes; salted hash of a patient's certificate. */
export type PatientCommitment = Brand<Bytes, 'PatientCommitment'>;

function checkLength(name: string, bytes: Bytes, length: number): void {
  if (bytes.length !== length) throw new CodecError('malformed', `${name} has ${length} bytes`);
}

/** @throws CodecError when the length is wrong, as do its neighbours */
export function toMemberId(bytes: Bytes): MemberId {
  checkLength('a member id', bytes, 32);
  return bytes as MemberId;
}

export function toTransactionId(bytes: Bytes): TransactionId {
  checkLength('a transaction id', bytes, 32);
  return bytes as TransactionId;
}

export function toPatientCommitment(bytes: Bytes): PatientCommitment {
  checkLength('a patient commitment', bytes, 32);
  return bytes as PatientCommitment;
}

/** The id of the member whose first Ed25519 key is `firstKey` (32 bytes). */
export function deriveMemberId(context: ChainContext, firstKey: Bytes): MemberId {
  return toMemberId(sha256(bindChain(DOMAIN_TAGS.memberId, context, firstKey)));
}
