/** The write-ahead log: what a replica must remember of its own words to never contradict them. */
import type { Block } from '../block.ts';
import type { PreparedCertificate, Vote } from './messages.ts';

export type WalRecord =
  /** A vote that is about to be sent. */
  | { readonly kind: 'voted'; readonly height: bigint; readonly message: Vote }
  /** A prepared certificate with its block: written together with the Commit it justifies. */
  | {
      readonly kind: 'prepared';
      readonly height: bigint;
      readonly certificate: PreparedCertificate;
      readonly block: Block;
    };
