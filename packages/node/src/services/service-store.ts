/**
 * The services' part of the node's disk: a second key-value store beside the ledger's, one prefix per
 * service. What is personal in it is sealed under keys that lie in the secret slots.
 */
import { type Bytes, concatBytes, utf8 } from '@yilian/crypto/bytes';
import type { Entry, KeyValueStore } from '../storage/key-value-store.ts';

export interface Shelf {
  get(key: Bytes): Bytes | undefined;
  put(key: Bytes, value: Bytes): Promise<void>;
  putAll(entries: readonly Entry[]): Promise<void>;
  delete(...keys: readonly Bytes[]): Promise<void>;
  /** All entries whose key begins with `prefix`, in order, without the shelf's own prefix. */
  list(prefix?: Bytes): readonly Entry[];
}

function successor(prefix: Bytes): Bytes {
  return concatBytes(prefix, new Uint8Array(64).fill(0xff));
}

/** `name` must not be the beginning of another shelf's name. */
export function createShelf(store: KeyValueStore, name: string): Shelf {
  const head = concatBytes(utf8(name), Uint8Array.of(0));
  const full = (key: Bytes): Bytes => concatBytes(head, key);
  return {
    get: (key) => store.get(full(key)),
    put: (key, value) => store.write({ puts: [{ key: full(key), value }], deletes: [] }),
    putAll: (entries) =>
      store.write({
        puts: entries.map(({ key, value }) => ({ key: full(key), value })),
        deletes: [],
      }),
    delete: (...keys) => store.write({ puts: [], deletes: keys.map(full) }),
    list: (prefix = new Uint8Array(0)) => {
      const from = full(prefix);
      return store
        .range({ from, to: successor(from) })
        .map(({ key, value }) => ({ key: key.slice(head.length), value }));
    },
  };
}
