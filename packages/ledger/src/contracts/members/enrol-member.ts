import {
  type Applied,
  type Contract,
  type ExecutionContext,
  NO_CHECKS,
  accept,
} from '../../contract.ts';
import { deriveMemberId } from '../../ids.ts';
import { reject } from '../../rejection.ts';
import { type State, stateKeys } from '../../state.ts';
import { activeSender, addMember } from './member.ts';
import { encodePatient } from './patient.ts';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
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

/**
 * - EM-1 The sender is the active regulator.
 * - EM-2 The role `regulator` is given by the genesis only.
 * - EM-3 The key never belonged to a member.
 * - EM-4 The commitment is new.
 */
function applyEnrolMember(state: State, body: EnrolMember, context: ExecutionContext): Applied {
  const sender = activeSender(state, context, 'regulator');
  if (!sender.ok) return sender; // EM-1
  if (body.kind === 'patient') {
    const key = stateKeys.patient(body.commitment);
    if (state.has(key)) return reject('patientExists'); // EM-4
    state.put(key, encodePatient('active'));
    return accept(['patient', body.commitment]);
  }
  const { member } = body;
  if (member.role === 'regulator') return reject('roleReserved'); // EM-2
  if (state.has(stateKeys.memberKey(member.key))) return reject('keyUsed'); // EM-3
  const id = deriveMemberId(context, member.key);
  addMember(state, { ...member, id, status: 'active' });
  return accept(['member', id]);
}

export const enrolMember: Contract<EnrolMember> = {
  encodeBody: encodeEnrolMember,
  parseBody: parseEnrolMember,
  cosigners: (body) => (body.kind === 'member' ? [body.member.key] : []),
  checks: NO_CHECKS,
  apply: applyEnrolMember,
};
