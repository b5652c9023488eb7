/**
 * `Curve` on @noble/curves: 4 to 17 times slower than mcl, in plain TypeScript, by other authors.
 * It exists so that every own vector is computed twice, and as a fallback where WebAssembly is barred.
 */
import { bls12_381 } from '@noble/curves/bls12-381.js';
import type { WeierstrassPoint } from '@noble/curves/abstract/weierstrass.js';
import { type Bytes, equalBytes, toHex, utf8 } from './bytes.ts';
import { checkPointEncoding, checkScalarEncoding, GROUP_ORDER } from './curve-encoding.ts';
import {
  type Curve,
  type G1,
  type G2,
  type Pair,
  PointError,
  type PreparedG2,
  type Scalar,
  SCALAR_BYTES,
} from './curve.ts';

const { G1: Group1, G2: Group2, fields } = bls12_381;
const Point1 = Group1.Point;
const Point2 = Group2.Point;
type Point1 = InstanceType<typeof Point1>;
type Point2 = InstanceType<typeof Point2>;

/** A box, so that `wipeScalar` has something to empty. */
class ScalarBox {
  value: bigint;

  constructor(value: bigint) {
    this.value = value;
  }
}

/** noble's pairing computes the lines each time; the handle only remembers the point. */
class PreparedBox {
  point: Point2 | undefined;

  constructor(point: Point2) {
    this.point = point;
  }
}

export function createNobleCurve(): Curve {
  return new NobleCurve();
}

class NobleCurve implements Curve {
  readonly backend = 'noble';
  readonly g1: G1 = boxG1(Point1.BASE);
  readonly g2: G2 = boxG2(Point2.BASE);

  parseG1(bytes: Bytes): G1 {
    checkPointEncoding(bytes, 'G1');
    const point = decodePoint(bytes, 'G1', (input) => Point1.fromBytes(input));
    return boxG1(point);
  }

  parseG2(bytes: Bytes): G2 {
    checkPointEncoding(bytes, 'G2');
    const point = decodePoint(bytes, 'G2', (input) => Point2.fromBytes(input));
    return boxG2(point);
  }

  encodeG1(point: G1): Bytes {
    return unboxG1(point).toBytes(true);
  }
  encodeG2(point: G2): Bytes {
    return unboxG2(point).toBytes(true);
  }
  isIdentityG1(point: G1): boolean {
    return unboxG1(point).is0();
  }
  isIdentityG2(point: G2): boolean {
    return unboxG2(point).is0();
  }
  equalG1(left: G1, right: G1): boolean {
    return unboxG1(left).equals(unboxG1(right));
  }
  equalG2(left: G2, right: G2): boolean {
    return unboxG2(left).equals(unboxG2(right));
  }
  addG1(left: G1, right: G1): G1 {
    return boxG1(unboxG1(left).add(unboxG1(right)));
  }
  addG2(left: G2, right: G2): G2 {
    return boxG2(unboxG2(left).add(unboxG2(right)));
  }
  negateG1(point: G1): G1 {
    return boxG1(unboxG1(point).negate());
  }
  negateG2(point: G2): G2 {
    return boxG2(unboxG2(point).negate());
  }
  multiplyG1(point: G1, scalar: Scalar): G1 {
    const { value } = unboxScalar(scalar);
    return boxG1(value === 0n ? Point1.ZERO : unboxG1(point).multiply(value));
  }
  multiplyG2(point: G2, scalar: Scalar): G2 {
    const { value } = unboxScalar(scalar);
    return boxG2(value === 0n ? Point2.ZERO : unboxG2(point).multiply(value));
  }
  sumG1(terms: readonly { readonly point: G1; readonly scalar: Scalar }[]): G1 {
    let sum = Point1.ZERO;
    for (const { point, scalar } of terms) sum = sum.add(unboxG1(this.multiplyG1(point, scalar)));
    return boxG1(sum);
  }
  sumG2(terms: readonly { readonly point: G2; readonly scalar: Scalar }[]): G2 {
    let sum = Point2.ZERO;
    for (const { point, scalar } of terms) sum = sum.add(unboxG2(this.multiplyG2(point, scalar)));
    return boxG2(sum);
  }
  hashToG1(dst: string, message: Bytes): G1 {
    return boxG1(Group1.hashToCurve(message, { DST: utf8(dst) }));
  }
  hashToG2(dst: string, message: Bytes): G2 {
    return boxG2(Group2.hashToCurve(message, { DST: utf8(dst) }));
  }

