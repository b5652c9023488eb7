/**
 * Shares at rest: everything a node keeps about a grant is sealed under a key of that grant, and that
 * key lies in a slot of its own outside the database (F15). Erasing the slot makes every copy of the
 * sealed entry unreadable at once: in LMDB's freed pages, in snapshots, in backups (R9: of this grant
 * only).
 */
import { open, seal } from '@yilian/crypto/aead';
import { type Bytes, type RandomBytes, concatBytes, toHex } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import type { SecretSlots } from './secret-slots.ts';
import type { Shelf } from './service-store.ts';

const NONCE_BYTES = 12;
const GRANT_ID_BYTES = 16;

/** `missing`: nothing was ever kept. `lost`: the entry is there, its key is gone or does not open it. */
export type VaultEntry =
  | { readonly kind: 'kept'; readonly value: Bytes }
  | { readonly kind: 'missing' }
  | { readonly kind: 'lost' };

export interface ShareVault {
  /** Durable when it resolves. The first entry of a grant makes its key. */
  put(grantId: Bytes, name: string, value: Bytes): Promise<void>;
  get(grantId: Bytes, name: string): VaultEntry;
  /** Names of what is kept of a grant. */
  has(grantId: Bytes): boolean;
  /** Grants of which something is kept, readable or not. */
  grants(): readonly Bytes[];
  /** The key first (zeroed and flushed), then what it sealed. */
  erase(grantId: Bytes): Promise<void>;
}

function placeOf(grantId: Bytes, name: string): Bytes {
  return concatBytes(grantId, encode(name));
}

export function createShareVault(options: {
  readonly slots: SecretSlots;
  readonly shelf: Shelf;
  readonly randomBytes: RandomBytes;
}): ShareVault {
  const { slots, shelf, randomBytes } = options;
  // Two first entries of one grant must not make two keys.
  const making = new Map<string, Promise<Bytes>>();

  const makeKey = async (grantId: Bytes): Promise<Bytes> => {
    const key = randomBytes(32);
    await slots.put(grantId, key);
    return key;
  };

  const keyOf = async (grantId: Bytes): Promise<Bytes> => {
    const held = slots.get(grantId);
    if (held !== undefined) return held;
    const name = toHex(grantId);
    const made = making.get(name) ?? makeKey(grantId);
    making.set(name, made);
    try {
      return (await made).slice();
    } finally {
      making.delete(name);
    }
  };

  return {
    put: async (grantId, name, value) => {
      const key = await keyOf(grantId);
      const place = placeOf(grantId, name);
      const nonce = randomBytes(NONCE_BYTES);
      const sealed = seal({ key, nonce, associatedData: place, plaintext: value });
      key.fill(0);
      await shelf.put(place, concatBytes(nonce, sealed));
    },
    get: (grantId, name) => {
      const place = placeOf(grantId, name);
      const stored = shelf.get(place);
      if (stored === undefined) return { kind: 'missing' };
      const key = slots.get(grantId);
      if (key === undefined) return { kind: 'lost' };
      const value = open({
        key,
        nonce: stored.subarray(0, NONCE_BYTES),
        associatedData: place,
        sealed: stored.subarray(NONCE_BYTES),
      });
      key.fill(0);
      return value === null ? { kind: 'lost' } : { kind: 'kept', value };
    },
    has: (grantId) => shelf.list(grantId).length > 0,
    grants: () => {
      const found = new Map<string, Bytes>();
      for (const { key } of shelf.list()) {
        const grantId = key.slice(0, GRANT_ID_BYTES);
        found.set(toHex(grantId), grantId);
      }
      return [...found.values()];
    },
    erase: async (grantId) => {
      await slots.erase(grantId);
      const places = shelf.list(grantId).map(({ key }) => key);
      if (places.length > 0) await shelf.delete(...places);
    },
  };
}
