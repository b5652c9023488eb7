/**
 * One node's ordering engine: it takes transactions, orders them with its peers (or follows as an
 * observer), and answers only from *final* state, that is: certificate checked and the state durable
 * on this node's disk. Everything else of the node (HTTP, services) is built on this interface.
 */
import type { Genesis, Outcome, QueryResult, Query, Refusal } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import type { Peers, PeerStatus } from './peers/peers.ts';

/** What became of a transaction, from this node's own final state. */
export interface FinalOutcome {
  readonly id: Bytes;
  readonly height: bigint;
  /** Position within its block. */
  readonly index: number;
  readonly outcome: Outcome;
}

/**
 * This node's signed word on an outcome: f+1 equal replies of distinct validators confirm it before
 * the next header proves it. Signature over bindChain(DOMAIN_TAGS.outcomeReply, ctx, id, height,
 * index, 'ok' or the rejection's code).
 */
export interface SignedReply extends FinalOutcome {
  readonly key: Bytes;
  readonly signature: Bytes;
}

export type Submission =
  | { readonly admitted: true; readonly id: Bytes }
  | { readonly admitted: false; readonly rejection: Refusal };

/** Encoded, as it came from the wire or the disk: the reader verifies it. */
export interface CertifiedHeader {
  readonly height: bigint;
  readonly header: Bytes;
  readonly certificate: Bytes;
}

export interface CertifiedBlock extends CertifiedHeader {
  readonly txs: readonly Bytes[];
}

/** A block whose effects are durable here. Delivered in order of height, each exactly once. */
export interface FinalBlock extends CertifiedBlock {
  readonly timeNs: bigint;
  readonly proposer: Bytes;
  readonly outcomes: readonly FinalOutcome[];
}

export interface OrderingStatus {
  readonly chainId: string;
  readonly key: Bytes;
  readonly role: 'validator' | 'observer';
  readonly height: bigint;
  readonly appHash: Bytes;
  readonly view: bigint;
  /** Consensus key of the primary of the current view and height. */
  readonly primary: Bytes;
  readonly validators: readonly {
    readonly key: Bytes;
    readonly power: bigint;
    readonly leads: boolean;
  }[];
  readonly peers: readonly PeerStatus[];
  readonly mempool: { readonly count: number; readonly bytes: number };
  /** Entries in the node's database. */
  readonly stateEntries: number;
  /** Set when the node halted (disk error, application fault): it orders nothing any more. */
  readonly halted: string | undefined;
}

export interface OrderingNode {
  /**
   * Resolves when the transaction stands in this node's mempool (or is refused). The source names
   * whom the mempool's fairness counts it against; default: the transaction's entry at this node.
   */
  submit(tx: Bytes, source?: string): Promise<Submission>;
  /** Resolves when the transaction is final here; `timeout` says nothing about its fate. */
  outcome(id: Bytes, timeoutMs: number): Promise<FinalOutcome | 'timeout'>;
  /** As `outcome`, without waiting: undefined when it is not final here (or its id has expired). */
  outcomeNow(id: Bytes): FinalOutcome | undefined;
  /** Signs a final outcome with this node's consensus (observer: node) key. */
  signReply(outcome: FinalOutcome): SignedReply;
  /** Final state only. Synchronous: one call sees one height. */
  query(query: Query): QueryResult;
  header(height: bigint | 'latest'): CertifiedHeader | undefined;
  /** At most 100, consecutive from `from`; ends where this node's chain ends. */
  headers(from: bigint, count: number): readonly CertifiedHeader[];
  block(height: bigint | 'latest'): CertifiedBlock | undefined;
  /** Height and block time of the last final block; height 0 has genesis time. */
  latest(): { readonly height: bigint; readonly timeNs: bigint };
  /** This node's own clock: nanoseconds since 1970. */
  clockNs(): bigint;
  /** A listener that throws is a bug of the listener and stops nothing. */
  subscribe(listener: (block: FinalBlock) => void): () => void;
  status(): OrderingStatus;
  /** Stops ordering and closes disk and workers. The peers are closed too. */
  stop(): Promise<void>;
}

export interface OrderingOptions {
  /** Directory of this node's own database and write-ahead log; made if absent. */
  readonly directory: string;
  readonly genesis: Genesis;
  /** 32-byte Ed25519 seed: the consensus key, or an observer's node key. */
  readonly secretKey: Bytes;
  readonly peers: Peers;
  readonly settings?: Partial<OrderingSettings>;
  readonly clockNs?: () => bigint;
  /** Structured log without personal data. */
  readonly log?: (event: LogEvent) => void;
}

export interface LogEvent {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: string;
  readonly [detail: string]: string | number | bigint | boolean | undefined;
}

export interface OrderingSettings {
  readonly blockIntervalMs: number;
  readonly blockCountMax: number;
  readonly blockBytesMax: number;
  readonly heartbeatMs: number;
  readonly viewTimeoutMs: number;
  readonly mempoolCountMax: number;
  readonly mempoolBytesMax: number;
  readonly mempoolCountPerSourceMax: number;
  /** Threads for signature checks; 0 checks in the main thread. */
  readonly verificationWorkers: number;
}

/**
 * Opens the disk, replays what is left of the last run, and starts ordering.
 * @throws StorageError when the disk is damaged or belongs to another chain
 */
export function createOrderingNode(options: OrderingOptions): Promise<OrderingNode> {
  return Promise.reject(new Error(`not assembled yet: ${options.directory}`));
}
