/**
 * One node's ordering engine: it takes transactions, orders them with its peers (or follows as an
 * observer), and answers only from *final* state, that is: certificate checked and the state durable
 * on this node's disk. Everything else of the node (HTTP, services) is built on this interface.
 */
import { join } from 'node:path';
import type { Application, Genesis, Query, QueryResult } from '@yilian/consensus/application';
import type { Upgrade } from '@yilian/consensus/application-upgrades';
import type { ChainTip } from '@yilian/consensus/chain-tip';
import { decodeWalRecord } from '@yilian/consensus/pbft/message-codec';
import type { WalRecord } from '@yilian/consensus/pbft/wal';
import type { LightValidatorSet } from '@yilian/consensus/light/light-engine';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { decode } from '@yilian/crypto/cbor';
import { useNativeSha256 } from '@yilian/crypto/hash';
import { publicKey } from '@yilian/crypto/signature';
import type { RelayAnswer } from './cometbft/engine-relay.ts';
import type { LogEvent } from './logging.ts';
import type {
  CertifiedHeader,
  FinalBlock,
  FinalOutcome,
  ServedBlock,
} from './ordering/final-block.ts';
import { createFinalAnswers, type SignedReply } from './ordering/final-answers.ts';
import { FinalBlocks } from './ordering/final-blocks.ts';
import { createIdentify } from './ordering/ledger-application.ts';
import { createVersionedLedger } from './ordering/ledger-versions.ts';
import { Mempool } from './ordering/mempool.ts';
import { openChain } from './ordering/open-chain.ts';
import { createPbftDriver } from './ordering/pbft-driver.ts';
import { createSubmit, type Submission } from './ordering/submission.ts';
import type { Peers, PeerStatus } from './peers/peers.ts';
import { type AppendFile, openAppendFile } from './storage/append-file.ts';
import { type ChainStore, createChainStore, STATE_SPACE } from './storage/chain-store.ts';
import { lockDirectory } from './storage/directory-lock.ts';
import { type KeyValueStore, StorageError } from './storage/key-value-store.ts';
import { openLmdbStore } from './storage/lmdb-store.ts';
import { openWriteAheadLog, type WriteAheadLog } from './storage/write-ahead-log.ts';
import { createCheckPool } from './verification/check-pool.ts';
import { sha256 } from './verification/sha256.ts';
import { createTransactionVerifier } from './verification/transaction-verifier.ts';
import { nameOf, nameOfTransaction } from './verification/verified-transactions.ts';
import { createSigner } from './verification/verify-signature.ts';

export interface OrderingStatus {
  readonly chainId: string;
  readonly key: Bytes;
  readonly role: 'validator' | 'observer';
  readonly height: bigint;
  readonly appHash: Bytes;
  readonly view: bigint;
  /** Consensus key of the primary of the current view and height. */
  readonly primary: Bytes;
  readonly validators: readonly {
    readonly key: Bytes;
    readonly power: bigint;
    readonly leads: boolean;
  }[];
  readonly peers: readonly PeerStatus[];
  readonly mempool: { readonly count: number; readonly bytes: number };
  /** Entries in the node's database. */
  readonly stateEntries: number;
  /** Set when the node halted (disk error, application fault): it orders nothing any more. */
  readonly halted: string | undefined;
  /** Whether that will pass by itself, once its cause has. */
  readonly paused?: boolean;
}

export interface OrderingNode {
  /**
   * Resolves when the transaction stands in this node's mempool (or is refused). The source names
   * whom the mempool's fairness counts it against; default: the transaction's entry at this node.
   */
  submit(tx: Bytes, source?: string): Promise<Submission>;
  /** Resolves when the transaction is final here; `timeout` says nothing about its fate. */
  outcome(id: Bytes, timeoutMs: number, signal?: AbortSignal): Promise<FinalOutcome | 'timeout'>;
  /** As `outcome`, without waiting: undefined when it is not final here (or its id has expired). */
  outcomeNow(id: Bytes): FinalOutcome | undefined;
  /** Signs a final outcome with this node's consensus (observer: node) key. */
  signReply(outcome: FinalOutcome): SignedReply;
  /** Final state only. Synchronous: one call sees one height. */
  query(query: Query): QueryResult;
  header(height: bigint | 'latest'): CertifiedHeader | undefined;
  /** At most 100, consecutive from `from`; ends where this node's chain ends. */
  headers(from: bigint, count: number): readonly CertifiedHeader[];
  block(height: bigint | 'latest'): ServedBlock | undefined;
  /** Lowest height whose block is kept here: older ones were pruned, or came as a snapshot. 0: none yet. */
  firstBlock(): bigint;
  /** Where another engine orders: what it answers to other hospitals' engines. */
  readonly relayToEngine?: (request: string) => Promise<RelayAnswer>;
  /** Height and block time of the last final block; height 0 has genesis time. */
  latest(): { readonly height: bigint; readonly timeNs: bigint };
  /** The set that certified the last final block (at height 0: the genesis set). */
  lastValidators(): LightValidatorSet;
  /** This node's own clock: nanoseconds since 1970. */
  clockNs(): bigint;
  /** A listener that throws is a bug of the listener and stops nothing. */
  subscribe(listener: (block: FinalBlock) => void): () => void;
  status(): OrderingStatus;
  /** Stops ordering and closes disk and workers. The peers are closed too. */
  stop(): Promise<void>;
}

