/** A block: signed header, transactions (opaque here), and the certificate of the block below. */
import type { Bytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import type * as application from './application.ts';
import { type Certificate, certificateFromCbor, certificateToCbor } from './certificate.ts';
import { readArray, readBytes, readOptional } from './fields.ts';
import { type SignedHeader, signedHeaderFromCbor, signedHeaderToCbor } from './header.ts';
import { addressOf, type ValidatorSet } from './validator-set.ts';

export interface Block extends SignedHeader {
  readonly transactions: readonly Bytes[];
  /** Null at height 1. */
  readonly parentCertificate: Certificate | null;
}

/** A block that is decided: what state transfer carries and what a node stores. */
export interface CertifiedBlock {
  readonly block: Block;
  readonly certificate: Certificate;
}

/** No encoding of a block is longer, whatever the settings say. */
export const BLOCK_ENCODING_BYTES_MAX: number = 16 * 1024 * 1024;

export function blockToCbor(block: Block): Cbor {
  const { parentCertificate } = block;
  return [
    signedHeaderToCbor(block),
    block.transactions,
    parentCertificate === null ? null : certificateToCbor(parentCertificate),
  ];
}

/** @throws CodecError */
export function blockFromCbor(value: Cbor | undefined): Block {
  const [signed, transactions, parentCertificate] = readArray(value, 3);
  const { header, signature } = signedHeaderFromCbor(signed);
  return {
    header,
    signature,
    transactions: readArray(transactions).map((item) => readBytes(item)),
    parentCertificate: readOptional(parentCertificate, certificateFromCbor),
  };
}

export function encodeBlock(block: Block): Bytes {
  return encode(blockToCbor(block));
}

/** @throws CodecError */
export function decodeBlock(bytes: Bytes): Block {
  return blockFromCbor(decode(bytes, { bytesMax: BLOCK_ENCODING_BYTES_MAX, depthMax: 6 }));
}

export function certifiedBlockToCbor({ block, certificate }: CertifiedBlock): Cbor {
  return [blockToCbor(block), certificateToCbor(certificate)];
}

/** @throws CodecError */
export function certifiedBlockFromCbor(value: Cbor | undefined): CertifiedBlock {
  const [block, certificate] = readArray(value, 2);
  return { block: blockFromCbor(block), certificate: certificateFromCbor(certificate) };
}

export function encodeCertifiedBlock(certified: CertifiedBlock): Bytes {
  return encode(certifiedBlockToCbor(certified));
}

/** @throws CodecError */
export function decodeCertifiedBlock(bytes: Bytes): CertifiedBlock {
  return certifiedBlockFromCbor(decode(bytes, { bytesMax: BLOCK_ENCODING_BYTES_MAX, depthMax: 7 }));
}

/** The block as the application sees it; `parentValidators` is the set that certified the block below. */
export function toApplicationBlock(
  block: Pick<Block, 'header' | 'transactions' | 'parentCertificate'>,
  parentValidators: ValidatorSet,
): application.Block {
  const { header, parentCertificate } = block;
  const signers = new Set(parentCertificate?.signatures.map(({ signer }) => signer));
  return {
    height: header.height,
    timeNs: header.timeNs,
    proposer: header.proposer,
    txs: block.transactions,
    votes:
      parentCertificate === null
        ? []
        : parentValidators.validators.map(({ key, power }, index) => ({
            address: addressOf(key),
            power,
            signed: signers.has(index),
          })),
    misbehaviour: [],
  };
}
