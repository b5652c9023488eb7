/** What the state knows of a member, and the form shared by the transactions that write it. */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import type { ExecutionContext } from '../../contract.ts';
import { Fields } from '@yilian/crypto/fields';
import { type MemberId, toMemberId } from '../../ids.ts';
import { type Rejected, reject } from '../../rejection.ts';
import { type State, lookups, stateKeys } from '../../state.ts';

/** `node` is the operational key of a node (shares, reports, attestations), never its consensus key. */
export const ROLES = ['regulator', 'hospital', 'node', 'doctor', 'department', 'store'] as const;
export type Role = (typeof ROLES)[number];

export const MEMBER_STATUSES = ['active', 'suspended'] as const;
export type MemberStatus = (typeof MEMBER_STATUSES)[number];

/** What the regulator states of a member that is not a patient. */
export interface MemberDescription {
  /** Ed25519, 32 bytes. */
  readonly key: Bytes;
  readonly role: Role;
  /** Short name of the hospital (or other body) it belongs to. */
  readonly institution: string;
  /** Who runs its machines: thresholds count operators. */
  readonly operator: string;
  /** X25519, 32 bytes (X-Wing keys come with the `pq` suite); all zero when it receives nothing. */
  readonly hpkeKey: Bytes;
  /** Hash of the regulator's certificate, 32 bytes. */
  readonly certificateHash: Bytes;
}

export interface Member extends MemberDescription {
  readonly id: MemberId;
  readonly status: MemberStatus;
}

export function describeFields(member: MemberDescription): Cbor[] {
  return [
    member.key,
    member.role,
    member.institution,
    member.operator,
    member.hpkeKey,
    member.certificateHash,
  ];
}

/** @throws CodecError */
export function readDescription(fields: Fields): MemberDescription {
  return {
    key: fields.bytes(32),
    role: fields.oneOf(ROLES),
    institution: fields.name(),
    operator: fields.name(),
    hpkeKey: fields.bytes(32),
    certificateHash: fields.bytes(32),
  };
}

/** The value under `member/<id>`. */
export function encodeMember(member: Member): Bytes {
  return encode([member.id, ...describeFields(member), member.status]);
}

/** @throws CodecError */
export function parseMember(value: Bytes): Member {
  const fields = Fields.of(decode(value), 8);
  const id = toMemberId(fields.bytes(32));
  return { id, ...readDescription(fields), status: fields.oneOf(MEMBER_STATUSES) };
}

/** One block reads the same bytes for many transactions of one sender. */
const parsedMembers = new WeakMap<Bytes, Member>();

export function getMember(state: State, id: MemberId): Member | undefined {
  const value = state.get(stateKeys.member(id));
  if (value === undefined) return undefined;
  const known = parsedMembers.get(value);
  if (known !== undefined) return known;
  const member = parseMember(value);
  parsedMembers.set(value, member);
  return member;
}

export function putMember(state: State, member: Member): void {
  state.put(stateKeys.member(member.id), encodeMember(member));
}

/** Enters a member and its key; the key belongs to it for ever, in use or retired. */
export function addMember(state: State, member: Member): void {
  putMember(state, member);
  state.put(stateKeys.memberKey(member.key), member.id);
  state.append(lookups.members(), member.id);
}

/** The member whose current key this is. */
export function memberOfKey(state: State, key: Bytes): Member | undefined {
  const id = state.get(stateKeys.memberKey(key));
  if (id === undefined) return undefined;
  const member = getMember(state, toMemberId(id));
  return member !== undefined && equalBytes(member.key, key) ? member : undefined;
}

/** The sender as an active member of one of `roles`. */
export function activeSender(
  state: State,
  context: ExecutionContext,
  ...roles: readonly Role[]
):
  | { readonly ok: true; readonly member: Member }
  | Rejected<'senderUnknown' | 'senderSuspended' | 'roleNotAllowed'> {
  const member = memberOfKey(state, context.sender);
  if (member === undefined) return reject('senderUnknown');
  if (member.status !== 'active') return reject('senderSuspended');
  if (!roles.includes(member.role)) return reject('roleNotAllowed');
  return { ok: true, member };
}
