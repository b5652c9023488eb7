import { equalBytes } from '@yilian/crypto/bytes';
import {
  type Applied,
  type Contract,
  type ExecutionContext,
  NO_COSIGNERS,
} from '../../contract.ts';
import { reject } from '../../rejection.ts';
import type { State } from '../../state.ts';
import { getRecord } from './record.ts';
import { applyRecordEntry, recordChecks } from './record-rules.ts';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type RecordId, toRecordId } from '@yilian/crypto/ids';
import {
  RECORD_ENTRY_ITEMS,
  type RecordEntry,
  readRecordEntry,
  recordEntryItems,
} from './record-entry.ts';

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

/**
 * - AR-1 The amended record is known.
 * - AR-2 It has the same PID.
 * - AR-3 Everything that holds for `issueRecord` (IR-1 … IR-11).
 */
function applyAmendRecord(state: State, body: AmendRecord, context: ExecutionContext): Applied {
  const amended = getRecord(state, body.amends);
  if (amended === undefined) return reject('recordUnknown'); // AR-1
  if (!equalBytes(amended.pid, body.pid)) return reject('amendsAnother'); // AR-2
  return applyRecordEntry(state, body, body.amends, context); // AR-3
}

export const amendRecord: Contract<AmendRecord> = {
  encodeBody: encodeAmendRecord,
  parseBody: parseAmendRecord,
  cosigners: NO_COSIGNERS,
  checks: recordChecks,
  apply: applyAmendRecord,
};
