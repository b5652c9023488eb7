import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';
import { type RecordId, toRecordId } from '../../ids.ts';

/** Codes, not text: the chain carries nothing personal. `wrongKey`: a slot opens to another key (F9). */
export const OBJECTION_REASONS = ['notMine', 'wrongContent', 'wrongKey', 'unreadable'] as const;
export type ObjectionReason = (typeof OBJECTION_REASONS)[number];

/** The patient, by the PID's visit key, objects to a record. */
export interface ObjectRecord {
  readonly type: 'objectRecord';
  readonly record: RecordId;
  readonly reason: ObjectionReason;
}

export function encodeObjectRecord(body: ObjectRecord): readonly Cbor[] {
  return [body.record, body.reason];
}

export function parseObjectRecord(items: Cbor): ObjectRecord {
  const fields = Fields.of(items, 2);
  return {
    type: 'objectRecord',
    record: toRecordId(fields.bytes(32)),
    reason: fields.oneOf(OBJECTION_REASONS),
  };
}
