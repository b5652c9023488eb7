/**
 * What a node beside CometBFT keeps: the application's state, the blocks with what became of each client
 * transaction, and, as soon as the engine can show them, the headers with their certificates. Nothing is
 * read from the engine's own store later, so it may prune.
 *
 * Order of writes for one height, and what a crash between any two of them leaves:
 *   1. FinalizeBlock writes nothing. Crash after: the engine replays the block.
 *   2. Commit: one batch with the application's writes, body, outcomes and tip; the engine gets its answer
 *      only when it is durable. Crash before: as after 1. Crash after, answer unsent: the engine asks `Info`,
 *      sees the height, and does not replay.
 *   3. Header and certificate, fetched from the engine and verified; in the batch of 2 when they are there
 *      by then. Crash before: fetched at the next start (`headerHeight` says where they end), before the
 *      height is told to anybody.
 */
import type { Outcome, WriteBatch } from '@yilian/consensus/application';
import {
  decodeEngineTip,
  encodeEngineTip,
  type EngineTip,
} from '@yilian/consensus/abci/engine-tip';
import {
  type ValidatorSet,
  validatorSetFromCbor,
  validatorSetToCbor,
} from '@yilian/consensus/validator-set';
import { type Bytes, concatBytes, equalBytes, u64be } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { ANY_COUNT, Fields } from '@yilian/crypto/fields';
import { flatten } from '@yilian/consensus/bundle';
import type { CommittedBlock } from './application-driver.ts';
import { type Entry, type KeyValueStore, StorageError } from '../storage/key-value-store.ts';

/** First byte of all keys of the application, which writes it itself. */
export const STATE_SPACE = 0x01;
const TIP_KEY = Uint8Array.of(0x02, 0x00);
const GENESIS_KEY = Uint8Array.of(0x02, 0x01);
/** There while the state is not whole: see `restore`. */
const RESTORING_KEY = Uint8Array.of(0x02, 0x02);
const HEADER = Uint8Array.of(0x03);
const BODY = Uint8Array.of(0x04);
/** By the first height at which a set was in force. */
const VALIDATORS = Uint8Array.of(0x06);

/** One more than comes with every block, so that a backlog shrinks. */
const PRUNED_PER_BLOCK = 4;
const CLEARED_AT_ONCE = 5_000;

/** No block's transactions are longer; the engine's genesis file says less. */
const BODY_BYTES_MAX = 64 * 1024 * 1024;

export interface EngineBlock {
  readonly height: bigint;
  readonly timeNs: bigint;
  /** Consensus key of the proposer, 32 bytes. */
  readonly proposer: Bytes;
  /** Of the engine's header. */
  readonly blockId: Bytes;
  /** After the block below. */
  readonly parentAppHash: Bytes;
  /** As the engine ordered them, in their frames: what the header's root covers. */
  readonly engineTxs: readonly Bytes[];
  /** Client transactions, in the order of execution. */
  readonly txs: readonly Bytes[];
  /** One per client transaction. */
  readonly outcomes: readonly Outcome[];
}

export interface EngineHeader {
  /** The engine's encodings: see consensus/light/cometbft. */
  readonly header: Bytes;
  readonly certificate: Bytes;
}

export interface EngineChainSnapshot {
  readonly state: { get(key: Bytes): Bytes | undefined };
  readonly tip: EngineTip | undefined;
  close(): void;
}

