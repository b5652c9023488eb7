import {
  type Applied,
  type Contract,
  type ExecutionContext,
  NO_CHECKS,
  accept,
} from '../../contract.ts';
import { reject } from '../../rejection.ts';
import { type State, stateKeys } from '../../state.ts';
import { getMember, memberOfKey, putMember } from './member.ts';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type MemberId, toMemberId } from '../../ids.ts';

/** A member (by its old key) or the regulator replaces a key; the id stays. The new key co-signs. */
export interface RotateKey {
  readonly type: 'rotateKey';
  readonly member: MemberId;
  readonly newKey: Bytes;
  readonly newHpkeKey: Bytes;
  readonly newCertificateHash: Bytes;
}

export function encodeRotateKey(body: RotateKey): readonly Cbor[] {
  return [body.member, body.newKey, body.newHpkeKey, body.newCertificateHash];
}

export function parseRotateKey(items: Cbor): RotateKey {
  const fields = Fields.of(items, 4);
  return {
    type: 'rotateKey',
    member: toMemberId(fields.bytes(32)),
    newKey: fields.bytes(32),
    newHpkeKey: fields.bytes(32),
    newCertificateHash: fields.bytes(32),
  };
}

/**
 * - RK-1 The member is known.
 * - RK-2 The sender is the member's current key, or the regulator's; and active.
 * - RK-3 The new key never belonged to a member. The old one stays retired.
 */
function applyRotateKey(state: State, body: RotateKey, context: ExecutionContext): Applied {
  const member = getMember(state, body.member);
  if (member === undefined) return reject('memberUnknown'); // RK-1
  const sender = memberOfKey(state, context.sender);
  if (sender === undefined) return reject('notTheMember'); // RK-2
  const own = equalBytes(sender.id, member.id);
  if (!own && sender.role !== 'regulator') return reject('notTheMember'); // RK-2
  if (sender.status !== 'active') return reject('senderSuspended'); // RK-2
  const key = stateKeys.memberKey(body.newKey);
  if (state.has(key)) return reject('keyUsed'); // RK-3
  putMember(state, {
    ...member,
    key: body.newKey,
    hpkeKey: body.newHpkeKey,
    certificateHash: body.newCertificateHash,
  });
  state.put(key, member.id);
  return accept(['key', member.id, body.newKey]);
}

export const rotateKey: Contract<RotateKey> = {
  encodeBody: encodeRotateKey,
  parseBody: parseRotateKey,
  cosigners: (body) => [body.newKey],
  checks: NO_CHECKS,
  apply: applyRotateKey,
};
