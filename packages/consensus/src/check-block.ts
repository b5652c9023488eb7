/** Whether a block may stand on a tip. Everything here is a function of tip and block, alike everywhere. */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import type { Block } from './block.ts';
import { certificateHash, medianTimeNs, verifyCertificate } from './certificate.ts';
import type { ChainTip } from './chain-tip.ts';
import { HEADER_VERSION, proposalBody } from './header.ts';
import type { Hasher, SignatureVerifier } from './signature.ts';
import { transactionsRoot } from './transactions-root.ts';
import { indexOfKey } from './validator-set.ts';

export type BlockRefusal =
  // the body does not belong to the header: whoever sent it is to blame
  | 'transactionsRootDiffers'
  | 'countDiffers'
  | 'sizeDiffers'
  | 'parentCertificateDiffers'
  // the header does not belong on this tip: whoever proposed it is to blame
  | 'versionUnknown'
  | 'wrongChain'
  | 'wrongHeight'
  | 'wrongPrevious'
  | 'validatorsDiffer'
  | 'appHashDiffers'
  | 'parentCertificateInvalid'
  | 'timeDiffers'
  | 'tooManyTransactions'
  | 'tooManyBytes'
  | 'proposerMayNotLead'
  | 'badProposerSignature'
  | 'puzzleUnwanted';

export interface BlockCheck {
  readonly tip: ChainTip;
  readonly block: Block;
  readonly blockId: Bytes;
  readonly transactionHashes: readonly Bytes[];
  readonly hash: Hasher;
  readonly verifySignature: SignatureVerifier;
  readonly blockCountMax: number;
  readonly blockBytesMax: number;
}

/** The body against its own header. */
export function checkBody(check: BlockCheck): BlockRefusal | undefined {
  const { block, tip, transactionHashes, hash } = check;
  const { header, transactions, parentCertificate } = block;
  if (header.count !== transactions.length) return 'countDiffers';
  let size = 0;
  for (const transaction of transactions) size += transaction.length;
  if (header.size !== size) return 'sizeDiffers';
  if (!equalBytes(header.transactionsRoot, transactionsRoot(transactionHashes, hash)))
    return 'transactionsRootDiffers';
  const committed =
    parentCertificate === null ? null : certificateHash(tip.validators.chainId, parentCertificate);
  const named = header.parentCertificateHash;
  if (committed === null || named === null) {
    if (committed !== named) return 'parentCertificateDiffers';
  } else if (!equalBytes(committed, named)) return 'parentCertificateDiffers';
  return undefined;
}

/** The header against the tip. Assumes that `checkBody` found nothing. */
export function checkHeader(check: BlockCheck): BlockRefusal | undefined {
  const { block, tip, verifySignature } = check;
  const { header, parentCertificate } = block;
  const { chainId } = tip.validators;
  if (header.version !== HEADER_VERSION) return 'versionUnknown';
  if (header.chainId !== chainId) return 'wrongChain';
  if (header.height !== tip.height + 1n) return 'wrongHeight';
  if (!equalBytes(header.previousId, tip.blockId)) return 'wrongPrevious';
  if (
    !equalBytes(header.validatorsHash, tip.validators.hash) ||
    !equalBytes(header.nextValidatorsHash, tip.nextValidators.hash)
  )
    return 'validatorsDiffer';
  if (!equalBytes(header.appHash, tip.appHash)) return 'appHashDiffers';
  if (header.difficulty !== 0 || header.puzzleNonce !== null) return 'puzzleUnwanted';
  if (header.count > check.blockCountMax) return 'tooManyTransactions';
  if (header.size > check.blockBytesMax) return 'tooManyBytes';
  const proposer = indexOfKey(tip.validators, header.proposer);
  if (proposer === undefined || tip.validators.validators[proposer]?.leads !== true)
    return 'proposerMayNotLead';
  if (parentCertificate === null) {
    if (tip.height !== 0n) return 'parentCertificateInvalid';
    if (header.timeNs !== tip.timeNs) return 'timeDiffers';
  } else {
    if (tip.height === 0n) return 'parentCertificateInvalid';
    const verified = verifyCertificate({
      certificate: parentCertificate,
      height: tip.height,
      blockId: tip.blockId,
      validators: tip.lastValidators,
      verifySignature,
    });
    if (!verified.ok) return 'parentCertificateInvalid';
    // PB-6: no freshness check, so that a block proposed again later stays valid (bug 18).
    const timeNs = medianTimeNs(parentCertificate, tip.lastValidators);
    if (header.timeNs !== timeNs || timeNs <= tip.timeNs) return 'timeDiffers';
  }
  const message = proposalBody(chainId, check.blockId);
  if (!verifySignature({ publicKey: header.proposer, message, signature: block.signature }))
    return 'badProposerSignature';
  return undefined;
}
