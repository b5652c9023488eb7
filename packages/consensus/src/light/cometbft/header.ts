/**
 * The header of a CometBFT v0.38 block (spec/core/data_structures.md). Its hash, the Merkle root over the
 * encoded fields, is the id of the block; the app hash is the one after the block below.
 *
 * Decoding is strict: only the bytes that Go's generated code writes for the same fields are taken, so that
 * equal headers are equal bytes.
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
import {
  assertBlockId,
  type BlockId,
  isNoBlock,
  NO_BLOCK,
  readBlockId,
  writeBlockId,
} from './block-id.ts';

/** Block protocol of v0.34 up to v0.40. */
export const BLOCK_PROTOCOL = 11n;
export const CHAIN_ID_LENGTH_MAX = 50;

const HEADER_BYTES_MAX = 1_024;
const APP_HASH_BYTES_MAX = 64;

export interface CometHeader {
  readonly blockVersion: bigint;
  readonly appVersion: bigint;
  readonly chainId: string;
  readonly height: bigint;
  /** Median of the parent's commit timestamps; at height 1 the time of genesis. */
  readonly timeNs: bigint;
  readonly lastBlockId: BlockId;
  readonly lastCommitHash: Bytes;
  /** RFC 9162 root over SHA-256(engine transaction). */
  readonly dataHash: Bytes;
  readonly validatorsHash: Bytes;
  readonly nextValidatorsHash: Bytes;
  readonly consensusHash: Bytes;
  readonly appHash: Bytes;
  readonly lastResultsHash: Bytes;
  readonly evidenceHash: Bytes;
  /** First 20 bytes of SHA-256 of the proposer's key. */
  readonly proposerAddress: Bytes;
}

type Versions = Pick<CometHeader, 'blockVersion' | 'appVersion'>;

function writeVersions(writer: ProtobufWriter, versions: Versions): void {
  writer.uint64(1, versions.blockVersion);
  writer.uint64(2, versions.appVersion);
}

function readVersions(reader: ProtobufReader): Versions {
  let blockVersion = 0n;
  let appVersion = 0n;
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 1) blockVersion = reader.uint64();
    else if (field === 2) appVersion = reader.uint64();
    else reader.skip();
  return { blockVersion, appVersion };
}

function writeHeader(writer: ProtobufWriter, header: CometHeader): void {
  writer.message(1, header, writeVersions);
  writer.string(2, header.chainId);
  writer.int64(3, header.height);
  writer.message(4, header.timeNs, writeTimestamp);
  writer.message(5, header.lastBlockId, writeBlockId);
  writer.bytes(6, header.lastCommitHash);
  writer.bytes(7, header.dataHash);
  writer.bytes(8, header.validatorsHash);
  writer.bytes(9, header.nextValidatorsHash);
  writer.bytes(10, header.consensusHash);
  writer.bytes(11, header.appHash);
  writer.bytes(12, header.lastResultsHash);
  writer.bytes(13, header.evidenceHash);
  writer.bytes(14, header.proposerAddress);
}

function readHeader(reader: ProtobufReader): CometHeader {
  let versions: Versions = { blockVersion: 0n, appVersion: 0n };
  let chainId = '';
  let height = 0n;
  let timeNs = 0n;
  let lastBlockId = NO_BLOCK;
  const hashes: Bytes[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 1) versions = reader.message(readVersions);
    else if (field === 2) chainId = reader.string();
    else if (field === 3) height = reader.int64();
    else if (field === 4) timeNs = reader.message(readTimestamp);
    else if (field === 5) lastBlockId = reader.message(readBlockId);
    else if (field <= 14) hashes[field - 6] = reader.bytes();
    else reader.skip();
  const hashAt = (field: number): Bytes => hashes[field - 6] ?? new Uint8Array(0);
  return {
    ...versions,
    chainId,
    height,
    timeNs,
    lastBlockId,
    lastCommitHash: hashAt(6),
    dataHash: hashAt(7),
    validatorsHash: hashAt(8),
    nextValidatorsHash: hashAt(9),
    consensusHash: hashAt(10),
    appHash: hashAt(11),
    lastResultsHash: hashAt(12),
    evidenceHash: hashAt(13),
    proposerAddress: hashAt(14),
  };
}

function malformed(what: string): never {
  throw new CodecError('malformed', what);
}

/** What `ValidateBasic` asks in Go. @throws CodecError */
export function assertCometHeader(header: CometHeader): CometHeader {
  const { chainId, height, timeNs, lastBlockId } = header;
  if (chainId === '' || chainId.length > CHAIN_ID_LENGTH_MAX)
    malformed('a chain id of 1–50 characters');
  if (height < 1n || height >= 1n << 63n) malformed('a height from 1 on');
  if (timeNs < 0n || timeNs >= 1n << 64n) malformed('a time since 1970');
  if (height > 1n) assertBlockId(lastBlockId);
  else if (!isNoBlock(lastBlockId)) malformed('nothing below height 1');
  const { lastCommitHash, dataHash, consensusHash, evidenceHash, lastResultsHash } = header;
  for (const hash of [dataHash, header.validatorsHash, header.nextValidatorsHash])
    if (hash.length !== 32) malformed('a hash of 32 bytes');
  for (const hash of [lastCommitHash, consensusHash, evidenceHash, lastResultsHash])
    if (hash.length !== 0 && hash.length !== 32) malformed('a hash of 32 bytes or none');
  if (header.appHash.length > APP_HASH_BYTES_MAX) malformed('an app hash of at most 64 bytes');
  if (header.proposerAddress.length !== 20) malformed('an address of 20 bytes');
  return header;
}

export function encodeCometHeader(header: CometHeader): Bytes {
  return encodeMessage(header, writeHeader);
}

/** @throws CodecError */
export function decodeCometHeader(bytes: Bytes): CometHeader {
  if (bytes.length > HEADER_BYTES_MAX) throw new CodecError('tooLarge', 'a header is short');
  const header = assertCometHeader(decodeMessage(bytes, readHeader));
  if (!equalBytes(encodeCometHeader(header), bytes))
    throw new CodecError('notCanonical', 'the header is not in its one form');
  return header;
}

/** A value alone as `google.protobuf.…Value`: nothing at all for the default. */
const textLeaf = (value: string): Bytes =>
  encodeMessage(value, (writer) => writer.string(1, value));
const bytesLeaf = (value: Bytes): Bytes => encodeMessage(value, (writer) => writer.bytes(1, value));

/** 32 bytes that name the block. */
export function cometHeaderHash(header: CometHeader): Bytes {
  return merkleRoot([
    encodeMessage(header, writeVersions),
    textLeaf(header.chainId),
    encodeMessage(header.height, (writer, height) => writer.int64(1, height)),
    encodeMessage(header.timeNs, writeTimestamp),
    encodeMessage(header.lastBlockId, writeBlockId),
    bytesLeaf(header.lastCommitHash),
    bytesLeaf(header.dataHash),
    bytesLeaf(header.validatorsHash),
    bytesLeaf(header.nextValidatorsHash),
    bytesLeaf(header.consensusHash),
    bytesLeaf(header.appHash),
    bytesLeaf(header.lastResultsHash),
    bytesLeaf(header.evidenceHash),
    bytesLeaf(header.proposerAddress),
  ]);
}
