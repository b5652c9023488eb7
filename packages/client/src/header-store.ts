/**
 * The headers a client believes: from the genesis document that its anchor names, by quorum
 * certificates alone (consensus/light). The newest one is kept between runs, so that a later start does
 * not begin at genesis, and an old one is refused where a newer is known. What is older than the
 * trusting period judges nothing any more: trust then begins anew at a checkpoint of the regulator.
 */
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, CodecError, equalBytes, fromBase64Url, toHex } from '@yilian/crypto/bytes';
import type { Genesis } from '@yilian/consensus/application';
import { decodeGenesisDocument } from '@yilian/consensus/genesis';
import {
  decodeTrustedBlock,
  encodeTrustedBlock,
  trustCheckpoint,
  type TrustCheckpoint,
  trustGenesis,
  type TrustedBlock,
} from '@yilian/consensus/light/trust';
import {
  type CheckpointVerdict,
  decodeTrustCheckpoint,
  isTrustExpired,
  renewTrust,
} from '@yilian/consensus/light/trust-checkpoint';
import { advanceTo } from '@yilian/consensus/light/light-client';
import type {
  CertifiedHeader,
  EncodedHeader,
  LightBlock,
  LightEngine,
  LightHeader,
  LightValidatorSet,
} from '@yilian/consensus/light/light-engine';
import { lightEngineOf } from '@yilian/consensus/light/light-engines';
import { ValidatorSetError } from '@yilian/consensus/validator-set';
import { type GenesisState, parseGenesis } from '@yilian/ledger/genesis';
import { ClientError, ProblemError, type Source, VerificationError } from './failure.ts';
import type { Network } from './network.ts';
import { renewFromNetwork } from './trust-renewal.ts';

/** A header whose certificate was verified. */
export interface VerifiedHeader {
  readonly header: LightHeader;
}

export interface HeaderStore {
  /** Newest verified header; null before the first. */
  readonly newest: VerifiedHeader | null;
  /** Height up to which this client trusts: 0 before the first header or checkpoint. */
  readonly trustedHeight: bigint;
  /** The genesis document, verified against the anchor. */
  genesis(): Promise<GenesisState>;
  /**
   * Believes a header with its certificate, or says why not. Where trust has expired, the nodes are
   * asked for a checkpoint of the regulator first.
   * @throws VerificationError `certificate`, `chain`, and of a checkpoint `regulatorSignature`,
   *   `staleCheckpoint`, `fork`; ClientError `trustExpired` when nobody has a checkpoint
   */
  verify(encoded: EncodedHeader, source: Source): Promise<VerifiedHeader>;
  /**
   * Begins trust anew at a checkpoint of the regulator. `verify` does so of itself after the trusting
   * period. Fails as trust-renewal.ts says.
   */
  renew(): Promise<TrustedBlock>;
  /**
   * The latest checkpoint of the regulator that a node has, to hand it on: judged like that of `renew`,
   * but it may lie below what this device trusts. Encoded. Fails as `renew`.
   */
  checkpoint(): Promise<Bytes>;
  /**
   * The transactions of clients out of those of a block that was verified: an engine may have several of
   * them in one of its own.
   */
  clientTransactions(transactions: readonly Bytes[]): readonly Bytes[];
  /** Keeps the newest header for the next run. */
  save(): Promise<void>;
}

const VERIFIED_KEPT_MAX = 512;
const MS_TO_NS = 1_000_000n;

