import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';
import { type RecordId, toRecordId } from '../../ids.ts';

/** The patient, by the PID's visit key, co-signs a record (LM-4). */
export interface AcknowledgeRecord {
  readonly type: 'acknowledgeRecord';
  readonly record: RecordId;
}

export function encodeAcknowledgeRecord(body: AcknowledgeRecord): readonly Cbor[] {
  return [body.record];
}

export function parseAcknowledgeRecord(items: Cbor): AcknowledgeRecord {
  const fields = Fields.of(items, 1);
  return { type: 'acknowledgeRecord', record: toRecordId(fields.bytes(32)) };
}
