import { equalBytes } from '@yilian/crypto/bytes';
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
import { encodeRecord, getRecord, getVisitEntry } from './record.ts';
import { OBJECTION_REASONS, type ObjectionReason } from './objection.ts';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type RecordId, toRecordId } from '@yilian/crypto/ids';

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

/**
 * - OB-1 The record is known.
 * - OB-2 The sender is the visit key of its PID.
 * - OB-3 It is not objected already (a change of mind is allowed).
 */
function applyObjectRecord(state: State, body: ObjectRecord, context: ExecutionContext): Applied {
  const record = getRecord(state, body.record);
  if (record === undefined) return reject('recordUnknown'); // OB-1
  const binding = getVisitEntry(state, record.pid, 0)?.binding;
  if (!binding || !equalBytes(binding.visitKey, context.sender)) return reject('notTheVisit'); // OB-2
  if (record.answer.kind === 'objected') return reject('alreadyAnswered'); // OB-3
  const answer = { kind: 'objected', reason: body.reason } as const;
  state.put(stateKeys.record(record.id), encodeRecord({ ...record, answer }));
  return accept(['objectedRecord', record.id, body.reason]);
}

export const objectRecord: Contract<ObjectRecord> = {
  encodeBody: encodeObjectRecord,
  parseBody: parseObjectRecord,
  cosigners: NO_COSIGNERS,
  checks: NO_CHECKS,
  apply: applyObjectRecord,
};
