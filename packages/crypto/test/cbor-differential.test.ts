/**
 * Our codec against `cborg`, which shares no code with it. The reference refuses whatever does not encode
 * to the same bytes again, so that its strictness does not rest on the library's options.
 */
import * as cborg from 'cborg';
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { type Bytes, CodecError, equalBytes, fromHex, toHex } from '../src/bytes.ts';
import { type Cbor, decode, decodeInPlace, encode, withEncoding } from '../src/cbor.ts';
import { codeOf } from './support/error-code.ts';

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.constantFrom(
    '\u007f',
    '\u0080',
    '\u07ff',
    '\u0800',
    '\ud7ff',
    '\ue000',
    '\uffff',
    '\u{10000}',
  ),
);

const integer = fc.oneof(
  fc.maxSafeInteger(),
  fc.constantFrom(0, 23, 24, 255, 256, 65_535, 65_536, 4_294_967_295, 4_294_967_296),
  fc.constantFrom(-1, -24, -25, -256, -257, -65_536, -65_537, -4_294_967_296, -4_294_967_297),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, -(2n ** 53n), 2n ** 53n),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
  fc.bigInt({ min: -(2n ** 64n), max: -(2n ** 53n) }),
);

const cbor = fc.letrec<{ value: Cbor }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    integer,
    text,
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 30 }),
  ),
})).value;

/** The value that the bytes have, or undefined when the reference refuses them. */
function referenceValue(bytes: Bytes): { readonly value: unknown } | undefined {
  let value: unknown;
  try {
    value = cborg.decode(bytes, {
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
      allowBigInt: true,
      useMaps: true,
    });
  } catch {
    return undefined;
  }
  return isInModel(value) && equalBytes(cborg.encode(value), bytes) ? { value } : undefined;
}

function isInModel(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isInModel);
  if (typeof value === 'number') return Number.isSafeInteger(value);
  return (
    value === null ||
    typeof value === 'boolean' ||
    typeof value === 'string' ||
    typeof value === 'bigint' ||
    value instanceof Uint8Array
  );
}

function ownValue(bytes: Bytes): { readonly value: Cbor } | undefined {
  try {
    return { value: decode(bytes) };
  } catch (error) {
    expect(error).toBeInstanceOf(CodecError);
    return undefined;
  }
}

/** An edit of an encoding: bytes cut out at a place, and others put there. */
const edit = fc.record({
  place: fc.nat(),
  cut: fc.nat({ max: 3 }),
  put: fc.uint8Array({ maxLength: 3 }),
});

function edited(bytes: Bytes, edits: readonly { place: number; cut: number; put: Bytes }[]): Bytes {
  let result = [...bytes];
  for (const { place, cut, put } of edits) result.splice(place % (result.length + 1), cut, ...put);
  return Uint8Array.from(result);
}

/** First bytes of items with every major type and every length of argument. */
const heads = fc.constantFrom(
  ...[0x00, 0x20, 0x40, 0x60, 0x80, 0xa0, 0xc0, 0xe0].flatMap((major) =>
    [0, 1, 2, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31].map((info) => major | info),
  ),
);

