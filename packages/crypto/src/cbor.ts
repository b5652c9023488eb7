/**
 * Deterministic CBOR (RFC 8949 §4.2.1), reduced to what signed things need: integers, byte strings,
 * text, arrays, booleans and null. No maps (an array has one order, a map has a rule for it), no
 * floats, no tags, no indefinite lengths. Of the many encodings that general CBOR has for one value the
 * decoder knows only the shortest, so two encodings of one value cannot exist: whatever decodes, encodes
 * to the same bytes again. Own code because every replica does this several times for every transaction:
 * a general codec, and encoding again to compare, cost more than the signature check.
 */
import { type Bytes, CodecError, utf8 } from './bytes.ts';

/** A value that can be signed. Integers outside ±(2^53−1) are bigint, all others number. */
export type Cbor = null | boolean | number | bigint | string | Bytes | readonly Cbor[];

/** Bounds on what `decode` accepts. */
export interface DecodeLimits {
  /** Bytes of the whole encoding. */
  readonly bytesMax: number;
  /** Arrays inside arrays. */
  readonly depthMax: number;
  /**
   * Items of all arrays together (default 262,144): one byte of encoding becomes a hundred of memory
   * where every item is an empty byte string.
   */
  readonly itemsMax?: number;
}

const DEFAULT_LIMITS: DecodeLimits = { bytesMax: 4 * 1024 * 1024, depthMax: 16 };
const ENCODE_DEPTH_MAX = 64;
const ITEMS_MAX = 262_144;

/** RFC 8949 §3.1, shifted to the high three bits. */
const MAJOR = {
  unsigned: 0x00,
  negative: 0x20,
  bytes: 0x40,
  text: 0x60,
  array: 0x80,
} as const;
const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;

const TWO_32 = 0x1_0000_0000;
const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

function malformed(message: string): never {
  throw new CodecError('malformed', message);
}

/** How many bytes the head of an item takes: one, and the argument in 0, 1, 2, 4 or 8 more. */
function headLength(argument: number): number {
  if (argument < 24) return 1;
  if (argument < 0x100) return 2;
  if (argument < 0x1_0000) return 3;
  return argument < TWO_32 ? 5 : 9;
}

/** The argument of a negative integer is one less than its absolute value. */
function argumentOf(value: number): number {
  return value < 0 ? -1 - value : value;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false;
  return true;
}

/** Bytes of `value` in its one encoding; refuses what has none. */
function encodedLength(value: Cbor, depthLeft: number): number {
  if (depthLeft < 0) throw new CodecError('tooDeep', 'value is nested too deeply to encode');
  if (value instanceof Uint8Array) return headLength(value.length) + value.length;
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Object.is(value, -0))
      malformed('only safe integers can be encoded');
    return headLength(argumentOf(value));
  }
  if (typeof value === 'string') {
    // `utf8` refuses lone surrogates, which other encoders replace: two texts would share an encoding.
    const length = isAscii(value) ? value.length : utf8(value).length;
    return headLength(length) + length;
  }
  if (value === null || typeof value === 'boolean') return 1;
  if (typeof value === 'bigint') {
    const argument = value < 0n ? -1n - value : value;
    if (argument <= SAFE_MAX) return headLength(Number(argument));
    if (argument < 1n << 64n) return 9;
    return malformed('an integer does not fit 64 bits');
  }
  let length = headLength(value.length);
  for (const item of value) length += encodedLength(item, depthLeft - 1);
  return length;
}

