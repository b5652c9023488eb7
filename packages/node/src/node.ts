/**
 * Composition of one node: ordering engine, services, HTTP. Nothing of it is global; a test makes
 * several in one process and joins them by encoded bytes only.
 *
 * Disk below `directory`: `chain/` and `write-ahead.log` (ordering), `services/` (second database),
 * `secrets` (fixed slots, never in backups), `objects/` (ciphertexts).
 */
import { randomBytes as nodeRandomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Genesis } from '@yilian/consensus/application';
import type { Upgrade } from '@yilian/consensus/application-upgrades';
import { encodeGenesisDocument, genesisId } from '@yilian/consensus/genesis';
import {
  encodeLightValidators,
  lightEngineOf,
  proposerKey,
} from '@yilian/consensus/light/light-engines';
import { type Bytes, toBase64Url, toHex } from '@yilian/crypto/bytes';
import { createMclCurve } from '@yilian/crypto/curve-mcl';
import { deriveHpkeKeyPair, openWith } from '@yilian/crypto/hpke';
import { publicKey } from '@yilian/crypto/signature';
import { parseGenesis } from '@yilian/ledger/genesis';
import { deriveMemberId } from '@yilian/ledger/ids';
import type { Signer } from '@yilian/ledger/transaction-codec';
import { type Clock, systemClock } from './clock.ts';
import { measureNode } from './composition/measure-node.ts';
import { openOrdering } from './composition/open-ordering.ts';
import { openStore } from './composition/open-store.ts';
import { createOrderingSubmitter } from './composition/ordering-submitter.ts';
import { tendServices } from './composition/tend-services.ts';
import type { EngineProgram } from './cometbft/find-engine.ts';
import type { CometbftConfig, NodeSeeds, NodeSettings } from './config.ts';
import { type HttpServer, createHttpServer } from './http/http-server.ts';
import type { NodeServices } from './http/node-services.ts';
import { createRateLimit } from './http/rate-limit.ts';
import { type LogEvent, type Logger, logEvent } from './logging.ts';
import type { Metrics } from './metrics.ts';
import type { OrderingNode } from './ordering-node.ts';
import type { IntroductionContent } from './network/introduction.ts';
import { splitNotices } from './peers/notices.ts';
import type { Peers } from './peers/peers.ts';
import { createBlobShelf } from './services/blob-shelf.ts';
import { openEpochIndex } from './services/epoch-index.ts';
import { createCertificateWatch } from './services/certificate-watch.ts';
import { createEpochKeys } from './services/epoch-keys.ts';
import { createEvidence } from './services/evidence.ts';
import { createIntroductions, type Introductions } from './services/introductions.ts';
import { createInstitution } from './services/institution.ts';
import { createMemberCertificates } from './services/member-certificates.ts';
import { createNodeKeys } from './services/node-keys.ts';
import { createNodeReporter } from './services/node-reporter.ts';
import { createOrderingChainView, memberIds } from './services/ordering-chain-view.ts';
import { createQueryManager } from './services/query-manager.ts';
import { type ReEncryptionService, createReEncryption } from './services/re-encryption.ts';
import { type RegistrationService, createRegistration } from './services/registration.ts';
import { createSearchPool } from './services/search-pool.ts';
import { createSearch } from './services/search.ts';
import { openSecretSlots } from './services/secret-slots.ts';
import { createShelf } from './services/service-store.ts';
import { createShareVault } from './services/share-vault.ts';
import { createTransactionSender } from './services/transaction-sender.ts';
import { createTrustCheckpoints } from './services/trust-checkpoints.ts';
import { openLmdbStore } from './storage/lmdb-store.ts';
import type { CopyPlace } from './stores/copy-source.ts';
import type { ObjectCare } from './stores/object-care.ts';
import type { S3Settings } from './stores/s3-settings.ts';
import { createSigner } from './verification/verify-signature.ts';

/** For a block whose validators are not known here any more. */
const UNKNOWN_KEY = new Uint8Array(32);

