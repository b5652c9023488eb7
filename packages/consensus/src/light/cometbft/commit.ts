/**
 * A commit of CometBFT v0.38 (spec/core/data_structures.md): what each validator of a height precommitted,
 * one entry for each of them in the order of the set. Decoding is strict, as of the header.
 */
import { type Bytes, CodecError, equalBytes } from '@yilian/crypto/bytes';
import { merkleRoot } from '@yilian/crypto/merkle';
import {
  decodeMessage,
  encodeMessage,
  type ProtobufReader,
  type ProtobufWriter,
  readTimestamp,
  writeTimestamp,
} from '../../protobuf.ts';
import { VALIDATORS_MAX } from '../../validator-set.ts';
import { assertBlockId, type BlockId, NO_BLOCK, readBlockId, writeBlockId } from './block-id.ts';

export type CommitEntry =
  /** Nothing was heard of it in time. */
  | { readonly kind: 'absent' }
  | {
      /** It voted for the block, or that there be none in this round. */
      readonly kind: 'commit' | 'nil';
      readonly address: Bytes;
      readonly timeNs: bigint;
      readonly signature: Bytes;
    };

export interface Commit {
  readonly height: bigint;
  readonly round: number;
  readonly blockId: BlockId;
  readonly entries: readonly CommitEntry[];
}

/** `BlockIDFlag` on the wire. */
const FLAG = { absent: 1, commit: 2, nil: 3 } as const;

/** Go's zero time, the first of January of the year 1, in seconds since 1970. */
export const ZERO_TIME_NS: bigint = -62_135_596_800n * 1_000_000_000n;

const ENTRY_BYTES_MAX = 128;

function malformed(what: string): never {
  throw new CodecError('malformed', what);
}

function writeEntry(writer: ProtobufWriter, entry: CommitEntry): void {
  writer.uint32(1, FLAG[entry.kind]);
  if (entry.kind === 'absent') {
    writer.message(3, ZERO_TIME_NS, writeTimestamp);
    return;
  }
  writer.bytes(2, entry.address);
  writer.message(3, entry.timeNs, writeTimestamp);
  writer.bytes(4, entry.signature);
}

function readEntry(reader: ProtobufReader): CommitEntry {
  let flag = 0;
  let address: Bytes = new Uint8Array(0);
  let timeNs = 0n;
  let signature: Bytes = new Uint8Array(0);
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 1) flag = reader.int32();
    else if (field === 2) address = reader.bytes();
    else if (field === 3) timeNs = reader.message(readTimestamp);
    else if (field === 4) signature = reader.bytes();
    else reader.skip();
  return createCommitEntry({ flag, address, timeNs, signature });
}

/** An entry out of its untrusted parts. @throws CodecError */
export function createCommitEntry(input: {
  readonly flag: number;
  readonly address: Bytes;
  readonly timeNs: bigint;
  readonly signature: Bytes;
}): CommitEntry {
  const { flag, address, timeNs, signature } = input;
  if (flag === FLAG.absent) {
    if (address.length > 0 || signature.length > 0 || timeNs !== ZERO_TIME_NS)
      malformed('an absent vote says nothing');
    return { kind: 'absent' };
  }
  if (flag !== FLAG.commit && flag !== FLAG.nil) malformed('a vote of an unknown kind');
  if (address.length !== 20) malformed('an address of 20 bytes');
  if (signature.length !== 64) malformed('a signature of 64 bytes');
  return { kind: flag === FLAG.commit ? 'commit' : 'nil', address, timeNs, signature };
}

function writeCommit(writer: ProtobufWriter, commit: Commit): void {
  writer.int64(1, commit.height);
  writer.int32(2, commit.round);
  writer.message(3, commit.blockId, writeBlockId);
  for (const entry of commit.entries) writer.message(4, entry, writeEntry);
}

function readCommit(reader: ProtobufReader): Commit {
  let height = 0n;
  let round = 0;
  let blockId = NO_BLOCK;
  const entries: CommitEntry[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 1) height = reader.int64();
    else if (field === 2) round = reader.int32();
    else if (field === 3) blockId = reader.message(readBlockId);
    else if (field === 4) {
      if (entries.length === VALIDATORS_MAX) malformed('more votes than a set has validators');
      entries.push(reader.message(readEntry));
    } else reader.skip();
  return { height, round, blockId, entries };
}

/** What `ValidateBasic` asks in Go. @throws CodecError */
export function assertCommit(commit: Commit): Commit {
  if (commit.height < 1n || commit.height >= 1n << 63n) malformed('a height from 1 on');
  if (commit.round < 0 || commit.round >= 2 ** 31) malformed('a round from 0 on');
  assertBlockId(commit.blockId);
  if (commit.entries.length === 0) malformed('a commit with votes');
  return commit;
}

export function encodeCommit(commit: Commit): Bytes {
  return encodeMessage(commit, writeCommit);
}

/** @throws CodecError */
export function decodeCommit(bytes: Bytes): Commit {
  if (bytes.length > 256 + VALIDATORS_MAX * ENTRY_BYTES_MAX)
    throw new CodecError('tooLarge', 'more votes than a set has validators');
  const commit = assertCommit(decodeMessage(bytes, readCommit));
  if (!equalBytes(encodeCommit(commit), bytes))
    throw new CodecError('notCanonical', 'the commit is not in its one form');
  return commit;
}

/** What the next header carries as `lastCommitHash`. */
export function commitHash(commit: Commit): Bytes {
  return merkleRoot(commit.entries.map((entry) => encodeMessage(entry, writeEntry)));
}

interface Vote {
  readonly commit: Commit;
  readonly chainId: string;
  readonly timeNs: bigint;
  readonly isNil: boolean;
}

/** `SignedMsgType` of a precommit. */
const PRECOMMIT = 2;

function writeCanonicalVote(writer: ProtobufWriter, vote: Vote): void {
  const { commit } = vote;
  writer.uint32(1, PRECOMMIT);
  writer.sfixed64(2, commit.height);
  writer.sfixed64(3, BigInt(commit.round));
  if (!vote.isNil) writer.message(4, commit.blockId, writeBlockId);
  writer.message(5, vote.timeNs, writeTimestamp);
  writer.string(6, vote.chainId);
}

/**
 * What a validator signed: the length-delimited `CanonicalVote`. A vote for nil names no block.
 * (spec/core/encoding.md)
 */
export function voteSignBytes(
  chainId: string,
  commit: Commit,
  entry: { readonly kind: 'commit' | 'nil'; readonly timeNs: bigint },
): Bytes {
  const vote = { commit, chainId, timeNs: entry.timeNs, isNil: entry.kind === 'nil' };
  return encodeMessage(vote, (writer) => writer.delimited(vote, writeCanonicalVote));
}
