/** What can happen to a replica: past events, each with the wall clock of the host when it happened. */
import type { Bytes } from '@yilian/crypto/bytes';
import type { ValidatorUpdate } from '../application.ts';
import type { Message } from './messages.ts';

/** One timer of each name exists at a time. */
export type TimerName = 'propose' | 'view' | 'status' | 'requests' | 'fetch';

export type Event =
  | {
      readonly kind: 'messageReceived';
      /** Consensus key that the transport authenticated: the core believes no other name. */
      readonly from: Bytes;
      /** Decoded strictly (`decodeMessage`); signatures are checked by the core. */
      readonly message: Message;
    }
  | {
      /** Transactions that passed the application's `checkTransaction` at this node. */
      readonly kind: 'requestsAdmitted';
      readonly transactions: readonly Bytes[];
      /** `client`: this node answers for them and forwards them. `peer`: someone else does. */
      readonly origin: 'client' | 'peer';
    }
  | {
      /** Transactions that the application will not take any more (expired, recheck failed), by SHA-256. */
      readonly kind: 'requestsDropped';
      readonly hashes: readonly Bytes[];
    }
  | { readonly kind: 'timerExpired'; readonly timer: TimerName; readonly token: number }
  | {
      /** Answer to `prepareProposal`. */
      readonly kind: 'proposalPrepared';
      readonly height: bigint;
      readonly view: number;
      readonly transactions: readonly Bytes[];
    }
  | {
      /** Answer to `validateProposal`. */
      readonly kind: 'proposalValidated';
      readonly height: bigint;
      readonly blockId: Bytes;
      readonly accepted: boolean;
    }
  | {
      /** Answer to `executeBlock`: `finalizeBlock` ran, nothing is durable yet. */
      readonly kind: 'blockExecuted';
      readonly height: bigint;
      readonly appHash: Bytes;
      readonly validatorUpdates: readonly ValidatorUpdate[];
    };

export type Input = Event & { readonly nowNs: bigint };
