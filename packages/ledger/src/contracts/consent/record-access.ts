import { equalBytes } from '@yilian/crypto/bytes';
import {
  type Applied,
  type Contract,
  type ExecutionContext,
  NO_CHECKS,
  NO_COSIGNERS,
  accept,
} from '../../contract.ts';
import { reject } from '../../rejection.ts';
import type { State } from '../../state.ts';
import { memberOfKey } from '../members/member.ts';
import { getGrant, putGrant, stageOf } from './grant.ts';
import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type GrantId, toGrantId } from '@yilian/crypto/ids';

const SEALED_MAX = 512;

/** The grantee announces one opening; the ledger numbers it 1, 2, 3 … within the grant (R1). */
export interface RecordAccess {
  readonly type: 'recordAccess';
  readonly grantId: GrantId;
  /** 16 bytes; part of the key under which `sealed` is sealed. */
  readonly accessNonce: Bytes;
  /** AEAD over [recordId, label, purpose]: patient, nodes and grantee open it, nobody else. */
  readonly sealed: Bytes;
}

export function encodeRecordAccess(body: RecordAccess): readonly Cbor[] {
  return [body.grantId, body.accessNonce, body.sealed];
}

export function parseRecordAccess(items: Cbor): RecordAccess {
  const fields = Fields.of(items, 3);
  return {
    type: 'recordAccess',
    grantId: toGrantId(fields.bytes(16)),
    accessNonce: fields.bytes(16),
    sealed: fields.bytesUpTo(SEALED_MAX),
  };
}

const REFUSALS = {
  revoked: 'grantRevoked',
  expired: 'grantExpired',
  notStarted: 'grantNotStarted',
  pending: 'grantPending',
} as const;

/**
 * - AC-1 The grant is known.
 * - AC-2 The sender is the grantee's current key, and the grantee is active.
 * - AC-3 The grant is not revoked.
 * - AC-4 The block time lies in its period.
 * - AC-5 At least t nodes acknowledged their shares.
 * - AC-6 The access gets the next number of the grant: nothing to collide with, nothing to skip.
 */
function applyRecordAccess(state: State, body: RecordAccess, context: ExecutionContext): Applied {
  const grant = getGrant(state, body.grantId);
  if (grant === undefined) return reject('grantUnknown'); // AC-1
  const sender = memberOfKey(state, context.sender);
  if (sender === undefined || !equalBytes(sender.id, grant.grantee)) return reject('notTheGrantee'); // AC-2
  if (sender.status !== 'active') return reject('senderSuspended'); // AC-2
  const stage = stageOf(grant, context.time);
  if (stage !== 'active') return reject(REFUSALS[stage]); // AC-3, AC-4, AC-5
  const number = grant.accesses + 1; // AC-6
  putGrant(state, { ...grant, accesses: number });
  return accept(['access', grant.id, number, context.time]);
}

export const recordAccess: Contract<RecordAccess> = {
  encodeBody: encodeRecordAccess,
  parseBody: parseRecordAccess,
  cosigners: NO_COSIGNERS,
  checks: NO_CHECKS,
  apply: applyRecordAccess,
};