export interface OrderingOptions {
  /** Directory of this node's own database and write-ahead log; made if absent. */
  readonly directory: string;
  readonly genesis: Genesis;
  /** 32-byte Ed25519 seed: the consensus key, or an observer's node key. */
  readonly secretKey: Bytes;
  readonly peers: Peers;
  /** Default: LMDB and a file under `directory`. */
  readonly disk?: OrderingDisk;
  readonly settings?: Partial<OrderingSettings>;
  /** Heights at which the application changes; the same on all nodes. */
  readonly upgrades?: readonly Upgrade[];
  readonly clockNs?: () => bigint;
  /** Structured log without personal data. */
  readonly log?: (event: LogEvent) => void;
}

export interface OrderingSettings {
  readonly blockIntervalMs: number;
  readonly blockCountMax: number;
  readonly blockBytesMax: number;
  readonly heartbeatMs: number;
  readonly viewTimeoutMs: number;
  readonly mempoolCountMax: number;
  readonly mempoolBytesMax: number;
  readonly mempoolCountPerSourceMax: number;
  /** Threads for signature checks; 0 checks in the main thread. */
  readonly verificationWorkers: number;
}

/** What a node stands on; tests put a faulty disk here. */
export interface OrderingDisk {
  openStore(): KeyValueStore;
  openLog(): Promise<AppendFile>;
}

const DEFAULT_SETTINGS: OrderingSettings = {
  blockIntervalMs: 250,
  blockCountMax: 1_000,
  blockBytesMax: 1_048_576,
  heartbeatMs: 10_000,
  viewTimeoutMs: 2_000,
  mempoolCountMax: 20_000,
  mempoolBytesMax: 48 * 1024 * 1024,
  mempoolCountPerSourceMax: 10_000,
  verificationWorkers: 1,
};

/** Checks that may wait for the workers before admission says no: about a second of one core. */
const CHECKS_PENDING_MAX = 15_000;

function diskOf(directory: string): OrderingDisk {
  return {
    openStore: () => openLmdbStore(join(directory, 'chain')),
    openLog: () => openAppendFile(join(directory, 'write-ahead.log')),
  };
}

function systemClockNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

/** @throws StorageError `damaged` when a record does not decode */
function decodeRecords(payloads: readonly Bytes[]): readonly WalRecord[] {
  try {
    return payloads.flatMap((payload) => {
      const records = decode(payload, { bytesMax: WAL_PAYLOAD_BYTES_MAX, depthMax: 2 });
      if (!Array.isArray(records)) throw new TypeError('a frame holds no list of records');
      return records.map((record: unknown) => {
        if (!(record instanceof Uint8Array)) throw new TypeError('a record is no byte string');
        return decodeWalRecord(record);
      });
    });
  } catch (cause) {
    throw new StorageError('damaged', 'the write-ahead log holds no records', { cause });
  }
}

