/**
 * Deterministic CBOR (RFC 8949 §4.2), reduced to what signed things need: integers, byte strings,
 * text, arrays, booleans and null. No maps (an array has one order, a map has a rule for it), no
 * floats, no tags, no indefinite lengths. The encoder and tokenizer are `cborg`; strictness is ours:
 * whatever decodes must encode to the same bytes again, so two encodings of one value cannot exist.
 */
import * as cborg from 'cborg';
import { type Bytes, CodecError, equalBytes } from './bytes.ts';

/** A value that can be signed. Integers outside ±(2^53−1) are bigint, all others number. */
export type Cbor = null | boolean | number | bigint | string | Bytes | readonly Cbor[];

/** Bounds on what `decode` accepts. */
export interface DecodeLimits {
  /** Bytes of the whole encoding. */
  readonly bytesMax: number;
  /** Arrays inside arrays. */
  readonly depthMax: number;
}

const DEFAULT_LIMITS: DecodeLimits = { bytesMax: 4 * 1024 * 1024, depthMax: 16 };

const DECODE_OPTIONS: cborg.DecodeOptions = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: true,
  useMaps: true,
  rejectDuplicateMapKeys: true,
};

const LONE_SURROGATE = /\p{Surrogate}/u;

function checkEncodable(value: Cbor, depth: number): void {
  if (depth > 64) throw new CodecError('tooDeep', 'value is nested too deeply to encode');
  if (value === null || typeof value === 'boolean' || typeof value === 'bigint') return;
  if (typeof value === 'string') {
    // Encoders replace a lone surrogate by U+FFFD, which would give two texts one encoding.
    if (LONE_SURROGATE.test(value))
      throw new CodecError('malformed', 'text contains a lone surrogate');
    return;
  }
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Object.is(value, -0))
      throw new CodecError('malformed', 'only safe integers can be encoded');
    return;
  }
  if (value instanceof Uint8Array) return;
  for (const item of value) checkEncodable(item, depth + 1);
}

/** The one encoding of `value`. @throws CodecError for floats, lone surrogates and values nested over 64 deep */
export function encode(value: Cbor): Bytes {
  checkEncodable(value, 0);
  return cborg.encode(value);
}

function normalise(value: unknown, depthLeft: number): Cbor {
  if (depthLeft < 0) throw new CodecError('tooDeep', 'arrays are nested too deeply');
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value))
      throw new CodecError('malformed', 'a number is not an integer');
    return value;
  }
  if (value instanceof Uint8Array) return value.slice();
  if (Array.isArray(value)) return value.map((item) => normalise(item, depthLeft - 1));
  throw new CodecError('malformed', 'a value is outside the allowed data model');
}

/**
 * Strict inverse of `encode`.
 * @throws CodecError `malformed`, `notCanonical` (decodes, but has another encoding), `tooLarge`, `tooDeep`
 */
export function decode(bytes: Bytes, limits: DecodeLimits = DEFAULT_LIMITS): Cbor {
  if (bytes.length > limits.bytesMax)
    throw new CodecError('tooLarge', `encoding is longer than ${limits.bytesMax} bytes`);
  let raw: unknown;
  try {
    raw = cborg.decode(bytes, DECODE_OPTIONS);
  } catch {
    throw new CodecError('malformed', 'bytes are not CBOR of the allowed form');
  }
  const value = normalise(raw, limits.depthMax);
  if (!equalBytes(encode(value), bytes))
    throw new CodecError('notCanonical', 'bytes are not the deterministic encoding of their value');
  return value;
}