export interface EngineChainStore {
  /** The application's view of its own keys, all of which begin with `STATE_SPACE`. */
  readonly state: { get(key: Bytes): Bytes | undefined };
  /** The same by keys without that byte: for snapshots, which nobody's database shows in. */
  readonly bareState: { get(key: Bytes): Bytes | undefined };
  /** Undefined before the chain began. */
  tip(): EngineTip | undefined;
  /** Says to which chain this database belongs. @throws StorageError `wrongChain` */
  initialise(genesisId: Bytes): Promise<void>;
  /** One atomic, durable step; with the header when the engine has shown it by then. */
  commitBlock(
    committed: Omit<CommittedBlock, 'names'>,
    more?: {
      readonly header?: EngineHeader | undefined;
      /** Bodies below go, a few with every block. */
      readonly retainHeight?: bigint;
    },
  ): Promise<void>;
  /** Bare state and tip of the last block, while blocks go on. */
  openSnapshot(): EngineChainSnapshot;
  /** Forgets everything but the chain it belongs to; the state counts as not whole from here on. */
  clear(): Promise<void>;
  /** A part of a state that somebody else made, by bare keys; with the tip, it is whole. */
  restore(writes: WriteBatch, tip?: EngineTip): Promise<void>;
  isRestoring(): boolean;
  putHeader(height: bigint, header: EngineHeader): Promise<void>;
  header(height: bigint): EngineHeader | undefined;
  block(height: bigint): EngineBlock | undefined;
  /** The set that certified a committed height. */
  validatorsAt(height: bigint): ValidatorSet | undefined;
  /** Height of the newest header; 0 when there is none. */
  headerHeight(): bigint;
  /** Height of the oldest body that is kept; 0 when there is none. */
  firstBody(): bigint;
  entries(): number;
  close(): Promise<void>;
}

function keyOf(space: Bytes, height: bigint): Bytes {
  return concatBytes(space, u64be(height));
}

function heightOf(key: Bytes): bigint {
  return new DataView(key.buffer, key.byteOffset + 1, 8).getBigUint64(0);
}

/** All keys of a space lie from the space's byte to the next. */
function spaceRange(space: Bytes): { readonly from: Bytes; readonly to: Bytes } {
  return { from: space, to: Uint8Array.of((space[0] ?? 0) + 1) };
}

/** For who knows the application's keys without their first byte. */
function stateKey(key: Bytes): Bytes {
  return concatBytes(Uint8Array.of(STATE_SPACE), key);
}

function assertStateKey(key: Bytes): void {
  if (key[0] !== STATE_SPACE) throw new Error('assertion: a key of the application is not its own');
}

function read<T>(bytes: Bytes, parse: (fields: Cbor) => T): T {
  try {
    return parse(decode(bytes, { bytesMax: BODY_BYTES_MAX, depthMax: 6 }));
  } catch (cause) {
    throw new StorageError('damaged', 'the database holds an entry that does not decode', {
      cause,
    });
  }
}

function readTip(bytes: Bytes): EngineTip {
  try {
    return decodeEngineTip(bytes);
  } catch (cause) {
    throw new StorageError('damaged', 'the database holds a tip that does not decode', { cause });
  }
}

function readTipOf(store: Pick<KeyValueStore, 'get'>): EngineTip | undefined {
  const bytes = store.get(TIP_KEY);
  return bytes === undefined ? undefined : readTip(bytes);
}

function encodeBlock({
  block,
  hash,
  parentAppHash,
  engineTxs,
  outcomes,
}: Omit<CommittedBlock, 'names' | 'writes' | 'tip'>): Bytes {
  const { timeNs, proposer } = block;
  const codes = outcomes.map((outcome) => (outcome.ok ? null : outcome.rejection.code));
  return encode([timeNs, proposer, hash, parentAppHash, engineTxs, codes]);
}

function encodeHeader({ header, certificate }: EngineHeader): Bytes {
  return encode([header, certificate]);
}

function blockFrom(height: bigint, value: Cbor): EngineBlock {
  const fields = Fields.of(value, 6);
  const timeNs = fields.u64();
  const proposer = fields.bytes(32);
  const blockId = fields.bytes(32);
  const parentAppHash = fields.bytes(32);
  const engineTxs = fields.list(ANY_COUNT, (list) => list.bytes());
  const outcomes = fields.list(ANY_COUNT, (list): Outcome => {
    const code = list.orNull((own) => own.text());
    return code === null ? { ok: true } : { ok: false, rejection: { code } };
  });
  const { txs } = flatten(engineTxs);
  return { height, timeNs, proposer, blockId, parentAppHash, engineTxs, txs, outcomes };
}

