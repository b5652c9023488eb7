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
import { getGrant, isTagOf, putGrant } from './grant.ts';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type GrantId, toGrantId } from '@yilian/crypto/ids';

/** Any tag of a grant ends it at once (QJ-7). */
export interface RevokeAccess {
  readonly type: 'revokeAccess';
  readonly grantId: GrantId;
}

export function encodeRevokeAccess(body: RevokeAccess): readonly Cbor[] {
  return [body.grantId];
}

export function parseRevokeAccess(items: Cbor): RevokeAccess {
  return { type: 'revokeAccess', grantId: toGrantId(Fields.of(items, 1).bytes(16)) };
}

/**
 * - RA-1 The grant is known.
 * - RA-2 The sender is one of its tags.
 * - RA-3 It is not revoked already (an expired one may be: revocation is for ever).
 */
function applyRevokeAccess(state: State, body: RevokeAccess, context: ExecutionContext): Applied {
  const grant = getGrant(state, body.grantId);
  if (grant === undefined) return reject('grantUnknown'); // RA-1
  if (!isTagOf(grant, context.sender)) return reject('notATag'); // RA-2
  if (grant.revoked) return reject('grantRevoked'); // RA-3
  putGrant(state, { ...grant, revoked: true });
  return accept(['revocation', grant.id]);
}

export const revokeAccess: Contract<RevokeAccess> = {
  encodeBody: encodeRevokeAccess,
  parseBody: parseRevokeAccess,
  cosigners: NO_COSIGNERS,
  checks: NO_CHECKS,
  apply: applyRevokeAccess,
};
