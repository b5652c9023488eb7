/**
 * The chain as a client may believe it: every value was proven against a certified header before it is
 * handed out. verified-reader.ts makes one from a network of nodes.
 */
import type { BlobName } from '@yilian/api/parameter';
import type { Certificate } from '@yilian/api/certificate';
import type { Bytes } from '@yilian/crypto/bytes';
import type { ChainContext } from '@yilian/crypto/context';
import type { Grant } from '@yilian/ledger/contracts/consent/grant';
import type { Member, MemberStatus } from '@yilian/ledger/contracts/members/member';
import type { NodeKeys } from '@yilian/ledger/contracts/members/node-keys';
import type { LedgerRecord, VisitEntry } from '@yilian/ledger/contracts/records/record';
import type { CopyFinding } from '@yilian/ledger/contracts/records/storage-finding';
import type { GenesisState } from '@yilian/ledger/genesis';
import type { MemberId, PatientCommitment, TransactionId } from '@yilian/ledger/ids';
import type { GrantId, RecordId } from '@yilian/crypto/ids';
import type { LogLeaf } from '@yilian/ledger/log-leaf';
import type { Settings } from '@yilian/ledger/settings';
import type { KeyHash } from '@yilian/ledger/state';
import type { ParsedTransaction } from '@yilian/ledger/transaction-codec';
import type { NodeEndpoint } from './transport.ts';

/** A value of the state, or its proven absence, after block `height`. */
export interface StateValue {
  readonly value: Bytes | undefined;
  readonly height: bigint;
}

/** One entry of the log with the transaction it tells of. */
export interface LogEntry {
  readonly position: number;
  readonly leaf: LogLeaf;
  /** Null where nobody sent one: misbehaviour that the engine reported (`offenceOf`). */
  readonly transaction: ParsedTransaction | null;
}

/** A final transaction with all that proves it to somebody else (receipt-verification.ts). */
export interface FinalTransaction extends LogEntry {
  readonly transaction: ParsedTransaction;
  /** To keep, to show, to verify offline. */
  readonly receipt: Bytes;
}

export interface ChainHead {
  readonly height: bigint;
  /** Block time. */
  readonly timeMs: number;
}

export interface ChainBlock extends ChainHead {
  readonly transactions: readonly Bytes[];
}

export interface ReadOptions {
  /** Not from what was read in the last moments. */
  readonly fresh?: boolean;
  /** Of a later height than this: waits some seconds for one, then says what it has. */
  readonly after?: bigint;
}

export interface AwaitOptions {
  readonly withinMs: number;
  /** Asked first: the node that took the transaction. */
  readonly first?: NodeEndpoint;
  readonly signal?: AbortSignal;
}

export interface ChainReader {
  readonly context: ChainContext;
  readonly genesis: () => Promise<GenesisState>;
  /** The newest header that this client has verified, asked for again when it is some seconds old. */
  head(options?: ReadOptions): Promise<ChainHead>;
  state(key: KeyHash, options?: ReadOptions): Promise<StateValue>;
  settings(): Promise<Settings>;
  member(id: MemberId, options?: ReadOptions): Promise<Member | undefined>;
  memberOfKey(key: Bytes): Promise<Member | undefined>;
  patientStatus(commitment: PatientCommitment): Promise<MemberStatus | undefined>;
  nodeKeys(id: MemberId, options?: ReadOptions): Promise<NodeKeys>;
  grant(id: GrantId, options?: ReadOptions): Promise<Grant | undefined>;
  /** The grant that carries this tag. */
  grantOfTag(tag: Bytes, options?: ReadOptions): Promise<GrantId | undefined>;
  record(id: RecordId, options?: ReadOptions): Promise<LedgerRecord | undefined>;
  /** What auditors last said of the record's copy at a store; most copies have none. */
  copyFindings(
    id: RecordId,
    store: MemberId,
    options?: ReadOptions,
  ): Promise<readonly CopyFinding[]>;
  visitEntry(pid: Bytes, number: number, options?: ReadOptions): Promise<VisitEntry | undefined>;
  /** Undefined while it is not final. */
  transaction(
    id: TransactionId,
    nodes?: readonly NodeEndpoint[],
  ): Promise<FinalTransaction | undefined>;
  /**
   * The same as soon as it can be proven: nodes wait for it, and another one is asked when one fails or
   * is silent for long. Undefined when it is not final within `withinMs`.
   */
  awaitTransaction(id: TransactionId, options: AwaitOptions): Promise<FinalTransaction | undefined>;
  logEntry(position: number): Promise<LogEntry>;
  /** Entries `[index·2^level, (index+1)·2^level)`. */
  logRange(level: number, index: number): Promise<readonly LogEntry[]>;
  /** Number of entries of the log, proven at the newest height that nodes can prove. */
  logSize(): Promise<number>;
  /** Everything that the log has on a grant: complete as far as numbered accesses go. */
  grantEvents(grant: Grant): Promise<readonly LogEntry[]>;
  block(height: bigint | 'latest'): Promise<ChainBlock>;
  /** A blob whose hash is `hash`, from any of `nodes`. */
  blob(
    grantId: GrantId,
    name: BlobName,
    hash: Bytes,
    nodes?: readonly NodeEndpoint[],
  ): Promise<Bytes>;
  /** A member's certificate: the regulator's signature and the hash on chain hold. */
  certificate(id: MemberId): Promise<Certificate>;
  /** Later reads see at least the state after this block. */
  expectHeight(height: bigint): void;
}
