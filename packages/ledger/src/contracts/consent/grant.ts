/** What the state knows of a grant, and what follows from it. */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type MemberId, toMemberId } from '../../ids.ts';
import { type GrantId, toGrantId } from '@yilian/crypto/ids';
import { type State, stateKeys } from '../../state.ts';

/** One tag per label. */
export const TAGS_MAX = 16;
export const HOLDERS_MAX = 32;
export const NARROWINGS_MAX = 16;

/** A holder and what it reported of its share. `lost` and `erased` end its part. */
export interface GrantHolder {
  /** 1 … n. */
  readonly index: number;
  readonly node: MemberId;
  /** SHA-256 of the share as sealed to it. */
  readonly blobHash: Bytes;
  readonly acknowledged: boolean;
  readonly share: 'kept' | 'erased' | 'lost';
}

export interface Grant {
  readonly id: GrantId;
  readonly grantee: MemberId;
  /** V_0 … V_{t−1}, compressed G1; t = their number. */
  readonly commitments: readonly Bytes[];
  readonly holders: readonly GrantHolder[];
  /** Seconds; a `from` of 0 in the transaction became the block time of inclusion. */
  readonly from: number;
  /** Seconds, exclusive. */
  readonly to: number;
  readonly tags: readonly Bytes[];
  readonly bodyHash: Bytes;
  readonly granteeBlobHash: Bytes;
  readonly copyHash: Bytes;
  /** Hashes of narrowing documents; a node serves only within all of them. */
  readonly narrowings: readonly Bytes[];
  readonly revoked: boolean;
  readonly granteeErased: boolean;
  /** How many accesses were recorded: they are numbered 1 … accesses, so none can be hidden. */
  readonly accesses: number;
}

/** The value under `grant/<id>`. */
export function encodeGrant(grant: Grant): Bytes {
  return encode([
    grant.id,
    grant.grantee,
    [...grant.commitments],
    grant.holders.map((holder) => [
      holder.index,
      holder.node,
      holder.blobHash,
      holder.acknowledged,
      holder.share,
    ]),
    grant.from,
    grant.to,
    [...grant.tags],
    grant.bodyHash,
    grant.granteeBlobHash,
    grant.copyHash,
    [...grant.narrowings],
    grant.revoked,
    grant.granteeErased,
    grant.accesses,
  ]);
}

/** @throws CodecError */
export function parseGrant(value: Bytes): Grant {
  const fields = Fields.of(decode(value), 14);
  return {
    id: toGrantId(fields.bytes(16)),
    grantee: toMemberId(fields.bytes(32)),
    commitments: fields.list({ min: 1, max: HOLDERS_MAX }, (list) => list.bytes(48)),
    holders: fields.list({ min: 1, max: HOLDERS_MAX }, (list) => {
      const holder = list.nested(5);
      return {
        index: holder.whole(0xff),
        node: toMemberId(holder.bytes(32)),
        blobHash: holder.bytes(32),
        acknowledged: holder.flag(),
        share: holder.oneOf(['kept', 'erased', 'lost']),
      };
    }),
    from: fields.whole(),
    to: fields.whole(),
    tags: fields.list({ min: 1, max: TAGS_MAX }, (list) => list.bytes(32)),
    bodyHash: fields.bytes(32),
    granteeBlobHash: fields.bytes(32),
    copyHash: fields.bytes(32),
    narrowings: fields.list({ min: 0, max: NARROWINGS_MAX }, (list) => list.bytes(32)),
    revoked: fields.flag(),
    granteeErased: fields.flag(),
    accesses: fields.whole(),
  };
}

/** Where a grant stands at `time` (seconds of block time). Revocation outlasts everything else. */
export type GrantStage = 'pending' | 'notStarted' | 'active' | 'expired' | 'revoked';

export function stageOf(grant: Grant, time: number): GrantStage {
  if (grant.revoked) return 'revoked';
  if (time >= grant.to) return 'expired';
  if (time < grant.from) return 'notStarted';
  return acknowledgementsOf(grant) >= grant.commitments.length ? 'active' : 'pending';
}

/** Shares received and checked, whatever became of them since. */
export function acknowledgementsOf(grant: Grant): number {
  return grant.holders.filter((holder) => holder.acknowledged).length;
}

export function hasEnded(grant: Grant, time: number): boolean {
  return grant.revoked || time >= grant.to;
}

export function isTagOf(grant: Grant, key: Bytes): boolean {
  return grant.tags.some((tag) => equalBytes(tag, key));
}

export function getGrant(state: State, id: GrantId): Grant | undefined {
  const value = state.get(stateKeys.grant(id));
  return value === undefined ? undefined : parseGrant(value);
}

export function putGrant(state: State, grant: Grant): void {
  state.put(stateKeys.grant(grant.id), encodeGrant(grant));
}
