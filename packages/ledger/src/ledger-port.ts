/**
 * The shapes that cross the seam to ordering. They fit `Application` of the consensus package by
 * structure: the two packages never import each other, the node's one assignment checks the fit.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import type { Rejection } from './rejection.ts';

/** A statement about a transaction's bytes that workers check outside; see checks.ts for the layouts. */
export interface Check {
  /** SHA-256 over scheme, key, message and signature. */
  readonly id: Bytes;
  readonly scheme: 'ed25519' | 'capsule' | 'points' | 'epochKey';
  readonly key: Bytes;
  readonly message: Bytes;
  readonly signature: Bytes;
}

/** The checks known to hold: a function of bytes, equal at every replica. */
export interface Verified {
  has(id: Bytes): boolean;
}

export type Outcome = { readonly ok: true } | { readonly ok: false; readonly rejection: Rejection };

export type Inspection =
  | { readonly ok: true; readonly checks: readonly Check[] }
  | { readonly ok: false; readonly rejection: Rejection };

export interface Validator {
  readonly key: Bytes;
  readonly power: bigint;
  readonly leads: boolean;
}

export interface Genesis {
  readonly chainId: string;
  readonly timeNs: bigint;
  readonly validators: readonly Validator[];
  /** Canonical bytes of `GenesisState`, see genesis.ts. */
  readonly appState: Bytes;
}

/** What the engine has proof of. */
export interface Misbehaviour {
  readonly kind: string;
  /** First 20 bytes of SHA-256 of the consensus key. */
  readonly address: Bytes;
  /** At which it happened. */
  readonly height: bigint;
}

/** The part of a block that the ledger reads. */
export interface Block {
  readonly height: bigint;
  readonly timeNs: bigint;
  readonly txs: readonly Bytes[];
  readonly misbehaviour: readonly Misbehaviour[];
}

export interface FinalizedBlock {
  readonly outcomes: readonly Outcome[];
  readonly appHash: Bytes;
  readonly validatorUpdates: readonly Validator[];
}

export interface Query {
  readonly path: string;
  readonly key: Bytes;
  /** 0n means the latest committed height. */
  readonly height: bigint;
  readonly prove: boolean;
}

export type QueryResult =
  | { readonly ok: true; readonly height: bigint; readonly value: Bytes }
  | { readonly ok: false; readonly code: string };
