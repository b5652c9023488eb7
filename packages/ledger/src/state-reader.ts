import type { Bytes } from '@yilian/crypto/bytes';

/**
 * What the ledger reads: the store as the last `commit` left it. Synchronous and without iteration.
 * Keys are at most 80 bytes. The driver shows the writes of a `commit` before the next
 * `finalizeBlock`; within one call all reads come from one snapshot.
 */
export interface StateReader {
  get(key: Bytes): Bytes | undefined;
}

/** Puts and deletes for the driver to write in one atomic step; no key occurs twice. */
export interface WriteBatch {
  readonly puts: readonly { readonly key: Bytes; readonly value: Bytes }[];
  readonly deletes: readonly Bytes[];
}
