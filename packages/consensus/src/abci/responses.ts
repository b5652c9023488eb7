/**
 * What the application answers: the sixteen responses of ABCI 2.0 and the exception. The UNKNOWN of the
 * protocol's verdicts, on which CometBFT panics or gives up, cannot be said in these types.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import {
  consensusParams,
  type ConsensusParams,
  type Event,
  events,
  type Snapshot,
  snapshotCodec,
  type ValidatorUpdate,
  validatorUpdateCodec,
} from './common-messages.ts';
import {
  bytes,
  bytesList,
  enumeration,
  type FieldType,
  int64,
  type MessageCodec,
  messageOf,
  optional,
  repeated,
  text,
  textList,
  uint32,
  uint32List,
  uint64,
} from './message-codec.ts';
import { type Nothing, nothingCodec, type RequestKind } from './requests.ts';

export interface ExceptionResponse {
  readonly error: string;
}

export interface EchoResponse {
  readonly message: string;
}

export interface InfoResponse {
  readonly data: string;
  readonly version: string;
  /** Goes into every header. */
  readonly appVersion: bigint;
  /** Of the last commit that is durable. */
  readonly lastBlockHeight: bigint;
  readonly lastBlockAppHash: Bytes;
}

export interface InitChainResponse {
  readonly consensusParams: ConsensusParams | undefined;
  /** Unless empty, in the place of genesis.json's. */
  readonly validators: readonly ValidatorUpdate[];
  readonly appHash: Bytes;
}

export interface ProofOps {
  readonly ops: readonly ProofOp[];
}

export interface ProofOp {
  readonly type: string;
  readonly key: Bytes;
  readonly data: Bytes;
}

export interface QueryResponse {
  readonly code: number;
  readonly log: string;
  readonly info: string;
  readonly index: bigint;
  readonly key: Bytes;
  readonly value: Bytes;
  readonly proofOps: ProofOps | undefined;
  readonly height: bigint;
  readonly codespace: string;
}

/** Code, data and gas of a decided transaction go into the next header's `LastResultsHash`. */
export interface ExecTxResult {
  /** 0 is success. */
  readonly code: number;
  readonly data: Bytes;
  readonly log: string;
  readonly info: string;
  readonly gasWanted: bigint;
  readonly gasUsed: bigint;
  readonly events: readonly Event[];
  readonly codespace: string;
}

export interface CheckTxResponse extends ExecTxResult {}

export interface CommitResponse {
  /** Blocks below may be dropped; 0 keeps all. */
  readonly retainHeight: bigint;
}

export interface ListSnapshotsResponse {
  readonly snapshots: readonly Snapshot[];
}

export type OfferSnapshotResult = 'accept' | 'abort' | 'reject' | 'rejectFormat' | 'rejectSender';

export interface OfferSnapshotResponse {
  readonly result: OfferSnapshotResult;
}

export interface LoadSnapshotChunkResponse {
  /** Empty: there is none. */
  readonly chunk: Bytes;
}

export type ApplySnapshotChunkResult =
  | 'accept'
  | 'abort'
  | 'retry'
  | 'retrySnapshot'
  | 'rejectSnapshot';

export interface ApplySnapshotChunkResponse {
  readonly result: ApplySnapshotChunkResult;
  readonly refetchChunks: readonly number[];
  readonly rejectSenders: readonly string[];
}

export interface PrepareProposalResponse {
  readonly txs: readonly Bytes[];
}

export type Verdict = 'accept' | 'reject';

export interface ProcessProposalResponse {
  readonly status: Verdict;
}

export interface ExtendVoteResponse {
  readonly voteExtension: Bytes;
}

export interface VerifyVoteExtensionResponse {
  readonly status: Verdict;
}

export interface FinalizeBlockResponse {
  readonly events: readonly Event[];
  /** Exactly one per transaction of the block, in order. */
  readonly txResults: readonly ExecTxResult[];
  /** Act at H+2. */
  readonly validatorUpdates: readonly ValidatorUpdate[];
  readonly consensusParamUpdates: ConsensusParams | undefined;
  readonly appHash: Bytes;
}

/** One response per kind of request. */
export interface ResponseBodies {
  readonly echo: EchoResponse;
  readonly flush: Nothing;
  readonly info: InfoResponse;
  readonly initChain: InitChainResponse;
  readonly query: QueryResponse;
  readonly checkTx: CheckTxResponse;
  readonly commit: CommitResponse;
  readonly listSnapshots: ListSnapshotsResponse;
  readonly offerSnapshot: OfferSnapshotResponse;
  readonly loadSnapshotChunk: LoadSnapshotChunkResponse;
  readonly applySnapshotChunk: ApplySnapshotChunkResponse;
  readonly prepareProposal: PrepareProposalResponse;
  readonly processProposal: ProcessProposalResponse;
  readonly extendVote: ExtendVoteResponse;
  readonly verifyVoteExtension: VerifyVoteExtensionResponse;
  readonly finalizeBlock: FinalizeBlockResponse;
}

