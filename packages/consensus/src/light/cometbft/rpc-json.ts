/**
 * The answers of CometBFT's RPC (`/commit`, `/validators`, `/block`; v0.38 OpenAPI) in binary form. They come
 * from another process and are not believed: whatever is not exactly of the promised shape is refused, and
 * what is goes through the same light client as everything else.
 */
import { type Bytes, CodecError, fromBase64Url, fromHex } from '@yilian/crypto/bytes';
import { assertBlockId, type BlockId, isNoBlock } from './block-id.ts';
import { assertCommit, type Commit, type CommitEntry, createCommitEntry } from './commit.ts';
import { assertCometHeader, type CometHeader } from './header.ts';

type Json = Readonly<Record<string, unknown>>;

function malformed(what: string): never {
  throw new CodecError('malformed', `expected ${what}`);
}

function readObject(value: unknown, field: string): Json {
  const inner = (value as Json | null | undefined)?.[field];
  if (typeof inner !== 'object' || inner === null || Array.isArray(inner))
    malformed(`an object ${field}`);
  return inner as Json;
}

function readList(value: Json, field: string): readonly unknown[] {
  const list = value[field];
  if (!Array.isArray(list)) malformed(`a list ${field}`);
  return list as readonly unknown[];
}

function readText(value: Json, field: string): string {
  const text = value[field];
  if (typeof text !== 'string') malformed(`text ${field}`);
  return text;
}

/** 64-bit numbers travel as decimal text. */
function readBig(value: Json, field: string): bigint {
  const text = readText(value, field);
  if (!/^(0|-?[1-9][0-9]{0,18})$/.test(text)) malformed(`a decimal number ${field}`);
  const big = BigInt(text);
  return BigInt.asIntN(64, big) === big ? big : malformed(`a number of 64 bits ${field}`);
}

function readCount(value: Json, field: string): number {
  const count = value[field];
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0 || count >= 2 ** 32)
    malformed(`a number ${field}`);
  return count;
}

function readHex(value: Json, field: string): Bytes {
  const text = readText(value, field);
  if (text !== text.toUpperCase()) malformed(`upper-case hexadecimal digits ${field}`);
  return fromHex(text.toLowerCase());
}

/** RFC 4648 §4, padded. */
function fromBase64(text: unknown): Bytes {
  if (typeof text !== 'string' || text.length % 4 !== 0 || /[-_]/.test(text)) malformed('base64');
  return fromBase64Url(
    text
      .replace(/={1,2}$/, '')
      .replaceAll('+', '-')
      .replaceAll('/', '_'),
  );
}

const TIME = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?Z$/;
const DAYS_OF_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Days between 1970-01-01 and a date of the Gregorian calendar, which is assumed for all time. */
function daysSince1970(year: number, month: number, day: number): number {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = (DAYS_OF_MONTH[month - 1] ?? 0) + (isLeap && month === 2 ? 1 : 0);
  if (year < 1 || day < 1 || day > days) malformed('a date that exists');
  const before = year - 1;
  const leapDays = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400);
  const months = DAYS_OF_MONTH.slice(0, month - 1).reduce((sum, length) => sum + length, 0);
  const sinceYear1 = before * 365 + leapDays + months + (isLeap && month > 2 ? 1 : 0) + day - 1;
  return sinceYear1 - 719_162;
}

