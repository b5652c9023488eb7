import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';
import { type GrantId, type MemberId, toGrantId, toMemberId } from '../../ids.ts';

export const TAGS_MAX = 16;
export const HOLDERS_MAX = 32;

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
