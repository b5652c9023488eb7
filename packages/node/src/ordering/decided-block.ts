/** A block of the embedded engine as listeners see it. Encodings are made when somebody looks at them. */
import type { CertifiedBlock } from '@yilian/consensus/block';
import { encodeCertificate } from '@yilian/consensus/certificate';
import { encodeSignedHeader } from '@yilian/consensus/header';
import type { DecidedBlock } from './final-blocks.ts';

export function toDecidedBlock({ block, certificate }: CertifiedBlock): DecidedBlock {
  const { height, timeNs, proposer } = block.header;
  return {
    height,
    timeNs,
    proposer,
    get header() {
      return encodeSignedHeader(block);
    },
    get certificate() {
      return encodeCertificate(certificate);
    },
  };
}
