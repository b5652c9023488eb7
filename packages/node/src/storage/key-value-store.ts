/**
 * The node's database as a port: ordered binary keys, atomic batches. One rule carries everything
 * that is promised about acknowledgements: a batch is shown by `get` and `range`, and its promise
 * resolves, only once it is durable. (LMDB's default shows data first and flushes later.)
 */
import type { Bytes } from '@yilian/crypto/bytes';

export interface Entry {
  readonly key: Bytes;
  readonly value: Bytes;
}

export interface Batch {
  readonly puts: readonly Entry[];
  readonly deletes: readonly Bytes[];
}

export interface RangeOptions {
  /** First key, inclusive. */
  readonly from: Bytes;
  /** Exclusive. */
  readonly to: Bytes;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** The store as it was at one moment, while it goes on. To be closed soon: what it sees can not be freed. */
export interface StoreSnapshot {
  /** A copy; synchronous. */
  get(key: Bytes): Bytes | undefined;
  close(): void;
}

export interface KeyValueStore {
  /** A copy; synchronous. All reads between two turns of the event loop see one state. */
  get(key: Bytes): Bytes | undefined;
  /** In order of unsigned bytes (backwards when `reverse`), fully read before it returns. */
  range(options: RangeOptions): readonly Entry[];
  /**
   * All or nothing. Resolves when it would survive a loss of power. Deletes win over puts of the same
   * key only if listed there alone: no key may occur twice.
   * @throws StorageError (rejects) once any write failed: after that nothing is accepted any more
   */
  write(batch: Batch): Promise<void>;
  /** Everything that is durable now. */
  openSnapshot(): StoreSnapshot;
  /** Number of entries. */
  count(): number;
  close(): Promise<void>;
}

/** The disk refuses or lies. Nothing is retried: after a failed flush nobody knows what it holds. */
export class StorageError extends Error {
  readonly code: 'writeFailed' | 'closed' | 'damaged' | 'wrongChain' | 'inUse';

  constructor(code: StorageError['code'], message: string, options?: { readonly cause: unknown }) {
    super(message, options);
    this.name = 'StorageError';
    this.code = code;
  }
}
