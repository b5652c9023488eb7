/**
 * What audits say of one copy of a record (QJ-10). Each operator whose store the record names has one
 * word on each copy, its own or another's: the latest. So nobody's word replaces another's, and who says
 * that a store lost something stands beside what the store itself says.
 */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import type { RecordId } from '@yilian/crypto/ids';
import { type MemberId, toMemberId } from '../../ids.ts';
import { type State, stateKeys } from '../../state.ts';

/** `restored`: after a loss was reported, the whole copy was read and is what the chain describes. */
export const STORAGE_FINDINGS = ['missing', 'altered', 'restored'] as const;
export type StorageFinding = (typeof STORAGE_FINDINGS)[number];

export interface CopyFinding {
  /** The store, out of those that the record names, whose operator says so. */
  readonly auditor: MemberId;
  readonly finding: StorageFinding;
  /** Block time of the report, seconds. */
  readonly time: number;
  /** Block time of this auditor's last report of a loss of the copy, seconds; 0: none. */
  readonly lossTime: number;
}

/** A record names at most as many stores. */
const AUDITORS_MAX = 8;

/** The value under `storage/<record>/<store>`. */
export function encodeCopyFindings(findings: readonly CopyFinding[]): Bytes {
  return encode(
    findings.map(({ auditor, finding, time, lossTime }) => [auditor, finding, time, lossTime]),
  );
}

/** @throws CodecError */
export function parseCopyFindings(value: Bytes): readonly CopyFinding[] {
  const fields = new Fields(decode(value), { min: 1, max: AUDITORS_MAX });
  return Array.from({ length: fields.count }, () => {
    const each = fields.nested(4);
    return {
      auditor: toMemberId(each.bytes(32)),
      finding: each.oneOf(STORAGE_FINDINGS),
      time: each.whole(),
      lossTime: each.whole(),
    };
  });
}

export function getCopyFindings(
  state: State,
  record: RecordId,
  store: MemberId,
): readonly CopyFinding[] {
  const value = state.get(stateKeys.storage(record, store));
  return value === undefined ? [] : parseCopyFindings(value);
}

export function isLossFinding(finding: StorageFinding): boolean {
  return finding !== 'restored';
}

/**
 * Whether `auditor` may say `restored` of `store`: after a loss that it reported itself, and of its own
 * store also after one that another reported since its own last word.
 */
export function mayRestore(
  findings: readonly CopyFinding[],
  store: Bytes,
  auditor: Bytes,
): boolean {
  const own = findings.find((each) => equalBytes(each.auditor, auditor));
  if (own !== undefined && isLossFinding(own.finding)) return true;
  if (!equalBytes(store, auditor)) return false;
  return findings.some(
    (each) => each !== own && isLossFinding(each.finding) && each.time >= (own?.time ?? 0),
  );
}
