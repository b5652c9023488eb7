import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  CodecError,
  compareBytes,
  concatBytes,
  equalBytes,
  fromBase64Url,
  fromHex,
  toBase64Url,
  toHex,
  u64be,
  utf8,
} from '../src/bytes.ts';
import { type Cbor, decode, encode } from '../src/cbor.ts';
import { bindChain, bindSuite } from '../src/context.ts';
import { DOMAIN_TAGS } from '../src/domain-tags.ts';
import { hmacSha256, ripemd160, sha256, useNativeSha256 } from '../src/hash.ts';

const cbor = fc.letrec<{ value: Cbor }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: -(2n ** 64n), max: -(2n ** 53n) }),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array(),
    fc.array(tie('value'), { maxLength: 4 }),
  ),
})).value;

describe('canonical CBOR', () => {
  it('decodes to what was encoded', () => {
    fc.assert(
      fc.property(cbor, (value) => {
        expect(decode(encode(value))).toEqual(value);
      }),
    );
  });

  it('any other bytes either are the encoding of their value or are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
        let value: Cbor;
        try {
          value = decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(CodecError);
          return;
        }
        expect(encode(value)).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  it('a changed byte never decodes to the same value', () => {
    fc.assert(
      fc.property(cbor, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, pick, change) => {
        const bytes = encode(value).slice();
        const place = pick % bytes.length;
        bytes[place] = (bytes[place] ?? 0) ^ change;
        let other: Cbor;
        try {
          other = decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(CodecError);
          return;
        }
        expect(other).not.toEqual(value);
      }),
    );
  });

  // RFC 8949 appendix A, as far as the data model goes.
  test.each([
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [1000, '1903e8'],
    [1000000000000, '1b000000e8d4a51000'],
    [18446744073709551615n, '1bffffffffffffffff'],
    [-18446744073709551616n, '3bffffffffffffffff'],
    [-1, '20'],
    [-1000, '3903e7'],
    [false, 'f4'],
    [true, 'f5'],
    [null, 'f6'],
    [fromHex('01020304'), '4401020304'],
    ['IETF', '6449455446'],
    ['水', '63e6b0b4'],
    [[], '80'],
    [[1, [2, 3], [4, 5]], '8301820203820405'],
  ] as [Cbor, string][])('encodes %s as RFC 8949 does', (value, hex) => {
    expect(toHex(encode(value))).toBe(hex);
    expect(decode(fromHex(hex))).toEqual(value);
  });

  test.each([
    ['an integer longer than needed', '1817'],
    ['a length longer than needed', '5801ff'],
    ['an array of indefinite length', '9f01ff'],
    ['bytes of indefinite length', '5f4101ff'],
    ['a float', 'f93c00'],
    ['a float that is an integer', 'fb3ff0000000000000'],
    ['NaN', 'f97e00'],
    ['undefined', 'f7'],
    ['an unassigned simple value', 'e0'],
    ['a map', 'a10102'],
    ['an empty map', 'a0'],
    ['a map with a key twice', 'a201010102'],
    ['a tag', 'c11a514b67b0'],
    ['a bignum tag', 'c249010000000000000000'],
    ['text that is not UTF-8', '61ff'],
    ['text with an overlong form', '62c080'],
    ['text with a surrogate', '63eda080'],
    ['trailing bytes', '0000'],
    ['nothing', ''],
    ['a cut array', '8301'],
    ['a cut byte string', '44010203'],
    ['a length beyond memory', '9bffffffffffffffff'],
  ])('%s is refused', (_, hex) => {
    expect(() => decode(fromHex(hex))).toThrow(CodecError);
  });

  it('deep nesting and long input are refused by limit, not by crash', () => {
    const deep = new Uint8Array(100_000).fill(0x81);
    expect(() => decode(deep)).toThrow(CodecError);
    const bytes = encode([[[1]]]);
    expect(() => decode(bytes, { bytesMax: 100, depthMax: 2 })).toThrow(
      expect.objectContaining({ code: 'tooDeep' }),
    );
    expect(decode(bytes, { bytesMax: 100, depthMax: 3 })).toEqual([[[1]]]);
    expect(() => decode(bytes, { bytesMax: 3, depthMax: 3 })).toThrow(
      expect.objectContaining({ code: 'tooLarge' }),
    );
  });

  test.each([[0.5], [Number.NaN], [Number.POSITIVE_INFINITY], [-0], [2 ** 53]])(
    'the number %d is not encoded',
    (value) => {
      expect(() => encode(value)).toThrow(CodecError);
    },
  );

  test.each(['\ud800', 'a\udfff', '\udc00\ud800'])(
    'text with a lone surrogate is not encoded (as the bytes of another text)',
    (text) => {
      expect(() => encode([text])).toThrow(CodecError);
      expect(encode('\u{1f9e0}')).toHaveLength(5);
    },
  );

  it('decoded bytes do not share memory with the input', () => {
    const bytes = encode([Uint8Array.of(1, 2)]).slice();
    const value = decode(bytes);
    bytes.fill(9);
    expect(value).toEqual([Uint8Array.of(1, 2)]);
  });
});

