/** `KeyValueStore` without a disk: for observers of a test, and as the model the others are compared with. */
import { type Batch, type KeyValueStore, StorageError } from './key-value-store.ts';
import { SortedEntries } from './sorted-entries.ts';

export function createMemoryStore(): KeyValueStore {
  const entries = new SortedEntries();
  let closed = false;
  const assertOpen = (): void => {
    if (closed) throw new StorageError('closed', 'the store is closed');
  };
  return {
    get: (key) => {
      assertOpen();
      return entries.get(key);
    },
    range: (options) => {
      assertOpen();
      return entries.range(options);
    },
    openSnapshot: () => {
      assertOpen();
      const copy = entries.clone();
      return { get: (key) => copy.get(key), close: () => undefined };
    },
    write: async (batch: Batch) => {
      assertOpen();
      await Promise.resolve();
      entries.apply(batch);
    },
    count: () => entries.size,
    close: () => {
      closed = true;
      return Promise.resolve();
    },
  };
}
