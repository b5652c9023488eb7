/** What is final at a node, as it is told to those who ask or listen. */
import type { Outcome } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';

/** What became of a transaction, from this node's own final state. */
export interface FinalOutcome {
  readonly id: Bytes;
  readonly height: bigint;
  /** Position within its block. */
  readonly index: number;
  readonly outcome: Outcome;
}

/** Encoded, as it came from the wire or the disk: the reader verifies it. */
export interface CertifiedHeader {
  readonly height: bigint;
  readonly header: Bytes;
  readonly certificate: Bytes;
}

export interface CertifiedBlock extends CertifiedHeader {
  /** Client transactions in the order of execution. */
  readonly txs: readonly Bytes[];
}

/** A block as it travels: what its header's `transactionsRoot` covers. */
export interface ServedBlock extends CertifiedBlock {
  /** As the engine ordered them: of CometBFT with the frames of bundles. */
  readonly engineTxs: readonly Bytes[];
}

/** A block whose effects are durable here. Delivered in order of height, each exactly once. */
export interface FinalBlock extends CertifiedBlock {
  readonly timeNs: bigint;
  readonly proposer: Bytes;
  readonly outcomes: readonly FinalOutcome[];
}