describe('our CBOR and cborg', () => {
  it('encode every value alike', () => {
    fc.assert(
      fc.property(cbor, (value) => {
        expect(toHex(encode(value))).toBe(toHex(cborg.encode(value)));
      }),
      { numRuns: 400 },
    );
  });

  it('take and refuse the same edits of encodings, and read the same values', () => {
    fc.assert(
      fc.property(cbor, fc.array(edit, { maxLength: 3 }), (value, edits) => {
        const bytes = edited(encode(value), edits);
        expect(ownValue(bytes)).toEqual(referenceValue(bytes));
      }),
      { numRuns: 1_500 },
    );
  });

  it('take and refuse the same short sequences of heads and bytes', () => {
    const sequence = fc.array(fc.oneof(heads, fc.nat({ max: 255 })), { maxLength: 12 });
    fc.assert(
      fc.property(sequence, (items) => {
        const bytes = Uint8Array.from(items);
        expect(ownValue(bytes)).toEqual(referenceValue(bytes));
      }),
      { numRuns: 3_000 },
    );
  });

  it('take and refuse the same bytes as text', () => {
    const octet = fc.oneof(
      fc.constantFrom(0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1),
      fc.constantFrom(0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff),
    );
    fc.assert(
      fc.property(fc.array(octet, { maxLength: 6 }), (octets) => {
        const bytes = Uint8Array.from([0x60 | octets.length, ...octets]);
        expect(ownValue(bytes)).toEqual(referenceValue(bytes));
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('strictness', () => {
  test.each([
    ['18 17', 'a number below 24 in a byte'],
    ['19 00ff', 'a number below 256 in two'],
    ['1a 0000ffff', 'a number below 2^16 in four'],
    ['1b 00000000ffffffff', 'a number below 2^32 in eight'],
    ['38 17', 'a negative number that is too long'],
    ['58 01 ff', 'a length that is too long'],
    ['98 00', 'an array length that is too long'],
  ])('%s is not canonical: %s', (hex) => {
    expect(codeOf(() => decode(fromHex(hex.replaceAll(' ', ''))))).toBe('notCanonical');
  });

  it('reserves nothing for lengths that are not there', () => {
    for (const hex of ['5affffffff', '5bffffffffffffffff', '9affffffff', '7b001fffffffffffff'])
      expect(codeOf(() => decode(fromHex(hex)))).toBe('malformed');
  });

  it('refuses numbers of more than 64 bits', () => {
    expect(codeOf(() => encode(2n ** 64n))).toBe('malformed');
    expect(codeOf(() => encode(-(2n ** 64n) - 1n))).toBe('malformed');
  });

  it('shows the same encoding for the time of a call, also inside another and for long values', () => {
    fc.assert(
      fc.property(cbor, cbor, (outer, inner) => {
        withEncoding(outer, (bytes) => {
          withEncoding(inner, (nested) => expect(nested).toEqual(encode(inner)));
          expect(bytes).toEqual(encode(outer));
        });
      }),
    );
    const long = new Uint8Array(10_000).fill(5);
    expect(withEncoding(long, (bytes) => bytes.slice())).toEqual(encode(long));
    expect(() => withEncoding(1, () => codeOf(() => encode(0.5)))).not.toThrow();
    expect(codeOf(() => withEncoding(0.5, (bytes) => bytes))).toBe('malformed');
    expect(withEncoding(7, (bytes) => bytes.slice())).toEqual(Uint8Array.of(7));
  });

  it('in place, reads the same values without copies and refuses the same bytes', () => {
    fc.assert(
      fc.property(cbor, fc.array(edit, { maxLength: 1 }), (value, edits) => {
        const bytes = edited(encode(value), edits);
        const expected = codeOf(() => decode(bytes));
        expect(codeOf(() => decodeInPlace(bytes))).toBe(expected);
        if (expected === 'no error') expect(decodeInPlace(bytes)).toEqual(decode(bytes));
      }),
      { numRuns: 400 },
    );
    const bytes = encode(Uint8Array.of(1, 2));
    const inPlace = decodeInPlace(bytes);
    bytes[1] = 9;
    expect(inPlace).toEqual(Uint8Array.of(9, 2));
  });

  it('hands out own memory, also of a Buffer', () => {
    const buffer = Buffer.from(encode([Uint8Array.of(1, 2, 3), 'text']));
    const value = decode(buffer);
    buffer.fill(0);
    expect(value).toEqual([Uint8Array.of(1, 2, 3), 'text']);
  });
});

test('texts of one length, one after another, are each their own, whoever keeps the last', () => {
  const short = fc.string({ unit: 'binary', minLength: 3, maxLength: 4 });
  fc.assert(
    fc.property(
      fc.array(fc.oneof(short, fc.constantFrom('abcd', 'abce', 'xbcd')), { maxLength: 40 }),
      (texts) => {
        expect(decodeInPlace(encode(texts))).toEqual(texts);
        expect(texts.map((each) => decodeInPlace(encode(each)))).toEqual(texts);
      },
    ),
  );
});
