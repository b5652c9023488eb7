/**
 * `KeyValueStore` on LMDB (memory-mapped copy-on-write B+ tree). `overlappingSync` stays off, so that
 * the commit itself flushes; reads go through a read transaction that is held until the next batch is
 * durable, so that they can not see one that is on its way.
 */
import { mkdirSync } from 'node:fs';
import type { Bytes } from '@yilian/crypto/bytes';
import { open, type RootDatabase, type Transaction } from 'lmdb';
import {
  type Batch,
  type Entry,
  type KeyValueStore,
  type RangeOptions,
  type StoreSnapshot,
  StorageError,
} from './key-value-store.ts';

/** The B+ tree's limit is 1,978; shorter keys keep its inner pages wide. */
const KEY_BYTES_MAX = 1_024;

/** Arrays up to this length live in the heap; asking for their `buffer` moves them out of it, which costs a microsecond. */
const HEAP_BYTES_MAX = 64;
/** Longer values are written from where they are. */
const PACKED_BYTES_MAX = 4_096;

const NOTHING: Bytes = new Uint8Array(0);

/** Own memory: LMDB hands out one buffer again and again, with a `length` of its own making. */
function copyOf(bytes: Uint8Array): Bytes {
  const { length } = bytes;
  if (length > HEAP_BYTES_MAX)
    return new Uint8Array(bytes.buffer, bytes.byteOffset, length).slice();
  const copy = new Uint8Array(length);
  for (let i = 0; i < length; i++) copy[i] = bytes[i] ?? 0;
  return copy;
}

/**
 * The values of a batch in one piece of memory: the binding takes the address of every value's buffer, a call and a
 * property for each buffer that it has not seen.
 */
function packValues(puts: readonly Entry[]): readonly Bytes[] {
  let length = 0;
  for (const { value } of puts) if (value.length <= PACKED_BYTES_MAX) length += value.length;
  const packed = new Uint8Array(new ArrayBuffer(length));
  let at = 0;
  return puts.map(({ value }) => {
    if (value.length > PACKED_BYTES_MAX) return value;
    packed.set(value, at);
    at += value.length;
    return packed.subarray(at - value.length, at);
  });
}

/** The published type of this method lacks its second parameter (lmdb 3.5, read.js). */
interface SnapshotReader {
  getBinaryFast(key: Bytes, options: { readonly transaction: Transaction }): Uint8Array | undefined;
}

/** A read transaction that ends with its last user. */
class SharedTransaction {
  readonly transaction: Transaction;
  #users = 1;

  constructor(transaction: Transaction) {
    this.transaction = transaction;
  }

  use(): this {
    this.#users++;
    return this;
  }

  done(): void {
    if (--this.#users === 0) this.transaction.done();
  }
}

class LmdbStore implements KeyValueStore {
  readonly #database: RootDatabase<Uint8Array, Uint8Array>;
  readonly #reader: SnapshotReader;
  #snapshot: SharedTransaction;
  readonly #openSnapshots = new Set<() => void>();
  /** Nothing is written any more; what was durable before can still be read. */
  #failed: StorageError | undefined;
  #isClosed = false;
  #closing: Promise<void> | undefined;
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(database: RootDatabase<Uint8Array, Uint8Array>) {
    this.#database = database;
    this.#reader = database;
    this.#snapshot = new SharedTransaction(database.useReadTransaction());
  }

  get(key: Bytes): Bytes | undefined {
    this.#assertOpen();
    const bytes = this.#reader.getBinaryFast(key, this.#snapshot);
    return bytes === undefined ? undefined : copyOf(bytes);
  }

  openSnapshot(): StoreSnapshot {
    this.#assertOpen();
    const shared = this.#snapshot.use();
    const { transaction } = shared;
    let isOpen = true;
    const close = (): void => {
      this.#openSnapshots.delete(close);
      if (isOpen) shared.done();
      isOpen = false;
    };
    this.#openSnapshots.add(close);
    return {
      get: (key) => {
        this.#assertOpen();
        if (!isOpen) throw new StorageError('closed', 'the snapshot is closed');
        const bytes = this.#reader.getBinaryFast(key, { transaction });
        return bytes === undefined ? undefined : copyOf(bytes);
      },
      close,
    };
  }

