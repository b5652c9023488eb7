/**
 * One node of a network that CometBFT orders: the engine's process beside us, our application behind its
 * ABCI socket, and the same `OrderingNode` above as with the embedded engine. Everything is answered from
 * this node's own store; the engine is asked for headers and given transactions.
 *
 * If the engine dies it is started again; the application waits for it. If the application fails (disk,
 * a block that breaks a rule of the port), the node halts: it would have to guess.
 */
import { join } from 'node:path';
import type { Application, Genesis } from '@yilian/consensus/application';
import { encodeGenesisDocument, genesisId } from '@yilian/consensus/genesis';
import { genesisEngineTip, type EngineTip } from '@yilian/consensus/abci/engine-tip';
import type { Upgrade } from '@yilian/consensus/application-upgrades';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { useNativeSha256 } from '@yilian/crypto/hash';
import { publicKey } from '@yilian/crypto/signature';
import { createLedger } from '@yilian/ledger/ledger';
import type { CometbftConfig } from '../config.ts';
import type { LogEvent } from '../logging.ts';
import { createFinalAnswers } from '../ordering/final-answers.ts';
import type { ServedBlock } from '../ordering/final-block.ts';
import { FinalBlocks } from '../ordering/final-blocks.ts';
import { createIdentify } from '../ordering/ledger-application.ts';
import { createVersionedLedger, type VersionedLedger } from '../ordering/ledger-versions.ts';
import { Mempool } from '../ordering/mempool.ts';
import { createSubmit } from '../ordering/submission.ts';
import type { OrderingNode, OrderingSettings } from '../ordering-node.ts';
import type { Peers } from '../peers/peers.ts';
import { lockDirectory } from '../storage/directory-lock.ts';
import type { KeyValueStore } from '../storage/key-value-store.ts';
import { openLmdbStore } from '../storage/lmdb-store.ts';
import { createCheckPool } from '../verification/check-pool.ts';
import { sha256 } from '../verification/sha256.ts';
import { createTransactionVerifier } from '../verification/transaction-verifier.ts';
import { verifySignature } from '../verification/verify-signature.ts';
import { type AbciServer, listenAbci } from './abci-server.ts';
import {
  type ApplicationDriver,
  type CommittedBlock,
  createApplicationDriver,
} from './application-driver.ts';
import {
  createEngineChainStore,
  type EngineChainStore,
  STATE_SPACE,
} from './engine-chain-store.ts';
import { engineNodeId } from './engine-files.ts';
import { createEnginePeerKeeper, type EnginePeerKeeper } from './engine-peers.ts';
import { type EngineHome, openEngineHome } from './engine-home.ts';
import { createEngineSupervisor, type EngineSupervisor } from './engine-supervisor.ts';
import { createEngineRpc, type EngineRpc } from './engine-rpc.ts';
import { relayToEngine } from './engine-relay.ts';
import type { EngineProgram } from './find-engine.ts';
import { createGateway, type Gateway, type GatewaySettings } from './gateway.ts';
import { type ChainWatch, createChainWatch } from './chain-watch.ts';
import { createRoomWatch, type Room } from './disk-room.ts';
import { createPeerAdmission } from './peer-admission.ts';
import { type FinalEngineBlock, FinalHeight } from './final-height.ts';
import { createHeaderSource, lightSetOf } from './header-source.ts';
import { createRefusedHeaders } from './refused-headers.ts';
import { createSnapshotMaker, type SnapshotMaker } from './snapshot-maker.ts';
import { createSnapshotExchange } from './snapshot-restorer.ts';
import { openSnapshotShelf, type SnapshotShelf } from './snapshot-shelf.ts';

export interface CometbftNodeOptions {
  readonly name: string;
  /** Database and the engine's folder lie below; made if absent. */
  readonly directory: string;
  readonly genesis: Genesis;
  /** 32-byte Ed25519 seed of the consensus key. An observer's key is in no validator set. */
  readonly consensusSeed: Bytes;
  /** Names the node on the engine's own network. */
  readonly engineSeed: Bytes;
  readonly config: CometbftConfig;
  /** Found by find-engine.ts. */
  readonly program: EngineProgram;
  /** Engines that the configuration does not name, and that are met all the same. Default: none. */
  readonly introduced?: () => CometbftConfig['peers'];
  /** For notices among nodes; the engine has a network of its own. */
  readonly peers: Pick<Peers, 'status' | 'close'>;
  readonly settings?: Partial<CometbftNodeSettings>;
  readonly gateway?: Partial<GatewaySettings>;
  /** Heights at which the application changes; the same on all nodes. */
  readonly upgrades?: readonly Upgrade[];
  readonly clockNs?: () => bigint;
  readonly log?: (event: LogEvent) => void;
}