export interface NodeOptions {
  readonly name: string;
  readonly institution: string;
  readonly operator: string;
  readonly directory: string;
  readonly genesis: Genesis;
  readonly seeds: NodeSeeds;
  readonly settings: NodeSettings;
  readonly origins: readonly string[];
  /** Where ciphertexts lie; absent or null: below `directory`. */
  readonly s3?: S3Settings | null;
  /** Other operators' stores, to repair from and to audit; those introduced come by themselves. */
  readonly copies?: readonly CopyPlace[];
  readonly upgrades?: readonly Upgrade[];
}

/** What a node gets from outside. */
export interface NodePorts {
  readonly peers: Peers;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Who came after the genesis, each time that this changes. */
  readonly onIntroduced?: (introduced: readonly IntroductionContent[]) => void;
  /** Where CometBFT orders: its program, and how it meets the others'. */
  readonly engine?: { readonly program: EngineProgram; readonly config: CometbftConfig };
}

export interface YilianNode {
  readonly ordering: OrderingNode;
  readonly services: NodeServices;
  readonly http: HttpServer;
  readonly metrics: Metrics;
  /** Present on the regulator's node. */
  readonly registration: RegistrationService | null;
  /** Present where a store is run. */
  readonly care: ObjectCare | null;
  readonly introductions: Introductions;
  /** Resolves when the services have done what the last final block asked of them. */
  settle(): Promise<void>;
  /** HTTP first (what runs may end), then services, then ordering and disks. */
  stop(): Promise<void>;
}

function randomBytes(length: number): Bytes {
  return new Uint8Array(nodeRandomBytes(length));
}

function signerOf(seed: Bytes): Signer {
  return { key: publicKey(seed), sign: createSigner(seed) };
}

/** The store of an institution that came after the genesis. */
function toCopyPlace({ store, member: node, url }: IntroductionContent): CopyPlace {
  return { store, node, url };
}