/** RFC 3339 in UTC with up to nine digits of a second, in nanoseconds since 1970. */
function readTime(value: Json, field: string): bigint {
  const parts = TIME.exec(readText(value, field)) ?? malformed(`a time ${field}`);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
    .slice(1, 7)
    .map(Number);
  if (hour > 23 || minute > 59 || second > 59) malformed(`a time ${field}`);
  const seconds = ((daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
  return BigInt(seconds) * 1_000_000_000n + BigInt((parts[7] ?? '').padEnd(9, '0'));
}

function readBlockId(value: Json, field: string): BlockId {
  const id = readObject(value, field);
  const parts = readObject(id, 'parts');
  const blockId = {
    hash: readHex(id, 'hash'),
    partsTotal: readCount(parts, 'total'),
    partsHash: readHex(parts, 'hash'),
  };
  return isNoBlock(blockId) ? blockId : assertBlockId(blockId);
}

function readHeader(value: Json): CometHeader {
  const header = readObject(value, 'header');
  const version = readObject(header, 'version');
  return assertCometHeader({
    blockVersion: readBig(version, 'block'),
    // Left out by Go where it is zero.
    appVersion: version['app'] === undefined ? 0n : readBig(version, 'app'),
    chainId: readText(header, 'chain_id'),
    height: readBig(header, 'height'),
    timeNs: readTime(header, 'time'),
    lastBlockId: readBlockId(header, 'last_block_id'),
    lastCommitHash: readHex(header, 'last_commit_hash'),
    dataHash: readHex(header, 'data_hash'),
    validatorsHash: readHex(header, 'validators_hash'),
    nextValidatorsHash: readHex(header, 'next_validators_hash'),
    consensusHash: readHex(header, 'consensus_hash'),
    appHash: readHex(header, 'app_hash'),
    lastResultsHash: readHex(header, 'last_results_hash'),
    evidenceHash: readHex(header, 'evidence_hash'),
    proposerAddress: readHex(header, 'proposer_address'),
  });
}

function readEntry(value: unknown): CommitEntry {
  const entry = readObject({ entry: value }, 'entry');
  const { signature } = entry;
  return createCommitEntry({
    flag: readCount(entry, 'block_id_flag'),
    address: readHex(entry, 'validator_address'),
    timeNs: readTime(entry, 'timestamp'),
    signature: signature === null ? new Uint8Array(0) : fromBase64(signature),
  });
}

function readCommit(commit: Json): Commit {
  return assertCommit({
    height: readBig(commit, 'height'),
    round: readCount(commit, 'round'),
    blockId: readBlockId(commit, 'block_id'),
    entries: readList(commit, 'signatures').map(readEntry),
  });
}

/** `result` of `/commit`. @throws CodecError */
export function parseRpcCommit(result: unknown): {
  readonly header: CometHeader;
  readonly commit: Commit;
  /** False for the newest height: the votes that this node has seen, not those of the next block. */
  readonly isCanonical: boolean;
} {
  const signed = readObject(result, 'signed_header');
  const isCanonical = (result as Json)['canonical'];
  if (typeof isCanonical !== 'boolean') malformed('a flag canonical');
  return {
    header: readHeader(signed),
    commit: readCommit(readObject(signed, 'commit')),
    isCanonical,
  };
}

/** `result` of `/validators`: one page of the set of a height. @throws CodecError */
export function parseRpcValidators(result: unknown): {
  readonly height: bigint;
  readonly validators: readonly { readonly key: Bytes; readonly power: bigint }[];
  /** Of the whole set. */
  readonly total: number;
} {
  const page = readObject({ page: result }, 'page');
  const validators = readList(page, 'validators').map((each) => {
    const validator = readObject({ validator: each }, 'validator');
    const key = readObject(validator, 'pub_key');
    if (readText(key, 'type') !== 'tendermint/PubKeyEd25519') malformed('an Ed25519 key');
    return { key: fromBase64(key['value']), power: readBig(validator, 'voting_power') };
  });
  return {
    height: readBig(page, 'block_height'),
    validators,
    total: Number(readBig(page, 'total')),
  };
}

/** `result` of `/block`. @throws CodecError */
export function parseRpcBlock(result: unknown): {
  readonly header: CometHeader;
  /** As the engine ordered them. */
  readonly transactions: readonly Bytes[];
  /** Commit of the block below; null at height 1. */
  readonly lastCommit: Commit | null;
} {
  const block = readObject(result, 'block');
  const header = readHeader(block);
  const last = readObject(block, 'last_commit');
  return {
    header,
    transactions: readList(readObject(block, 'data'), 'txs').map(fromBase64),
    lastCommit: header.height === 1n ? null : readCommit(last),
  };
}
