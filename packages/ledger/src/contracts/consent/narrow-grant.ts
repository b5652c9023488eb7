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
import { NARROWINGS_MAX, getGrant, isTagOf, putGrant } from './grant.ts';
import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type GrantId, toGrantId } from '@yilian/crypto/ids';

/** Any tag shortens a grant, or narrows what it covers by a document that nodes get off chain. */
export interface NarrowGrant {
  readonly type: 'narrowGrant';
  readonly grantId: GrantId;
  /** New end, at most the old one. */
  readonly to: number;
  readonly narrowingHash: Bytes | null;
}

export function encodeNarrowGrant(body: NarrowGrant): readonly Cbor[] {
  return [body.grantId, body.to, body.narrowingHash];
}

export function parseNarrowGrant(items: Cbor): NarrowGrant {
  const fields = Fields.of(items, 3);
  return {
    type: 'narrowGrant',
    grantId: toGrantId(fields.bytes(16)),
    to: fields.whole(),
    narrowingHash: fields.orNull((own) => own.bytes(32)),
  };
}

/**
 * - NG-1 The grant is known.
 * - NG-2 The sender is one of its tags.
 * - NG-3 It is not revoked and has not expired.
 * - NG-4 The end does not move later.
 * - NG-5 At most `NARROWINGS_MAX` documents. They add up: a later one never widens an earlier one.
 */
function applyNarrowGrant(state: State, body: NarrowGrant, context: ExecutionContext): Applied {
  const grant = getGrant(state, body.grantId);
  if (grant === undefined) return reject('grantUnknown'); // NG-1
  if (!isTagOf(grant, context.sender)) return reject('notATag'); // NG-2
  if (grant.revoked) return reject('grantRevoked'); // NG-3
  if (context.time >= grant.to) return reject('grantExpired'); // NG-3
  if (body.to > grant.to) return reject('periodWidened'); // NG-4
  const { narrowingHash } = body;
  if (narrowingHash !== null && grant.narrowings.length >= NARROWINGS_MAX)
    return reject('narrowingsFull'); // NG-5
  const narrowings =
    narrowingHash === null ? grant.narrowings : [...grant.narrowings, narrowingHash];
  putGrant(state, { ...grant, to: body.to, narrowings });
  return accept(['narrowing', grant.id]);
}

export const narrowGrant: Contract<NarrowGrant> = {
  encodeBody: encodeNarrowGrant,
  parseBody: parseNarrowGrant,
  cosigners: NO_COSIGNERS,
  checks: NO_CHECKS,
  apply: applyNarrowGrant,
};