describe('text forms of bytes', () => {
  it('hex and base64url come back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(bytes);
        expect(fromBase64Url(toBase64Url(bytes))).toEqual(bytes);
        expect(toBase64Url(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
        expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
      }),
    );
  });

  test.each(['a', 'AB', 'abzz', '0x00', ' 00', '00 '])('hex %j is refused', (text) => {
    expect(() => fromHex(text)).toThrow(CodecError);
  });

  test.each(['A', 'AB', 'AAB', 'AA==', 'A+A/', 'AA AA', 'AA\n', '水水'])(
    'base64url %j is refused',
    (text) => {
      expect(() => fromBase64Url(text)).toThrow(CodecError);
    },
  );

  it('one base64url text per value', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 8 }), (text) => {
        try {
          expect(toBase64Url(fromBase64Url(text))).toBe(text);
        } catch (error) {
          expect(error).toBeInstanceOf(CodecError);
        }
      }),
    );
  });

  it('utf8 agrees with the platform and refuses lone surrogates', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(utf8(text)).toEqual(new TextEncoder().encode(text));
      }),
    );
    expect(() => utf8('\ud800')).toThrow(CodecError);
    expect(() => utf8('a\udc00')).toThrow(CodecError);
  });
});

describe('bytes', () => {
  it('compare like hex text and are equal only when equal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4 }), fc.uint8Array({ maxLength: 4 }), (a, b) => {
        const order = toHex(a) < toHex(b) ? -1 : toHex(a) > toHex(b) ? 1 : 0;
        expect(Math.sign(compareBytes(a, b))).toBe(order);
        expect(equalBytes(a, b)).toBe(order === 0);
      }),
    );
  });

  it('join in order and write 64-bit integers most significant first', () => {
    expect(concatBytes(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3))).toEqual(
      Uint8Array.of(1, 2, 3),
    );
    expect(toHex(u64be(0x0102030405060708n))).toBe('0102030405060708');
    for (const value of [-1n, 2n ** 64n]) expect(() => u64be(value)).toThrow(CodecError);
  });
});

describe('hashes', () => {
  test.each([
    [
      'SHA-256 (FIPS 180-4)',
      toHex(sha256(utf8('abc'))),
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    ],
    ['RIPEMD-160', toHex(ripemd160(utf8('abc'))), '8eb208f7e05d987a9b044a8e98c6b087f15a0bfc'],
    [
      'HMAC-SHA-256 (RFC 4231 case 2)',
      toHex(hmacSha256(utf8('Jefe'), utf8('what do ya want for nothing?'))),
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    ],
  ])('%s', (_, value, expected) => {
    expect(value).toBe(expected);
  });
});

describe('domain tags', () => {
  it('are distinct: one per purpose', () => {
    const tags = Object.values(DOMAIN_TAGS);
    expect(new Set(tags).size).toBe(tags.length);
  });

  it('bind chain and suite: no two contexts give the same bytes', () => {
    const bound = ['a', 'b'].flatMap((chainId) => [
      toHex(bindChain(DOMAIN_TAGS.recordId, { chainId }, 'x')),
      ...(['intl', 'paper'] as const).map((suite) =>
        toHex(bindSuite(DOMAIN_TAGS.recordId, { chainId, suite }, 'x')),
      ),
    ]);
    expect(new Set(bound).size).toBe(bound.length);
  });
});

describe('a native SHA-256', () => {
  const native = (bytes: Uint8Array): Uint8Array =>
    new Uint8Array(createHash('sha256').update(bytes).digest());

  it('is taken, and gives what the portable one gave', () => {
    const before = sha256(utf8('a text'));
    useNativeSha256(native);
    expect(sha256(utf8('a text'))).toEqual(before);
  });

  test.each([
    ['another hash', (bytes: Uint8Array): Uint8Array => native(native(bytes))],
    ['a shortened one', (bytes: Uint8Array): Uint8Array => native(bytes).subarray(0, 16)],
    ['SHA-256 of the first block only', (bytes: Uint8Array) => native(bytes.subarray(0, 55))],
  ])('%s is refused and changes nothing', (_, other) => {
    expect(() => useNativeSha256(other)).toThrow('not SHA-256');
    expect(sha256(utf8('a text'))).toEqual(native(utf8('a text')));
  });
});
