import { type Contract, NO_COSIGNERS } from '../../contract.ts';
import { applyRecordEntry, recordChecks } from './record-rules.ts';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import {
  RECORD_ENTRY_ITEMS,
  type RecordEntry,
  readRecordEntry,
  recordEntryItems,
} from './record-entry.ts';

/** A hospital puts a sealed record on the chain (flows.md, referral step 3). */
export interface IssueRecord extends RecordEntry {
  readonly type: 'issueRecord';
}

export function encodeIssueRecord(body: IssueRecord): readonly Cbor[] {
  return recordEntryItems(body);
}

export function parseIssueRecord(items: Cbor): IssueRecord {
  return { type: 'issueRecord', ...readRecordEntry(Fields.of(items, RECORD_ENTRY_ITEMS)) };
}

/** Rules IR-1 … IR-11: record-rules.ts. */
export const issueRecord: Contract<IssueRecord> = {
  encodeBody: encodeIssueRecord,
  parseBody: parseIssueRecord,
  cosigners: NO_COSIGNERS,
  checks: recordChecks,
  apply: (state, body, context) => applyRecordEntry(state, body, null, context),
};
