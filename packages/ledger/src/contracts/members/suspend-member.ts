import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';
import { type MemberId, type PatientCommitment, toMemberId, toPatientCommitment } from '../../ids.ts';
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
