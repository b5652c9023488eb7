/** A block: signed header, transactions (opaque here), and the certificate of the block below. */
import type { Bytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, decodeInPlace, encode } from '@yilian/crypto/cbor';
import { ANY_COUNT, Fields } from '@yilian/crypto/fields';
import type * as application from './application.ts';
import { type Certificate, certificateFromCbor, certificateToCbor } from './certificate.ts';
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

function blockToCbor(block: Block): Cbor {
  const { parentCertificate } = block;
  return [
    signedHeaderToCbor(block),
    block.transactions,
    parentCertificate === null ? null : certificateToCbor(parentCertificate),
  ];
}

function blockFromCbor(value: Cbor): Block {
  const fields = Fields.of(value, 3);
  return {
    ...signedHeaderFromCbor(fields.any()),
    transactions: fields.list(ANY_COUNT, (list) => list.bytes()),
    parentCertificate: fields.orNull((own) => certificateFromCbor(own.any())),
  };
}

/** Encodings already made or decoded: a block of a thousand transactions goes to the wire, the log and the store. */
const encodings = new WeakMap<Block, Bytes>();

export function encodeBlock(block: Block): Bytes {
  const known = encodings.get(block);
  if (known !== undefined) return known;
  const bytes = encode(blockToCbor(block));
  encodings.set(block, bytes);
  return bytes;
}

/** Transactions are views of `bytes`, which nobody may write to any more. @throws CodecError */
export function decodeBlock(bytes: Bytes): Block {
  const limits = { bytesMax: BLOCK_ENCODING_BYTES_MAX, depthMax: 6 };
  const block = blockFromCbor(decodeInPlace(bytes, limits));
  encodings.set(block, bytes);
  return block;
}

/** A block inside something else is a byte string, so that carrying it on costs no second encoding. */
export function nestBlock(block: Block): Cbor {
  return encodeBlock(block);
}

/** The next field as a nested block. @throws CodecError */
export function unnestBlock(fields: Fields): Block {
  return decodeBlock(fields.bytes());
}

export function certifiedBlockToCbor({ block, certificate }: CertifiedBlock): Cbor {
  return [nestBlock(block), certificateToCbor(certificate)];
}

/** @throws CodecError */
export function certifiedBlockFromCbor(value: Cbor): CertifiedBlock {
  const fields = Fields.of(value, 2);
  return { block: unnestBlock(fields), certificate: certificateFromCbor(fields.any()) };
}

export function encodeCertifiedBlock(certified: CertifiedBlock): Bytes {
  return encode(certifiedBlockToCbor(certified));
}

/** @throws CodecError */
export function decodeCertifiedBlock(bytes: Bytes): CertifiedBlock {
  return certifiedBlockFromCbor(
    decode(bytes, { bytesMax: 2 * BLOCK_ENCODING_BYTES_MAX, depthMax: 5 }),
  );
}

/** The block as the application sees it; `parentValidators` is the set that certified the block below. */
export function toApplicationBlock(
  block: Pick<Block, 'transactions' | 'parentCertificate'> & {
    readonly header: Pick<Block['header'], 'height' | 'timeNs' | 'proposer'>;
  },
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
