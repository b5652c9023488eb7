/**
 * Everything a node keeps in its database: the application's state, the blocks, the tip.
 *
 * Order of writes for one height, and what a crash between any two of them leaves:
 *   1. write-ahead log: own votes, then the prepared certificate with its block (each flushed before
 *      the message it justifies is sent). Crash after: the replica restarts with its memory of what it
 *      said and says nothing else; the block is decided again from the peers' commits.
 *   2. one batch: the application's writes, block, certificate, outcomes, tip. Atomic: height and app
 *      hash never stand beside a state that is not theirs. Crash before: as after 1. Crash after: the
 *      block is final here.
 *   3. listeners, replies, checkpoint message: only after 2 is durable. Crash before: nobody was told
 *      anything; asking again gives the same answer.
 *   4. the write-ahead log may be emptied. Crash before: its records are of a decided height, ignored.
 * The application's state may also be older than the blocks (a state restored alone, a later engine that
 * writes them apart): `openChain` (ordering/open-chain.ts) then executes the blocks between.
 */
import type { Outcome, WriteBatch } from '@yilian/consensus/application';
import { type Block, BLOCK_ENCODING_BYTES_MAX, type CertifiedBlock } from '@yilian/consensus/block';
import {
  certificateFromCbor,
  certificateToCbor,
  decodeCertificate,
  encodeCertificate,
} from '@yilian/consensus/certificate';
import { type ChainTip, decodeChainTip, encodeChainTip } from '@yilian/consensus/chain-tip';
import { decodeSignedHeader, encodeSignedHeader } from '@yilian/consensus/header';
import { type Bytes, concatBytes, equalBytes, u64be } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { ANY_COUNT, Fields } from '@yilian/crypto/fields';
import { type Entry, type KeyValueStore, StorageError } from './key-value-store.ts';

/** First byte of the application's keys: it writes them so itself, which spares a copy of each. */
export const STATE_SPACE = 0x01;
const TIP_KEY = Uint8Array.of(0x02, 0x00);
const GENESIS_KEY = Uint8Array.of(0x02, 0x01);
const HEADER = Uint8Array.of(0x03);
const BODY = Uint8Array.of(0x04);
const OUTCOMES = Uint8Array.of(0x05);

/** As stored and as served: whoever reads it verifies it. */
export interface StoredHeader {
  readonly header: Bytes;
  readonly certificate: Bytes;
}

export interface ChainStore {
  /** The application's view of its own keys, all of which begin with `STATE_SPACE`. */
  readonly state: { get(key: Bytes): Bytes | undefined };
  /** Undefined before the first block. */
  tip(): ChainTip | undefined;
  /** Height 0: says to which chain this database belongs. @throws StorageError `wrongChain` */
  initialise(genesisId: Bytes): Promise<void>;
  /** One atomic, durable step; see the head of this file. */
  commitBlock(input: {
    readonly decided: CertifiedBlock;
    readonly tip: ChainTip;
    readonly writes: WriteBatch;
    readonly outcomes: readonly Outcome[];
  }): Promise<void>;
  /** Application writes alone, when its state is brought up to stored blocks. */
  commitState(writes: WriteBatch): Promise<void>;
  header(height: bigint): StoredHeader | undefined;
  block(height: bigint): CertifiedBlock | undefined;
  outcomes(height: bigint): readonly Outcome[] | undefined;
  entries(): number;
  close(): Promise<void>;
}

function keyOf(space: Bytes, height: bigint): Bytes {
  return concatBytes(space, u64be(height));
}

function damaged(what: string, cause?: unknown): StorageError {
  return new StorageError('damaged', `the database holds ${what}`, { cause });
}

function encodeBody(block: Block): Bytes {
  const { transactions, parentCertificate } = block;
  return encode([
    transactions,
    parentCertificate === null ? null : certificateToCbor(parentCertificate),
  ]);
}