export function createEngineChainStore(store: KeyValueStore): EngineChainStore {
  const lastHeight = (space: Bytes): bigint => {
    const [last] = store.range({ ...spaceRange(space), reverse: true, limit: 1 });
    return last === undefined ? 0n : heightOf(last.key);
  };
  return {
    state: {
      get: (key) => {
        assertStateKey(key);
        return store.get(key);
      },
    },
    bareState: { get: (key) => store.get(stateKey(key)) },
    tip: () => readTipOf(store),
    initialise: async (genesisId) => {
      const stored = store.get(GENESIS_KEY);
      if (stored === undefined)
        return store.write({ puts: [{ key: GENESIS_KEY, value: genesisId }], deletes: [] });
      if (!equalBytes(stored, genesisId))
        throw new StorageError('wrongChain', 'the database belongs to another chain');
    },
    commitBlock: (committed, { header, retainHeight = 0n } = {}) => {
      const { block, tip, writes } = committed;
      for (const { key } of writes.puts) assertStateKey(key);
      for (const key of writes.deletes) assertStateKey(key);
      const puts: Entry[] = [...writes.puts];
      puts.push({ key: keyOf(BODY, block.height), value: encodeBlock(committed) });
      if (header !== undefined)
        puts.push({ key: keyOf(HEADER, block.height), value: encodeHeader(header) });
      const before = readTipOf(store)?.lastValidators;
      const { lastValidators } = tip;
      if (before === undefined || !equalBytes(before.hash, lastValidators.hash))
        puts.push({
          key: keyOf(VALIDATORS, block.height),
          value: encode(validatorSetToCbor(lastValidators)),
        });
      puts.push({ key: TIP_KEY, value: encodeEngineTip(tip) });
      const deletes = [...writes.deletes];
      if (retainHeight > 0n)
        for (const { key } of store.range({
          from: BODY,
          to: keyOf(BODY, retainHeight),
          limit: PRUNED_PER_BLOCK,
        }))
          deletes.push(key);
      return store.write({ puts, deletes });
    },
    openSnapshot: () => {
      const snapshot = store.openSnapshot();
      return {
        state: { get: (key) => snapshot.get(stateKey(key)) },
        tip: readTipOf(snapshot),
        close: () => snapshot.close(),
      };
    },
    clear: async () => {
      await store.write({
        puts: [{ key: RESTORING_KEY, value: Uint8Array.of(1) }],
        deletes: [TIP_KEY],
      });
      for (const space of [Uint8Array.of(STATE_SPACE), HEADER, BODY, VALIDATORS])
        for (;;) {
          const some = store.range({ ...spaceRange(space), limit: CLEARED_AT_ONCE });
          if (some.length === 0) break;
          // oxlint-disable-next-line no-await-in-loop -- in pieces that memory holds
          await store.write({ puts: [], deletes: some.map(({ key }) => key) });
        }
    },
    restore: (writes, tip) => {
      const puts: Entry[] = writes.puts.map(({ key, value }) => ({ key: stateKey(key), value }));
      const deletes = writes.deletes.map(stateKey);
      if (tip !== undefined) {
        const { height, lastValidators } = tip;
        puts.push({
          key: keyOf(VALIDATORS, height),
          value: encode(validatorSetToCbor(lastValidators)),
        });
        puts.push({ key: TIP_KEY, value: encodeEngineTip(tip) });
        deletes.push(RESTORING_KEY);
      }
      return store.write({ puts, deletes });
    },
    isRestoring: () => store.get(RESTORING_KEY) !== undefined,
    putHeader: (height, header) =>
      store.write({
        puts: [{ key: keyOf(HEADER, height), value: encodeHeader(header) }],
        deletes: [],
      }),
    header: (height) => {
      const bytes = store.get(keyOf(HEADER, height));
      if (bytes === undefined) return undefined;
      return read(bytes, (value) => {
        const fields = Fields.of(value, 2);
        return { header: fields.bytes(), certificate: fields.bytes() };
      });
    },
    block: (height) => {
      const bytes = store.get(keyOf(BODY, height));
      return bytes === undefined ? undefined : read(bytes, (value) => blockFrom(height, value));
    },
    validatorsAt: (height) => {
      const [entry] = store.range({
        from: VALIDATORS,
        to: keyOf(VALIDATORS, height + 1n),
        reverse: true,
        limit: 1,
      });
      return entry === undefined ? undefined : read(entry.value, validatorSetFromCbor);
    },
    headerHeight: () => lastHeight(HEADER),
    firstBody: () => {
      const [first] = store.range({ ...spaceRange(BODY), limit: 1 });
      return first === undefined ? 0n : heightOf(first.key);
    },
    entries: () => store.count(),
    close: () => store.close(),
  };
}
