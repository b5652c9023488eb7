import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';
import { type MemberId, type RecordId, toMemberId, toRecordId } from '../../ids.ts';

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
