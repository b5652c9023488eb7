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
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type RecordId, toRecordId } from '@yilian/crypto/ids';

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

/**
 * - AK-1 The record is known.
 * - AK-2 The sender is the visit key of its PID.
 * - AK-3 It is not acknowledged already (a change of mind is allowed).
 */
function applyAcknowledgeRecord(
  state: State,
  body: AcknowledgeRecord,
  context: ExecutionContext,
): Applied {
  const record = getRecord(state, body.record);
  if (record === undefined) return reject('recordUnknown'); // AK-1
  const binding = getVisitEntry(state, record.pid, 0)?.binding;
  if (!binding || !equalBytes(binding.visitKey, context.sender)) return reject('notTheVisit'); // AK-2
  if (record.answer.kind === 'acknowledged') return reject('alreadyAnswered'); // AK-3
  const answer = { kind: 'acknowledged' } as const;
  state.put(stateKeys.record(record.id), encodeRecord({ ...record, answer }));
  return accept(['acknowledgedRecord', record.id]);
}

export const acknowledgeRecord: Contract<AcknowledgeRecord> = {
  encodeBody: encodeAcknowledgeRecord,
  parseBody: parseAcknowledgeRecord,
  cosigners: NO_COSIGNERS,
  checks: NO_CHECKS,
  apply: applyAcknowledgeRecord,
};
