import { bls12_381 } from '@noble/curves/bls12-381.js';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bytes, concatBytes, fromHex, toHex, utf8 } from '../src/bytes.ts';
import { GROUP_ORDER } from '../src/curve-encoding.ts';
import {
  type Curve,
  hashToScalar,
  multiplySecretG1,
  multiplySecretG2,
  randomScalar,
  splitScalar,
} from '../src/curve.ts';
import { DOMAIN_TAGS } from '../src/domain-tags.ts';
import { curves } from './support/curves.ts';
import { codeOf, present } from './support/error-code.ts';
import { randomBytes, seededRandom } from './support/randomness.ts';
import { readVectors } from './vectors.ts';

const [mcl, noble] = curves;
const bothCurves = [present(mcl), present(noble)] as const;

interface HashVectors {
  readonly dst: string;
  readonly vectors: readonly {
    readonly message: string;
    readonly x: readonly string[];
    readonly y: readonly string[];
  }[];
}

/** Compressed form of affine coordinates, by the serialisation draft: an independent third path. */
function compress(x: readonly string[], y: readonly string[]): string {
  const limbs = x.toReversed().map((limb) => fromHex(limb));
  const bytes = concatBytes(...limbs);
  const p = bls12_381.fields.Fp.ORDER;
  // The sign is that of the highest nonzero coefficient.
  const sign =
    y
      .toReversed()
      .map((limb) => BigInt(`0x${limb}`))
      .find((limb) => limb !== 0n) ?? 0n;
  bytes[0] = (bytes[0] ?? 0) | 0x80 | (sign > (p - 1n) / 2n ? 0x20 : 0);
  return toHex(bytes);
}

const toScalarBytes = (value: bigint): Bytes => fromHex(value.toString(16).padStart(64, '0'));
const toLimb = (value: bigint): string => value.toString(16).padStart(96, '0');

/** The point of y² = x³ + 4 at x, whatever subgroup it lies in. */
function g1AtX(x: bigint): Bytes | undefined {
  const { Fp } = bls12_381.fields;
  try {
    const y = Fp.sqrt(Fp.add(Fp.pow(x, 3n), 4n));
    return fromHex(compress([toLimb(x)], [toLimb(y)]));
  } catch {
    return undefined;
  }
}

/** A point of the twist y² = x³ + 4(1 + u) that nobody multiplied by the cofactor. */
function g2OutsideSubgroup(): Bytes {
  const { Fp2 } = bls12_381.fields;
  for (let c0 = 1n; ; c0++) {
    const x = Fp2.fromBigTuple([c0, 1n]);
    const right = Fp2.add(Fp2.mul(Fp2.sqr(x), x), Fp2.fromBigTuple([4n, 4n]));
    try {
      const y = Fp2.sqrt(right);
      return fromHex(compress([toLimb(x.c0), toLimb(x.c1)], [toLimb(y.c0), toLimb(y.c1)]));
    } catch {
      continue;
    }
  }
}

