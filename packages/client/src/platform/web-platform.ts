/** The platform of a browser page: WebCrypto, IndexedDB, fetch. */
import type { Bytes } from '@yilian/crypto/bytes';
import { createMclCurve } from '@yilian/crypto/curve-mcl';
import { verifySignature } from '@yilian/crypto/signature';
import { createBlobSpool, type Platform, type Storage, waitWithTimer } from './platform.ts';
import { createWebPrimitives } from './web-ciphers.ts';

const OBJECT_STORE = 'values';
/** `getRandomValues` gives no more at once. */
const RANDOM_BYTES_MAX = 65_536;

function randomBytes(length: number): Bytes {
  const bytes = new Uint8Array(length);
  for (let offset = 0; offset < length; offset += RANDOM_BYTES_MAX)
    crypto.getRandomValues(bytes.subarray(offset, Math.min(length, offset + RANDOM_BYTES_MAX)));
  return bytes;
}

function finished<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error ?? new Error('storage failed')));
  });
}

/** An IndexedDB database of this origin. Values are as secret as what callers put into them. */
export function createIndexedDbStorage(databaseName: string): Storage {
  let opened: Promise<IDBDatabase> | undefined;
  const database = (): Promise<IDBDatabase> => {
    if (opened === undefined) {
      const request = indexedDB.open(databaseName, 1);
      request.addEventListener('upgradeneeded', () =>
        request.result.createObjectStore(OBJECT_STORE),
      );
      opened = finished(request);
    }
    return opened;
  };
  const objectStore = async (mode: IDBTransactionMode): Promise<IDBObjectStore> =>
    (await database()).transaction(OBJECT_STORE, mode).objectStore(OBJECT_STORE);
  return {
    get: async (name) => {
      const value: unknown = await finished((await objectStore('readonly')).get(name));
      return value instanceof Uint8Array ? value : undefined;
    },
    put: async (name, value) => {
      await finished((await objectStore('readwrite')).put(value.slice(), name));
    },
    delete: async (name) => {
      await finished((await objectStore('readwrite')).delete(name));
    },
  };
}

/** @param overrides parts to replace */
export async function createWebPlatform(overrides: Partial<Platform> = {}): Promise<Platform> {
  return {
    curve: overrides.curve ?? (await createMclCurve()),
    primitives: createWebPrimitives(),
    verifySignature,
    randomBytes,
    nowMs: () => Date.now(),
    wait: waitWithTimer,
    fetch: (url, init) => globalThis.fetch(url, init),
    storage: createIndexedDbStorage('yilian'),
    createSpool: () => Promise.resolve(createBlobSpool()),
    ...overrides,
  };
}
