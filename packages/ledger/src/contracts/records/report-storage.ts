import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import {
  type Applied,
  type Contract,
  type ExecutionContext,
  NO_CHECKS,
  NO_COSIGNERS,
  accept,
} from '../../contract.ts';
import { reject } from '../../rejection.ts';
import { type State, stateKeys } from '../../state.ts';
import { activeSender } from '../members/member.ts';
import { getRecord } from './record.ts';
import { Fields } from '@yilian/crypto/fields';
import { type MemberId, toMemberId } from '../../ids.ts';
import { type RecordId, toRecordId } from '@yilian/crypto/ids';

export const STORAGE_FINDINGS = ['missing', 'altered'] as const;
export type StorageFinding = (typeof STORAGE_FINDINGS)[number];

/** A node's audit found that a store no longer has what it attested (QJ-10). */
export interface ReportStorage {
  readonly type: 'reportStorage';
  readonly record: RecordId;
  readonly store: MemberId;
  readonly finding: StorageFinding;
}

export function encodeReportStorage(body: ReportStorage): readonly Cbor[] {
  return [body.record, body.store, body.finding];
}

export function parseReportStorage(items: Cbor): ReportStorage {
  const fields = Fields.of(items, 3);
  return {
    type: 'reportStorage',
    record: toRecordId(fields.bytes(32)),
    store: toMemberId(fields.bytes(32)),
    finding: fields.oneOf(STORAGE_FINDINGS),
  };
}

/** The value under `storage/<record>/<store>`: the latest finding. */
export function encodeStorageFinding(finding: StorageFinding): Bytes {
  return encode([finding]);
}

/** @throws CodecError */
export function parseStorageFinding(value: Bytes): StorageFinding {
  return Fields.of(decode(value), 1).oneOf(STORAGE_FINDINGS);
}

/**
 * - RS-1 The sender is an active node.
 * - RS-2 The record is known.
 * - RS-3 The store attested it.
 * - RS-4 The finding differs from the latest one.
 */
function applyReportStorage(state: State, body: ReportStorage, context: ExecutionContext): Applied {
  const sender = activeSender(state, context, 'node');
  if (!sender.ok) return sender; // RS-1
  const record = getRecord(state, body.record);
  if (record === undefined) return reject('recordUnknown'); // RS-2
  if (!record.stores.some((store) => equalBytes(store, body.store))) return reject('storeNotNamed'); // RS-3
  const key = stateKeys.storage(record.id, body.store);
  const value = encodeStorageFinding(body.finding);
  const known = state.get(key);
  if (known !== undefined && equalBytes(known, value)) return reject('findingKnown'); // RS-4
  state.put(key, value);
  return accept(['storage', record.id, body.store, body.finding]);
}

export const reportStorage: Contract<ReportStorage> = {
  encodeBody: encodeReportStorage,
  parseBody: parseReportStorage,
  cosigners: NO_COSIGNERS,
  checks: NO_CHECKS,
  apply: applyReportStorage,
};
