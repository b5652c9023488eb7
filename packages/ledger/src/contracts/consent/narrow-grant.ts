import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';
import { type GrantId, toGrantId } from '../../ids.ts';

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
    narrowingHash: fields.bytesOrNull(32),
  };
}
