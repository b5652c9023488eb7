/** What CometBFT asks: the sixteen requests of ABCI 2.0 (`tendermint/abci/types.proto` of v0.38). */
import type { Bytes } from '@yilian/crypto/bytes';
import {
  commitInfo,
  type CommitInfo,
  consensusParams,
  type ConsensusParams,
  extendedCommitInfo,
  type ExtendedCommitInfo,
  type Misbehaviour,
  misbehaviours,
  type Snapshot,
  snapshotCodec,
  type ValidatorUpdate,
  validatorUpdateCodec,
} from './common-messages.ts';
import {
  bool,
  bytes,
  bytesList,
  enumeration,
  int64,
  type MessageCodec,
  messageOf,
  optional,
  repeated,
  text,
  timestamp,
  uint32,
  uint64,
} from './message-codec.ts';

export type Nothing = Readonly<Record<string, never>>;

export interface EchoRequest {
  readonly message: string;
}

export interface InfoRequest {
  /** CometBFT's own version: not to be relied on, releases have misnamed themselves. */
  readonly version: string;
  readonly blockVersion: bigint;
  readonly p2pVersion: bigint;
  /** `2.0.0` in the lines 0.38 to 0.40. */
  readonly abciVersion: string;
}

export interface InitChainRequest {
  readonly timeNs: bigint;
  readonly chainId: string;
  readonly consensusParams: ConsensusParams | undefined;
  readonly validators: readonly ValidatorUpdate[];
  /** `app_state` of genesis.json: JSON text. */
  readonly appStateBytes: Bytes;
  readonly initialHeight: bigint;
}

export interface QueryRequest {
  readonly data: Bytes;
  readonly path: string;
  readonly height: bigint;
  readonly prove: boolean;
}

export interface CheckTxRequest {
  readonly tx: Bytes;
  readonly type: 'new' | 'recheck';
}

export interface OfferSnapshotRequest {
  readonly snapshot: Snapshot | undefined;
  /** Of a verified header; all else may be forged. */
  readonly appHash: Bytes;
}

export interface LoadSnapshotChunkRequest {
  readonly height: bigint;
  readonly format: number;
  readonly chunk: number;
}

export interface ApplySnapshotChunkRequest {
  readonly index: number;
  readonly chunk: Bytes;
  /** Peer id. */
  readonly sender: string;
}

interface BlockInformation {
  readonly height: bigint;
  readonly timeNs: bigint;
  readonly txs: readonly Bytes[];
  readonly misbehaviour: readonly Misbehaviour[];
  readonly nextValidatorsHash: Bytes;
  readonly proposerAddress: Bytes;
}

export interface PrepareProposalRequest extends BlockInformation {
  readonly maxTxBytes: bigint;
  readonly localLastCommit: ExtendedCommitInfo;
}

export interface ProcessProposalRequest extends BlockInformation {
  readonly proposedLastCommit: CommitInfo;
  readonly hash: Bytes;
}

export interface ExtendVoteRequest extends ProcessProposalRequest {}

export interface VerifyVoteExtensionRequest {
  readonly hash: Bytes;
  readonly validatorAddress: Bytes;
  readonly height: bigint;
  readonly voteExtension: Bytes;
}

export interface FinalizeBlockRequest extends BlockInformation {
  readonly decidedLastCommit: CommitInfo;
  readonly hash: Bytes;
}

export interface RequestBodies {
  readonly echo: EchoRequest;
  readonly flush: Nothing;
  readonly info: InfoRequest;
  readonly initChain: InitChainRequest;
  readonly query: QueryRequest;
  readonly checkTx: CheckTxRequest;
  readonly commit: Nothing;
  readonly listSnapshots: Nothing;
  readonly offerSnapshot: OfferSnapshotRequest;
  readonly loadSnapshotChunk: LoadSnapshotChunkRequest;
  readonly applySnapshotChunk: ApplySnapshotChunkRequest;
  readonly prepareProposal: PrepareProposalRequest;
  readonly processProposal: ProcessProposalRequest;
  readonly extendVote: ExtendVoteRequest;
  readonly verifyVoteExtension: VerifyVoteExtensionRequest;
  readonly finalizeBlock: FinalizeBlockRequest;
}

export type RequestKind = keyof RequestBodies;

export interface RequestOf<Kind extends RequestKind> {
  readonly kind: Kind;
  readonly body: RequestBodies[Kind];
}

