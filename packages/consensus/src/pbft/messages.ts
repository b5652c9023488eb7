/**
 * What replicas say to each other. Castro and Liskov's names (OSDI 1999), one sequence number in
 * flight, so a message's `height` is their n and views count from 0 at each height.
 * `signer` is a position in the validator set of that height; epoch names the set.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import type { Block, CertifiedBlock } from '../block.ts';
import type { Certificate } from '../certificate.ts';

/** What every signed message is bound to, beside chain id and its own type. */
interface Signed {
  readonly epoch: number;
  readonly height: bigint;
  readonly view: number;
  readonly signer: number;
  readonly signature: Bytes;
}

/** The primary of (height, view) proposes; it counts as the primary's own prepare vote. */
export interface PrePrepare extends Signed {
  readonly kind: 'prePrepare';
  readonly blockId: Bytes;
  readonly block: Block;
}

/** A backup has checked the proposal fully and will prepare no other one in this view. */
export interface Prepare extends Signed {
  readonly kind: 'prepare';
  readonly blockId: Bytes;
}

/** The signer holds a prepared certificate, durably. Its signature becomes part of the block certificate. */
export interface Commit extends Signed {
  readonly kind: 'commit';
  readonly blockId: Bytes;
  readonly timeNs: bigint;
}

/** State after `height` is executed and durable at the signer. */
export interface Checkpoint {
  readonly kind: 'checkpoint';
  readonly epoch: number;
  readonly height: bigint;
  readonly blockId: Bytes;
  readonly appHash: Bytes;
  readonly signer: number;
  readonly signature: Bytes;
}

/** One PrePrepare and matching Prepares of distinct backups, more than two thirds of the power together. */
export interface PreparedCertificate {
  readonly height: bigint;
  readonly view: number;
  readonly blockId: Bytes;
  readonly primary: number;
  readonly primarySignature: Bytes;
  /** In strictly ascending order of signer. */
  readonly prepares: readonly { readonly signer: number; readonly signature: Bytes }[];
}

/** The signer gives up all views below `view` at this height. */
export interface ViewChange extends Signed {
  readonly kind: 'viewChange';
  /** Proof that the block below is decided; null at height 1. */
  readonly parentCertificate: Certificate | null;
  /** Of the highest view in which the signer had one. */
  readonly prepared: PreparedCertificate | null;
  /** The prepared block, in the copy for the new primary only; not signed, bound by `prepared.blockId`. */
  readonly block: Block | null;
}

/** The new primary shows why it may lead; a PrePrepare follows. Every backup recomputes what it must carry. */
export interface NewView extends Signed {
  readonly kind: 'newView';
  /** In strictly ascending order of signer, without blocks. */
  readonly viewChanges: readonly ViewChange[];
}

/** Client transactions on their way to whoever leads. */
export interface Request {
  readonly kind: 'request';
  readonly transactions: readonly Bytes[];
}

/** "I work at this height and view": answered with whatever the sender lacks. */
export interface Status {
  readonly kind: 'status';
  readonly height: bigint;
  readonly view: number;
  /** Whether the sender has the proposal of that view, which is the large thing to send again. */
  readonly hasProposal: boolean;
}

export interface FetchBlocks {
  readonly kind: 'fetchBlocks';
  readonly fromHeight: bigint;
}

/** Consecutive decided blocks from the height that was asked for. */
export interface Blocks {
  readonly kind: 'blocks';
  readonly blocks: readonly CertifiedBlock[];
}

export type Vote = PrePrepare | Prepare | Commit | ViewChange | NewView;

export type Message = Vote | Checkpoint | Request | Status | FetchBlocks | Blocks;