export interface ResponseOf<Kind extends RequestKind> {
  readonly kind: Kind;
  readonly body: ResponseBodies[Kind];
}

export type Response =
  | { [Kind in RequestKind]: ResponseOf<Kind> }[RequestKind]
  | { readonly kind: 'exception'; readonly body: ExceptionResponse };

const proofOps: FieldType<ProofOps | undefined> = optional(
  messageOf<ProofOps>({
    ops: [1, repeated(messageOf<ProofOp>({ type: [1, text], key: [2, bytes], data: [3, bytes] }))],
  }),
);

const execTxResult = messageOf<ExecTxResult>({
  code: [1, uint32],
  data: [2, bytes],
  log: [3, text],
  info: [4, text],
  gasWanted: [5, int64],
  gasUsed: [6, int64],
  events: [7, events],
  codespace: [8, text],
});

const verdict: FieldType<Verdict> = enumeration<Verdict>({ 1: 'accept', 2: 'reject' }, 'reject');

const infoResponse = messageOf<InfoResponse>({
  data: [1, text],
  version: [2, text],
  appVersion: [3, uint64],
  lastBlockHeight: [4, int64],
  lastBlockAppHash: [5, bytes],
});

const initChainResponse = messageOf<InitChainResponse>({
  consensusParams: [1, consensusParams],
  validators: [2, repeated(validatorUpdateCodec)],
  appHash: [3, bytes],
});

const queryResponse = messageOf<QueryResponse>({
  code: [1, uint32],
  log: [3, text],
  info: [4, text],
  index: [5, int64],
  key: [6, bytes],
  value: [7, bytes],
  proofOps: [8, proofOps],
  height: [9, int64],
  codespace: [10, text],
});

const offerSnapshotResult: FieldType<OfferSnapshotResult> = enumeration<OfferSnapshotResult>(
  { 1: 'accept', 2: 'abort', 3: 'reject', 4: 'rejectFormat', 5: 'rejectSender' },
  'abort',
);

const applySnapshotChunkResult: FieldType<ApplySnapshotChunkResult> =
  enumeration<ApplySnapshotChunkResult>(
    { 1: 'accept', 2: 'abort', 3: 'retry', 4: 'retrySnapshot', 5: 'rejectSnapshot' },
    'abort',
  );

const finalizeBlockResponse = messageOf<FinalizeBlockResponse>({
  events: [1, events],
  txResults: [2, repeated(execTxResult)],
  validatorUpdates: [3, repeated(validatorUpdateCodec)],
  consensusParamUpdates: [4, consensusParams],
  appHash: [5, bytes],
});

export const exceptionCodec: MessageCodec<ExceptionResponse> = messageOf<ExceptionResponse>({
  error: [1, text],
});

export const EXCEPTION_MEMBER = 1;

/** Member of the `Response` oneof, by kind. */
export const RESPONSE_MEMBERS: {
  readonly [Kind in RequestKind]: readonly [number, MessageCodec<ResponseBodies[Kind]>];
} = {
  echo: [2, messageOf<EchoResponse>({ message: [1, text] })],
  flush: [3, nothingCodec],
  info: [4, infoResponse],
  initChain: [6, initChainResponse],
  query: [7, queryResponse],
  checkTx: [9, execTxResult],
  commit: [12, messageOf<CommitResponse>({ retainHeight: [3, int64] })],
  listSnapshots: [
    13,
    messageOf<ListSnapshotsResponse>({ snapshots: [1, repeated(snapshotCodec)] }),
  ],
  offerSnapshot: [14, messageOf<OfferSnapshotResponse>({ result: [1, offerSnapshotResult] })],
  loadSnapshotChunk: [15, messageOf<LoadSnapshotChunkResponse>({ chunk: [1, bytes] })],
  applySnapshotChunk: [
    16,
    messageOf<ApplySnapshotChunkResponse>({
      result: [1, applySnapshotChunkResult],
      refetchChunks: [2, uint32List],
      rejectSenders: [3, textList],
    }),
  ],
  prepareProposal: [17, messageOf<PrepareProposalResponse>({ txs: [1, bytesList] })],
  processProposal: [18, messageOf<ProcessProposalResponse>({ status: [1, verdict] })],
  extendVote: [19, messageOf<ExtendVoteResponse>({ voteExtension: [1, bytes] })],
  verifyVoteExtension: [20, messageOf<VerifyVoteExtensionResponse>({ status: [1, verdict] })],
  finalizeBlock: [21, finalizeBlockResponse],
};
