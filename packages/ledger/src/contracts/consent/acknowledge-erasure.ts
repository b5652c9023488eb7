import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';
import { type GrantId, toGrantId } from '../../ids.ts';

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
