/**
 * What services read of the chain: this node's own final state (certificate checked, durable), parsed.
 * Nothing here is a proof and nothing here comes from another node.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import type { Grant } from '@yilian/ledger/contracts/consent/grant';
import type { Member } from '@yilian/ledger/contracts/members/member';
import type { NodeKeys } from '@yilian/ledger/contracts/members/node-keys';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import type { CopyFinding } from '@yilian/ledger/contracts/records/storage-finding';
import type { LogLeaf } from '@yilian/ledger/log-leaf';
import type { ParsedTransaction } from '@yilian/ledger/transaction-codec';

/** Height and block time of the last final block. */
export interface ChainTip {
  readonly height: number;
  readonly timeMs: number;
}

/** A numbered access event of a grant. */
export interface AccessEvent {
  readonly number: number;
  /** Block time, Unix seconds. */
  readonly timeSeconds: number;
  readonly nonce: Bytes;
  readonly sealed: Bytes;
}

/** One executed transaction of a final block. */
export interface FinalTransaction {
  readonly transaction: ParsedTransaction;
  /** `ok` or the rejection's code. */
  readonly outcome: string;
}

export interface FinalBlockView extends ChainTip {
  readonly transactions: readonly FinalTransaction[];
}

/** What the log keeps of one executed transaction. */
export interface LoggedTransaction {
  readonly position: number;
  readonly leaf: LogLeaf;
}

export interface ChainView {
  tip(): ChainTip;
  member(id: Bytes): Member | undefined;
  memberByKey(key: Bytes): Member | undefined;
  grant(grantId: Bytes): Grant | undefined;
  access(grantId: Bytes, number: number): AccessEvent | undefined;
  record(recordId: Bytes): LedgerRecord | undefined;
  /** What auditors last said of a record's copy at a store. */
  copyFindings(recordId: Bytes, store: Bytes): readonly CopyFinding[];
  nodeKeys(member: Bytes): NodeKeys;
  /** The day key A of an institution, when one is on chain. */
  epochKey(institution: string, epoch: number): Bytes | undefined;
  /** A final transaction by its id, with its outcome. */
  transaction(id: Bytes): FinalTransaction | undefined;
  /** Where an accepted transaction stands in the log. */
  logPosition(transactionId: Bytes): number | undefined;
  /** A final block; undefined when it is not there (yet). */
  block(height: number): FinalBlockView | undefined;
  /** Lowest height of which there is a block: older ones were pruned, or came as a snapshot. 0: none. */
  firstBlock(): number;
  /** What the log has of these heights, both included, in order; the log is complete always. */
  logged(from: number, to: number): Iterable<LoggedTransaction>;
  /** In order of height, each once, from the next final block on. */
  subscribe(listener: (block: FinalBlockView) => void): () => void;
}
