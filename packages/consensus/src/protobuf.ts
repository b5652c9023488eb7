/**
 * The wire format of Protocol Buffers 3 (protobuf.dev/programming-guides/encoding), as far as CometBFT
 * speaks it: varints, 64-bit and 32-bit words, length-delimited fields. No groups, no reflection: a
 * message is a pair of functions, one that asks a reader for its fields and one that tells them to a
 * writer in ascending order. The writer leaves out what has its default value, as proto3 and Go's
 * generated code do, so that equal values give equal bytes: hashes and signatures are made over them.
 */
import { type Bytes, CodecError, utf8 } from '@yilian/crypto/bytes';

/** Low three bits of a field's tag. */
const WIRE = { varint: 0, fixed64: 1, delimited: 2, fixed32: 5 } as const;

const TWO_32 = 0x1_0000_0000;
const VARINT_BYTES_MAX = 10;
/** Messages inside messages: what CometBFT sends has at most five. */
const DEPTH_MAX = 32;

function malformed(message: string): never {
  throw new CodecError('malformed', message);
}

/** A host's subclass of Uint8Array may mean something else by `slice`. */
function plain(bytes: Bytes): Bytes {
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function readText(bytes: Bytes, start: number, end: number): string {
  let text = '';
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0;
    if (byte >= 0x80) return readUtf8(bytes.subarray(start, end));
    text += String.fromCharCode(byte);
  }
  return text;
}

/** The language's own strict decoder of UTF-8, which wants its bytes percent-encoded. */
function readUtf8(bytes: Bytes): string {
  let escaped = '';
  for (const byte of bytes) escaped += `%${byte < 16 ? '0' : ''}${byte.toString(16)}`;
  try {
    return decodeURIComponent(escaped);
  } catch {
    return malformed('text is not UTF-8');
  }
}

/**
 * Walks over one message. `next` gives the number of the next field, 0 at the end; then exactly one of the
 * reading methods, or `skip`, takes its value.
 *
 *     for (let field = reader.next(); field !== 0; field = reader.next())
 *       if (field === 1) height = reader.int64();
 *       else reader.skip();
 *
 * Every method throws CodecError `malformed` where the bytes end too early or the field is of another wire
 * type. As in Go a varint may be longer than it needs to be, and of a repeated scalar the last one counts.
 */
export class ProtobufReader {
  readonly #bytes: Bytes;
  #at: number;
  #end: number;
  #wire = 0;
  #depth = 0;

  constructor(bytes: Bytes) {
    this.#bytes = plain(bytes);
    this.#at = 0;
    this.#end = bytes.length;
  }

  next(): number {
    if (this.#at >= this.#end) return 0;
    const tag = this.#number();
    const field = Math.floor(tag / 8);
    if (field === 0 || tag >= TWO_32) malformed('a tag without a field number');
    this.#wire = tag % 8;
    return field;
  }

  /** Passes over the value of a field that the reader does not know. */
  skip(): void {
    switch (this.#wire) {
      case WIRE.varint:
        this.#words();
        return;
      case WIRE.fixed64:
        this.#take(8);
        return;
      case WIRE.delimited:
        this.#take(this.#length());
        return;
      case WIRE.fixed32:
        this.#take(4);
        return;
      default:
        malformed('a field of an unknown wire type');
    }
  }

  uint64(): bigint {
    this.#expect(WIRE.varint);
    const [low, high] = this.#words();
    return high === 0 ? BigInt(low) : (BigInt(high) << 32n) | BigInt(low);
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint64());
  }

  /** The low 32 bits, as Go takes them. */
  uint32(): number {
    this.#expect(WIRE.varint);
    return this.#words()[0];
  }

  /** Also enumerations. */
  int32(): number {
    return this.uint32() | 0;
  }

  bool(): boolean {
    this.#expect(WIRE.varint);
    const [low, high] = this.#words();
    return low !== 0 || high !== 0;
  }

  fixed64(): bigint {
    this.#expect(WIRE.fixed64);
    const start = this.#take(8);
    let value = 0n;
    for (let i = 7; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[start + i] ?? 0);
    return value;
  }