export type Request = { [Kind in RequestKind]: RequestOf<Kind> }[RequestKind];

export const nothingCodec: MessageCodec<Nothing> = messageOf<Nothing>({});

const infoRequest = messageOf<InfoRequest>({
  version: [1, text],
  blockVersion: [2, uint64],
  p2pVersion: [3, uint64],
  abciVersion: [4, text],
});

const initChainRequest = messageOf<InitChainRequest>({
  timeNs: [1, timestamp],
  chainId: [2, text],
  consensusParams: [3, consensusParams],
  validators: [4, repeated(validatorUpdateCodec)],
  appStateBytes: [5, bytes],
  initialHeight: [6, int64],
});

const queryRequest = messageOf<QueryRequest>({
  data: [1, bytes],
  path: [2, text],
  height: [3, int64],
  prove: [4, bool],
});

const checkTxRequest = messageOf<CheckTxRequest>({
  tx: [1, bytes],
  type: [2, enumeration<CheckTxRequest['type']>({ 0: 'new', 1: 'recheck' }, 'new')],
});

const prepareProposalRequest = messageOf<PrepareProposalRequest>({
  maxTxBytes: [1, int64],
  txs: [2, bytesList],
  localLastCommit: [3, extendedCommitInfo],
  misbehaviour: [4, misbehaviours],
  height: [5, int64],
  timeNs: [6, timestamp],
  nextValidatorsHash: [7, bytes],
  proposerAddress: [8, bytes],
});

const processProposalRequest = messageOf<ProcessProposalRequest>({
  txs: [1, bytesList],
  proposedLastCommit: [2, commitInfo],
  misbehaviour: [3, misbehaviours],
  hash: [4, bytes],
  height: [5, int64],
  timeNs: [6, timestamp],
  nextValidatorsHash: [7, bytes],
  proposerAddress: [8, bytes],
});

const extendVoteRequest = messageOf<ExtendVoteRequest>({
  hash: [1, bytes],
  height: [2, int64],
  timeNs: [3, timestamp],
  txs: [4, bytesList],
  proposedLastCommit: [5, commitInfo],
  misbehaviour: [6, misbehaviours],
  nextValidatorsHash: [7, bytes],
  proposerAddress: [8, bytes],
});

const finalizeBlockRequest = messageOf<FinalizeBlockRequest>({
  txs: [1, bytesList],
  decidedLastCommit: [2, commitInfo],
  misbehaviour: [3, misbehaviours],
  hash: [4, bytes],
  height: [5, int64],
  timeNs: [6, timestamp],
  nextValidatorsHash: [7, bytes],
  proposerAddress: [8, bytes],
});

/** Member of the `Request` oneof, by kind. 4, 7, 9 and 10 were methods of older versions. */
export const REQUEST_MEMBERS: {
  readonly [Kind in RequestKind]: readonly [number, MessageCodec<RequestBodies[Kind]>];
} = {
  echo: [1, messageOf<EchoRequest>({ message: [1, text] })],
  flush: [2, nothingCodec],
  info: [3, infoRequest],
  initChain: [5, initChainRequest],
  query: [6, queryRequest],
  checkTx: [8, checkTxRequest],
  commit: [11, nothingCodec],
  listSnapshots: [12, nothingCodec],
  offerSnapshot: [
    13,
    messageOf<OfferSnapshotRequest>({
      snapshot: [1, optional(snapshotCodec)],
      appHash: [2, bytes],
    }),
  ],
  loadSnapshotChunk: [
    14,
    messageOf<LoadSnapshotChunkRequest>({
      height: [1, uint64],
      format: [2, uint32],
      chunk: [3, uint32],
    }),
  ],
  applySnapshotChunk: [
    15,
    messageOf<ApplySnapshotChunkRequest>({
      index: [1, uint32],
      chunk: [2, bytes],
      sender: [3, text],
    }),
  ],
  prepareProposal: [16, prepareProposalRequest],
  processProposal: [17, processProposalRequest],
  extendVote: [18, extendVoteRequest],
  verifyVoteExtension: [
    19,
    messageOf<VerifyVoteExtensionRequest>({
      hash: [1, bytes],
      validatorAddress: [2, bytes],
      height: [3, int64],
      voteExtension: [4, bytes],
    }),
  ],
  finalizeBlock: [20, finalizeBlockRequest],
};
