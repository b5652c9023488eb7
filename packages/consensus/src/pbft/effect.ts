/**
 * What the host must do, in the order of the list and after the effects of all earlier steps.
 * `persist` and `commitBlock` are barriers: nothing after them may start before the disk has them.
 * Later inputs may be stepped meanwhile; their effects queue behind.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import type * as application from '../application.ts';
import type { CertifiedBlock } from '../block.ts';
import type { ChainTip } from '../chain-tip.ts';
import type { TimerName } from './input.ts';
import type { Message, PrePrepare, Prepare, Commit } from './messages.ts';
import type { WalRecord } from './wal.ts';

/** Two signed votes of one replica that exclude each other. */
export interface Equivocation {
  readonly height: bigint;
  readonly view: number;
  /** Consensus key of the liar. */
  readonly key: Bytes;
  readonly first: PrePrepare | Prepare | Commit;
  readonly second: PrePrepare | Prepare | Commit;
}

export type Effect =
  | { readonly kind: 'send'; readonly to: Bytes; readonly message: Message }
  /** To every peer, observers included, but not to oneself. */
  | { readonly kind: 'broadcast'; readonly message: Message }
  /** Append to the write-ahead log and flush. */
  | { readonly kind: 'persist'; readonly records: readonly WalRecord[] }
  /** (Re)arms the timer of this name; on expiry hand the token back. */
  | {
      readonly kind: 'setTimer';
      readonly timer: TimerName;
      readonly afterMs: number;
      readonly token: number;
    }
  | { readonly kind: 'cancelTimer'; readonly timer: TimerName }
  /** Transactions from a peer: run `checkTransaction`, then feed `requestsAdmitted` with what passed. */
  | {
      readonly kind: 'admitRequests';
      readonly from: Bytes;
      readonly transactions: readonly Bytes[];
    }
  /** Run the application's `prepareProposal` on `block` (its txs are the candidates); feed `proposalPrepared`. */
  | {
      readonly kind: 'prepareProposal';
      readonly height: bigint;
      readonly view: number;
      readonly block: application.Block;
      readonly bytesMax: number;
    }
  /** Run `processProposal`; feed `proposalValidated`. */
  | {
      readonly kind: 'validateProposal';
      readonly height: bigint;
      readonly blockId: Bytes;
      readonly block: application.Block;
    }
  /** Run `finalizeBlock`, keep its writes back; feed `blockExecuted`. */
  | {
      readonly kind: 'executeBlock';
      readonly height: bigint;
      readonly blockId: Bytes;
      readonly block: application.Block;
    }
  /**
   * Run the application's `commit`, then write its batch, the block, its certificate and the tip in one
   * atomic, flushed transaction; write-ahead records of this height and below may go. Barrier.
   */
  | { readonly kind: 'commitBlock'; readonly decided: CertifiedBlock; readonly tip: ChainTip }
  /** The block is final here: answer the clients whose transactions it holds (SHA-256 of each, in order). */
  | {
      readonly kind: 'reply';
      readonly height: bigint;
      readonly blockId: Bytes;
      readonly transactionHashes: readonly Bytes[];
    }
  /** Read decided blocks from `fromHeight` (as many as fit `bytesMax`, at least one), send them as `blocks`. */
  | {
      readonly kind: 'sendBlocks';
      readonly to: Bytes;
      readonly fromHeight: bigint;
      readonly bytesMax: number;
    }
  /** 2f+1 replicas hold this state: history below may be pruned or snapshotted. */
  | { readonly kind: 'checkpointStable'; readonly height: bigint; readonly appHash: Bytes }
  /** A request that found no room; tell its client to come back later. */
  | { readonly kind: 'refuseRequest'; readonly hash: Bytes }
  /** Requests that have waited long: run `checkTransaction` in mode `recheck`, feed `requestsDropped` with the rest. */
  | {
      readonly kind: 'recheckRequests';
      readonly requests: readonly { readonly hash: Bytes; readonly transaction: Bytes }[];
    }
  /** This peer has sent a message of its own whose signature does not hold: it costs more than it says. */
  | { readonly kind: 'blame'; readonly key: Bytes }
  | { readonly kind: 'reportEquivocation'; readonly evidence: Equivocation }
  /** This replica's state contradicts a certified one: stop and call the operator. */
  | {
      readonly kind: 'halt';
      readonly reason: 'appHashDiffers' | 'certifiedBlockInvalid';
      readonly height: bigint;
      /** Hex of the id or hash in question, for the log. */
      readonly detail: string;
    };