  range({ from, to, reverse = false, limit }: RangeOptions): readonly Entry[] {
    this.#assertOpen();
    const entries: Entry[] = [];
    // LMDB's reverse ranges start high and have an exclusive end, hence the filtering of `to`.
    const found = this.#database.getRange({
      ...(reverse ? { start: to, end: from, reverse: true } : { start: from, end: to }),
      transaction: this.#snapshot.transaction,
    });
    for (const { key, value } of found) {
      if (limit !== undefined && entries.length >= limit) break;
      if (reverse && Buffer.compare(key, to) >= 0) continue;
      entries.push({ key: copyOf(key), value: copyOf(value) });
    }
    if (reverse && (limit === undefined || entries.length < limit)) {
      const first = this.get(from);
      const last = entries.at(-1);
      if (
        first !== undefined &&
        Buffer.compare(from, to) < 0 &&
        (last === undefined || Buffer.compare(last.key, from) !== 0)
      )
        entries.push({ key: copyOf(from), value: first });
    }
    return entries;
  }

  write(batch: Batch): Promise<void> {
    // One after another: the snapshot moves on exactly once per batch, in order.
    const written = this.#lastWrite.then(() => this.#writeNow(batch));
    this.#lastWrite = written.catch(() => undefined);
    return written;
  }

  async #writeNow(batch: Batch): Promise<void> {
    this.#assertOpen();
    if (this.#failed !== undefined) throw this.#failed;
    try {
      if (batch.puts.some(({ key }) => key.length === 0 || key.length > KEY_BYTES_MAX))
        throw new RangeError('a key has no length that the database takes');
      const values = packValues(batch.puts);
      await this.#database.batch(() => {
        for (const [i, { key }] of batch.puts.entries()) {
          // The promises of the single operations are those of the batch.
          void this.#database.put(key, values[i] ?? NOTHING);
        }
        for (const key of batch.deletes) void this.#database.remove(key);
      });
      await this.#database.flushed;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#failed = new StorageError(
        'writeFailed',
        `the database could not be written (${why}); nothing that was acknowledged is lost: see to the ` +
          'disk, then start the node again',
        { cause },
      );
      throw this.#failed;
    }
    this.#snapshot.done();
    this.#database.resetReadTxn();
    this.#snapshot = new SharedTransaction(this.#database.useReadTransaction());
  }

  count(): number {
    this.#assertOpen();
    const stats: unknown = this.#database.getStats();
    return typeof stats === 'object' &&
      stats !== null &&
      'entryCount' in stats &&
      typeof stats.entryCount === 'number'
      ? stats.entryCount
      : 0;
  }

  close(): Promise<void> {
    this.#closing ??= this.#lastWrite.then(async () => {
      this.#isClosed = true;
      for (const closeSnapshot of this.#openSnapshots) closeSnapshot();
      this.#snapshot.done();
      await this.#database.close();
    });
    return this.#closing;
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new StorageError('closed', 'the database is closed');
  }
}

/** @throws StorageError `damaged` when the directory holds something that is not such a database */
export function openLmdbStore(directory: string): KeyValueStore {
  mkdirSync(directory, { recursive: true });
  try {
    return new LmdbStore(
      open<Uint8Array, Uint8Array>({
        path: directory,
        keyEncoding: 'binary',
        encoding: 'binary',
        overlappingSync: false,
        noMemInit: true,
        cache: false,
        maxReaders: 64,
        // Of the file no more than half a gigabyte is mapped, and so counted as resident; reads cost the same.
        remapChunks: true,
      }),
    );
  } catch (cause) {
    throw new StorageError('damaged', 'the database could not be opened', { cause });
  }
}
