/** Immutable by convention: nobody writes into bytes that another function handed over. */
export type Bytes = Uint8Array;

/** A source of cryptographically secure bytes. Pure packages receive it, they never make one. */
export type RandomBytes = (length: number) => Bytes;

/** Thrown when bytes or text from outside do not have the form their name promises. */
export class CodecError extends Error {
  readonly code: 'malformed' | 'notCanonical' | 'tooLarge' | 'tooDeep';

  constructor(code: CodecError['code'], message: string) {
    super(message);
    this.name = 'CodecError';
    this.code = code;
  }
}

/** One new array holding all parts in order. */
export function concatBytes(...parts: readonly Bytes[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Equality without an early exit; lengths are not secret. */
export function equalBytes(left: Bytes, right: Bytes): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let i = 0; i < left.length; i++) difference |= (left[i] ?? 0) ^ (right[i] ?? 0);
  return difference === 0;
}

/** Lexicographic order by unsigned byte, shorter first: the one order used for sorting keys. */
export function compareBytes(left: Bytes, right: Bytes): number {
  const shared = Math.min(left.length, right.length);
  for (let i = 0; i < shared; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

const HEX_DIGITS = '0123456789abcdef';

/** Lower-case hexadecimal. */
export function toHex(bytes: Bytes): string {
  let text = '';
  for (const byte of bytes) text += (HEX_DIGITS[byte >> 4] ?? '') + (HEX_DIGITS[byte & 15] ?? '');
  return text;
}

/**
 * Strict: an even number of lower-case digits and nothing else
 * (`Buffer.from(x, 'hex')` silently stops at the first wrong digit).
 * @throws CodecError `malformed`
 */
export function fromHex(text: string): Bytes {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text))
    throw new CodecError('malformed', 'expected lower-case hexadecimal digits');
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** RFC 4648 §5 without padding. */
export function toBase64Url(bytes: Bytes): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const word = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += (BASE64URL[word >> 18] ?? '') + (BASE64URL[(word >> 12) & 63] ?? '');
    if (left > 1) text += BASE64URL[(word >> 6) & 63] ?? '';
    if (left > 2) text += BASE64URL[word & 63] ?? '';
  }
  return text;
}

/**
 * Strict inverse of `toBase64Url`: no padding, no other alphabet, no stray bits in the last digit.
 * @throws CodecError `malformed`
 */
export function fromBase64Url(text: string): Bytes {
  const tail = text.length % 4;
  if (tail === 1) throw new CodecError('malformed', 'base64url text has an impossible length');
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let word = 0;
  let bits = 0;
  let written = 0;
  for (const digit of text) {
    const value = BASE64URL.indexOf(digit);
    if (value < 0) throw new CodecError('malformed', 'expected base64url digits');
    word = ((word << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[written++] = (word >> bits) & 0xff;
    }
  }
  if ((word & ((1 << bits) - 1)) !== 0)
    throw new CodecError('malformed', 'base64url text carries stray bits');
  return bytes;
}

/** UTF-8 encoding. Written out because the pure packages have neither `TextEncoder` nor `Buffer`. */
export function utf8(text: string): Bytes {
  const bytes: number[] = [];
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    if (point >= 0xd800 && point <= 0xdfff)
      throw new CodecError('malformed', 'text contains a lone surrogate');
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63));
    else if (point < 0x10000)
      bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    else
      bytes.push(
        0xf0 | (point >> 18),
        0x80 | ((point >> 12) & 63),
        0x80 | ((point >> 6) & 63),
        0x80 | (point & 63),
      );
  }
  return Uint8Array.from(bytes);
}

/** Eight bytes, most significant first. */
export function u64be(value: bigint): Bytes {
  if (value < 0n || value > 0xffffffffffffffffn)
    throw new CodecError('malformed', 'value does not fit 64 bits');
  const bytes = new Uint8Array(8);
  let rest = value;
  for (let i = 7; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}
