/** What a light client downloads of a block: no transactions, about 200 bytes and 100 more per signature. */
import type { Bytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type Certificate, certificateFromCbor, certificateToCbor } from '../certificate.ts';
import { type SignedHeader, signedHeaderFromCbor, signedHeaderToCbor } from '../header.ts';
import { type ValidatorSet, validatorSetFromCbor, validatorSetToCbor } from '../validator-set.ts';

export interface LightBlock extends SignedHeader {
  /** Certificate of this very block. */
  readonly certificate: Certificate;
  /** The set whose hash the header names. */
  readonly validators: ValidatorSet;
}

export function lightBlockToCbor(block: LightBlock): Cbor {
  return [
    signedHeaderToCbor(block),
    certificateToCbor(block.certificate),
    validatorSetToCbor(block.validators),
  ];
}

/** @throws CodecError, ValidatorSetError */
export function lightBlockFromCbor(value: Cbor): LightBlock {
  const fields = Fields.of(value, 3);
  return {
    ...signedHeaderFromCbor(fields.any()),
    certificate: certificateFromCbor(fields.any()),
    validators: validatorSetFromCbor(fields.any()),
  };
}

export function encodeLightBlock(block: LightBlock): Bytes {
  return encode(lightBlockToCbor(block));
}

/** @throws CodecError, ValidatorSetError */
export function decodeLightBlock(bytes: Bytes): LightBlock {
  return lightBlockFromCbor(decode(bytes, { bytesMax: 256 * 1024, depthMax: 6 }));
}
