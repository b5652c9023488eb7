/** What the state knows of a record, and of the visit (PID) it belongs to. */
import type { Bytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import type { Suite } from '@yilian/crypto/context';
import { Fields } from '@yilian/crypto/fields';
import { type MemberId, toMemberId } from '../../ids.ts';
import { type Pid, type RecordId, toPid, toRecordId } from '@yilian/crypto/ids';
import { type State, stateKeys } from '../../state.ts';
import { OBJECTION_REASONS, type ObjectionReason } from './objection.ts';
import {
  type Authorship,
  type IndexFields,
  RECORD_MARKS,
  type RecordMark,
  SUITES,
  indexItems,
  readIndex,
} from './record-entry.ts';

/** What the patient said of it, if anything. */
export type Answer =
  | { readonly kind: 'none' }
  | { readonly kind: 'acknowledged' }
  | { readonly kind: 'objected'; readonly reason: ObjectionReason };

/** All that a reader needs to check what a store or a hospital hands over. */
export interface LedgerRecord {
  readonly id: RecordId;
  readonly suite: Suite;
  readonly pid: Pid;
  readonly number: number;
  readonly institution: string;
  readonly headerHash: Bytes;
  readonly digest: Bytes;
  /** Bytes of header and ciphertext. */
  readonly length: number;
  /** Compressed G1, 48 bytes each. */
  readonly c: Bytes;
  readonly cBar: Bytes;
  readonly index: IndexFields;
  readonly stores: readonly MemberId[];
  readonly authorship: Authorship | null;
  readonly marks: readonly RecordMark[];
  readonly amends: RecordId | null;
  /** Block time of inclusion, seconds. */
  readonly issuedAt: number;
  readonly answer: Answer;
}

/** The value under `record/<id>`. */
export function encodeRecord(record: LedgerRecord): Bytes {
  const { authorship, answer } = record;
  return encode([
    record.id,
    record.suite,
    record.pid,
    record.number,
    record.institution,
    record.headerHash,
    record.digest,
    record.length,
    record.c,
    record.cBar,
    indexItems(record.index),
    [...record.stores],
    authorship === null
      ? null
      : [
          authorship.author,
          authorship.key,
          authorship.sectionRoot,
          authorship.time,
          authorship.signature,
        ],
    [...record.marks],
    record.amends,
    record.issuedAt,
    answer.kind === 'objected' ? [answer.kind, answer.reason] : [answer.kind],
  ]);
}

/** @throws CodecError */
export function parseRecord(value: Bytes): LedgerRecord {
  const fields = Fields.of(decode(value), 17);
  const id = toRecordId(fields.bytes(32));
  const suite = fields.oneOf(SUITES);
  const pid = toPid(fields.bytes(20));
  const number = fields.whole();
  const institution = fields.name();
  const headerHash = fields.bytes(32);
  const digest = fields.bytes(32);
  const length = fields.whole();
  const c = fields.bytes(48);
  const cBar = fields.bytes(48);
  const index = readIndex(fields.any());
  const stores = fields.list({ min: 0, max: 8 }, (list) => toMemberId(list.bytes(32)));
  const authorship = fields.orNull((own) => {
    const author = own.nested(5);
    return {
      author: toMemberId(author.bytes(32)),
      key: author.bytes(32),
      sectionRoot: author.bytes(32),
      time: author.whole(),
      signature: author.bytes(64),
    };
  });
  const marks = fields.list({ min: 0, max: 8 }, (list) => list.oneOf(RECORD_MARKS));
  const amends = fields.orNull((own) => toRecordId(own.bytes(32)));
  return {
    id,
    suite,
    pid,
    number,
    institution,
    headerHash,
    digest,
    length,
    c,
    cBar,
    index,
    stores,
    authorship,
    marks,
    amends,
    issuedAt: fields.whole(),
    answer: readAnswer(new Fields(fields.any(), { min: 1, max: 2 })),
  };
}

function readAnswer(fields: Fields): Answer {
  const kind = fields.oneOf(['none', 'acknowledged', 'objected']);
  return kind === 'objected' ? { kind, reason: fields.oneOf(OBJECTION_REASONS) } : { kind };
}

/** The first record of a PID binds its visit key and hospital; `binding` is null for the later ones. */
export interface VisitEntry {
  readonly record: RecordId;
  readonly binding: { readonly visitKey: Bytes; readonly institution: string } | null;
}

/** The value under `visit/<pid>/<number>`. */
export function encodeVisitEntry(entry: VisitEntry): Bytes {
  const { record, binding } = entry;
  return encode(binding === null ? [record] : [record, binding.visitKey, binding.institution]);
}

/** @throws CodecError */
export function parseVisitEntry(value: Bytes): VisitEntry {
  const fields = new Fields(decode(value), { min: 1, max: 3 });
  const record = toRecordId(fields.bytes(32));
  if (fields.count === 1) return { record, binding: null };
  return { record, binding: { visitKey: fields.bytes(32), institution: fields.name() } };
}

export function getRecord(state: State, id: RecordId): LedgerRecord | undefined {
  const value = state.get(stateKeys.record(id));
  return value === undefined ? undefined : parseRecord(value);
}

export function getVisitEntry(state: State, pid: Pid, number: number): VisitEntry | undefined {
  const value = state.get(stateKeys.visit(pid, number));
  return value === undefined ? undefined : parseVisitEntry(value);
}
