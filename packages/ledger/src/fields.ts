/** Reads the items of a decoded CBOR array one after another, each against the form it must have. */
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';

function malformed(what: string): never {
  throw new CodecError('malformed', `expected ${what}`);
}

/** Every method throws CodecError `malformed` when the next item is not of its form. */
export class Fields {
  readonly #items: readonly Cbor[];
  #next = 0;

  constructor(value: Cbor | undefined, counts: { readonly min: number; readonly max: number }) {
    if (!Array.isArray(value)) malformed('an array');
    const items: readonly Cbor[] = value;
    if (items.length < counts.min || items.length > counts.max)
      malformed('another number of items');
    this.#items = items;
  }

  /** An array of exactly `count` items. */
  static of(value: Cbor | undefined, count: number): Fields {
    return new Fields(value, { min: count, max: count });
  }

  get count(): number {
    return this.#items.length;
  }

  /** The next item, unchecked. */
  any(): Cbor {
    const item = this.#items[this.#next++];
    if (item === undefined) malformed('one more item');
    return item;
  }

  bytes(length: number): Bytes {
    const item = this.any();
    if (!(item instanceof Uint8Array) || item.length !== length) malformed(`${length} bytes`);
    return item;
  }

  bytesUpTo(lengthMax: number): Bytes {
    const item = this.any();
    if (!(item instanceof Uint8Array) || item.length > lengthMax)
      malformed(`at most ${lengthMax} bytes`);
    return item;
  }

  /** Bytes of any length, or null. */
  anyBytesOrNull(): Bytes | null {
    const item = this.any();
    if (item !== null && !(item instanceof Uint8Array)) malformed('bytes or null');
    return item;
  }

  /** Text of at most `lengthMax` characters. */
  text(lengthMax: number): string {
    const item = this.any();
    if (typeof item !== 'string' || item.length > lengthMax) malformed('a short text');
    return item;
  }

  nothing(): null {
    if (this.any() !== null) malformed('null');
    return null;
  }

  bytesOrNull(length: number): Bytes | null {
    if (this.#items[this.#next] === null) {
      this.#next++;
      return null;
    }
    return this.bytes(length);
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
  list<T>(
    counts: { readonly min: number; readonly max: number },
    read: (fields: Fields) => T,
  ): readonly T[] {
    const fields = new Fields(this.any(), counts);
    const values: T[] = [];
    for (let i = 0; i < fields.count; i++) values.push(read(fields));
    return values;
  }

  /** The next item as a nested array of exactly `count` items. */
  nested(count: number): Fields {
    return Fields.of(this.any(), count);
  }

  /** As `nested`, or null. */
  nestedOrNull(count: number): Fields | null {
    const item = this.any();
    return item === null ? null : Fields.of(item, count);
  }
}
