/** The embedded engine: header, certificate and validator set in canonical CBOR. */
import type { Bytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import {
  type Certificate,
  certificateFromCbor,
  certificateToCbor,
  decodeCertificate,
  verifyCertificate,
} from '../certificate.ts';
import {
  decodeSignedHeader,
  type Header,
  HEADER_VERSION,
  headerId,
  proposalBody,
  type SignedHeader,
  signedHeaderFromCbor,
  signedHeaderToCbor,
} from '../header.ts';
import {
  createValidatorSet,
  type ValidatorSet,
  validatorSetFromCbor,
  validatorSetToCbor,
} from '../validator-set.ts';
import type { CertifiedHeader, LightBlock, LightEngine, LightHeader } from './light-engine.ts';

/** About 200 bytes and 100 more per signature. */
export interface PbftLightBlock extends SignedHeader {
  /** Certificate of this very block. */
  readonly certificate: Certificate;
  /** The set whose hash the header names. */
  readonly validators: ValidatorSet;
}

export function pbftLightHeader(header: Header): LightHeader {
  const { chainId, height, previousId, timeNs, transactionsRoot, appHash } = header;
  const { validatorsHash, nextValidatorsHash, proposer } = header;
  return {
    chainId,
    height,
    blockId: headerId(header),
    previousId,
    timeNs,
    transactionsRoot,
    appHash,
    validatorsHash,
    nextValidatorsHash,
    proposer,
  };
}

export function certifiedPbftHeader(
  signed: SignedHeader,
  certificate: Certificate,
): CertifiedHeader {
  const { header, signature } = signed;
  const light = pbftLightHeader(header);
  const { height, blockId } = light;
  const signers = certificate.signatures.map(({ signer }) => signer);
  return {
    header: light,
    isVersionKnown: header.version === HEADER_VERSION,
    signers,
    verifyCertificate: ({ validators, verifySignature }) => {
      if (validators.engine !== 'pbft') return { ok: false, code: 'signerUnknown' };
      const verdict = verifyCertificate({
        certificate,
        height,
        blockId,
        validators,
        verifySignature,
      });
      return verdict.ok ? { ok: true, signers } : verdict;
    },
    // The certificate does not cover the proposer's signature: it is checked for itself.
    isProposed: (verifySignature) =>
      verifySignature({
        publicKey: header.proposer,
        message: proposalBody(header.chainId, blockId),
        signature,
      }),
  };
}

/** As the light client judges it. */
export function pbftLightBlock(block: PbftLightBlock): LightBlock {
  return { ...certifiedPbftHeader(block, block.certificate), validators: block.validators };
}

export const pbftLightEngine: LightEngine = {
  name: 'pbft',
  decodeHeader: ({ header, certificate }) =>
    certifiedPbftHeader(decodeSignedHeader(header), decodeCertificate(certificate)),
  decodeValidators: (bytes) => validatorSetFromCbor(decode(bytes)),
  clientTransactions: (transactions) => transactions,
  genesisValidators: ({ chainId, validators }) =>
    createValidatorSet({ chainId, epoch: 0, validators }),
};

/** `[signed header, certificate, validator set]` */
export function encodePbftLightBlock(block: PbftLightBlock): Bytes {
  return encode([
    signedHeaderToCbor(block),
    certificateToCbor(block.certificate),
    validatorSetToCbor(block.validators),
  ]);
}

/** @throws CodecError, ValidatorSetError */
export function decodePbftLightBlock(bytes: Bytes): PbftLightBlock {
  const fields = Fields.of(decode(bytes, { bytesMax: 256 * 1024, depthMax: 6 }), 3);
  return {
    ...signedHeaderFromCbor(fields.any()),
    certificate: certificateFromCbor(fields.any()),
    validators: validatorSetFromCbor(fields.any()),
  };
}
