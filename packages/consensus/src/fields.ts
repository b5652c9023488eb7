/** Reading fields out of decoded CBOR: each reader throws `CodecError` when the shape is not the promised one. */
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';

function fail(what: string): never {
  throw new CodecError('malformed', `expected ${what}`);
}

/** An array of exactly `length` items, or of any length when it is not given. */
export function readArray(value: Cbor | undefined, length?: number): readonly Cbor[] {
  if (!Array.isArray(value)) fail('an array');
  const items = value as readonly Cbor[];
  if (length !== undefined && items.length !== length) fail(`an array of ${length} items`);
  return items;
}

/** A byte string, of exactly `length` bytes when given. */
export function readBytes(value: Cbor | undefined, length?: number): Bytes {
  if (!(value instanceof Uint8Array)) fail('a byte string');
  if (length !== undefined && value.length !== length) fail(`a byte string of ${length} bytes`);
  return value;
}

/** A non-negative safe integer. */
export function readCount(value: Cbor | undefined): number {
  if (typeof value !== 'number' || value < 0) fail('a non-negative integer');
  return value;
}

/** A non-negative integer below 2^64 (height, power, nanoseconds). */
export function readBig(value: Cbor | undefined): bigint {
  const big = typeof value === 'number' ? BigInt(value) : value;
  if (typeof big !== 'bigint' || big < 0n || big >= 1n << 64n) fail('an unsigned 64-bit integer');
  return big;
}

export function readText(value: Cbor | undefined): string {
  if (typeof value !== 'string') fail('text');
  return value;
}

export function readFlag(value: Cbor | undefined): boolean {
  if (typeof value !== 'boolean') fail('a boolean');
  return value;
}

/** `null` stays `null`; everything else goes through `read`. */
export function readOptional<T>(value: Cbor | undefined, read: (value: Cbor) => T): T | null {
  if (value === undefined) fail('a value or null');
  return value === null ? null : read(value);
}
