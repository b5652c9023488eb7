/**
 * How fast a light client follows a chain header by header, from bytes: decoding, hashes, and the signatures
 * of ten validators of equal power, of whom seven are needed. Node's verifier (OpenSSL on one thread) with the
 * keys of the set made once. Nothing is skipped; bisection would need fewer headers.
 */
import { performance } from 'node:perf_hooks';
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
import { lightEngineOf } from '@yilian/consensus/light/light-engines';
import { trustGenesis } from '@yilian/consensus/light/trust';
import { verifyLightBlock } from '@yilian/consensus/light/verify-header';
import { createValidatorSet, isQuorum, powerOf } from '@yilian/consensus/validator-set';
import { type Bytes, toHex, utf8 } from '@yilian/crypto/bytes';
import { sha256, useNativeSha256 } from '@yilian/crypto/hash';
import { publicKey } from '@yilian/crypto/signature';
import { sha256 as nativeSha256 } from '@yilian/node/verification/sha256';
import { createCachingVerifier, createSigner } from '@yilian/node/verification/verify-signature';
import type { BenchOptions } from './bench-options.ts';
import { createReport, type Figure, figure, type Report } from './report.ts';

const VALIDATORS = 10;
const CHAIN_ID = 'bench';
const SECOND = 1_000_000_000n;
const START = 1_795_219_200n * SECOND;
const ZEROS = new Uint8Array(32);

const seeds = Array.from({ length: VALIDATORS }, (_, index) => sha256(utf8(`validator ${index}`)));
const signers = new Map(seeds.map((seed) => [toHex(publicKey(seed)), createSigner(seed)]));
const validators = seeds.map((seed) => ({ key: publicKey(seed), power: 1n, leads: true }));

function sign(key: Bytes, message: Bytes): Bytes {
  const signer = signers.get(toHex(key));
  if (signer === undefined) throw new Error('a key of another set');
  return signer(message);
}

function pbftChain(genesis: Genesis, length: number): readonly EncodedHeader[] {
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

function cometChain(length: number): readonly EncodedHeader[] {
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
      appHash: ZEROS,
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

/** Headers per second, one figure for each round. */
function follow(
  genesis: Genesis,
  chain: readonly EncodedHeader[],
  rounds: number,
): readonly number[] {
  const engine = lightEngineOf(genesis);
  const verifySignature = createCachingVerifier();
  const anchor = { chainId: CHAIN_ID, genesisId: genesisId(genesis), regulatorKey: ZEROS };
  const beginning = trustGenesis(anchor, genesis);
  if (beginning === null) throw new Error('the anchor names this genesis');
  const nowNs = START + BigInt(chain.length) * SECOND;
  return Array.from({ length: rounds }, () => {
    let trusted = beginning;
    const started = performance.now();
    for (const encoded of chain) {
      const block = { ...engine.decodeHeader(encoded), validators: trusted.validators };
      if (!block.isProposed(verifySignature)) throw new Error('an honest proposal was refused');
      const verdict = verifyLightBlock({ trusted, block, nowNs, verifySignature });
      if (!verdict.ok) throw new Error(`an honest header was refused: ${verdict.code}`);
      ({ trusted } = verdict);
    }
    return (chain.length * 1_000) / (performance.now() - started);
  });
}

/** `light.headers_per_s` (CometBFT) and `light.pbft.headers_per_s`, for whoever reports on both engines. */
export function measureLightHeaders(options: BenchOptions): Readonly<Record<string, Figure>> {
  useNativeSha256(nativeSha256);
  const length = options.quick ? 50 : 1_000;
  const rounds = options.quick ? 3 : 7;
  const genesis: Genesis = { chainId: CHAIN_ID, timeNs: START, validators, appState: ZEROS };
  const comet: Genesis = { ...genesis, engine: 'cometbft' };
  return {
    'light.headers_per_s': figure(follow(comet, cometChain(length), rounds), 'headers/s'),
    'light.pbft.headers_per_s': figure(
      follow(genesis, pbftChain(genesis, length), rounds),
      'headers/s',
    ),
  };
}

export async function benchLight(options: BenchOptions): Promise<Report> {
  return createReport('light', measureLightHeaders(options), {});
}