/** Fills a buffer that has room for what is written. */
class Writer {
  readonly bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  value(value: Cbor): void {
    if (value instanceof Uint8Array) {
      this.#head(MAJOR.bytes, value.length);
      this.#raw(value);
    } else if (typeof value === 'number') {
      this.#head(value < 0 ? MAJOR.negative : MAJOR.unsigned, argumentOf(value));
    } else if (typeof value === 'string') this.#text(value);
    else if (value === null) this.bytes[this.#at++] = NULL;
    else if (typeof value === 'boolean') this.bytes[this.#at++] = value ? TRUE : FALSE;
    else if (typeof value === 'bigint') this.#integer(value);
    else {
      this.#head(MAJOR.array, value.length);
      for (const item of value) this.value(item);
    }
  }

  #integer(value: bigint): void {
    const major = value < 0n ? MAJOR.negative : MAJOR.unsigned;
    const argument = value < 0n ? -1n - value : value;
    if (argument <= SAFE_MAX) this.#head(major, Number(argument));
    else {
      this.bytes[this.#at++] = major | 27;
      this.#word(Number(argument >> 32n));
      this.#word(Number(argument & 0xffffffffn));
    }
  }

  #text(text: string): void {
    if (!isAscii(text)) {
      const bytes = utf8(text);
      this.#head(MAJOR.text, bytes.length);
      this.#raw(bytes);
      return;
    }
    this.#head(MAJOR.text, text.length);
    for (let i = 0; i < text.length; i++) this.bytes[this.#at++] = text.charCodeAt(i);
  }

  /** In its shortest form. */
  #head(major: number, argument: number): void {
    const { bytes } = this;
    if (argument < 24) bytes[this.#at++] = major | argument;
    else if (argument < 0x100) {
      bytes[this.#at++] = major | 24;
      bytes[this.#at++] = argument;
    } else if (argument < 0x1_0000) {
      bytes[this.#at++] = major | 25;
      bytes[this.#at++] = argument >> 8;
      bytes[this.#at++] = argument;
    } else if (argument < TWO_32) {
      bytes[this.#at++] = major | 26;
      this.#word(argument);
    } else {
      bytes[this.#at++] = major | 27;
      this.#word(Math.floor(argument / TWO_32));
      this.#word(argument % TWO_32);
    }
  }

  #word(word: number): void {
    const { bytes } = this;
    bytes[this.#at++] = word >>> 24;
    bytes[this.#at++] = word >>> 16;
    bytes[this.#at++] = word >>> 8;
    bytes[this.#at++] = word;
  }

  #raw(bytes: Bytes): void {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }
}

/** The one encoding of `value`. @throws CodecError for floats, lone surrogates and values nested over 64 deep */
export function encode(value: Cbor): Bytes {
  const bytes = new Uint8Array(encodedLength(value, ENCODE_DEPTH_MAX));
  new Writer(bytes).value(value);
  return bytes;
}

const scratch = new Uint8Array(4_096);
let isScratchTaken = false;

/**
 * What `use` makes of the encoding of `value`. The bytes are gone after the call: they lie in one buffer
 * for all calls, since most encodings are made to be hashed and thrown away.
 * @throws CodecError as `encode`
 */
export function withEncoding<T>(value: Cbor, use: (bytes: Bytes) => T): T {
  const length = encodedLength(value, ENCODE_DEPTH_MAX);
  if (length > scratch.length || isScratchTaken) return use(encode(value));
  isScratchTaken = true;
  try {
    new Writer(scratch).value(value);
    return use(scratch.subarray(0, length));
  } finally {
    isScratchTaken = false;
  }
}

class Reader {
  readonly #bytes: Bytes;
  readonly #copies: boolean;
  #itemsLeft: number;
  #at = 0;

  constructor(bytes: Bytes, copies: boolean, itemsMax: number) {
    this.#bytes = bytes;
    this.#copies = copies;
    this.#itemsLeft = itemsMax;
  }

  value(depthLeft: number): Cbor {
    if (depthLeft < 0) throw new CodecError('tooDeep', 'arrays are nested too deeply');
    const first = this.#byte();
    switch (first & 0xe0) {
      case MAJOR.unsigned:
        return this.#argument(first);
      case MAJOR.negative: {
        const argument = this.#argument(first);
        if (typeof argument === 'bigint') return -1n - argument;
        const value = -1 - argument;
        // −2^53 has a safe argument and is not safe itself.
        return Number.isSafeInteger(value) ? value : -1n - BigInt(argument);
      }
      case MAJOR.bytes: {
        const end = this.#length(first) + this.#at;
        const start = this.#at;
        this.#at = end;
        return this.#copies ? this.#bytes.slice(start, end) : this.#bytes.subarray(start, end);
      }
      case MAJOR.text:
        return readText(this.#taken(first));
      case MAJOR.array:
        return this.#array(first, depthLeft);
    }
    if (first === NULL) return null;
    if (first === TRUE) return true;
    if (first === FALSE) return false;
    return malformed('a value is outside the allowed data model');
  }

  assertEnd(): void {
    if (this.#at !== this.#bytes.length) malformed('bytes follow the value');
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    return byte === undefined ? malformed('the encoding ends early') : byte;
  }

  #word(): number {
    const high = (this.#byte() << 8) | this.#byte();
    return high * 0x1_0000 + ((this.#byte() << 8) | this.#byte());
  }

  /** The argument of a head, refused when a shorter form would have held it. */
  #argument(first: number): number | bigint {
    const info = first & 0x1f;
    if (info < 24) return info;
    let value: number | bigint;
    let least: number;
    if (info === 24) {
      value = this.#byte();
      least = 24;
    } else if (info === 25) {
      value = (this.#byte() << 8) | this.#byte();
      least = 0x100;
    } else if (info === 26) {
      value = this.#word();
      least = 0x1_0000;
    } else if (info === 27) {
      const [high, low] = [this.#word(), this.#word()];
      const joined = high * TWO_32 + low;
      value = Number.isSafeInteger(joined) ? joined : (BigInt(high) << 32n) | BigInt(low);
      least = TWO_32;
    } else return malformed('an item has no definite length');
    if (value < least) throw new CodecError('notCanonical', 'a number is not in its shortest form');
    return value;
  }

  #length(first: number): number {
    const length = this.#argument(first);
    // Nothing is allocated for a length that the bytes at hand can not fill.
    if (typeof length === 'bigint' || length > this.#bytes.length - this.#at)
      return malformed('the encoding ends early');
    return length;
  }

  #taken(first: number): Bytes {
    const length = this.#length(first);
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return taken;
  }

  #array(first: number, depthLeft: number): readonly Cbor[] {
    const length = this.#length(first);
    this.#itemsLeft -= length;
    if (this.#itemsLeft < 0) throw new CodecError('tooLarge', 'an encoding holds too many items');
    const items: Cbor[] = [];
    for (let i = 0; i < length; i++) items.push(this.value(depthLeft - 1));
    return items;
  }
}

/** Characters joined in one call: an argument list has its limit. */
const CHUNK = 4_096;

/** Strict UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF. */
function readText(bytes: Bytes): string {
  let text = '';
  let units: number[] = [];
  for (let i = 0; i < bytes.length;) {
    const first = bytes[i++] ?? 0;
    if (first < 0x80) units.push(first);
    else {
      const more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
      let point = first & (0x3f >> more);
      let valid = first >= 0xc2 && first <= 0xf4;
      for (let k = 0; k < more; k++) {
        const next = bytes[i++] ?? 0;
        valid &&= (next & 0xc0) === 0x80;
        point = (point << 6) | (next & 0x3f);
      }
      const least = more === 1 ? 0x80 : more === 2 ? 0x800 : 0x10000;
      valid &&= point >= least && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
      if (!valid) malformed('text is not UTF-8');
      units.push(point);
    }
    if (units.length === CHUNK) {
      text += String.fromCodePoint(...units);
      units = [];
    }
  }
  return text + String.fromCodePoint(...units);
}

function read(bytes: Bytes, limits: DecodeLimits, copies: boolean): Cbor {
  if (bytes.length > limits.bytesMax)
    throw new CodecError('tooLarge', `encoding is longer than ${limits.bytesMax} bytes`);
  // A plain view: `slice` of a Buffer would share memory with it.
  const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const reader = new Reader(view, copies, limits.itemsMax ?? ITEMS_MAX);
  const value = reader.value(limits.depthMax);
  reader.assertEnd();
  return value;
}

/**
 * Strict inverse of `encode`. What it returns does not share memory with `bytes`.
 * @throws CodecError `malformed`, `notCanonical` (a number or length in a longer form than it needs),
 * `tooLarge`, `tooDeep`
 */
export function decode(bytes: Bytes, limits: DecodeLimits = DEFAULT_LIMITS): Cbor {
  return read(bytes, limits, true);
}

/**
 * As `decode`, but byte strings are views of `bytes`, which nobody may write to from now on: for bytes
 * that are kept as long as their parts anyway.
 */
export function decodeInPlace(bytes: Bytes, limits: DecodeLimits = DEFAULT_LIMITS): Cbor {
  return read(bytes, limits, false);
}
