import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';
import { type PatientCommitment, toPatientCommitment } from '../../ids.ts';
import { type MemberDescription, describeFields, readDescription } from './member.ts';

/** The regulator admits a member, who co-signs with the new key, or a patient by commitment only. */
export type EnrolMember =
  | { readonly type: 'enrolMember'; readonly kind: 'member'; readonly member: MemberDescription }
  | {
      readonly type: 'enrolMember';
      readonly kind: 'patient';
      readonly commitment: PatientCommitment;
    };

export function encodeEnrolMember(body: EnrolMember): readonly Cbor[] {
  return body.kind === 'member'
    ? ['member', ...describeFields(body.member)]
    : ['patient', body.commitment];
}

export function parseEnrolMember(items: Cbor): EnrolMember {
  const fields = new Fields(items, { min: 2, max: 7 });
  const kind = fields.oneOf(['member', 'patient']);
  if (kind === 'patient') {
    Fields.of(items, 2);
    return { type: 'enrolMember', kind, commitment: toPatientCommitment(fields.bytes(32)) };
  }
  Fields.of(items, 7);
  return { type: 'enrolMember', kind, member: readDescription(fields) };
}