export async function createNode(options: NodeOptions, ports: NodePorts): Promise<YilianNode> {
  const { genesis, seeds, settings, institution, directory } = options;
  const { logger } = ports;
  const { consensus: peers, ...notices } = splitNotices(ports.peers);
  const clock = ports.clock ?? systemClock;
  const context = { chainId: genesis.chainId };
  const lightEngine = lightEngineOf(genesis);
  const grantContext = { ...context, suite: 'intl' } as const;
  const { heartbeatMs } = settings;
  const curve = await createMclCurve();

  const clockNs = (): bigint => BigInt(Math.round(clock.nowMs())) * 1_000_000n;
  const log = (event: LogEvent): void => logEvent(logger, event);
  const { upgrades = [] } = options;
  // The engine runs before the services are there: whom it then refuses asks again.
  let introductions: Introductions | undefined;
  const ordering = await openOrdering({
    name: options.name,
    directory,
    genesis,
    seeds,
    settings,
    peers,
    engine: ports.engine,
    introduced: () => introductions?.list() ?? [],
    upgrades,
    clockNs,
    log,
  });
  const chain = createOrderingChainView(ordering);
  const store = openLmdbStore(join(directory, 'services'));
  const slots = await openSecretSlots(join(directory, 'secrets'));

  const signer = signerOf(seeds.node);
  const node = deriveMemberId(context, signer.key);
  const memberHpke = await deriveHpkeKeyPair(seeds.nodeHpke);
  const sender = createTransactionSender({
    chainId: genesis.chainId,
    randomBytes,
    height: () => chain.tip().height,
    submitter: createOrderingSubmitter(ordering),
  });
  const onError = (error: unknown): void => logger.error({ event: 'serviceFailed', err: error });

  const nodeKeys = await createNodeKeys({
    chain,
    clock,
    slots,
    shelf: createShelf(store, 'node-keys'),
    sender,
    node,
    signer,
    randomBytes,
  });
  const reporter = createNodeReporter({
    shelf: createShelf(store, 'reports'),
    sender,
    signer,
    onError,
  });
  const vault = createShareVault({ slots, shelf: createShelf(store, 'shares'), randomBytes });
  let composed: ReEncryptionService | undefined;
  const blobs = createBlobShelf({
    chain,
    clock,
    shelf: createShelf(store, 'blobs'),
    reEncryption: () => {
      if (composed === undefined) throw new Error('a blob came before the node was composed');
      return composed;
    },
  });
  const reEncryption = createReEncryption({
    curve,
    context: grantContext,
    chain,
    clock,
    heartbeatMs,
    keys: nodeKeys,
    vault,
    reporter,
    narrowing: (grantId, hash) => blobs.narrowing(grantId, hash),
    node,
    signer,
    randomBytes,
  });
  composed = reEncryption;
  const { members } = parseGenesis(genesis.appState);
  const regulator = members.find(({ role }) => role === 'regulator');
  if (regulator === undefined) throw new Error('the genesis names no regulator');
  const queryManager = createQueryManager({
    chain,
    clock,
    context,
    regulatorKey: regulator.key,
    shelf: createShelf(store, 'inbox'),
  });
  const index = await openEpochIndex({ chain, context, shelf: createShelf(store, 'index') });
  const pool = createSearchPool({ workers: settings.searchWorkers, context, curve });
  const search = createSearch({
    curve,
    context,
    chain,
    clock,
    heartbeatMs,
    node,
    index,
    pool,
    openSealed: async (info, sealed) =>
      (await openWith(memberHpke.privateKey, { info, aad: new Uint8Array(0), sealed })) ??
      nodeKeys.openBlob(info, sealed),
    budget: createRateLimit({
      perSecond: settings.searchMsPerSecond,
      burst: settings.searchMsPerSecond * 60,
      callersMax: 1000,
      nowMs: () => clock.nowMs(),
    }),
  });
  const epochKeys =
    seeds.hospital === null
      ? null
      : createEpochKeys({
          curve,
          context,
          chain,
          clock,
          institution,
          slots,
          shelf: createShelf(store, 'epoch-keys'),
          randomBytes,
        });
  const institutionService =
    seeds.hospital === null || epochKeys === null
      ? null
      : createInstitution({
          context,
          institution,
          signer: signerOf(seeds.hospital),
          chain,
          epochKeys,
          sender,
          shelf: createShelf(store, 'locations'),
        });
  const validatorSets = createShelf(store, 'validator-sets');
  /** Sets change rarely: each is kept when it is first seen in force. */
  const keepValidators = async (): Promise<void> => {
    const set = ordering.lastValidators();
    if (validatorSets.get(set.hash) === undefined)
      await validatorSets.put(set.hash, encodeLightValidators(set));
  };
  await keepValidators();
  const certificates = createMemberCertificates({
    context,
    chain,
    members: () => memberIds(ordering),
    clock,
    shelf: createShelf(store, 'certificates'),
    notices: notices.certificates,
  });
  notices.certificates.onNotice((from, notice) => {
    certificates.learn(from, notice).catch(onError);
  });
  introductions = createIntroductions({
    context,
    regulatorKey: regulator.key,
    chain,
    shelf: createShelf(store, 'introductions'),
    notices: notices.introductions,
    onChanged: () => ports.onIntroduced?.(introductions?.list() ?? []),
  });
  const introduced = introductions;
  notices.introductions.onNotice((from, notice) => {
    introduced.learn(from, notice).catch(onError);
  });
  ports.onIntroduced?.(introduced.list());
  const certificateWatch = createCertificateWatch({
    members: [seeds.node, seeds.store, seeds.hospital, seeds.regulator].flatMap((seed) =>
      seed === null ? [] : [deriveMemberId(context, publicKey(seed))],
    ),
    certificate: (member) => certificates.get(member),
    clock,
    log,
  });
  const registration =
    seeds.regulator === null
      ? null
      : await createRegistration({
          curve,
          context,
          clock,
          regulator: signerOf(seeds.regulator),
          sender,
          slots,
          shelf: createShelf(store, 'registration'),
          certificates,
          randomBytes,
        });
  const evidence =
    seeds.regulator === null
      ? null
      : createEvidence({
          curve,
          context: grantContext,
          chain,
          regulator: signerOf(seeds.regulator),
          sender,
          shelf: createShelf(store, 'evidence'),
        });
  const checkpoints = createTrustCheckpoints({
    anchor: { ...context, genesisId: genesisId(genesis), regulatorKey: regulator.key },
    engine: lightEngine,
    ordering,
    shelf: createShelf(store, 'trust-checkpoints'),
    notices: notices.checkpoints,
    regulator: seeds.regulator === null ? null : signerOf(seeds.regulator),
    onFork: (height) => logger.error({ event: 'checkpointForked', height: String(height) }),
  });
  notices.checkpoints.onNotice((from, notice) => {
    checkpoints.learn(notice).then((verdict) => {
      if (verdict === 'malformed' || verdict === 'forged')
        notices.checkpoints.cut(from, `${verdict}Checkpoint`);
    }, onError);
  });
  const storeSigner = seeds.store === null ? null : signerOf(seeds.store);
  const { s3 = null, copies = [] } = options;
  const objectStore =
    storeSigner === null
      ? null
      : await openStore({
          context,
          chain,
          clock,
          directory,
          objectBytesMax: settings.objectBytesMax,
          s3,
          copies: () => [...copies, ...introduced.list().map(toCopyPlace)],
          storeSigner,
          nodeSigner: signer,
          sender,
          shelf: (name) => createShelf(store, name),
          onEvent: (event) => logger.warn(event),
          onError,
        });
  const care = objectStore?.care ?? null;

  const services: NodeServices = {
    context,
    identity: {
      node,
      name: options.name,
      institution,
      operator: options.operator,
    },
    anchor: {
      chainId: genesis.chainId,
      genesis: toBase64Url(encodeGenesisDocument(genesis)),
      genesisId: toHex(genesisId(genesis)),
      regulatorKey: toHex(regulator.key),
    },
    clock,
    ordering,
    chain,
    checkpoints,
    validatorSets,
    certificates,
    blobs,
    queryManager,
    reEncryption,
    search,
    institution: institutionService,
    store: objectStore?.service ?? null,
    registration,
    evidence,
    heartbeatMs,
    headerFacts: (encoded) => {
      const { header } = lightEngine.decodeHeader(encoded);
      const kept = validatorSets.get(header.validatorsHash);
      const validators = kept === undefined ? null : lightEngine.decodeValidators(kept);
      return {
        timeMs: Number(header.timeNs / 1_000_000n),
        proposer: toHex(proposerKey(header, validators) ?? UNKNOWN_KEY),
      };
    },
  };

  const metrics = measureNode({
    ordering,
    index,
    checkpoints,
    searchPool: pool,
    store: objectStore,
  });

  const http = await createHttpServer({
    services,
    logger,
    metrics,
    origins: options.origins,
    addressPerSecond: settings.addressPerSecond,
    signerPerSecond: settings.signerPerSecond,
  });

  const tended = tendServices({
    chain,
    onBlock: [
      (block) => blobs.tend(block),
      (block) => index.tend(block),
      keepValidators,
      (block) => care?.repair.tend(block),
      () => checkpoints.onBlock(),
      (block) => certificates.onBlock(block),
      (block) => (reEncryption.isDue(block) ? reEncryption.tend() : undefined),
      () => reporter.flush(),
    ],
    onClock: [
      () => checkpoints.tend(),
      () => certificates.tend(),
      () => introduced.tend(),
      () => certificateWatch.tend(),
      () => nodeKeys.tend(),
      () => epochKeys?.tend(),
    ],
    beside: [() => reEncryption.tend()],
    later: [() => queryManager.tend(), () => care?.round()],
    onError,
  });
  reporter.flush();

  let stopping: Promise<void> | undefined;
  return {
    ordering,
    services,
    http,
    metrics,
    registration,
    care,
    introductions: introduced,
    settle: async () => {
      await tended.settle();
      await reporter.settle();
    },
    stop: () => {
      stopping ??= (async () => {
        await http.stop();
        tended.stop();
        await care?.stop();
        await tended.settle();
        await objectStore?.service.objects.close();
        await pool.close();
        await ordering.stop();
        await checkpoints.close();
        await certificates.close();
        await introduced.close();
        await store.close();
        await slots.close();
      })();
      return stopping;
    },
  };
}
