/**
 * The ledger's keys and the layers between it and the driver's store.
 *
 * Keys are strings of one character per byte, so that they can index a Map; they become bytes at the
 * reader. Spaces (first character):
 *   v keyHash           value of a state key            n path (hex digits)   node of the state tree
 *   u height page       what a block overwrote          U height              first keys of these pages
 *   h height            app-hash parts (16 heights)     l level index         log hash of a subtree
 *   L index             log leaf                        i …                   look-ups, unproved
 *   X expiry            inclusion heights of live ids   x expiry height       live ids of one block
 *   m                   height, roots, sizes            r                     how far a restoration came
 */
import type { Bytes } from '@yilian/crypto/bytes';
import type { StateReader, WriteBatch } from './state-reader.ts';

export interface Store {
  get(key: string): Bytes | undefined;
}

export function keyToBytes(key: string): Bytes {
  const bytes = new Uint8Array(key.length);
  for (let i = 0; i < key.length; i++) bytes[i] = key.charCodeAt(i);
  return bytes;
}

/** One character per byte; for bytes of a key's length (at most some hundred). */
export function bytesToKey(bytes: Bytes): string {
  if (bytes.length === 32) return halfKey(bytes, 0) + halfKey(bytes, 16);
  return Reflect.apply(String.fromCharCode, undefined, bytes);
}

/** Sixteen bytes, in one call without a list of arguments: hashes are most of the keys. */
function halfKey(b: Bytes, i: number): string {
  return String.fromCharCode(
    b[i] ?? 0,
    b[i + 1] ?? 0,
    b[i + 2] ?? 0,
    b[i + 3] ?? 0,
    b[i + 4] ?? 0,
    b[i + 5] ?? 0,
    b[i + 6] ?? 0,
    b[i + 7] ?? 0,
    b[i + 8] ?? 0,
    b[i + 9] ?? 0,
    b[i + 10] ?? 0,
    b[i + 11] ?? 0,
    b[i + 12] ?? 0,
    b[i + 13] ?? 0,
    b[i + 14] ?? 0,
    b[i + 15] ?? 0,
  );
}

/** Six bytes, most significant first: heights and indexes, in the order of their values. */
export function numberKey(value: number): string {
  const high = Math.floor(value / 0x1000000);
  const low = value % 0x1000000;
  return String.fromCharCode(
    (high >> 16) & 0xff,
    (high >> 8) & 0xff,
    high & 0xff,
    (low >> 16) & 0xff,
    (low >> 8) & 0xff,
    low & 0xff,
  );
}

/** Inverse of `numberKey` on bytes. */
export function readNumber(bytes: Bytes, offset: number): number {
  let value = 0;
  for (let i = 0; i < 6; i++) value = value * 256 + (bytes[offset + i] ?? 0);
  return value;
}

/** A key as the driver stores it: behind the byte of its own choice, if it gave one. */
function toStored(key: string, space: number | undefined): Bytes {
  if (space === undefined) return keyToBytes(key);
  const bytes = new Uint8Array(key.length + 1);
  bytes[0] = space;
  for (let i = 0; i < key.length; i++) bytes[i + 1] = key.charCodeAt(i);
  return bytes;
}

export function readerStore(reader: StateReader, space?: number): Store {
  return { get: (key) => reader.get(toStored(key, space)) };
}

/** Changes above a store. What it read is remembered too: an overlay lives for one block at most. */
export class Overlay implements Store {
  readonly #base: Store;
  readonly #changes = new Map<string, Bytes | undefined>();
  /** Null where there is nothing: one look-up says whether it is known, and what. */
  readonly #originals = new Map<string, Bytes | null>();
  /** How often a key went: without any, a value that is not in `#changes` was not changed. */
  #deletes = 0;

  constructor(base: Store) {
    this.#base = base;
  }

  get(key: string): Bytes | undefined {
    const changed = this.#changes.get(key);
    if (changed !== undefined || (this.#deletes > 0 && this.#changes.has(key))) return changed;
    return this.original(key);
  }

  /** The value below this overlay. */
  original(key: string): Bytes | undefined {
    const known = this.#originals.get(key);
    if (known !== undefined) return known ?? undefined;
    const value = this.#base.get(key);
    this.#originals.set(key, value ?? null);
    return value;
  }

  put(key: string, value: Bytes): void {
    this.#changes.set(key, value);
  }

  /** For keys that cannot have been there: spares the reading when the undo record is made. */
  putNew(key: string, value: Bytes): void {
    this.#originals.set(key, null);
    this.#changes.set(key, value);
  }

  delete(key: string): void {
    this.#deletes++;
    this.#changes.set(key, undefined);
  }

  changes(): ReadonlyMap<string, Bytes | undefined> {
    return this.#changes;
  }

  /** Takes over the changes of an overlay that lies on this one. */
  absorb(upper: Overlay): void {
    this.#deletes += upper.#deletes;
    for (const [key, value] of upper.#changes) this.#changes.set(key, value);
  }

  toWriteBatch(space?: number): WriteBatch {
    const puts: { key: Bytes; value: Bytes }[] = [];
    const deletes: Bytes[] = [];
    this.#changes.forEach((value, key) => {
      if (value === undefined) deletes.push(toStored(key, space));
      else puts.push({ key: toStored(key, space), value });
    });
    return { puts, deletes };
  }
}
