import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';
import { type GrantId, toGrantId } from '../../ids.ts';

/** Per list. */
export const REPORT_ITEMS_MAX = 128;

/** What a node has to say about its shares, at most once per block. */
export interface NodeReport {
  readonly type: 'nodeReport';
  /** Shares received and checked against V. */
  readonly acknowledgements: readonly { readonly grantId: GrantId; readonly index: number }[];
  /** Shares handed out for a numbered access. */
  readonly releases: readonly { readonly grantId: GrantId; readonly number: number }[];
  /** Share keys erased after revocation or expiry. */
  readonly erasures: readonly GrantId[];
  /** Shares lost before that. */
  readonly losses: readonly GrantId[];
}

export function encodeNodeReport(body: NodeReport): readonly Cbor[] {
  return [
    body.acknowledgements.map((each) => [each.grantId, each.index]),
    body.releases.map((each) => [each.grantId, each.number]),
    [...body.erasures],
    [...body.losses],
  ];
}

export function parseNodeReport(items: Cbor): NodeReport {
  const fields = Fields.of(items, 4);
  const counts = { min: 0, max: REPORT_ITEMS_MAX };
  return {
    type: 'nodeReport',
    acknowledgements: fields.list(counts, (list) => {
      const each = list.nested(2);
      return { grantId: toGrantId(each.bytes(16)), index: each.whole(0xff) };
    }),
    releases: fields.list(counts, (list) => {
      const each = list.nested(2);
      return { grantId: toGrantId(each.bytes(16)), number: each.whole(0xffffffff) };
    }),
    erasures: fields.list(counts, (list) => toGrantId(list.bytes(16))),
    losses: fields.list(counts, (list) => toGrantId(list.bytes(16))),
  };
}
