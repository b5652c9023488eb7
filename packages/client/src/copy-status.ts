/**
 * What the chain says of the copies of a record: who found one lost, who says that it is there again.
 * Proven like all state; whose word is true, a look at the stores shows (record-repair.ts).
 */
import { equalBytes } from '@yilian/crypto/bytes';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import {
  type CopyFinding,
  type StorageFinding,
  isLossFinding,
} from '@yilian/ledger/contracts/records/storage-finding';
import type { MemberId } from '@yilian/ledger/ids';
import type { ChainReader, ReadOptions } from './chain-reader.ts';

export interface CopyWord {
  readonly auditor: MemberId;
  /** Of the auditing operator's store. */
  readonly institution: string;
  readonly finding: StorageFinding;
  /** Block time, seconds. */
  readonly time: number;
}

/**
 * - `attested`: nobody ever said that it was lost
 * - `lost`: the store's own operator says so
 * - `reported`: another says so, and the store has not answered
 * - `disputed`: another says so, and the store says that it has it
 * - `restored`: it was lost, or was said to be, and everybody who said so says that it is back
 */
export type CopyState = 'attested' | 'lost' | 'reported' | 'disputed' | 'restored';

export interface CopyStatus {
  readonly store: MemberId;
  /** Of the store. */
  readonly institution: string;
  readonly state: CopyState;
  /** Each auditor's latest word. */
  readonly words: readonly CopyWord[];
}

/** What the words come to for a store. */
export function copyStateOf(store: MemberId, findings: readonly CopyFinding[]): CopyState {
  const own = findings.find(({ auditor }) => equalBytes(auditor, store));
  if (own !== undefined && isLossFinding(own.finding)) return 'lost';
  const accusations = findings.filter(({ finding }) => isLossFinding(finding));
  if (accusations.length === 0) return findings.length === 0 ? 'attested' : 'restored';
  const isAnswered = own !== undefined && accusations.every(({ time }) => own.time >= time);
  return isAnswered ? 'disputed' : 'reported';
}

/** In the order in which the record names its stores. */
export async function copiesOf(
  reader: ChainReader,
  record: LedgerRecord,
  options?: ReadOptions,
): Promise<readonly CopyStatus[]> {
  const institutionOf = async (id: MemberId): Promise<string> =>
    (await reader.member(id))?.institution ?? '?';
  const copies: CopyStatus[] = [];
  for (const store of record.stores) {
    const findings = await reader.copyFindings(record.id, store, options);
    const words: CopyWord[] = [];
    for (const { auditor, finding, time } of findings)
      words.push({ auditor, institution: await institutionOf(auditor), finding, time });
    copies.push({
      store,
      institution: await institutionOf(store),
      state: copyStateOf(store, findings),
      words,
    });
  }
  return copies;
}
