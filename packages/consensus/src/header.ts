/**
 * The header of a block (QJ-9, LM-5): what every later proof hangs on. The block id is a hash over all
 * fields and not over the proposer's signature, so that nobody can give one block two ids.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { Fields } from '@yilian/crypto/fields';
import { sha256 } from '@yilian/crypto/hash';

export const HEADER_VERSION = 1;

export interface Header {
  readonly version: number;
  readonly chainId: string;
  readonly height: bigint;
  /** Id of the block below; at height 1 the genesis id. */
  readonly previousId: Bytes;
  /** Power-weighted median of the parent's commit timestamps; at height 1 the time of genesis. */
  readonly timeNs: bigint;
  /** RFC 9162 root over SHA-256(transaction). */
  readonly transactionsRoot: Bytes;
  /** App hash after the block below. */
  readonly appHash: Bytes;
  /** Hash of the certificate of the block below, carried in the block; null at height 1. */
  readonly parentCertificateHash: Bytes | null;
  readonly validatorsHash: Bytes;
  readonly nextValidatorsHash: Bytes;
  /** Consensus key of the hospital that made the block. */
  readonly proposer: Bytes;
  /** Number of transactions. */
  readonly count: number;
  /** Bytes of all transactions. */
  readonly size: number;
  /** LM-5: leading zero bits that the id must have; 0 = no puzzle. */
  readonly difficulty: number;
  /** LM-5: the string that was searched for; null without a puzzle. */
  readonly puzzleNonce: Bytes | null;
}

export interface SignedHeader {
  readonly header: Header;
  /** The proposer's Ed25519 signature over `proposalBody`. */
  readonly signature: Bytes;
}

export function headerToCbor(header: Header): readonly Cbor[] {
  return [
    header.version,
    header.chainId,
    header.height,
    header.previousId,
    header.timeNs,
    header.transactionsRoot,
    header.appHash,
    header.parentCertificateHash,
    header.validatorsHash,
    header.nextValidatorsHash,
    header.proposer,
    header.count,
    header.size,
    header.difficulty,
    header.puzzleNonce,
  ];
}

/** @throws CodecError */
export function headerFromCbor(value: Cbor): Header {
  const fields = Fields.of(value, 15);
  return {
    version: fields.whole(),
    chainId: fields.text(),
    height: fields.u64(),
    previousId: fields.bytes(32),
    timeNs: fields.u64(),
    transactionsRoot: fields.bytes(32),
    appHash: fields.bytes(32),
    parentCertificateHash: fields.orNull((own) => own.bytes(32)),
    validatorsHash: fields.bytes(32),
    nextValidatorsHash: fields.bytes(32),
    proposer: fields.bytes(32),
    count: fields.whole(),
    size: fields.whole(),
    difficulty: fields.whole(),
    puzzleNonce: fields.orNull((own) => own.bytes()),
  };
}

/** 32 bytes that name the block. */
export function headerId(header: Header): Bytes {
  return sha256(encode([DOMAIN_TAGS.blockId, ...headerToCbor(header)]));
}

/** What the proposer signs. */
export function proposalBody(chainId: string, blockId: Bytes): Bytes {
  return encode([DOMAIN_TAGS.blockProposal, chainId, blockId]);
}

export function encodeSignedHeader(signed: SignedHeader): Bytes {
  return encode(signedHeaderToCbor(signed));
}

/** @throws CodecError */
export function decodeSignedHeader(bytes: Bytes): SignedHeader {
  return signedHeaderFromCbor(decode(bytes, { bytesMax: 4096, depthMax: 3 }));
}

export function signedHeaderToCbor({ header, signature }: SignedHeader): Cbor {
  return [headerToCbor(header), signature];
}

/** @throws CodecError */
export function signedHeaderFromCbor(value: Cbor): SignedHeader {
  const fields = Fields.of(value, 2);
  return { header: headerFromCbor(fields.any()), signature: fields.bytes(64) };
}
