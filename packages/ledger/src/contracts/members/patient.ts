/** What the state knows of a patient: that a certificate with this commitment exists, and its status. */
import type { Bytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { MEMBER_STATUSES, type MemberStatus } from './member.ts';

/** The value under `patient/<commitment>`. */
export function encodePatient(status: MemberStatus): Bytes {
  return encode([status]);
}

/** @throws CodecError */
export function parsePatient(value: Bytes): MemberStatus {
  return Fields.of(decode(value), 1).oneOf(MEMBER_STATUSES);
}