export interface CometbftNodeSettings extends Pick<
  OrderingSettings,
  | 'blockIntervalMs'
  | 'heartbeatMs'
  | 'mempoolCountMax'
  | 'mempoolBytesMax'
  | 'mempoolCountPerSourceMax'
  | 'verificationWorkers'
> {
  /** A snapshot every so many heights; the same on all nodes. 0: none. */
  readonly snapshotEvery: number;
  /** Bodies of so many newest blocks are kept; 0: of all (an archive). */
  readonly blocksKept: number;
  /** With less room on the disk the node halts until there is more; 0: it goes on until it cannot. */
  readonly diskFreeMinMib: number;
}

/** What waits for a block is capped here, at the entry: an engine whose application is late stops. */
const DEFAULT_SETTINGS: CometbftNodeSettings = {
  blockIntervalMs: 250,
  heartbeatMs: 10_000,
  mempoolCountMax: 4_000,
  mempoolBytesMax: 16 * 1024 * 1024,
  mempoolCountPerSourceMax: 2_000,
  verificationWorkers: 1,
  snapshotEvery: 10_000,
  blocksKept: 0,
  diskFreeMinMib: 64,
};

/** `max_age_num_blocks` of the engine's genesis file: evidence may need the blocks of so many heights. */
const EVIDENCE_HEIGHTS = 100_000n;

/** A state that is being restored is no state yet. */
const NOTHING = { get: (): undefined => undefined };

const TEND_MS = 250;
const ROOM_MS = 2_000;
class CometbftNode {
  readonly #options: CometbftNodeOptions;
  readonly #settings: CometbftNodeSettings;
  readonly #log: (event: LogEvent) => void;
  readonly #chain: EngineChainStore;
  readonly #application: Application;
  readonly #missingVersion: VersionedLedger['missing'];
  readonly #pool: ReturnType<typeof createCheckPool>;
  readonly #driver: ApplicationDriver;
  readonly #identify: ReturnType<typeof createIdentify>;
  readonly #verifier: ReturnType<typeof createTransactionVerifier>;
  readonly #finalBlocks: FinalBlocks;
  readonly #mempool: Mempool;
  readonly #home: EngineHome;
  readonly #engine: EngineSupervisor;
  readonly #rpc: EngineRpc;
  readonly #final: FinalHeight;
  readonly #gateway: Gateway;
  readonly #unlock: () => void;
  readonly #shelf: SnapshotShelf;
  readonly #snapshots: SnapshotMaker;
  #server: AbciServer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #tending: Promise<void> = Promise.resolve();
  #halted: string | undefined;
  /** Why the engine rests, until that is over. */
  #paused: string | undefined;
  readonly #room: () => Room;
  readonly #watch: ChainWatch;
  readonly #introduced: () => CometbftConfig['peers'];
  readonly #peerKeeper: EnginePeerKeeper;
  #roomMs = 0;
  #stopping: Promise<void> | undefined;