function encodeOutcomes(outcomes: readonly Outcome[]): Bytes {
  return encode(outcomes.map((outcome) => (outcome.ok ? null : outcome.rejection.code)));
}

function decodeOutcomes(bytes: Bytes): readonly Outcome[] {
  const fields = new Fields(decode(bytes), ANY_COUNT);
  return Array.from({ length: fields.count }, (): Outcome => {
    const code = fields.orNull((own) => own.text());
    return code === null ? { ok: true } : { ok: false, rejection: { code } };
  });
}

function assertStateKey(key: Bytes): void {
  if (key[0] !== STATE_SPACE) throw new Error('assertion: a key of the application is not its own');
}

function assertStateKeys({ puts, deletes }: WriteBatch): void {
  for (const { key } of puts) assertStateKey(key);
  deletes.forEach(assertStateKey);
}

function decodeStored<T>(bytes: Bytes, read: (bytes: Bytes) => T): T {
  try {
    return read(bytes);
  } catch (cause) {
    throw damaged('an entry that does not decode', cause);
  }
}

export function createChainStore(store: KeyValueStore): ChainStore {
  const readHeader = (height: bigint): StoredHeader | undefined => {
    const bytes = store.get(keyOf(HEADER, height));
    if (bytes === undefined) return undefined;
    return decodeStored(bytes, () => {
      const fields = Fields.of(decode(bytes), 2);
      return { header: fields.bytes(), certificate: fields.bytes() };
    });
  };
  return {
    state: {
      get: (key) => {
        assertStateKey(key);
        return store.get(key);
      },
    },
    tip: () => {
      const bytes = store.get(TIP_KEY);
      return bytes === undefined ? undefined : decodeStored(bytes, decodeChainTip);
    },
    initialise: async (genesisId) => {
      const stored = store.get(GENESIS_KEY);
      if (stored === undefined)
        return store.write({ puts: [{ key: GENESIS_KEY, value: genesisId }], deletes: [] });
      if (!equalBytes(stored, genesisId))
        throw new StorageError('wrongChain', 'the database belongs to another chain');
    },
    commitBlock: async ({ decided, tip, writes, outcomes }) => {
      const { block, certificate } = decided;
      const { height } = block.header;
      assertStateKeys(writes);
      const puts: Entry[] = [...writes.puts];
      const stored = encode([encodeSignedHeader(block), encodeCertificate(certificate)]);
      puts.push({ key: keyOf(HEADER, height), value: stored });
      puts.push({ key: keyOf(BODY, height), value: encodeBody(block) });
      puts.push({ key: keyOf(OUTCOMES, height), value: encodeOutcomes(outcomes) });
      puts.push({ key: TIP_KEY, value: encodeChainTip(tip) });
      await store.write({ puts, deletes: writes.deletes });
    },
    commitState: async (writes) => {
      assertStateKeys(writes);
      await store.write(writes);
    },
    header: readHeader,
    block: (height) => {
      const stored = readHeader(height);
      const body = store.get(keyOf(BODY, height));
      if (stored === undefined || body === undefined) return undefined;
      return decodeStored(body, (bytes) => {
        const limits = { bytesMax: BLOCK_ENCODING_BYTES_MAX, depthMax: 6 };
        const fields = Fields.of(decode(bytes, limits), 2);
        return {
          block: {
            ...decodeSignedHeader(stored.header),
            transactions: fields.list(ANY_COUNT, (list) => list.bytes()),
            parentCertificate: fields.orNull((own) => certificateFromCbor(own.any())),
          },
          certificate: decodeCertificate(stored.certificate),
        };
      });
    },
    outcomes: (height) => {
      const bytes = store.get(keyOf(OUTCOMES, height));
      if (bytes === undefined) return undefined;
      return decodeStored(bytes, decodeOutcomes);
    },
    entries: () => store.count(),
    close: () => store.close(),
  };
}
