/**
 * Headers, blocks, transactions and everything that is proven against a header. Headers and
 * certificates are bytes of `consensus`, proofs are bytes of `ledger`: this package only carries them.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import {
  type Codec,
  boundedBytes,
  fields,
  fixedBytes,
  height,
  list,
  text,
  uint,
  variants,
} from './codec.ts';
import { LIMITS, SIZES } from './sizes.ts';

/** A header and the quorum certificate over it, encoded. */
export interface CertifiedHeader {
  readonly header: Bytes;
  readonly certificate: Bytes;
}

const headerBytes = boundedBytes(64 * 1024);
const certificateBytes = boundedBytes(64 * 1024);

export const certifiedHeader: Codec<CertifiedHeader> = fields<CertifiedHeader>({
  header: headerBytes,
  certificate: certificateBytes,
});

export const certifiedHeaders: Codec<readonly CertifiedHeader[]> = list(
  certifiedHeader,
  LIMITS.headersPerAnswerMax,
);

export interface CertifiedBlock extends CertifiedHeader {
  /** As the engine ordered them; CometBFT's may be bundles of client transactions. */
  readonly transactions: readonly Bytes[];
}

export const certifiedBlock: Codec<CertifiedBlock> = fields<CertifiedBlock>({
  header: headerBytes,
  certificate: certificateBytes,
  transactions: list(boundedBytes(LIMITS.blockTransactionBytesMax), 65_536),
});

/**
 * An answer of the ledger for height H, with the header of H+1 that carries H's app hash and the
 * certificate over that header. `answer` is what the ledger's query gave, proof included.
 */
export interface ProvenAnswer extends CertifiedHeader {
  readonly answer: Bytes;
}

export const provenAnswer: Codec<ProvenAnswer> = fields<ProvenAnswer>({
  header: headerBytes,
  certificate: certificateBytes,
  answer: boundedBytes(LIMITS.answerBytesMax),
});

/** A log answer of the ledger (leaf, position, path) with the transaction that the leaf tells of. */
export interface ProvenEntry {
  /** `LogAnswer` of the ledger, encoded. */
  readonly answer: Bytes;
  /** Its id stands in the leaf. Empty where nobody sent one: misbehaviour that the engine reported. */
  readonly transaction: Bytes;
}

const entryFields = {
  answer: boundedBytes(65_536),
  transaction: boundedBytes(LIMITS.transactionBytesMax),
} as const;

/** A receipt (LM-9): one entry with the certified header that carries its app hash. Verified offline. */
export interface ProvenLogEntry extends CertifiedHeader, ProvenEntry {}

export const provenLogEntry: Codec<ProvenLogEntry> = fields<ProvenLogEntry>({
  header: headerBytes,
  certificate: certificateBytes,
  ...entryFields,
});

/** Several entries under one header, each with its own path. */
export interface ProvenLogEntries extends CertifiedHeader {
  readonly entries: readonly ProvenEntry[];
}

export const provenLogEntries: Codec<ProvenLogEntries> = fields<ProvenLogEntries>({
  header: headerBytes,
  certificate: certificateBytes,
  entries: list(fields<ProvenEntry>(entryFields), 1024),
});

/** Part of a list that only helps to find things: every item is proven by `getState` or `getLogEntry`. */
export interface Listing {
  /** Length of the whole list. */
  readonly count: number;
  /** As the ledger's query of that name gives them. */
  readonly items: readonly Bytes[];
}

export const listing: Codec<Listing> = fields<Listing>({
  count: uint(),
  items: list(boundedBytes(1024), 1000),
});

/** This node's signed word on an outcome: f+1 equal ones confirm it before a header proves it. */
export interface OutcomeReply {
  readonly id: Bytes;
  readonly height: bigint;
  readonly index: number;
  /** 'ok' or the ledger's rejection code. */
  readonly outcome: string;
  /** Consensus key of the replica, 32 bytes. */
  readonly key: Bytes;
  readonly signature: Bytes;
}

/** What `submitTransaction` answers. */
export type Submitted =
  | { readonly kind: 'admitted'; readonly id: Bytes }
  | ({ readonly kind: 'final' } & OutcomeReply);

export const submitted: Codec<Submitted> = variants<Submitted>({
  admitted: fields<{ readonly id: Bytes }>({ id: fixedBytes(SIZES.transactionId) }),
  final: fields<OutcomeReply>({
    id: fixedBytes(SIZES.transactionId),
    height: height,
    index: uint(),
    outcome: text(64, /^[a-zA-Z]{1,64}$/),
    key: fixedBytes(SIZES.key),
    signature: fixedBytes(SIZES.signature),
  }),
});
