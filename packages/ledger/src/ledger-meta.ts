/** Where the ledger stands: one value, written with every commit. */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import {
  type AppHashParts,
  appHashPartsItems,
  hashAppHashParts,
  readAppHashParts,
} from './app-hash.ts';
import { Fields } from '@yilian/crypto/fields';
import { HEIGHTS_KEPT } from './history.ts';
import type { DropHint } from './live-ids.ts';
import { type Overlay, type Store, numberKey } from './store.ts';

export interface LedgerMeta {
  readonly chainId: string;
  readonly height: number;
  /** Block time, whole seconds since 1970. */
  readonly time: number;
  readonly parts: AppHashParts;
  /** Keys in the state tree. */
  readonly stateSize: number;
  /** Where expired ids are looked for. A local hint: it decides nothing, see live-ids.ts. */
  readonly drops: DropHint;
}

const META_KEY = 'm';

function partsKey(height: number): string {
  return `h${numberKey(height)}`;
}

export function getMeta(store: Store): LedgerMeta | undefined {
  const value = store.get(META_KEY);
  return value === undefined ? undefined : parseMeta(value);
}

/** Reads it before every call, and parses it once per commit. */
export function createMetaReader(store: Store): () => LedgerMeta | undefined {
  let last: { readonly value: Bytes; readonly meta: LedgerMeta } | undefined;
  return () => {
    const value = store.get(META_KEY);
    if (value === undefined) return undefined;
    if (last === undefined || !equalBytes(last.value, value))
      last = { value: Uint8Array.from(value), meta: parseMeta(value) };
    return last.meta;
  };
}

function parseMeta(value: Bytes): LedgerMeta {
  const fields = Fields.of(decode(value), 7);
  return {
    chainId: fields.name(),
    height: fields.whole(),
    time: fields.whole(),
    parts: readAppHashParts(fields.any()),
    stateSize: fields.whole(),
    drops: { from: fields.whole(), to: fields.whole() },
  };
}

/** Also keeps the parts of this height for `HEIGHTS_KEPT` heights. */
export function putMeta(overlay: Overlay, meta: LedgerMeta): void {
  const parts = appHashPartsItems(meta.parts);
  const { chainId, height, time, stateSize, drops } = meta;
  overlay.put(META_KEY, encode([chainId, height, time, parts, stateSize, drops.from, drops.to]));
  overlay.putNew(partsKey(meta.height), encode(parts));
  const oldest = meta.height - HEIGHTS_KEPT - 1;
  if (oldest >= 0) overlay.delete(partsKey(oldest));
}

/** Undefined when the height is older than what is kept, or not reached. */
export function partsAtHeight(store: Store, height: number): AppHashParts | undefined {
  const value = store.get(partsKey(height));
  return value === undefined ? undefined : readAppHashParts(decode(value));
}

export function appHashOf(meta: LedgerMeta): Bytes {
  return hashAppHashParts(meta.parts);
}