  constructor(options: CometbftNodeOptions, store: KeyValueStore, unlock: () => void) {
    this.#options = options;
    this.#introduced = options.introduced ?? ((): CometbftConfig['peers'] => []);
    this.#unlock = unlock;
    this.#settings = { ...DEFAULT_SETTINGS, ...options.settings };
    this.#log = options.log ?? ((): void => undefined);
    const { genesis } = options;
    this.#chain = createEngineChainStore(store);
    const ledger = createVersionedLedger(
      { reader: this.#chain.state, hash: sha256, space: STATE_SPACE },
      options.upgrades,
    );
    this.#application = ledger.application;
    this.#missingVersion = ledger.missing;
    this.#pool = createCheckPool({
      workers: this.#settings.verificationWorkers,
      onFailure: (error) =>
        this.#log({ level: 'error', event: 'workerDied', reason: String(error) }),
    });
    const tip = this.#chain.tip();
    // Questions about a chain without a block are answered from its genesis; InitChain may follow again.
    const beginner = this.#chain.isRestoring()
      ? createLedger({ reader: NOTHING, hash: sha256 })
      : this.#application;
    const genesisTip = genesisEngineTip(
      genesis,
      tip === undefined
        ? beginner.initChain(genesis)
        : { appHash: tip.appHash, validators: genesis.validators },
    );
    this.#shelf = openSnapshotShelf(join(options.directory, 'snapshots'));
    this.#snapshots = createSnapshotMaker({
      every: this.#settings.snapshotEvery,
      open: () => this.#chain.openSnapshot(),
      shelf: this.#shelf,
      log: this.#log,
    });
    this.#verifier = createTransactionVerifier(this.#application, this.#pool);
    this.#identify = createIdentify(this.#application);
    this.#finalBlocks = new FinalBlocks(this.#identify, this.#log);
    this.#mempool = new Mempool({
      countMax: this.#settings.mempoolCountMax,
      bytesMax: this.#settings.mempoolBytesMax,
      countPerSourceMax: this.#settings.mempoolCountPerSourceMax,
    });
    this.#home = openEngineHome({
      path: join(options.directory, 'cometbft'),
      name: options.name,
      genesis,
      consensusSeed: options.consensusSeed,
      engineSeed: options.engineSeed,
      config: options.config,
      blockIntervalMs: this.#settings.blockIntervalMs,
      heartbeatMs: this.#settings.heartbeatMs,
    });
    this.#engine = createEngineSupervisor({
      home: this.#home,
      program: options.program,
      hasBlocks: () => (this.#chain.tip()?.height ?? 0n) > 0n,
      onUnfit: (error) => this.#halt(error),
      log: this.#log,
    });
    this.#room = createRoomWatch({
      directory: options.directory,
      minMib: this.#settings.diskFreeMinMib,
    });
    this.#rpc = createEngineRpc({ socketPath: this.#home.rpcSocket });
    this.#peerKeeper = createEnginePeerKeeper({
      rpc: this.#rpc,
      wanted: () => [...options.config.peers, ...this.#introduced()],
      ownId: engineNodeId(options.engineSeed),
      nowMs: () => performance.now(),
    });
    this.#watch = createChainWatch({
      heartbeatMs: this.#settings.heartbeatMs,
      clockNs: () => this.#clockNs(),
      nowMs: () => performance.now(),
      isCatchingUp: () => isCatchingUp(this.#rpc),
      log: this.#log,
    });
    const headers = createHeaderSource({
      chainId: genesis.chainId,
      rpc: this.#rpc,
      verifySignature,
    });
    const refusedHeaders = createRefusedHeaders({
      nowMs: () => performance.now(),
      log: this.#log,
    });
    this.#gateway = createGateway({
      rpc: this.#rpc,
      nowMs: () => performance.now(),
      ...(options.gateway === undefined ? {} : { settings: options.gateway }),
    });
    this.#driver = createApplicationDriver({
      application: this.#application,
      verifier: this.#verifier,
      genesis,
      genesisDocument: encodeGenesisDocument(genesis),
      tip,
      persist: (committed) => this.#persist(committed),
      snapshots: createSnapshotExchange({
        genesis,
        chain: this.#chain,
        shelf: this.#shelf,
        onRestored: (restored) => this.#onRestored(restored),
        log: this.#log,
      }),
      retainHeight: (height) => this.#retainHeight(height),
      onConnected: () => this.#gateway.lost(),
      admitPeer: createPeerAdmission({
        configured: options.config.peers,
        introduced: this.#introduced,
        log: this.#log,
      }),
      log: this.#log,
    });
    this.#final = new FinalHeight(
      {
        chain: this.#chain,
        headers,
        genesisTip,
        genesisTimeNs: genesis.timeNs,
        executed: () => this.#driver.tip(),
        onFinal: (block) => this.#onFinal(block),
        onRefused: (height, code) => {
          const reason = refusedHeaders.judge(height, code);
          if (reason !== null) this.#halt(reason);
        },
      },
      tip,
    );
  }

  async start(): Promise<void> {
    await this.#chain.initialise(genesisId(this.#options.genesis));
    this.#server = await listenAbci({
      address: { kind: 'unix', path: this.#home.applicationSocket },
      handlers: this.#driver.handlers,
      log: this.#log,
      onFailure: (error) => this.#halt(error),
    });
    const missing = this.#missingVersion((this.#driver.tip()?.height ?? 0n) + 1n);
    if (missing !== undefined) this.#halt(missing);
    await this.#engine.start();
    this.#timer = setInterval(() => this.#tend(), TEND_MS);
    this.#timer.unref();
  }

  #onRestored(tip: EngineTip): void {
    this.#driver.restored(tip);
    this.#final.restored(tip);
  }

  /** What the engine must keep: for evidence, and for whoever takes an older snapshot and then follows. */
  #retainHeight(height: bigint): bigint {
    const { blocksKept } = this.#settings;
    if (blocksKept === 0) return 0n;
    const kept = BigInt(blocksKept) > EVIDENCE_HEIGHTS ? BigInt(blocksKept) : EVIDENCE_HEIGHTS;
    const oldest = this.#shelf.list().at(-1)?.height ?? 0n;
    const lowest = height - kept + 1n;
    const retained = lowest < oldest ? lowest : oldest;
    return retained > 0n ? retained : 0n;
  }

  #clockNs(): bigint {
    return this.#options.clockNs?.() ?? BigInt(Date.now()) * 1_000_000n;
  }

  #isHeld(): boolean {
    return this.#stopping !== undefined || this.#halted !== undefined || this.#paused !== undefined;
  }

  /** Stops the engine while there is no room, and starts it again. */
  async #watchRoom(): Promise<void> {
    const nowMs = performance.now();
    if (this.#stopping !== undefined || nowMs - this.#roomMs < ROOM_MS) return;
    this.#roomMs = nowMs;
    const room = this.#room();
    if (room.kind === 'none') {
      if (this.#isHeld()) return;
      this.#paused = room.message;
      this.#log({ level: 'error', event: 'paused', reason: room.message });
      this.#engine.rest();
    } else if (this.#paused !== undefined) {
      await this.#engine.resume();
      this.#paused = undefined;
      this.#log({ level: 'info', event: 'resumed' });
    }
  }

  #halt(error: unknown): void {
    if (this.#halted !== undefined) return;
    this.#halted = error instanceof Error ? error.message : String(error);
    this.#log({ level: 'error', event: 'halted', reason: this.#halted });
    void this.#engine.stop();
  }

  async #persist(committed: CommittedBlock): Promise<void> {
    const {
      block: { height },
      names,
    } = committed;
    const header = await this.#final.headerInTime(committed);
    const { blocksKept } = this.#settings;
    const retainHeight = blocksKept === 0 ? 0n : height - BigInt(blocksKept) + 1n;
    await this.#chain.commitBlock(committed, { header, retainHeight });
    this.#snapshots.onCommitted(height);
    for (const name of names) {
      this.#mempool.release(name);
      this.#gateway.settle(name);
    }
    if (!this.#final.onCommitted(committed, header)) this.#tend();
  }

  #onFinal({ height, timeNs, proposer, txs, outcomes, header }: FinalEngineBlock): void {
    // Every node says so by itself, whether or not it is its turn.
    const missing = this.#missingVersion(height + 1n);
    if (missing !== undefined) this.#halt(missing);
    this.#watch.onBlock({ timeNs });
    this.#log({ level: 'debug', event: 'blockFinal', height, count: txs.length });
    this.#finalBlocks.publish({ height, timeNs, proposer, ...header }, txs, outcomes);
  }

  /** Fetches the headers that are missing, oldest first, and sends again what waits for long. */
  #tend(): void {
    this.#tending = this.#tending.then(async () => {
      await this.#watchRoom();
      if (this.#isHeld()) return;
      try {
        await this.#final.catchUp();
        await this.#watch.tend(peersConnected(this.#options.peers));
        await this.#gateway.resend(
          (tx) => this.#driver.checkAhead(tx),
          (name) => this.#mempool.release(name),
        );
        await this.#peerKeeper.tend();
      } catch (error) {
        this.#log({ level: 'debug', event: 'tendFailed', reason: String(error) });
      }
    });
  }

  #block(height: bigint): ServedBlock | undefined {
    const header = this.#final.header(height);
    const block = header === undefined ? undefined : this.#chain.block(height);
    if (header === undefined || block === undefined) return undefined;
    const { engineTxs, txs } = block;
    return { height, ...header, engineTxs, txs };
  }

  async #stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#gateway.close();
    // The engine first: it would take the end of its connections for a failure.
    await this.#engine.stop();
    await this.#driver.stop();
    await this.#snapshots.stop();
    await this.#server?.close();
    await this.#tending;
    this.#rpc.close();
    await this.#options.peers.close();
    await this.#pool.close();
    await this.#chain.close();
    this.#home.release();
    this.#unlock();
  }

  toOrderingNode(): OrderingNode {
    const { genesis, consensusSeed, peers } = this.#options;
    const key = publicKey(consensusSeed);
    const submit = createSubmit({
      identify: this.#identify,
      mempool: this.#mempool,
      refuseEarly: () => (this.#isHeld() ? 'unavailable' : undefined),
      admit: async (name, tx) =>
        (await this.#driver.checkAhead(tx)) ?? (await this.#gateway.send(name, tx)),
    });
    const answers = createFinalAnswers({
      chainId: genesis.chainId,
      secretKey: consensusSeed,
      application: this.#application,
      finalBlocks: this.#finalBlocks,
      height: () => this.#final.latest().height,
      headerAt: (height) => this.#final.header(height),
    });
    return {
      ...answers,
      submit: (tx, source = 'local') => submit(tx, source),
      block: (height) => this.#block(height === 'latest' ? this.#final.latest().height : height),
      firstBlock: () => this.#chain.firstBody(),
      relayToEngine: (request) => relayToEngine(this.#rpc, request),
      latest: () => this.#final.latest(),
      lastValidators: () => lightSetOf(this.#final.tip()),
      clockNs: () => this.#clockNs(),
      status: () => {
        const { validators } = this.#final.tip().validators;
        const { height } = this.#final.latest();
        return {
          chainId: genesis.chainId,
          key,
          role: validators.some((each) => equalBytes(each.key, key)) ? 'validator' : 'observer',
          height,
          appHash: this.#final.tip().appHash,
          view: 0n,
          // The engine tells nobody whose turn is next: who made the last block is what is known.
          primary: this.#chain.block(height)?.proposer ?? new Uint8Array(32),
          validators,
          peers: peers.status(),
          mempool: { count: this.#mempool.count, bytes: this.#mempool.bytes },
          stateEntries: this.#chain.entries(),
          halted: this.#halted ?? this.#paused,
          paused: this.#halted === undefined && this.#paused !== undefined,
        };
      },
      stop: () => {
        this.#stopping ??= this.#stop();
        return this.#stopping;
      },
    };
  }
}

function peersConnected(peers: Pick<Peers, 'status'>): number {
  return peers.status().filter(({ connected }) => connected).length;
}

/** @throws EngineRpcError */
async function isCatchingUp(rpc: EngineRpc): Promise<boolean> {
  const result = await rpc.call('status', {});
  if (typeof result !== 'object' || result === null || !('sync_info' in result)) return true;
  const { sync_info: sync } = result;
  if (typeof sync !== 'object' || sync === null || !('catching_up' in sync)) return true;
  return sync.catching_up !== false;
}

/**
 * Opens the disk, serves the application, starts the engine.
 * @throws StorageError when the disk is damaged, belongs to another chain or is in use; SocketPathError;
 * EngineHomeError; OrphanEngineError
 */
export async function createCometbftNode(options: CometbftNodeOptions): Promise<OrderingNode> {
  useNativeSha256(sha256);
  const unlock = lockDirectory(options.directory);
  let store: KeyValueStore | undefined;
  let node: CometbftNode | undefined;
  try {
    store = openLmdbStore(join(options.directory, 'chain'));
    node = new CometbftNode(options, store, unlock);
    await node.start();
    return node.toOrderingNode();
  } catch (error) {
    if (node === undefined) {
      await store?.close();
      unlock();
    } else await node.toOrderingNode().stop();
    throw error;
  }
}