describe.each(bothCurves)('what the curve on $backend promises', (curve: Curve) => {
  test('RFC 9380 J.9.1: hash to G1', () => {
    const path = 'rfc9380/BLS12381G1_XMD-SHA-256_SSWU_RO.json';
    const { dst, vectors } = readVectors(path) as HashVectors;
    expect(vectors).toHaveLength(5);
    for (const { message, x, y } of vectors)
      expect(toHex(curve.encodeG1(curve.hashToG1(dst, utf8(message))))).toBe(compress(x, y));
  });

  test('RFC 9380 J.10.1: hash to G2', () => {
    const path = 'rfc9380/BLS12381G2_XMD-SHA-256_SSWU_RO.json';
    const { dst, vectors } = readVectors(path) as HashVectors;
    expect(vectors).toHaveLength(5);
    for (const { message, x, y } of vectors)
      expect(toHex(curve.encodeG2(curve.hashToG2(dst, utf8(message))))).toBe(compress(x, y));
  });

  test('pairing of the generators is the cube of the draft standard value', () => {
    const path = 'draft-irtf-cfrg-pairing-friendly-curves/bls12-381.json';
    const { coefficients } = readVectors(path) as {
      readonly coefficients: readonly string[];
    };
    const { Fp12 } = bls12_381.fields;
    const value = Fp12.fromBytes(fromHex(coefficients.join('')));
    const cube = Fp12.mul(Fp12.sqr(value), value);
    const ours = curve.pairingBytes([{ g1: curve.g1, g2: curve.g2 }]);
    expect(toHex(ours)).toBe(toHex(Fp12.toBytes(cube)));
  });

  test('the point at infinity is refused in every encoding', () => {
    const infinity1 = concatBytes(Uint8Array.of(0xc0), new Uint8Array(47));
    const infinity2 = concatBytes(Uint8Array.of(0xc0), new Uint8Array(95));
    expect(codeOf(() => curve.parseG1(infinity1))).toBe('infinity');
    expect(codeOf(() => curve.parseG2(infinity2))).toBe('infinity');
    expect(codeOf(() => curve.parseG1(concatBytes(Uint8Array.of(0xe0), new Uint8Array(47))))).toBe(
      'infinity',
    );
    // 48 zero bytes are infinity to mcl in its default serialisation.
    expect(codeOf(() => curve.parseG1(new Uint8Array(48)))).toBe('encoding');
    expect(codeOf(() => curve.parseG2(new Uint8Array(96)))).toBe('encoding');
  });

  test('an infinity flag over coordinates that are not zero is refused', () => {
    const bytes = curve.encodeG1(curve.g1).slice();
    bytes[0] = (bytes[0] ?? 0) | 0x40;
    expect(codeOf(() => curve.parseG1(bytes))).toBe('infinity');
  });

  test('points of the curve outside the subgroup of order r are refused', () => {
    let tried = 0;
    for (let x = 0n; x < 40n; x++) {
      const bytes = g1AtX(x);
      if (bytes === undefined) continue;
      tried++;
      expect(codeOf(() => curve.parseG1(bytes))).toBe('notInGroup');
    }
    expect(tried).toBeGreaterThan(10);
    expect(codeOf(() => curve.parseG2(g2OutsideSubgroup()))).toBe('notInGroup');
  });

  test('coordinates without a point are refused', () => {
    let refused = 0;
    for (let x = 1; x < 20; x++) {
      if (g1AtX(BigInt(x)) !== undefined) continue;
      const bytes = new Uint8Array(48);
      bytes[0] = 0x80;
      bytes[47] = x;
      expect(codeOf(() => curve.parseG1(bytes))).toBe('notInGroup');
      refused++;
    }
    expect(refused).toBeGreaterThan(3);
  });

  test('a coordinate plus the field prime is refused: one point has one encoding', () => {
    const p = bls12_381.fields.Fp.ORDER;
    const point = curve.encodeG1(curve.g1);
    let found = false;
    for (let k = 1n; k < 40n && !found; k++) {
      const bytes = curve.encodeG1(curve.multiplyG1(curve.g1, curve.scalarFromInteger(k))).slice();
      const flags = (bytes[0] ?? 0) & 0xe0;
      bytes[0] = (bytes[0] ?? 0) & 0x1f;
      const shifted = BigInt(`0x${toHex(bytes)}`) + p;
      if (shifted >= 1n << 381n) continue;
      const alias = fromHex(shifted.toString(16).padStart(96, '0'));
      alias[0] = (alias[0] ?? 0) | flags;
      expect(codeOf(() => curve.parseG1(alias))).toBe('encoding');
      found = true;
    }
    expect(found).toBe(true);
    expect(toHex(curve.encodeG1(curve.parseG1(point)))).toBe(toHex(point));
  });

  test.each([0, 1, 32, 47, 49, 95, 96, 97, 144])('a G1 point of %i bytes is refused', (length) => {
    expect(codeOf(() => curve.parseG1(new Uint8Array(length).fill(0x80)))).toBe('length');
  });

  test.each([0, 48, 95, 97, 192])('a G2 point of %i bytes is refused', (length) => {
    expect(codeOf(() => curve.parseG2(new Uint8Array(length).fill(0x80)))).toBe('length');
  });

  test('an uncompressed point is refused', () => {
    const bytes = bls12_381.G1.Point.BASE.toBytes(false);
    expect(codeOf(() => curve.parseG1(bytes))).toBe('length');
    expect(codeOf(() => curve.parseG1(bytes.subarray(0, 48)))).toBe('encoding');
  });

  test('any single flipped bit of an encoding is refused or is another point', () => {
    const point = curve.encodeG2(curve.hashToG2('YILIAN-TEST', utf8('bit flips')));
    const negated = toHex(curve.encodeG2(curve.negateG2(curve.parseG2(point))));
    for (const bit of [0, 1, 2, 3, 100, 381, 384, 386, 500, 767]) {
      const flipped = point.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
      const outcome = codeOf(() => curve.parseG2(flipped));
      if (bit === 2) expect(toHex(flipped)).toBe(negated);
      else expect(['encoding', 'infinity', 'notInGroup']).toContain(outcome);
    }
  });

  test('scalars: zero, r, r + 1, 2^256 − 1 and other lengths are refused', () => {
    for (const value of [0n, GROUP_ORDER, GROUP_ORDER + 1n, (1n << 256n) - 1n])
      expect(codeOf(() => curve.parseScalar(toScalarBytes(value)))).toBe('scalar');
    for (const length of [0, 31, 33, 48])
      expect(codeOf(() => curve.parseScalar(new Uint8Array(length).fill(1)))).toBe('scalar');
    expect(toHex(curve.encodeScalar(curve.parseScalar(toScalarBytes(GROUP_ORDER - 1n))))).toBe(
      (GROUP_ORDER - 1n).toString(16),
    );
  });

  test('zero has no inverse, the identity no lines, a freed handle no pairing', () => {
    expect(() => curve.invertScalar(curve.scalarFromInteger(0n))).toThrow('no inverse');
    const identity = curve.multiplyG2(curve.g2, curve.scalarFromInteger(0n));
    expect(curve.isIdentityG2(identity)).toBe(true);
    expect(() => curve.prepareG2(identity)).toThrow('no lines');
    const prepared = curve.prepareG2(curve.g2);
    curve.freePreparedG2(prepared);
    curve.freePreparedG2(prepared);
    expect(() => curve.pairingBytes([{ g1: curve.g1, g2: prepared }])).toThrow('freed');
  });

  test('values of another backend are refused', () => {
    const other = bothCurves.find((candidate) => candidate.backend !== curve.backend);
    const { g1, g2 } = present(other);
    expect(() => curve.encodeG1(g1)).toThrow('another backend');
    expect(() => curve.encodeG2(g2)).toThrow('another backend');
    expect(() => curve.pairingBytes([{ g1, g2 }])).toThrow('another backend');
    expect(() => curve.encodeScalar(present(other).scalarFromInteger(1n))).toThrow(
      'another backend',
    );
  });

  test('pairing: bilinear, not degenerate, prepared or not, identities count as one', () => {
    const a = curve.scalarFromInteger(7n);
    const left = [{ g1: curve.multiplyG1(curve.g1, a), g2: curve.g2 }];
    const right = [{ g1: curve.g1, g2: curve.multiplyG2(curve.g2, a) }];
    expect(curve.pairingsEqual(left, right)).toBe(true);
    expect(curve.pairingsEqual(left, [{ g1: curve.g1, g2: curve.g2 }])).toBe(false);
    expect(toHex(curve.pairingBytes(left))).toBe(toHex(curve.pairingBytes(right)));
    const prepared = curve.prepareG2(curve.g2);
    expect(toHex(curve.pairingBytes([{ g1: present(left[0]).g1, g2: prepared }]))).toBe(
      toHex(curve.pairingBytes(left)),
    );
    curve.freePreparedG2(prepared);
    const identity = curve.addG1(curve.g1, curve.negateG1(curve.g1));
    expect(curve.isIdentityG1(identity)).toBe(true);
    const one = toHex(curve.pairingBytes([]));
    expect(toHex(curve.pairingBytes([{ g1: identity, g2: curve.g2 }]))).toBe(one);
    expect(one).toBe(toHex(bls12_381.fields.Fp12.toBytes(bls12_381.fields.Fp12.ONE)));
    expect(curve.pairingsEqual([{ g1: identity, g2: curve.g2 }], [])).toBe(true);
    expect(curve.pairingsEqual(left, [])).toBe(false);
  });

  test('a product of pairings has the bytes of the summed exponent', () => {
    const [two, three, eight] = [2n, 3n, 8n].map((value) => curve.scalarFromInteger(value));
    const product = curve.pairingBytes([
      { g1: curve.multiplyG1(curve.g1, present(two)), g2: curve.g2 },
      {
        g1: curve.multiplyG1(curve.g1, present(two)),
        g2: curve.multiplyG2(curve.g2, present(three)),
      },
    ]);
    const single = curve.pairingBytes([
      { g1: curve.multiplyG1(curve.g1, present(eight)), g2: curve.g2 },
    ]);
    expect(toHex(product)).toBe(toHex(single));
  });

  test('a split scalar multiplies as the whole and never splits twice alike', () => {
    const secret = randomScalar(curve, randomBytes);
    const [first, second] = splitScalar(curve, secret, randomBytes);
    expect(toHex(curve.encodeScalar(curve.addScalars(first, second)))).toBe(
      toHex(curve.encodeScalar(secret)),
    );
    const [again] = splitScalar(curve, secret, randomBytes);
    expect(toHex(curve.encodeScalar(again))).not.toBe(toHex(curve.encodeScalar(first)));
    const blinded1 = multiplySecretG1(curve, curve.g1, secret, randomBytes);
    expect(curve.equalG1(blinded1, curve.multiplyG1(curve.g1, secret))).toBe(true);
    const blinded2 = multiplySecretG2(curve, curve.g2, secret, randomBytes);
    expect(curve.equalG2(blinded2, curve.multiplyG2(curve.g2, secret))).toBe(true);
  });

  test('a wiped scalar is zero', () => {
    const secret = randomScalar(curve, randomBytes);
    curve.wipeScalar(secret);
    expect(curve.isZero(secret)).toBe(true);
  });

  test('a random source that returns another length is an error, zeros are drawn again', () => {
    expect(() => randomScalar(curve, () => new Uint8Array(32))).toThrow('another length');
    let calls = 0;
    const scalar = randomScalar(curve, (length) => {
      calls++;
      return new Uint8Array(length).fill(calls === 1 ? 0 : 1);
    });
    expect(calls).toBe(2);
    expect(curve.isZero(scalar)).toBe(false);
  });
});

