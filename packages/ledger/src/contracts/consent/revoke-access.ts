import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';
import { type GrantId, toGrantId } from '../../ids.ts';

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
