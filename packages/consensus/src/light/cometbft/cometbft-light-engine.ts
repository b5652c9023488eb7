/** CometBFT v0.38: header and certificate are the protobuf `Header` and `Commit`. */
import { equalBytes } from '@yilian/crypto/bytes';
import { flatten } from '../../bundle.ts';
import type { CertifiedHeader, LightEngine, LightHeader } from '../light-engine.ts';
import { isNoBlock } from './block-id.ts';
import { type Commit, decodeCommit } from './commit.ts';
import { BLOCK_PROTOCOL, type CometHeader, cometHeaderHash, decodeCometHeader } from './header.ts';
import { createCometValidatorSet, decodeCometValidatorSet } from './validator-set.ts';
import { claimedSigners, verifyCommit } from './verify-commit.ts';

export function certifiedCometHeader(header: CometHeader, commit: Commit): CertifiedHeader {
  const { chainId, height, lastBlockId, timeNs, validatorsHash, nextValidatorsHash } = header;
  const blockId = cometHeaderHash(header);
  const light: LightHeader = {
    chainId,
    height,
    blockId,
    previousId: isNoBlock(lastBlockId) ? null : lastBlockId.hash,
    timeNs,
    transactionsRoot: header.dataHash,
    appHash: header.appHash,
    validatorsHash,
    nextValidatorsHash,
    proposer: header.proposerAddress,
  };
  return {
    header: light,
    isVersionKnown: header.blockVersion === BLOCK_PROTOCOL,
    signers: claimedSigners(commit),
    verifyCertificate: (check) => {
      const { validators } = check;
      if (validators.engine !== 'cometbft') return { ok: false, code: 'signerUnknown' };
      if (commit.height !== height || !equalBytes(commit.blockId.hash, blockId))
        return { ok: false, code: 'wrongBlock' };
      return verifyCommit({ ...check, chainId, commit, validators });
    },
    // The proposal's signature is not kept; who votes for a block has checked who made it.
    isProposed: () => true,
  };
}

export const cometLightEngine: LightEngine = {
  name: 'cometbft',
  decodeHeader: ({ header, certificate }) =>
    certifiedCometHeader(decodeCometHeader(header), decodeCommit(certificate)),
  decodeValidators: decodeCometValidatorSet,
  clientTransactions: (transactions) => flatten(transactions).txs,
  genesisValidators: ({ validators }) => createCometValidatorSet(validators),
};
