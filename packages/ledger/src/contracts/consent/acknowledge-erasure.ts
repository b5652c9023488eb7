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
import { getGrant, hasEnded, putGrant } from './grant.ts';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type GrantId, toGrantId } from '@yilian/crypto/ids';

/** The grantee states that d of an ended grant is erased. */
export interface AcknowledgeErasure {
  readonly type: 'acknowledgeErasure';
  readonly grantId: GrantId;
}

export function encodeAcknowledgeErasure(body: AcknowledgeErasure): readonly Cbor[] {
  return [body.grantId];
}

export function parseAcknowledgeErasure(items: Cbor): AcknowledgeErasure {
  return { type: 'acknowledgeErasure', grantId: toGrantId(Fields.of(items, 1).bytes(16)) };
}

/**
 * - AE-1 The grant is known.
 * - AE-2 The sender is the grantee's current key.
 * - AE-3 The grant is revoked or has expired.
 * - AE-4 The erasure was not stated before.
 */
function applyAcknowledgeErasure(
  state: State,
  body: AcknowledgeErasure,
  context: ExecutionContext,
): Applied {
  const grant = getGrant(state, body.grantId);
  if (grant === undefined) return reject('grantUnknown'); // AE-1
  const sender = memberOfKey(state, context.sender);
  if (sender === undefined || !equalBytes(sender.id, grant.grantee)) return reject('notTheGrantee'); // AE-2
  if (!hasEnded(grant, context.time)) return reject('grantNotEnded'); // AE-3
  if (grant.granteeErased) return reject('alreadyReported'); // AE-4
  putGrant(state, { ...grant, granteeErased: true });
  return accept(['granteeErasure', grant.id]);
}

export const acknowledgeErasure: Contract<AcknowledgeErasure> = {
  encodeBody: encodeAcknowledgeErasure,
  parseBody: parseAcknowledgeErasure,
  cosigners: NO_COSIGNERS,
  checks: NO_CHECKS,
  apply: applyAcknowledgeErasure,
};