async function openDisk(disk: OrderingDisk): Promise<{
  readonly store: KeyValueStore;
  readonly log: WriteAheadLog;
}> {
  const store = disk.openStore();
  try {
    return { store, log: await openWriteAheadLog(await disk.openLog()) };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function openLedger(
  reader: ChainStore['state'],
  upgrades: readonly Upgrade[] | undefined,
): Promise<Application> {
  return createVersionedLedger({ reader, space: STATE_SPACE, hash: sha256 }, upgrades).application;
}

const WAL_PAYLOAD_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Opens the disk, replays what is left of the last run, and starts ordering.
 * @throws StorageError when the disk is damaged, belongs to another chain or is in use; UnknownVersionError
 */
export async function createOrderingNode(options: OrderingOptions): Promise<OrderingNode> {
  useNativeSha256(sha256);
  const { genesis, peers, disk = diskOf(options.directory) } = options;
  const settings = { ...DEFAULT_SETTINGS, ...options.settings };
  const clockNs = options.clockNs ?? systemClockNs;
  const onEvent = options.log ?? ((): void => undefined);
  const key = publicKey(options.secretKey);
  const sign = createSigner(options.secretKey);

  // A disk that is handed in is its owner's to guard.
  const unlock = options.disk === undefined ? lockDirectory(options.directory) : (): void => {};
  const { store, log } = await openDisk(disk).catch((error: unknown) => {
    unlock();
    throw error;
  });
  const chain = createChainStore(store);
  if (log.cutTail) onEvent({ level: 'info', event: 'tornTailCut' });
  const application = await openLedger(chain.state, options.upgrades).catch(
    async (error: unknown) => {
      await store.close();
      unlock();
      throw error;
    },
  );
  const pool = createCheckPool({
    workers: settings.verificationWorkers,
    onFailure: (error) => onEvent({ level: 'error', event: 'workerDied', reason: String(error) }),
  });
  const verifier = createTransactionVerifier(application, pool);
  const identify = createIdentify(application);
  const finalBlocks = new FinalBlocks(identify, onEvent);
  const mempool = new Mempool({
    countMax: settings.mempoolCountMax,
    bytesMax: settings.mempoolBytesMax,
    countPerSourceMax: settings.mempoolCountPerSourceMax,
  });

  const closeDisk = async (): Promise<void> => {
    await pool.close();
    await log.close();
    await store.close();
    unlock();
  };
  let tip: ChainTip;
  let records: readonly WalRecord[];
  try {
    records = decodeRecords(log.recovered);
    tip = await openChain({ genesis, application, chain, verifier });
  } catch (error) {
    await closeDisk();
    throw error;
  }

  const driver = createPbftDriver({
    chainId: genesis.chainId,
    key,
    sign,
    application,
    chain,
    log,
    records,
    tip,
    peers,
    verifier,
    finalBlocks,
    settings: {
      blockCountMax: settings.blockCountMax,
      blockBytesMax: settings.blockBytesMax,
      blockIntervalMs: settings.blockIntervalMs,
      heartbeatMs: settings.heartbeatMs,
      viewTimeoutMs: settings.viewTimeoutMs,
      requestsCountMax: settings.mempoolCountMax,
      requestsBytesMax: settings.mempoolBytesMax,
    },
    clockNs,
    onEvent,
    onSettled: (txs) => {
      for (const tx of txs) {
        const name = nameOfTransaction(tx);
        verifier.forget(name);
        mempool.release(name);
      }
    },
    onDropped: (hashes) => {
      for (const hash of hashes) mempool.release(nameOf(hash));
    },
  });
  driver.start();

  const submit = createSubmit({
    identify,
    mempool,
    refuseEarly: () => {
      if (driver.halted() !== undefined) return 'unavailable';
      return verifier.pending() > CHECKS_PENDING_MAX ? 'mempoolFull' : undefined;
    },
    admit: async (_name, tx) => {
      const [verdict] = await verifier.verify([tx]);
      if (verdict === undefined) return { code: 'unavailable' };
      if (!verdict.ok) return verdict.rejection;
      const { transaction } = verdict;
      const answer = await driver.admit(transaction.tx, transaction.checks);
      return answer === 'admitted' ? undefined : answer;
    },
  });
  const answers = createFinalAnswers({
    chainId: genesis.chainId,
    secretKey: options.secretKey,
    application,
    finalBlocks,
    height: () => driver.final().height,
    headerAt: (height) => chain.header(height),
  });
  let stopping: Promise<void> | undefined;
  return {
    ...answers,
    submit: (tx, source = 'local') => submit(tx, source),
    block: (asked) => {
      const height = asked === 'latest' ? driver.final().height : asked;
      const stored = chain.header(height);
      const decided = chain.block(height);
      if (stored === undefined || decided === undefined) return undefined;
      const txs = decided.block.transactions;
      return { height, ...stored, txs, engineTxs: txs };
    },
    // The embedded engine keeps every block.
    firstBlock: () => (driver.final().height === 0n ? 0n : 1n),
    latest: () => {
      const { height, timeNs } = driver.final();
      return { height, timeNs };
    },
    lastValidators: () => driver.final().lastValidators,
    clockNs,
    status: () => {
      const final = driver.final();
      const { view, primary } = driver.position();
      const { validators } = final.validators;
      return {
        chainId: genesis.chainId,
        key,
        role: validators.some((each) => equalBytes(each.key, key)) ? 'validator' : 'observer',
        height: final.height,
        appHash: final.appHash,
        view,
        primary,
        validators,
        peers: peers.status(),
        mempool: { count: mempool.count, bytes: mempool.bytes },
        stateEntries: chain.entries(),
        halted: driver.halted(),
      };
    },
    stop: () => {
      stopping ??= (async () => {
        await peers.close();
        await driver.stop();
        await closeDisk();
      })();
      return stopping;
    },
  };
}
