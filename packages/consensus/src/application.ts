/**
 * The seam between ordering and meaning. Its verbs are ABCI 2.0's, so that the embedded PBFT engine
 * and CometBFT drive one and the same object. Everything is synchronous; whatever needs waiting
 * (signature checks, disks) happens in the driver, before or after a call.
 *
 * Call grammar: `info`, `initChain` (only at height 0, may run twice), then per height any number of
 * [`prepareProposal`] [`processProposal`], and exactly one `finalizeBlock` followed by one `commit`.
 * `inspect`, `checkTransaction` and `query` may come at any time between calls.
 */
import type { Bytes } from '@yilian/crypto/bytes';

export interface Validator {
  /** Ed25519 consensus key, 32 bytes. */
  readonly key: Bytes;
  readonly power: bigint;
  /** Whether it takes a turn as primary (tertiary and secondary hospitals). CometBFT ignores it. */
  readonly leads: boolean;
}

export interface Genesis {
  readonly chainId: string;
  readonly timeNs: bigint;
  readonly validators: readonly Validator[];
  /** Opaque to ordering; the ledger's own genesis document, encoded. */
  readonly appState: Bytes;
  /** Who orders, and so the form of headers and certificates; the embedded PBFT when it is absent. */
  readonly engine?: 'cometbft';
}

export interface Vote {
  readonly address: Bytes;
  readonly power: bigint;
  readonly signed: boolean;
}

export interface Misbehaviour {
  readonly kind: string;
  readonly address: Bytes;
  readonly height: bigint;
}

export interface Block {
  readonly height: bigint;
  readonly timeNs: bigint;
  /** Consensus key of the proposer, 32 bytes. */
  readonly proposer: Bytes;
  readonly txs: readonly Bytes[];
  readonly votes: readonly Vote[];
  readonly misbehaviour: readonly Misbehaviour[];
}

/** One signature to be checked outside, by workers: a function of the transaction's bytes alone. */
export interface Check {
  /** SHA-256 over scheme, key, message and signature: equal checks have equal ids. */
  readonly id: Bytes;
  readonly scheme: 'ed25519' | 'capsule' | 'points' | 'epochKey';
  readonly key: Bytes;
  readonly message: Bytes;
  readonly signature: Bytes;
}

/** The checks known to hold. Filled by the driver before the call that needs them. */
export interface Verified {
  has(id: Bytes): boolean;
}

/** A refused transaction: a code, never free text (it goes into receipts). */
export interface Refusal {
  readonly code: string;
}

export type Outcome = { readonly ok: true } | { readonly ok: false; readonly rejection: Refusal };

export interface ValidatorUpdate {
  readonly key: Bytes;
  /** 0 removes. Acts at H+2. */
  readonly power: bigint;
  readonly leads: boolean;
}

/** Ordered puts and deletes for the driver to write atomically with height and app hash. */
export interface WriteBatch {
  readonly puts: readonly { readonly key: Bytes; readonly value: Bytes }[];
  readonly deletes: readonly Bytes[];
}

export interface FinalizedBlock {
  /** One per transaction, in order. */
  readonly outcomes: readonly Outcome[];
  /** 32 bytes; carried by the header of the next height. */
  readonly appHash: Bytes;
  readonly validatorUpdates: readonly ValidatorUpdate[];
}

export interface Query {
  readonly path: string;
  readonly key: Bytes;
  readonly height: bigint;
  readonly prove: boolean;
}

export type QueryResult =
  | { readonly ok: true; readonly height: bigint; readonly value: Bytes }
  | { readonly ok: false; readonly code: string };

export interface Snapshot {
  readonly height: bigint;
  readonly format: number;
  readonly chunks: number;
  readonly hash: Bytes;
}

export interface Application {
  info(): { readonly height: bigint; readonly appHash: Bytes; readonly appVersion: bigint };
  initChain(genesis: Genesis): {
    readonly appHash: Bytes;
    readonly validators: readonly Validator[];
  };
  /** Stateless: the checks a transaction needs, or why its bytes can never be valid. */
  inspect(
    tx: Bytes,
  ):
    | { readonly ok: true; readonly checks: readonly Check[] }
    | { readonly ok: false; readonly rejection: Refusal };
  checkTransaction(tx: Bytes, mode: 'new' | 'recheck', verified: Verified): Outcome;
  prepareProposal(block: Block, bytesMax: number, verified: Verified): readonly Bytes[];
  /** No effect on state. */
  processProposal(block: Block, verified: Verified): 'accept' | 'reject';
  finalizeBlock(block: Block, verified: Verified): FinalizedBlock;
  commit(): { readonly writes: WriteBatch; readonly retainHeight: bigint };
  query(query: Query): QueryResult;
}
