/**
 * What a node under CometBFT keeps in its database, by height: the application's state, the blocks (client
 * transactions without frames, and what became of them), and the tip. Nothing of it is read from CometBFT later.
 *
 * One batch per height, atomic, before Commit is answered: state, block, outcomes, tip. Header and
 * certificate of a height follow when the engine has them: a block without them is executed and durable,
 * not yet proven.
 */
import type { Outcome, WriteBatch } from '@yilian/consensus/application';
import {
  decodeEngineTip,
  encodeEngineTip,
  type EngineTip,
} from '@yilian/consensus/abci/engine-tip';
import { type Bytes, concatBytes, equalBytes, u64be } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { ANY_COUNT, Fields } from '@yilian/crypto/fields';
import { type KeyValueStore, StorageError } from '../storage/key-value-store.ts';
import type { CommittedBlock } from './application-driver.ts';

const STATE = Uint8Array.of(0x01);
const TIP_KEY = Uint8Array.of(0x02, 0x00);
const GENESIS_KEY = Uint8Array.of(0x02, 0x01);
const HEADER = Uint8Array.of(0x03);
const BODY = Uint8Array.of(0x04);
const OUTCOMES = Uint8Array.of(0x05);

const BODY_BYTES_MAX = 128 * 1024 * 1024;

/** A block as it was executed. */
export interface StoredBlock {
  readonly height: bigint;
  readonly timeNs: bigint;
  readonly proposer: Bytes;
  /** Hash of the engine's header. */
  readonly hash: Bytes;
  readonly txs: readonly Bytes[];
}

/** In the engine's form: whoever reads it verifies it. */
export interface StoredHeader {
  readonly header: Bytes;
  readonly certificate: Bytes;
}

export interface EngineStore {
  /** The application's view of its own keys. */
  readonly state: { get(key: Bytes): Bytes | undefined };
  /** Undefined before the first block. */
  tip(): EngineTip | undefined;
  /** Says to which chain this database belongs. @throws StorageError `wrongChain` */
  initialise(genesisId: Bytes): Promise<void>;
  commitBlock(committed: CommittedBlock): Promise<void>;
  putHeader(height: bigint, header: StoredHeader): Promise<void>;
  header(height: bigint): StoredHeader | undefined;
  block(height: bigint): StoredBlock | undefined;
  outcomes(height: bigint): readonly Outcome[] | undefined;
  entries(): number;
  close(): Promise<void>;
}

function keyOf(space: Bytes, height: bigint): Bytes {
  return concatBytes(space, u64be(height));
}

function stateKey(key: Bytes): Bytes {
  return concatBytes(STATE, key);
}

function stateWrites({ puts, deletes }: WriteBatch): {
  puts: { key: Bytes; value: Bytes }[];
  deletes: Bytes[];
} {
  return {
    puts: puts.map(({ key, value }) => ({ key: stateKey(key), value })),
    deletes: deletes.map(stateKey),
  };
}

function decodeStored<T>(bytes: Bytes, read: (bytes: Bytes) => T): T {
  try {
    return read(bytes);
  } catch (cause) {
    throw new StorageError('damaged', 'the database holds an entry that does not decode', {
      cause,
    });
  }
}

function decodeBody(height: bigint, bytes: Bytes): StoredBlock {
  const fields = Fields.of(decode(bytes, { bytesMax: BODY_BYTES_MAX, depthMax: 2 }), 4);
  return {
    height,
    timeNs: fields.u64(),
    proposer: fields.bytes(32),
    hash: fields.bytes(32),
    txs: fields.list(ANY_COUNT, (list) => list.bytes()),
  };
}

function decodeOutcomes(bytes: Bytes): readonly Outcome[] {
  const fields = new Fields(decode(bytes, { bytesMax: BODY_BYTES_MAX, depthMax: 1 }), ANY_COUNT);
  return Array.from({ length: fields.count }, (): Outcome => {
    const code = fields.orNull((own) => own.word());
    return code === null ? { ok: true } : { ok: false, rejection: { code } };
  });
}

export function createEngineStore(store: KeyValueStore): EngineStore {
  const readAt = <T>(space: Bytes, height: bigint, read: (bytes: Bytes) => T): T | undefined => {
    const bytes = store.get(keyOf(space, height));
    return bytes === undefined ? undefined : decodeStored(bytes, read);
  };
  return {
    state: { get: (key) => store.get(stateKey(key)) },
    tip: () => {
      const bytes = store.get(TIP_KEY);
      return bytes === undefined ? undefined : decodeStored(bytes, decodeEngineTip);
    },
    initialise: async (genesisId) => {
      const stored = store.get(GENESIS_KEY);
      if (stored === undefined)
        return store.write({ puts: [{ key: GENESIS_KEY, value: genesisId }], deletes: [] });
      if (!equalBytes(stored, genesisId))
        throw new StorageError('wrongChain', 'the database belongs to another chain');
    },
    commitBlock: async ({ block, hash, outcomes, writes, tip }) => {
      const { puts, deletes } = stateWrites(writes);
      const { height, timeNs, proposer, txs } = block;
      puts.push({ key: keyOf(BODY, height), value: encode([timeNs, proposer, hash, txs]) });
      const codes = outcomes.map((outcome) => (outcome.ok ? null : outcome.rejection.code));
      puts.push({ key: keyOf(OUTCOMES, height), value: encode(codes) });
      puts.push({ key: TIP_KEY, value: encodeEngineTip(tip) });
      await store.write({ puts, deletes });
    },
    putHeader: async (height, { header, certificate }) =>
      store.write({
        puts: [{ key: keyOf(HEADER, height), value: encode([header, certificate]) }],
        deletes: [],
      }),
    header: (height) =>
      readAt(HEADER, height, (bytes) => {
        const fields = Fields.of(decode(bytes), 2);
        return { header: fields.bytes(), certificate: fields.bytes() };
      }),
    block: (height) => readAt(BODY, height, (bytes) => decodeBody(height, bytes)),
    outcomes: (height) => readAt(OUTCOMES, height, decodeOutcomes),
    entries: () => store.count(),
    close: () => store.close(),
  };
}