export function createHeaderStore(network: Network): HeaderStore {
  const { platform, anchor } = network;
  const storageName = `trusted-header-${anchor.chainId}`;
  const checkpointName = `trust-checkpoint-${anchor.chainId}`;
  const verified = new Map<string, VerifiedHeader>();
  /** One certified block id per height: a second one is proof of a fork. */
  const blockIds = new Map<bigint, Bytes>();
  /** Sets of trusted headers, by hash. */
  const trustedSets = new Map<string, LightValidatorSet>();
  /** By the genesis document. */
  let engine: LightEngine | undefined;
  let trusted: TrustedBlock | undefined;
  let newest: VerifiedHeader | null = null;
  let starting: Promise<void> | undefined;
  let genesisState: GenesisState | undefined;
  let genesisBlock: TrustedBlock | undefined;
  let renewing: Promise<void> | undefined;
  const nowNs = (): bigint => BigInt(platform.nowMs()) * MS_TO_NS;

  async function start(): Promise<void> {
    const genesis = await fetchGenesis(network);
    const beginning = trustGenesis(
      { chainId: anchor.chainId, genesisId: anchor.genesisId, regulatorKey: anchor.regulatorKey },
      genesis,
    );
    if (beginning === null)
      throw new ClientError('badAnchor', 'the genesis document is not the one of the anchor');
    genesisState = parseGenesis(genesis.appState);
    engine = lightEngineOf(genesis);
    genesisBlock = beginning;
    // As far as the regulator's signature goes; whether it still counts is judged below.
    const checkpoints = [anchor.checkpoint, await platform.storage.get(checkpointName)]
      .map(readCheckpoint)
      .filter((checkpoint) => checkpoint !== undefined);
    const sets = [beginning, ...checkpoints].map(({ validators }) => toHex(validators.hash));
    let begun = laterOf(beginning, await platform.storage.get(storageName), sets);
    for (const checkpoint of checkpoints) {
      const verdict = judge(checkpoint, begun);
      if (verdict.ok) begun = verdict.trusted;
      else if (verdict.code === 'forked')
        throw new ClientError('badAnchor', 'a checkpoint contradicts what this device verified');
    }
    trusted = begun;
    for (const { validators } of [beginning, begun])
      trustedSets.set(toHex(validators.hash), validators);
  }

  function engineOf(): LightEngine {
    if (engine === undefined) throw new Error('the header store has not started');
    return engine;
  }

  /** A set that the hash in a header stands for; whether it is trusted is decided elsewhere. */
  async function setOf(hash: Bytes): Promise<LightValidatorSet> {
    const known = trustedSets.get(toHex(hash));
    if (known !== undefined) return known;
    const { value } = await network.ask(
      ROUTES.getValidators,
      { params: { hash } },
      (encoded, source) => {
        const set = readValidatorSet(engineOf(), encoded);
        if (set === undefined || !equalBytes(set.hash, hash))
          throw new VerificationError('certificate', source, 'it is another validator set');
        return set;
      },
    );
    return value;
  }

  /** A header between, for `advanceTo`; null when nobody has it. */
  async function fetchLightBlock(height: bigint): Promise<LightBlock | null> {
    try {
      const { value } = await network.ask(
        ROUTES.getHeader,
        { params: { height } },
        async (encoded, source) => {
          const certified = decodeOrRefuse(engineOf(), encoded, source);
          if (certified.header.height !== height)
            throw new VerificationError('chain', source, 'it is the header of another height');
          return { ...certified, validators: await setOf(certified.header.validatorsHash) };
        },
      );
      return value;
    } catch (error) {
      if (error instanceof ProblemError && error.code === 'notFound') return null;
      throw error;
    }
  }

  function judge(checkpoint: TrustCheckpoint, known: TrustedBlock): CheckpointVerdict {
    return renewTrust({
      anchor,
      checkpoint,
      trusted: known,
      verifiedBlockId: (height) => blockIds.get(height),
      nowNs: nowNs(),
      verifySignature: platform.verifySignature,
    });
  }

  function readCheckpoint(encoded: Bytes | undefined): TrustCheckpoint | undefined {
    if (encoded === undefined) return undefined;
    try {
      const checkpoint = decodeTrustCheckpoint(encoded);
      const isRegulators = trustCheckpoint(anchor, checkpoint, platform.verifySignature) !== null;
      return isRegulators ? checkpoint : undefined;
    } catch (error) {
      if (error instanceof CodecError || error instanceof ValidatorSetError) return undefined;
      throw error;
    }
  }

  /** Whoever asks meanwhile waits for the same answer. */
  async function renew(): Promise<TrustedBlock> {
    const known = await started();
    renewing ??= renewFromNetwork(network, (checkpoint) => judge(checkpoint, trusted ?? known))
      .then(async (renewed) => {
        blockIds.set(renewed.trusted.height, renewed.trusted.blockId);
        ({ trusted } = renewed);
        trustedSets.set(toHex(trusted.validators.hash), trusted.validators);
        await platform.storage.put(checkpointName, renewed.encoded);
      })
      .finally(() => {
        renewing = undefined;
      });
    await renewing;
    return trusted ?? known;
  }

  /** A failed start is tried again at the next question. */
  async function started(): Promise<TrustedBlock> {
    starting ??= start();
    try {
      await starting;
    } catch (error) {
      starting = undefined;
      throw error;
    }
    if (trusted === undefined) throw new Error('the header store did not start');
    return trusted;
  }

  function remember(key: string, entry: VerifiedHeader, source: Source): VerifiedHeader {
    const { height, blockId } = entry.header;
    const known = blockIds.get(height);
    if (known !== undefined && !equalBytes(known, blockId))
      throw new VerificationError('chain', source, `two certified blocks of height ${height}`);
    blockIds.set(height, blockId);
    verified.set(key, entry);
    if (verified.size > VERIFIED_KEPT_MAX) {
      const [oldest] = verified.keys();
      if (oldest !== undefined) verified.delete(oldest);
    }
    if (newest === null || height > newest.header.height) newest = entry;
    return entry;
  }

  return {
    get newest() {
      return newest;
    },
    get trustedHeight() {
      return trusted?.height ?? 0n;
    },
    genesis: async () => {
      await started();
      if (genesisState === undefined) throw new Error('the header store has no genesis');
      return genesisState;
    },
    renew,
    checkpoint: async () => {
      await started();
      const from = genesisBlock;
      if (from === undefined) throw new Error('the header store has no genesis');
      // Not from what is trusted here: whom it is for knows less.
      const { encoded } = await renewFromNetwork(network, (checkpoint) => judge(checkpoint, from));
      return encoded;
    },
    verify: async (encoded, source) => {
      const before = await started();
      if (isTrustExpired(before, nowNs())) await renew();
      // Read after the last wait: another answer may have moved it on.
      const known = trusted ?? before;
      const key = `${toHex(encoded.certificate)}${toHex(encoded.header)}`;
      const seen = verified.get(key);
      if (seen !== undefined) return seen;
      const certified = decodeOrRefuse(engineOf(), encoded, source);
      const { header } = certified;
      const refuse = (why: string): never => {
        throw new VerificationError('certificate', source, why);
      };
      if (header.chainId !== anchor.chainId)
        throw new VerificationError('chain', source, 'the header is of another chain');
      if (!certified.isProposed(platform.verifySignature))
        return refuse('its proposer did not sign it');
      if (header.height > known.height) {
        const verdict = await advanceTo({
          trusted: known,
          target: { ...certified, validators: await setOf(header.validatorsHash) },
          fetch: fetchLightBlock,
          nowNs: nowNs(),
          verifySignature: platform.verifySignature,
        });
        if (!verdict.ok) return refuse(`its header is refused: ${verdict.code}`);
        trustedSets.set(toHex(verdict.trusted.validators.hash), verdict.trusted.validators);
        // Another answer may have moved trust on while headers in between were fetched.
        if (trusted === undefined || verdict.trusted.height > trusted.height)
          ({ trusted } = verdict);
      } else {
        const validators = trustedSets.get(toHex(header.validatorsHash));
        if (validators === undefined)
          return refuse('the header names validators that this client does not know');
        const verdict = certified.verifyCertificate({
          validators,
          verifySignature: platform.verifySignature,
        });
        if (!verdict.ok) return refuse(`its certificate is refused: ${verdict.code}`);
        if (header.height === known.height && !equalBytes(header.blockId, known.blockId))
          throw new VerificationError('chain', source, 'two certified blocks of one height');
      }
      return remember(key, { header }, source);
    },
    clientTransactions: (transactions) => engineOf().clientTransactions(transactions),
    save: async () => {
      if (trusted !== undefined && trusted.height > 0n)
        await platform.storage.put(storageName, encodeTrustedBlock(trusted));
    },
  };

  /** `sets`: those that the genesis document and checkpoints name, hexadecimal. */
  function laterOf(
    beginning: TrustedBlock,
    kept: Bytes | undefined,
    sets: readonly string[],
  ): TrustedBlock {
    if (kept === undefined) return beginning;
    try {
      const block = decodeTrustedBlock(kept);
      const isOurs =
        block.chainId === anchor.chainId && sets.includes(toHex(block.validators.hash));
      return isOurs ? block : beginning;
    } catch (error) {
      if (error instanceof CodecError) return beginning;
      throw error;
    }
  }
}

