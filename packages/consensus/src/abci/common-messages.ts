/** Messages that stand inside several requests and responses: `tendermint/abci/types.proto`, `types/params.proto`. */
import type { Bytes } from '@yilian/crypto/bytes';
import type { ProtobufReader } from '../protobuf.ts';
import {
  bool,
  bytes,
  embedded,
  enumeration,
  type FieldType,
  int32,
  int64,
  type MessageCodec,
  messageOf,
  optional,
  repeated,
  text,
  textList,
  timestamp,
  uint32,
  uint64,
} from './message-codec.ts';

/** `unknown`: a kind of key that came after v0.38 (BLS, post-quantum). */
export type PublicKey =
  | { readonly type: 'ed25519' | 'secp256k1'; readonly key: Bytes }
  | { readonly type: 'unknown' };

const publicKeyCodec: MessageCodec<PublicKey> = {
  read: (reader: ProtobufReader) => {
    let key: PublicKey = { type: 'unknown' };
    for (let field = reader.next(); field !== 0; field = reader.next())
      if (field === 1) key = { type: 'ed25519', key: reader.bytes() };
      else if (field === 2) key = { type: 'secp256k1', key: reader.bytes() };
      else {
        key = { type: 'unknown' };
        reader.skip();
      }
    return key;
  },
  write: (writer, key) => {
    if (key.type !== 'unknown') writer.item(key.type === 'ed25519' ? 1 : 2, key.key);
  },
};

export interface ValidatorUpdate {
  readonly publicKey: PublicKey;
  readonly power: bigint;
}

export const validatorUpdateCodec: MessageCodec<ValidatorUpdate> = messageOf<ValidatorUpdate>({
  publicKey: [1, embedded(publicKeyCodec, { type: 'unknown' })],
  power: [2, int64],
});

/** A validator as blocks name it: by its address. */
export interface AddressedValidator {
  /** First 20 bytes of the SHA-256 of its key. */
  readonly address: Bytes;
  readonly power: bigint;
}

const NO_BYTES: Bytes = new Uint8Array(0);
const NO_VALIDATOR: AddressedValidator = { address: NO_BYTES, power: 0n };

const validator: FieldType<AddressedValidator> = embedded(
  messageOf<AddressedValidator>({ address: [1, bytes], power: [3, int64] }),
  NO_VALIDATOR,
);

export type BlockIdFlag = 'unknown' | 'absent' | 'commit' | 'nil';

const blockIdFlag: FieldType<BlockIdFlag> = enumeration<BlockIdFlag>(
  { 0: 'unknown', 1: 'absent', 2: 'commit', 3: 'nil' },
  'unknown',
);

export interface VoteInfo {
  readonly validator: AddressedValidator;
  readonly blockIdFlag: BlockIdFlag;
}

export interface CommitInfo {
  readonly round: number;
  readonly votes: readonly VoteInfo[];
}

export const commitInfo: FieldType<CommitInfo> = embedded(
  messageOf<CommitInfo>({
    round: [1, int32],
    votes: [
      2,
      repeated(messageOf<VoteInfo>({ validator: [1, validator], blockIdFlag: [3, blockIdFlag] })),
    ],
  }),
  { round: 0, votes: [] },
);

export interface ExtendedVoteInfo extends VoteInfo {
  readonly voteExtension: Bytes;
  readonly extensionSignature: Bytes;
}

export interface ExtendedCommitInfo {
  readonly round: number;
  readonly votes: readonly ExtendedVoteInfo[];
}

export const extendedCommitInfo: FieldType<ExtendedCommitInfo> = embedded(
  messageOf<ExtendedCommitInfo>({
    round: [1, int32],
    votes: [
      2,
      repeated(
        messageOf<ExtendedVoteInfo>({
          validator: [1, validator],
          voteExtension: [3, bytes],
          extensionSignature: [4, bytes],
          blockIdFlag: [5, blockIdFlag],
        }),
      ),
    ],
  }),
  { round: 0, votes: [] },
);

export type MisbehaviourType = 'unknown' | 'duplicateVote' | 'lightClientAttack';

export interface Misbehaviour {
  readonly type: MisbehaviourType;
  readonly validator: AddressedValidator;
  readonly height: bigint;
  readonly timeNs: bigint;
  readonly totalVotingPower: bigint;
}

export const misbehaviours: FieldType<readonly Misbehaviour[]> = repeated(
  messageOf<Misbehaviour>({
    type: [
      1,
      enumeration<MisbehaviourType>(
        { 0: 'unknown', 1: 'duplicateVote', 2: 'lightClientAttack' },
        'unknown',
      ),
    ],
    validator: [2, validator],
    height: [3, int64],
    timeNs: [4, timestamp],
    totalVotingPower: [5, int64],
  }),
);

export interface EventAttribute {
  readonly key: string;
  readonly value: string;
  readonly index: boolean;
}

export interface Event {
  readonly type: string;
  readonly attributes: readonly EventAttribute[];
}

export const events: FieldType<readonly Event[]> = repeated(
  messageOf<Event>({
    type: [1, text],
    attributes: [
      2,
      repeated(messageOf<EventAttribute>({ key: [1, text], value: [2, text], index: [3, bool] })),
    ],
  }),
);

export interface Snapshot {
  readonly height: bigint;
  readonly format: number;
  readonly chunks: number;
  /** Equal only for equal snapshots. */
  readonly hash: Bytes;
  readonly metadata: Bytes;
}

export const snapshotCodec: MessageCodec<Snapshot> = messageOf<Snapshot>({
  height: [1, uint64],
  format: [2, uint32],
  chunks: [3, uint32],
  hash: [4, bytes],
  metadata: [5, bytes],
});

/** A part that is given replaces the engine's whole part. */
export interface ConsensusParams {
  readonly block: { readonly maxBytes: bigint; readonly maxGas: bigint } | undefined;
  readonly evidence:
    | {
        readonly maxAgeNumBlocks: bigint;
        readonly maxAgeDurationNs: bigint;
        readonly maxBytes: bigint;
      }
    | undefined;
  readonly validator: { readonly publicKeyTypes: readonly string[] } | undefined;
  readonly version: { readonly app: bigint } | undefined;
  readonly abci: { readonly voteExtensionsEnableHeight: bigint } | undefined;
}

export const consensusParams: FieldType<ConsensusParams | undefined> = optional(
  messageOf<ConsensusParams>({
    block: [1, optional(messageOf({ maxBytes: [1, int64], maxGas: [2, int64] }))],
    evidence: [
      2,
      optional(
        messageOf({
          maxAgeNumBlocks: [1, int64],
          // A Duration has the form of a Timestamp, and is never negative here.
          maxAgeDurationNs: [2, timestamp],
          maxBytes: [3, int64],
        }),
      ),
    ],
    validator: [3, optional(messageOf({ publicKeyTypes: [1, textList] }))],
    version: [4, optional(messageOf({ app: [1, uint64] }))],
    abci: [5, optional(messageOf({ voteExtensionsEnableHeight: [1, int64] }))],
  }),
);
