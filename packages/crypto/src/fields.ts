/**
 * Reads the items of a decoded CBOR array one after another, each against the form it must have.
 *
 * `decode` (cbor.ts) settles that bytes have one meaning; this settles that the meaning is the promised
 * one. A reader is made for an array of a stated number of items and every method takes the next item, so
 * a parser is the list of its fields in the order of the format, where no position can be mistaken. Whoever has failures of its own kind (a rejection, a damaged store) catches the
 * `CodecError` where it calls its parser.
 */
import { type Bytes, CodecError } from './bytes.ts';
import type { Cbor } from './cbor.ts';

/** How many items an array may have, both ends included. */
export interface Counts {
  readonly min: number;
  readonly max: number;
}

/** For lists whose length the format leaves open: what `decode` accepts bounds it. */
export const ANY_COUNT: Counts = { min: 0, max: Number.MAX_SAFE_INTEGER };

const TWO_64 = 1n << 64n;

function malformed(what: string): never {
  throw new CodecError('malformed', `expected ${what}`);
}

/** Every method throws CodecError `malformed` when the next item is not of its form. */
export class Fields {
  readonly #items: readonly Cbor[];
  #next = 0;

  constructor(value: Cbor, counts: Counts) {
    if (!Array.isArray(value)) malformed('an array');
    const items: readonly Cbor[] = value;
    if (items.length < counts.min || items.length > counts.max)
      malformed(`${counts.min} to ${counts.max} items`);
    this.#items = items;
  }

  /** An array of exactly `count` items. */
  static of(value: Cbor, count: number): Fields {
    return new Fields(value, { min: count, max: count });
  }

  get count(): number {
    return this.#items.length;
  }

  /** For arrays whose first item says how many there are in all. */
  checkCount(count: number): void {
    if (this.#items.length !== count) malformed(`${count} items`);
  }

  /** The next item, unchecked. */
  any(): Cbor {
    const item = this.#items[this.#next++];
    if (item === undefined) malformed('one more item');
    return item;
  }

  /** Of exactly `length` bytes, or of any length when it is not given. */
  bytes(length?: number): Bytes {
    const item = this.any();
    if (!(item instanceof Uint8Array)) malformed('bytes');
    if (length !== undefined && item.length !== length) malformed(`${length} bytes`);
    return item;
  }

  bytesUpTo(lengthMax: number): Bytes {
    const item = this.any();
    if (!(item instanceof Uint8Array) || item.length > lengthMax)
      malformed(`at most ${lengthMax} bytes`);
    return item;
  }

  /** Text of at most `lengthMax` characters, or of any length when it is not given. */
  text(lengthMax: number = Number.MAX_SAFE_INTEGER): string {
    const item = this.any();
    if (typeof item !== 'string' || item.length > lengthMax) malformed('text within its length');
    return item;
  }

  nothing(): null {
    if (this.any() !== null) malformed('null');
    return null;
  }

  /** Null, or what `read` takes from here. */
  orNull<T>(read: (fields: Fields) => T): T | null {
    if (this.#items[this.#next] !== null) return read(this);
    this.#next++;
    return null;
  }

  /** A whole number from 0 to `max` (default 2^53 − 1). */
  whole(max: number = Number.MAX_SAFE_INTEGER): number {
    const item = this.any();
    if (typeof item !== 'number' || item < 0 || item > max) malformed('a whole number in range');
    return item;
  }

  /** Any integer of at most 53 bits. */
  integer(): number {
    const item = this.any();
    if (typeof item !== 'number') malformed('an integer');
    return item;
  }

  /** An integer from 0 to 2^64 − 1: heights, powers, nanoseconds. */
  u64(): bigint {
    const item = this.any();
    const value = typeof item === 'number' ? BigInt(item) : item;
    if (typeof value !== 'bigint' || value < 0n || value >= TWO_64)
      malformed('an integer of 64 bits');
    return value;
  }

  /** A short identifier: `[a-z0-9-]{1,64}`. */
  name(): string {
    const item = this.any();
    if (typeof item !== 'string' || !/^[a-z0-9-]{1,64}$/.test(item)) malformed('a short name');
    return item;
  }

  /** Printable ASCII, 1 to 64 characters: codes. */
  word(): string {
    const item = this.any();
    if (typeof item !== 'string' || !/^[ -~]{1,64}$/.test(item)) malformed('a word');
    return item;
  }

  oneOf<T extends string>(choices: readonly T[]): T {
    const item = this.any();
    for (const choice of choices) if (item === choice) return choice;
    return malformed('one of the known words');
  }

  flag(): boolean {
    const item = this.any();
    if (typeof item !== 'boolean') malformed('a truth value');
    return item;
  }

  /** The next item as an array of `min` to `max` items, each read by `read`. */
  list<T>(counts: Counts, read: (fields: Fields) => T): readonly T[] {
    const fields = new Fields(this.any(), counts);
    const values: T[] = [];
    for (let i = 0; i < fields.count; i++) values.push(read(fields));
    return values;
  }

  /** The next item as a nested array of exactly `count` items. */
  nested(count: number): Fields {
    return Fields.of(this.any(), count);
  }
}
