import { type Applied, type Contract, type ExecutionContext, accept } from '../../contract.ts';
import { equalBytes } from '@yilian/crypto/bytes';
import { pointsCheck } from '../../checks.ts';
import { type Rejected, type RuleCode, reject } from '../../rejection.ts';
import { getSettings } from '../../settings.ts';
import { type State, stateKeys } from '../../state.ts';
import { type Member, getMember } from '../members/member.ts';
import { HOLDERS_MAX, TAGS_MAX, putGrant } from './grant.ts';
import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type MemberId, toMemberId } from '../../ids.ts';
import { type GrantId, toGrantId } from '@yilian/crypto/ids';

/** A node and the index of its share. */
export interface Holder {
  /** 1 … n. */
  readonly index: number;
  readonly node: MemberId;
}

/**
 * The patient (or an agent) lets one doctor or department open what the grant's labels cover. Nothing
 * here names a record, a PID or a label (F4). Sender = the first tag; every tag signs.
 */
export interface GrantAccess {
  readonly type: 'grantAccess';
  readonly grantId: GrantId;
  readonly grantee: MemberId;
  /** V_0 … V_{t−1}, compressed G1, 48 bytes each; their number is the threshold. */
  readonly commitments: readonly Bytes[];
  readonly holders: readonly Holder[];
  /** Seconds since 1970; 0 = from inclusion on. */
  readonly from: number;
  /** Seconds since 1970, exclusive. */
  readonly to: number;
  /** Ed25519 keys, one per label; the first is the sender. */
  readonly tags: readonly Bytes[];
  readonly bodyHash: Bytes;
  /** SHA-256 of each holder's sealed share, in the order of `holders`. */
  readonly blobHashes: readonly Bytes[];
  readonly granteeBlobHash: Bytes;
  readonly copyHash: Bytes;
}

export function encodeGrantAccess(body: GrantAccess): readonly Cbor[] {
  return [
    body.grantId,
    body.grantee,
    [...body.commitments],
    body.holders.map((holder) => [holder.index, holder.node]),
    body.from,
    body.to,
    [...body.tags],
    body.bodyHash,
    [...body.blobHashes],
    body.granteeBlobHash,
    body.copyHash,
  ];
}

export function parseGrantAccess(items: Cbor): GrantAccess {
  const fields = Fields.of(items, 11);
  return {
    type: 'grantAccess',
    grantId: toGrantId(fields.bytes(16)),
    grantee: toMemberId(fields.bytes(32)),
    commitments: fields.list({ min: 1, max: HOLDERS_MAX }, (list) => list.bytes(48)),
    holders: fields.list({ min: 1, max: HOLDERS_MAX }, (list) => {
      const holder = list.nested(2);
      return { index: holder.whole(0xff), node: toMemberId(holder.bytes(32)) };
    }),
    from: fields.whole(),
    to: fields.whole(),
    tags: fields.list({ min: 1, max: TAGS_MAX }, (list) => list.bytes(32)),
    bodyHash: fields.bytes(32),
    blobHashes: fields.list({ min: 1, max: HOLDERS_MAX }, (list) => list.bytes(32)),
    granteeBlobHash: fields.bytes(32),
    copyHash: fields.bytes(32),
  };
}

/** 100 days. */
export const PERIOD_SECONDS_MAX: number = 100 * 86_400;

/**
 * - GA-1 The grant id is new.
 * - GA-2 The first tag is the sender; tags are distinct.
 * - GA-3 No tag was used before.
 * - GA-4 The grantee is an active doctor or department.
 * - GA-5 Holders come with the indexes 1 … n in order (no index 0: it would receive f(0)).
 * - GA-6 Each holder is an active node.
 * - GA-7 No two holders have one operator.
 * - GA-8 No holder is of the grantee's institution.
 * - GA-9 f + 1 ≤ t ≤ n − f, with t = number of V_j, n = number of holders, f from the settings.
 * - GA-10 Every V_j is a point of G1 other than O: a check for workers, part of T-4.
 * - GA-11 One blob hash per holder.
 * - GA-12 The period has not ended and ends after it begins.
 * - GA-13 It is at most 100 days long (from the block time when `from` is 0).
 */
function applyGrantAccess(state: State, body: GrantAccess, context: ExecutionContext): Applied {
  if (state.has(stateKeys.grant(body.grantId))) return reject('grantExists'); // GA-1
  const refused = checkTags(state, body, context) ?? checkHolders(state, body);
  if (refused !== undefined) return refused;
  if (body.blobHashes.length !== body.holders.length) return reject('blobCount'); // GA-11
  const from = body.from === 0 ? context.time : body.from;
  if (body.to <= context.time || body.to <= from) return reject('periodOver'); // GA-12
  if (body.to - from > PERIOD_SECONDS_MAX) return reject('periodTooLong'); // GA-13

  putGrant(state, {
    id: body.grantId,
    grantee: body.grantee,
    commitments: body.commitments,
    holders: body.holders.map(({ index, node }, i) => ({
      index,
      node,
      blobHash: body.blobHashes[i] ?? new Uint8Array(32),
      acknowledged: false,
      share: 'kept',
    })),
    from,
    to: body.to,
    tags: body.tags,
    bodyHash: body.bodyHash,
    granteeBlobHash: body.granteeBlobHash,
    copyHash: body.copyHash,
    narrowings: [],
    revoked: false,
    granteeErased: false,
    accesses: 0,
  });
  for (const tag of body.tags) state.put(stateKeys.tag(tag), body.grantId);
  return accept(['grant', body.grantId]);
}

type Refused = Rejected<RuleCode> | undefined;

function checkTags(state: State, body: GrantAccess, context: ExecutionContext): Refused {
  const [first] = body.tags;
  if (first === undefined || !equalBytes(first, context.sender)) return reject('notATag'); // GA-2
  for (const [i, tag] of body.tags.entries()) {
    if (body.tags.slice(0, i).some((earlier) => equalBytes(earlier, tag)))
      return reject('tagRepeated'); // GA-2
    if (state.has(stateKeys.tag(tag))) return reject('tagUsed'); // GA-3
  }
  return undefined;
}

function checkHolders(state: State, body: GrantAccess): Refused {
  const grantee = getMember(state, body.grantee);
  if (!isGrantee(grantee)) return reject('granteeNotAllowed'); // GA-4
  const operators = new Set<string>();
  for (const [i, { index, node }] of body.holders.entries()) {
    if (index !== i + 1) return reject('holderIndex'); // GA-5
    const holder = getMember(state, node);
    if (holder === undefined || holder.role !== 'node' || holder.status !== 'active')
      return reject('holderNotAllowed'); // GA-6
    if (operators.has(holder.operator)) return reject('operatorRepeated'); // GA-7
    if (holder.institution === grantee.institution) return reject('holderOfGrantee'); // GA-8
    operators.add(holder.operator);
  }
  const { faultsMax } = getSettings(state);
  const threshold = body.commitments.length;
  const inRange = threshold > faultsMax && threshold <= body.holders.length - faultsMax;
  return inRange ? undefined : reject('threshold'); // GA-9
}

function isGrantee(member: Member | undefined): member is Member {
  return (
    member !== undefined &&
    member.status === 'active' &&
    (member.role === 'doctor' || member.role === 'department')
  );
}

export const grantAccess: Contract<GrantAccess> = {
  encodeBody: encodeGrantAccess,
  parseBody: parseGrantAccess,
  cosigners: (body) => body.tags.slice(1),
  checks: (body) => [pointsCheck(body.commitments)],
  apply: applyGrantAccess,
};
