import {
  type Applied,
  type Contract,
  type ExecutionContext,
  NO_CHECKS,
  NO_COSIGNERS,
  accept,
} from '../../contract.ts';
import { reject } from '../../rejection.ts';
import { type State, stateKeys } from '../../state.ts';
import { activeSender, getMember, putMember } from './member.ts';
import { encodePatient, parsePatient } from './patient.ts';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import {
  type MemberId,
  type PatientCommitment,
  toMemberId,
  toPatientCommitment,
} from '../../ids.ts';
import { MEMBER_STATUSES, type MemberStatus } from './member.ts';

/** The regulator suspends or reinstates somebody. */
export interface SuspendMember {
  readonly type: 'suspendMember';
  readonly target:
    | { readonly kind: 'member'; readonly id: MemberId }
    | { readonly kind: 'patient'; readonly commitment: PatientCommitment };
  readonly status: MemberStatus;
}

export function encodeSuspendMember(body: SuspendMember): readonly Cbor[] {
  const { target } = body;
  return [target.kind, target.kind === 'member' ? target.id : target.commitment, body.status];
}

export function parseSuspendMember(items: Cbor): SuspendMember {
  const fields = Fields.of(items, 3);
  const kind = fields.oneOf(['member', 'patient']);
  const id = fields.bytes(32);
  return {
    type: 'suspendMember',
    target:
      kind === 'member'
        ? { kind, id: toMemberId(id) }
        : { kind, commitment: toPatientCommitment(id) },
    status: fields.oneOf(MEMBER_STATUSES),
  };
}

/**
 * - SM-1 The sender is the active regulator.
 * - SM-2 The target is known.
 * - SM-3 The regulator itself is not suspended (nobody could reinstate it).
 * - SM-4 The status changes.
 */
function applySuspendMember(state: State, body: SuspendMember, context: ExecutionContext): Applied {
  const sender = activeSender(state, context, 'regulator');
  if (!sender.ok) return sender; // SM-1
  const { target, status } = body;
  if (target.kind === 'patient') {
    const key = stateKeys.patient(target.commitment);
    const value = state.get(key);
    if (value === undefined) return reject('patientUnknown'); // SM-2
    if (parsePatient(value) === status) return reject('statusUnchanged'); // SM-4
    state.put(key, encodePatient(status));
    return accept(['patientStatus', target.commitment, status]);
  }
  const member = getMember(state, target.id);
  if (member === undefined) return reject('memberUnknown'); // SM-2
  if (member.role === 'regulator') return reject('roleReserved'); // SM-3
  if (member.status === status) return reject('statusUnchanged'); // SM-4
  putMember(state, { ...member, status });
  return accept(['memberStatus', member.id, status]);
}

export const suspendMember: Contract<SuspendMember> = {
  encodeBody: encodeSuspendMember,
  parseBody: parseSuspendMember,
  cosigners: NO_COSIGNERS,
  checks: NO_CHECKS,
  apply: applySuspendMember,
};
