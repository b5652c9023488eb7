import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';
import { type RecordId, toRecordId } from '../../ids.ts';
import { RECORD_ENTRY_ITEMS, type RecordEntry, readRecordEntry, recordEntryItems } from './record-entry.ts';

/** A new version of a record of the same PID; the old one stays (WW-4). */
export interface AmendRecord extends RecordEntry {
  readonly type: 'amendRecord';
  readonly amends: RecordId;
}

export function encodeAmendRecord(body: AmendRecord): readonly Cbor[] {
  return [body.amends, ...recordEntryItems(body)];
}

export function parseAmendRecord(items: Cbor): AmendRecord {
  const fields = Fields.of(items, RECORD_ENTRY_ITEMS + 1);
  const amends = toRecordId(fields.bytes(32));
  return { type: 'amendRecord', amends, ...readRecordEntry(fields) };
}
