/** Chains of headers with ten validators of equal power, on both engines, signed for real. */
import type { Genesis } from '@yilian/consensus/application';
import { commitBody, encodeCertificate } from '@yilian/consensus/certificate';
import { genesisId } from '@yilian/consensus/genesis';
import { encodeSignedHeader, type Header, headerId, proposalBody } from '@yilian/consensus/header';
import { NO_BLOCK } from '@yilian/consensus/light/cometbft/block-id';
import {
  type Commit,
  type CommitEntry,
  encodeCommit,
  voteSignBytes,
} from '@yilian/consensus/light/cometbft/commit';
import {
  BLOCK_PROTOCOL,
  type CometHeader,
  cometHeaderHash,
  encodeCometHeader,
} from '@yilian/consensus/light/cometbft/header';
import { createCometValidatorSet } from '@yilian/consensus/light/cometbft/validator-set';
import type { EncodedHeader } from '@yilian/consensus/light/light-engine';
import { createValidatorSet, isQuorum, powerOf } from '@yilian/consensus/validator-set';
import { type Bytes, toHex, utf8 } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import { publicKey } from '@yilian/crypto/signature';
import { createSigner } from '@yilian/node/verification/verify-signature';

const VALIDATORS = 10;
export const CHAIN_ID = 'bench';
export const SECOND: bigint = 1_000_000_000n;
export const START: bigint = 1_795_219_200n * SECOND;
const ZEROS = new Uint8Array(32);

const seeds = Array.from({ length: VALIDATORS }, (_, index) => sha256(utf8(`validator ${index}`)));
const signers = new Map(seeds.map((seed) => [toHex(publicKey(seed)), createSigner(seed)]));
export const validators: Genesis['validators'] = seeds.map((seed) => ({
  key: publicKey(seed),
  power: 1n,
  leads: true,
}));

function sign(key: Bytes, message: Bytes): Bytes {
  const signer = signers.get(toHex(key));
  if (signer === undefined) throw new Error('a key of another set');
  return signer(message);
}

export function pbftChain(genesis: Genesis, length: number): readonly EncodedHeader[] {
  const set = createValidatorSet({ chainId: CHAIN_ID, epoch: 0, validators });
  const signerCount = set.validators.findIndex((_, index) =>
    isQuorum(set, powerOf(set, set.validators.slice(0, index + 1).keys())),
  );
  let previousId = genesisId(genesis);
  return Array.from({ length }, (_, index) => {
    const height = BigInt(index + 1);
    const proposer = set.validators[index % VALIDATORS]?.key ?? ZEROS;
    const header: Header = {
      version: 1,
      chainId: CHAIN_ID,
      height,
      previousId,
      timeNs: START + height * SECOND,
      transactionsRoot: ZEROS,
      appHash: ZEROS,
      parentCertificateHash: index === 0 ? null : ZEROS,
      validatorsHash: set.hash,
      nextValidatorsHash: set.hash,
      proposer,
      count: 0,
      size: 0,
      difficulty: 0,
      puzzleNonce: null,
    };
    const blockId = headerId(header);
    previousId = blockId;
    const timeNs = header.timeNs + SECOND;
    const body = commitBody({ chainId: CHAIN_ID, epoch: 0, view: 0, height, blockId, timeNs });
    const signatures = set.validators
      .slice(0, signerCount + 1)
      .map(({ key }, signer) => ({ signer, timeNs, signature: sign(key, body) }));
    const signature = sign(proposer, proposalBody(CHAIN_ID, blockId));
    return {
      header: encodeSignedHeader({ header, signature }),
      certificate: encodeCertificate({ height, view: 0, blockId, signatures }),
    };
  });
}

/** Every header carries the same app hash. */
export function cometChain(length: number, appHash: Bytes = ZEROS): readonly EncodedHeader[] {
  const set = createCometValidatorSet(validators);
  let lastBlockId = NO_BLOCK;
  return Array.from({ length }, (_, index) => {
    const height = BigInt(index + 1);
    const header: CometHeader = {
      blockVersion: BLOCK_PROTOCOL,
      appVersion: 1n,
      chainId: CHAIN_ID,
      height,
      timeNs: START + height * SECOND,
      lastBlockId,
      lastCommitHash: ZEROS,
      dataHash: ZEROS,
      validatorsHash: set.hash,
      nextValidatorsHash: set.hash,
      consensusHash: ZEROS,
      appHash,
      lastResultsHash: ZEROS,
      evidenceHash: ZEROS,
      proposerAddress: set.validators[index % VALIDATORS]?.address ?? new Uint8Array(20),
    };
    const blockId = { hash: cometHeaderHash(header), partsTotal: 1, partsHash: ZEROS };
    lastBlockId = blockId;
    const unsigned: Commit = { height, round: 0, blockId, entries: [] };
    const entries = set.validators.map(({ key, address }, position): CommitEntry => {
      const timeNs = header.timeNs + SECOND + BigInt(position);
      const message = voteSignBytes(CHAIN_ID, unsigned, { kind: 'commit', timeNs });
      return { kind: 'commit', address, timeNs, signature: sign(key, message) };
    });
    return {
      header: encodeCometHeader(header),
      certificate: encodeCommit({ ...unsigned, entries }),
    };
  });
}