  parseScalar(bytes: Bytes): Scalar {
    checkScalarEncoding(bytes);
    return this.reduceToScalar(bytes);
  }
  encodeScalar(scalar: Scalar): Bytes {
    let rest = unboxScalar(scalar).value;
    const bytes = new Uint8Array(SCALAR_BYTES);
    for (let i = SCALAR_BYTES - 1; i >= 0; i--) {
      bytes[i] = Number(rest & 0xffn);
      rest >>= 8n;
    }
    return bytes;
  }
  reduceToScalar(bytes: Bytes): Scalar {
    return boxScalar(bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`));
  }
  scalarFromInteger(value: bigint): Scalar {
    return boxScalar(value);
  }
  isZero(scalar: Scalar): boolean {
    return unboxScalar(scalar).value === 0n;
  }
  addScalars(left: Scalar, right: Scalar): Scalar {
    return boxScalar(unboxScalar(left).value + unboxScalar(right).value);
  }
  subtractScalars(left: Scalar, right: Scalar): Scalar {
    return boxScalar(unboxScalar(left).value - unboxScalar(right).value);
  }
  multiplyScalars(left: Scalar, right: Scalar): Scalar {
    return boxScalar(unboxScalar(left).value * unboxScalar(right).value);
  }
  negateScalar(scalar: Scalar): Scalar {
    return boxScalar(-unboxScalar(scalar).value);
  }
  invertScalar(scalar: Scalar): Scalar {
    if (this.isZero(scalar)) throw new Error('zero has no inverse');
    return boxScalar(fields.Fr.inv(unboxScalar(scalar).value));
  }
  wipeScalar(scalar: Scalar): void {
    unboxScalar(scalar).value = 0n;
  }

  pairingBytes(pairs: readonly Pair[]): Bytes {
    return fields.Fp12.toBytes(bls12_381.pairingBatch(realPairs(pairs)));
  }
  pairingsEqual(
    left: readonly Pair[],
    right: readonly { readonly g1: G1; readonly g2: G2 }[],
  ): boolean {
    const moved = right.map(({ g1, g2 }) => ({ g1: this.negateG1(g1), g2 }));
    const product = bls12_381.pairingBatch(realPairs([...left, ...moved]));
    return fields.Fp12.eql(product, fields.Fp12.ONE);
  }
  prepareG2(point: G2): PreparedG2 {
    if (this.isIdentityG2(point)) throw new Error('the identity has no lines');
    return new PreparedBox(unboxG2(point)) as unknown as PreparedG2;
  }
  freePreparedG2(prepared: PreparedG2): void {
    const value: unknown = prepared;
    if (value instanceof PreparedBox) value.point = undefined;
  }
}

function decodePoint<P extends WeierstrassPoint<bigint> | Point2>(
  bytes: Bytes,
  group: 'G1' | 'G2',
  decode: (bytes: Bytes) => P,
): P {
  let point: P;
  try {
    point = decode(bytes);
    point.assertValidity();
  } catch {
    throw new PointError('notInGroup', `not a point of ${group}`);
  }
  if (!point.isTorsionFree()) throw new PointError('notInGroup', `not a point of ${group}`);
  if (point.is0()) throw new PointError('infinity', 'the point at infinity is refused');
  if (!equalBytes(point.toBytes(true), bytes))
    throw new PointError('encoding', 'not the canonical encoding of a point');
  return point;
}

function realPairs(pairs: readonly Pair[]): { g1: Point1; g2: Point2 }[] {
  const real: { g1: Point1; g2: Point2 }[] = [];
  for (const pair of pairs) {
    const g1 = unboxG1(pair.g1);
    const other: unknown = pair.g2;
    const g2 = other instanceof PreparedBox ? other.point : other;
    if (!(g2 instanceof Point2)) throw new Error('a G2 point of another backend, or a freed one');
    if (!g1.is0() && !g2.is0()) real.push({ g1, g2 });
  }
  return real;
}

// The opaque types of the interface are the library's objects; only these functions cast.
function boxG1(point: Point1): G1 {
  return point as unknown as G1;
}
function boxG2(point: Point2): G2 {
  return point as unknown as G2;
}
function boxScalar(value: bigint): Scalar {
  const reduced = ((value % GROUP_ORDER) + GROUP_ORDER) % GROUP_ORDER;
  return new ScalarBox(reduced) as unknown as Scalar;
}
function unboxG1(point: G1): Point1 {
  const value: unknown = point;
  if (!(value instanceof Point1)) throw new Error('a G1 point of another backend');
  return value;
}
function unboxG2(point: G2): Point2 {
  const value: unknown = point;
  if (!(value instanceof Point2)) throw new Error('a G2 point of another backend');
  return value;
}
function unboxScalar(scalar: Scalar): ScalarBox {
  const value: unknown = scalar;
  if (!(value instanceof ScalarBox)) throw new Error('a scalar of another backend');
  return value;
}
