import { equalBytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type RecordId, toRecordId } from '@yilian/crypto/ids';
import {
  type Applied,
  type Contract,
  type ExecutionContext,
  NO_CHECKS,
  NO_COSIGNERS,
  accept,
} from '../../contract.ts';
import { type MemberId, toMemberId } from '../../ids.ts';
import { reject } from '../../rejection.ts';
import { type State, stateKeys } from '../../state.ts';
import { type Member, activeSender, getMember } from '../members/member.ts';
import { type LedgerRecord, getRecord } from './record.ts';
import {
  STORAGE_FINDINGS,
  type StorageFinding,
  encodeCopyFindings,
  getCopyFindings,
  isLossFinding,
  mayRestore,
} from './storage-finding.ts';

/** One auditor reports a loss of one copy no more often: seconds. */
export const LOSS_PAUSE_SECONDS = 86_400;

/** What an audit found: a store has no longer what it attested, or has it again (QJ-10). */
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

/** The store of the record that is run by whoever runs this node: only such a node can see a copy. */
function auditorOf(state: State, record: LedgerRecord, node: Member): MemberId | undefined {
  return record.stores.find((id) => {
    const store = getMember(state, id);
    return store?.operator === node.operator && store.institution === node.institution;
  });
}

/**
 * - RS-1 The sender is an active node.
 * - RS-2 The record is known.
 * - RS-3 The store attested it.
 * - RS-4 The sender's institution and operator run a store that attested it: this one or another.
 * - RS-5 A loss differs from this auditor's latest word on the copy.
 * - RS-6 A loss comes at least `LOSS_PAUSE_SECONDS` after this auditor's last loss of the copy.
 * - RS-7 `restored` answers a loss: this auditor's latest word, or, of its own store, another's since.
 */
function applyReportStorage(state: State, body: ReportStorage, context: ExecutionContext): Applied {
  const sender = activeSender(state, context, 'node');
  if (!sender.ok) return sender; // RS-1
  const record = getRecord(state, body.record);
  if (record === undefined) return reject('recordUnknown'); // RS-2
  if (!record.stores.some((store) => equalBytes(store, body.store))) return reject('storeNotNamed'); // RS-3
  const auditor = auditorOf(state, record, sender.member);
  if (auditor === undefined) return reject('auditorNotAllowed'); // RS-4
  const findings = getCopyFindings(state, record.id, body.store);
  const own = findings.find((each) => equalBytes(each.auditor, auditor));
  const { finding } = body;
  const { time } = context;
  let lossTime = own?.lossTime ?? 0;
  if (isLossFinding(finding)) {
    if (own?.finding === finding) return reject('findingKnown'); // RS-5
    if (lossTime !== 0 && time < lossTime + LOSS_PAUSE_SECONDS) return reject('findingTooSoon'); // RS-6
    lossTime = time;
  } else if (!mayRestore(findings, body.store, auditor)) return reject('nothingToRestore'); // RS-7
  const others = findings.filter((each) => each !== own);
  state.put(
    stateKeys.storage(record.id, body.store),
    encodeCopyFindings([...others, { auditor, finding, time, lossTime }]),
  );
  return accept(['storage', record.id, body.store, finding, auditor]);
}

export const reportStorage: Contract<ReportStorage> = {
  encodeBody: encodeReportStorage,
  parseBody: parseReportStorage,
  cosigners: NO_COSIGNERS,
  checks: NO_CHECKS,
  apply: applyReportStorage,
};