describe('both backends agree', () => {
  const integers = fc.bigInt({ min: 0n, max: GROUP_ORDER * 2n });

  test('on scalar arithmetic', () => {
    fc.assert(
      fc.property(integers, integers, (left, right) => {
        const results = bothCurves.map((curve) => {
          const a = curve.scalarFromInteger(left);
          const b = curve.scalarFromInteger(right);
          const values = [
            curve.addScalars(a, b),
            curve.subtractScalars(a, b),
            curve.multiplyScalars(a, b),
            curve.negateScalar(a),
            ...(curve.isZero(b) ? [] : [curve.invertScalar(b)]),
          ];
          return values.map((value) => toHex(curve.encodeScalar(value))).join();
        });
        expect(results[0]).toBe(results[1]);
      }),
      { numRuns: 50 },
    );
  });

  test('on points, sums, hashes and pairings', () => {
    fc.assert(
      fc.property(integers, fc.uint8Array({ maxLength: 80 }), (integer, message) => {
        const results = bothCurves.map((curve) => {
          const scalar = curve.scalarFromInteger(integer);
          const h1 = curve.hashToG1('YILIAN-TEST-1', message);
          const h2 = curve.hashToG2('YILIAN-TEST-2', message);
          const p = curve.sumG1([
            { point: h1, scalar },
            { point: curve.g1, scalar: curve.negateScalar(scalar) },
          ]);
          const q = curve.sumG2([
            { point: h2, scalar },
            { point: curve.g2, scalar: curve.scalarFromInteger(5n) },
          ]);
          return [
            curve.encodeG1(p),
            curve.encodeG2(q),
            curve.pairingBytes([
              { g1: p, g2: q },
              { g1: h1, g2: h2 },
            ]),
            curve.encodeScalar(hashToScalar(curve, DOMAIN_TAGS.capsuleProof, message)),
          ].map((bytes) => toHex(bytes));
        });
        expect(results[0]).toEqual(results[1]);
      }),
      { numRuns: 4 },
    );
  });

  test('on 48-byte reduction and on drawing scalars from one source of coins', () => {
    const draws = bothCurves.map((curve) => {
      const coins = seededRandom('draw');
      return [
        curve.reduceToScalar(new Uint8Array(48).fill(0xff)),
        curve.reduceToScalar(new Uint8Array(16).fill(0xab)),
        randomScalar(curve, coins),
        randomScalar(curve, coins),
      ].map((scalar) => toHex(curve.encodeScalar(scalar)));
    });
    expect(draws[0]).toEqual(draws[1]);
    expect(draws[0]?.[0]).toBe((((1n << 384n) - 1n) % GROUP_ORDER).toString(16).padStart(64, '0'));
  });

  test('on which foreign points they refuse', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 48, maxLength: 48 }), (bytes) => {
        bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x80;
        const [first, second] = bothCurves.map((curve) => codeOf(() => curve.parseG1(bytes)));
        expect(first).toBe(second);
      }),
      { numRuns: 40 },
    );
  });
});