  sfixed64(): bigint {
    return BigInt.asIntN(64, this.fixed64());
  }

  /** A copy, which does not keep the message alive. */
  bytes(): Bytes {
    this.#expect(WIRE.delimited);
    const length = this.#length();
    const start = this.#take(length);
    return this.#bytes.slice(start, start + length);
  }

  /** A view into the message, for those who look and let go. */
  view(): Bytes {
    this.#expect(WIRE.delimited);
    const length = this.#length();
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Text is UTF-8; anything else is malformed. */
  string(): string {
    this.#expect(WIRE.delimited);
    const length = this.#length();
    const start = this.#take(length);
    return readText(this.#bytes, start, start + length);
  }

  /** A message within this one; `read` is to walk it to its end. */
  message<T>(read: (reader: ProtobufReader) => T): T {
    this.#expect(WIRE.delimited);
    const outer = this.#end;
    const length = this.#length();
    if (length > outer - this.#at) malformed('a message ends too early');
    if (++this.#depth > DEPTH_MAX) throw new CodecError('tooDeep', 'messages nested too deeply');
    const end = this.#at + length;
    this.#end = end;
    const value = read(this);
    if (this.#at !== end) throw new Error('assertion: a message was not read to its end');
    this.#end = outer;
    this.#depth -= 1;
    return value;
  }

  /** Adds the numbers of a repeated field, packed (proto3's rule) or one by one. */
  uint32s(list: number[]): void {
    if (this.#wire !== WIRE.delimited) {
      list.push(this.uint32());
      return;
    }
    const length = this.#length();
    const end = this.#take(length) + length;
    this.#at = end - length;
    while (this.#at < end) list.push(this.#words()[0]);
    if (this.#at !== end) malformed('a packed field ends within a number');
  }

  #expect(wire: number): void {
    if (this.#wire !== wire) malformed('a field of another wire type');
  }

  #take(length: number): number {
    const start = this.#at;
    if (length > this.#end - start) malformed('a message ends too early');
    this.#at = start + length;
    return start;
  }

  #length(): number {
    return this.#number();
  }

  /** A varint that stands for a tag or a length. */
  #number(): number {
    const first = this.#bytes[this.#at] ?? 0;
    if (first < 0x80 && this.#at < this.#end) {
      this.#at += 1;
      return first;
    }
    const [low, high] = this.#words();
    if (high >= 0x20_0000) malformed('a length beyond all bounds');
    return high * TWO_32 + low;
  }

  /** A varint as two words of 32 bits, lower first. Bits beyond 64 are dropped, as Go does. */
  #words(): readonly [low: number, high: number] {
    let low = 0;
    let high = 0;
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      if (this.#at >= this.#end) malformed('a message ends within a number');
      const byte = this.#bytes[this.#at++] ?? 0;
      const bits = byte & 0x7f;
      if (i < 4) low |= bits << (7 * i);
      else if (i === 4) {
        low |= bits << 28;
        high = bits >> 4;
      } else high |= bits << (7 * i - 32);
      if (byte < 0x80) return [low >>> 0, high >>> 0];
    }
    return malformed('a number of more than ten bytes');
  }
}

const SCRATCH_BYTES = 256;

/**
 * Builds one message. Fields are to be written in ascending order of their number. Scalars that have their
 * default value are left out; messages are written even when empty (a Go field that cannot be nil): who
 * wants to leave one out does not call.
 */
export class ProtobufWriter {
  #bytes: Bytes;
  #at = 0;

  constructor(capacity: number = SCRATCH_BYTES) {
    this.#bytes = new Uint8Array(capacity);
  }

  uint64(field: number, value: bigint): void {
    if (value === 0n) return;
    this.#tag(field, WIRE.varint);
    this.#big(value);
  }

  /** A negative number takes ten bytes. */
  int64(field: number, value: bigint): void {
    if (value === 0n) return;
    this.#tag(field, WIRE.varint);
    this.#big(BigInt.asUintN(64, value));
  }

  uint32(field: number, value: number): void {
    if (value === 0) return;
    this.#tag(field, WIRE.varint);
    this.#number(value);
  }

  /** Also enumerations. */
  int32(field: number, value: number): void {
    if (value < 0) this.int64(field, BigInt(value));
    else this.uint32(field, value);
  }

  bool(field: number, value: boolean): void {
    this.uint32(field, value ? 1 : 0);
  }

  fixed64(field: number, value: bigint): void {
    if (value === 0n) return;
    this.#tag(field, WIRE.fixed64);
    this.#reserve(8);
    let rest = value;
    for (let i = 0; i < 8; i++) {
      this.#bytes[this.#at++] = Number(rest & 0xffn);
      rest >>= 8n;
    }
  }

  sfixed64(field: number, value: bigint): void {
    this.fixed64(field, BigInt.asUintN(64, value));
  }

  bytes(field: number, value: Bytes): void {
    if (value.length > 0) this.item(field, value);
  }

  string(field: number, value: string): void {
    if (value !== '') this.text(field, value);
  }

  /** One of a repeated field: written even when empty. */
  item(field: number, value: Bytes): void {
    this.#tag(field, WIRE.delimited);
    this.#number(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** One of a repeated field: written even when empty. */
  text(field: number, value: string): void {
    this.item(field, utf8(value));
  }

  message<T>(field: number, value: T, write: (writer: ProtobufWriter, value: T) => void): void {
    this.#tag(field, WIRE.delimited);
    this.delimited(value, write);
  }

  /** A message with its length before it: how messages stand in a stream. */
  delimited<T>(value: T, write: (writer: ProtobufWriter, value: T) => void): void {
    // Most lengths take one byte; a longer one moves what was written.
    this.#reserve(1);
    const start = ++this.#at;
    write(this, value);
    const length = this.#at - start;
    if (length < 0x80) {
      this.#bytes[start - 1] = length;
      return;
    }
    let extra = 0;
    for (let rest = Math.floor(length / 0x80); rest > 0; rest = Math.floor(rest / 0x80)) extra += 1;
    this.#reserve(extra);
    this.#bytes.copyWithin(start + extra, start, this.#at);
    this.#at = start - 1;
    this.#number(length);
    this.#at += length;
  }

  /** A repeated field of numbers, packed. */
  uint32s(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    this.message(field, values, (writer, numbers) => {
      for (const value of numbers) writer.#number(value);
    });
  }

  /** What was written, as an array of its own. */
  finish(): Bytes {
    return this.#bytes.slice(0, this.#at);
  }

  #tag(field: number, wire: number): void {
    this.#number(field * 8 + wire);
  }

  #number(value: number): void {
    this.#reserve(VARINT_BYTES_MAX);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#at++] = rest;
  }

  #big(value: bigint): void {
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) {
      this.#number(Number(value));
      return;
    }
    this.#reserve(VARINT_BYTES_MAX);
    let rest = value;
    while (rest >= 0x80n) {
      this.#bytes[this.#at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#at++] = Number(rest);
  }

  #reserve(length: number): void {
    const needed = this.#at + length;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}

/** One message alone. @throws CodecError */
export function decodeMessage<T>(bytes: Bytes, read: (reader: ProtobufReader) => T): T {
  return read(new ProtobufReader(bytes));
}

export function encodeMessage<T>(
  value: T,
  write: (writer: ProtobufWriter, value: T) => void,
): Bytes {
  const writer = new ProtobufWriter();
  write(writer, value);
  return writer.finish();
}

/** Nanoseconds since 1970 as `google.protobuf.Timestamp`: seconds (1), nanoseconds below a second (2). */
export function writeTimestamp(writer: ProtobufWriter, timeNs: bigint): void {
  let seconds = timeNs / 1_000_000_000n;
  let nanos = timeNs % 1_000_000_000n;
  if (nanos < 0n) {
    seconds -= 1n;
    nanos += 1_000_000_000n;
  }
  writer.int64(1, seconds);
  writer.int32(2, Number(nanos));
}

export function readTimestamp(reader: ProtobufReader): bigint {
  let seconds = 0n;
  let nanos = 0;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) seconds = reader.int64();
    else if (field === 2) nanos = reader.int32();
    else reader.skip();
  }
  return seconds * 1_000_000_000n + BigInt(nanos);
}