function readValidatorSet(engine: LightEngine, encoded: Bytes): LightValidatorSet | undefined {
  try {
    return engine.decodeValidators(encoded);
  } catch (error) {
    if (error instanceof CodecError || error instanceof ValidatorSetError) return undefined;
    throw error;
  }
}

function decodeOrRefuse(
  engine: LightEngine,
  encoded: EncodedHeader,
  source: Source,
): CertifiedHeader {
  try {
    return engine.decodeHeader(encoded);
  } catch (error) {
    if (error instanceof CodecError)
      throw new VerificationError('malformed', source, 'header or certificate do not parse', error);
    throw error;
  }
}

async function fetchGenesis(network: Network): Promise<Genesis> {
  const { anchor } = network;
  const { value } = await network.ask(ROUTES.getAnchor, { params: {} }, (document, source) => {
    const refuse = (why: string): never => {
      throw new VerificationError('chain', source, why);
    };
    if (document.chainId !== anchor.chainId) return refuse('the node is of another chain');
    if (document.regulatorKey !== toHex(anchor.regulatorKey))
      return refuse('the node names another regulator');
    const genesis = readGenesis(document.genesis);
    if (genesis === undefined) return refuse('the genesis document does not parse');
    const beginning = trustGenesis(anchor, genesis);
    return beginning === null
      ? refuse('the genesis document is not the one of the anchor')
      : genesis;
  });
  return value;
}

function readGenesis(document: string): Genesis | undefined {
  try {
    return decodeGenesisDocument(fromBase64Url(document));
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}