test('a sum of more terms than the library’s stack holds is that of its parts', () => {
  const curve = bothCurves[0];
  const scalar = curve.scalarFromInteger(3n);
  const count = 3000;
  const sum1 = curve.sumG1(Array.from({ length: count }, () => ({ point: curve.g1, scalar })));
  const sum2 = curve.sumG2(Array.from({ length: count }, () => ({ point: curve.g2, scalar })));
  const total = curve.scalarFromInteger(BigInt(3 * count));
  expect(curve.equalG1(sum1, curve.multiplyG1(curve.g1, total))).toBe(true);
  expect(curve.equalG2(sum2, curve.multiplyG2(curve.g2, total))).toBe(true);
});

test('the interface offers no way from bytes to an element of GT, nor a coordinate setter', () => {
  for (const curve of bothCurves) {
    const members = new Set<string>();
    for (
      let target: unknown = Object.getPrototypeOf(curve);
      typeof target === 'object' && target !== null && target !== Object.prototype;
      target = Object.getPrototypeOf(target)
    )
      for (const name of Object.getOwnPropertyNames(target)) members.add(name);
    const makers = [...members].filter((name) => /parse|decode|deserial|set|from/i.test(name));
    expect(makers.sort()).toEqual(['parseG1', 'parseG2', 'parseScalar', 'scalarFromInteger']);
  }
});
