/** The ledger behind the Application port; see docs/spec/state-and-log.md. */
import type { Bytes } from '@yilian/crypto/bytes';
import type {
  Block,
  FinalizedBlock,
  Genesis,
  Inspection,
  Outcome,
  Query,
  QueryResult,
  Validator,
  Verified,
} from './ledger-port.ts';
import type { StateReader, WriteBatch } from './state-reader.ts';

export interface LedgerOptions {
  /** The store as the last `commit` left it. */
  readonly reader: StateReader;
}

/** Fits `Application` of the consensus package by structure. */
export interface Ledger {
  info(): { readonly height: bigint; readonly appHash: Bytes; readonly appVersion: bigint };
  initChain(genesis: Genesis): {
    readonly appHash: Bytes;
    readonly validators: readonly Validator[];
  };
  inspect(tx: Bytes): Inspection;
  checkTransaction(tx: Bytes, mode: 'new' | 'recheck', verified: Verified): Outcome;
  prepareProposal(block: Block, bytesMax: number, verified: Verified): readonly Bytes[];
  processProposal(block: Block, verified: Verified): 'accept' | 'reject';
  finalizeBlock(block: Block, verified: Verified): FinalizedBlock;
  commit(): { readonly writes: WriteBatch; readonly retainHeight: bigint };
  query(query: Query): QueryResult;
}

export type CreateLedger = (options: LedgerOptions) => Ledger;
