/**
 * `Curve` on mcl-wasm. The library keeps curve, serialisation, map mode and order checks as
 * process-wide state, so this file is the only one that may import it: it sets that state once,
 * proves it by a self-test, and takes back no control afterwards.
 *
 * Two calls go to the raw module because the typed API lacks them (hash to curve with a tag of our
 * own: the public one has the tag of Ethereum's proofs of possession). They are looked for when the
 * backend starts; without them the same results come from noble's hash_to_field and mcl's map.
 */
import { bls12_381 } from '@noble/curves/bls12-381.js';
// oxlint-disable-next-line no-restricted-imports -- this is the file that the rule names
import * as mclNamespace from 'mcl-wasm';
// oxlint-disable-next-line no-restricted-imports -- as above
import type { G1 as MclG1, G2 as MclG2, Fr as MclFr, GT as MclGT } from 'mcl-wasm';
import { hash_to_field } from '@noble/curves/abstract/hash-to-curve.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { type Bytes, equalBytes, fromHex, toHex, utf8 } from './bytes.ts';
import { checkPointEncoding, checkScalarEncoding, GROUP_ORDER } from './curve-encoding.ts';
import {
  type Curve,
  type G1,
  type G2,
  GT_BYTES,
  type Pair,
  PointError,
  type PreparedG2,
  type Scalar,
} from './curve.ts';

type Mcl = typeof mclNamespace;

/** The part of the raw module that the typed API does not show. */
interface RawMcl {
  stackSave(): number;
  stackRestore(position: number): void;
  salloc(words: Uint32Array): number;
  sallocBytes(bytes: Bytes): number;
  copyFromHeap32(words: Uint32Array, position: number): void;
  readonly _mclBnG1_hashAndMapToWithDst?: HashAndMap;
  readonly _mclBnG2_hashAndMapToWithDst?: HashAndMap;
}

type HashAndMap = (
  target: number,
  message: number,
  messageLength: number,
  dst: number,
  dstLength: number,
) => number;

/** CommonJS reaches us as `default` under Node and as the namespace itself under some bundlers. */
function resolveModule(): Mcl & { readonly mod?: RawMcl } {
  const candidate: unknown = 'default' in mclNamespace ? mclNamespace.default : undefined;
  const isModule = typeof candidate === 'object' && candidate !== null && 'init' in candidate;
  return (isModule ? candidate : mclNamespace) as Mcl & { readonly mod?: RawMcl };
}

let started: Promise<MclCurve> | undefined;

/**
 * The one mcl backend of this process (or worker, or page). Each call repeats the self-test, as the
 * library's state can be changed behind our back by whoever else loads it.
 * @throws when the self-test fails
 */
export async function createMclCurve(): Promise<Curve> {
  started ??= start();
  const curve = await started;
  selfTest(curve);
  return curve;
}

async function start(): Promise<MclCurve> {
  const mcl = resolveModule();
  await mcl.init(mcl.BLS12_381);
  mcl.setETHserialization(true);
  mcl.setMapToMode(mcl.IRTF);
  mcl.verifyOrderG1(true);
  mcl.verifyOrderG2(true);
  return new MclCurve(mcl, mcl.mod);
}

const BASE_G1 = fromHex(
  '97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb',
);
const BASE_G2 = fromHex(
  '93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e' +
    '024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8',
);

class MclCurve implements Curve {
  readonly backend = 'mcl';
  readonly g1: G1;
  readonly g2: G2;
  readonly #mcl: Mcl;
  readonly #raw: RawMcl | undefined;

  constructor(mcl: Mcl, raw: RawMcl | undefined) {
    this.#mcl = mcl;
    this.#raw = raw;
    this.g1 = this.parseG1(BASE_G1);
    this.g2 = this.parseG2(BASE_G2);
  }

  // The opaque types of the interface are the library's objects; these six are the only casts.
  #p(point: G1): MclG1 {
    const value: unknown = point;
    if (!(value instanceof this.#mcl.G1)) throw new Error('a G1 point of another backend');
    return value;
  }
  #q(point: G2): MclG2 {
    const value: unknown = point;
    if (!(value instanceof this.#mcl.G2)) throw new Error('a G2 point of another backend');
    return value;
  }
  #s(scalar: Scalar): MclFr {
    const value: unknown = scalar;
    if (!(value instanceof this.#mcl.Fr)) throw new Error('a scalar of another backend');
    return value;
  }
  #g1(point: MclG1): G1 {
    return point as unknown as G1;
  }
  #g2(point: MclG2): G2 {
    return point as unknown as G2;
  }
  #fr(scalar: MclFr): Scalar {
    return scalar as unknown as Scalar;
  }

  parseG1(bytes: Bytes): G1 {
    checkPointEncoding(bytes, 'G1');
    const point = new this.#mcl.G1();
    try {
      point.deserialize(bytes);
    } catch {
      throw new PointError('notInGroup', 'not a point of G1');
    }
    if (point.isZero()) throw new PointError('infinity', 'the point at infinity is refused');
    if (!equalBytes(point.serialize(), bytes))
      throw new PointError('encoding', 'not the canonical encoding of a point');
    return this.#g1(point);
  }

  parseG2(bytes: Bytes): G2 {
    checkPointEncoding(bytes, 'G2');
    const point = new this.#mcl.G2();
    try {
      point.deserialize(bytes);
    } catch {
      throw new PointError('notInGroup', 'not a point of G2');
    }
    if (point.isZero()) throw new PointError('infinity', 'the point at infinity is refused');
    if (!equalBytes(point.serialize(), bytes))
      throw new PointError('encoding', 'not the canonical encoding of a point');
    return this.#g2(point);
  }

  encodeG1(point: G1): Bytes {
    return this.#p(point).serialize();
  }
  encodeG2(point: G2): Bytes {
    return this.#q(point).serialize();
  }
  isIdentityG1(point: G1): boolean {
    return this.#p(point).isZero();
  }
  isIdentityG2(point: G2): boolean {
    return this.#q(point).isZero();
  }
  equalG1(left: G1, right: G1): boolean {
    return this.#p(left).isEqual(this.#p(right));
  }
  equalG2(left: G2, right: G2): boolean {
    return this.#q(left).isEqual(this.#q(right));
  }
  addG1(left: G1, right: G1): G1 {
    return this.#g1(this.#mcl.add(this.#p(left), this.#p(right)));
  }
  addG2(left: G2, right: G2): G2 {
    return this.#g2(this.#mcl.add(this.#q(left), this.#q(right)));
  }
  negateG1(point: G1): G1 {
    return this.#g1(this.#mcl.neg(this.#p(point)));
  }
  negateG2(point: G2): G2 {
    return this.#g2(this.#mcl.neg(this.#q(point)));
  }
  multiplyG1(point: G1, scalar: Scalar): G1 {
    return this.#g1(this.#mcl.mul(this.#p(point), this.#s(scalar)));
  }
  multiplyG2(point: G2, scalar: Scalar): G2 {
    return this.#g2(this.#mcl.mul(this.#q(point), this.#s(scalar)));
  }
  sumG1(terms: readonly { readonly point: G1; readonly scalar: Scalar }[]): G1 {
    const parts = chunks(terms).map((part) =>
      this.#mcl.mulVec(
        part.map((term) => this.#p(term.point)),
        part.map((term) => this.#s(term.scalar)),
      ),
    );
    return this.#g1(parts.reduce((sum, part) => this.#mcl.add(sum, part)));
  }
  sumG2(terms: readonly { readonly point: G2; readonly scalar: Scalar }[]): G2 {
    const parts = chunks(terms).map((part) =>
      this.#mcl.mulVec(
        part.map((term) => this.#q(term.point)),
        part.map((term) => this.#s(term.scalar)),
      ),
    );
    return this.#g2(parts.reduce((sum, part) => this.#mcl.add(sum, part)));
  }

  hashToG1(dst: string, message: Bytes): G1 {
    const point = new this.#mcl.G1();
    const hashAndMap = this.#raw?._mclBnG1_hashAndMapToWithDst;
    if (this.#raw !== undefined && hashAndMap !== undefined)
      hashRaw(this.#raw, hashAndMap, words(point), utf8(dst), message);
    else return this.hashToG1ByMap(dst, message);
    return this.#g1(point);
  }

  hashToG2(dst: string, message: Bytes): G2 {
    const point = new this.#mcl.G2();
    const hashAndMap = this.#raw?._mclBnG2_hashAndMapToWithDst;
    if (this.#raw !== undefined && hashAndMap !== undefined)
      hashRaw(this.#raw, hashAndMap, words(point), utf8(dst), message);
    else return this.hashToG2ByMap(dst, message);
    return this.#g2(point);
  }

  /** RFC 9380 §3 by hand: hash_to_field (noble), two maps with cofactor clearing (mcl), one addition. */
  hashToG1ByMap(dst: string, message: Bytes): G1 {
    const [first, second] = hash_to_field(message, 2, fieldOptions(dst, 1));
    return this.#g1(this.#mcl.add(this.#mapToG1(first), this.#mapToG1(second)));
  }

  hashToG2ByMap(dst: string, message: Bytes): G2 {
    const [first, second] = hash_to_field(message, 2, fieldOptions(dst, 2));
    return this.#g2(this.#mcl.add(this.#mapToG2(first), this.#mapToG2(second)));
  }

  #mapToG1(element: readonly bigint[] | undefined): MclG1 {
    const field = new this.#mcl.Fp();
    field.setStr((element?.[0] ?? 0n).toString(16), 16);
    return field.mapToG1();
  }

  #mapToG2(element: readonly bigint[] | undefined): MclG2 {
    const field = new this.#mcl.Fp2();
    field.setStr(`${(element?.[0] ?? 0n).toString(16)} ${(element?.[1] ?? 0n).toString(16)}`, 16);
    return field.mapToG2();
  }

  parseScalar(bytes: Bytes): Scalar {
    checkScalarEncoding(bytes);
    return this.reduceToScalar(bytes);
  }
  encodeScalar(scalar: Scalar): Bytes {
    return this.#s(scalar).serialize();
  }
  reduceToScalar(bytes: Bytes): Scalar {
    const scalar = new this.#mcl.Fr();
    scalar.setBigEndianMod(bytes);
    return this.#fr(scalar);
  }
  scalarFromInteger(value: bigint): Scalar {
    // setStr refuses what is not below r.
    const reduced = ((value % GROUP_ORDER) + GROUP_ORDER) % GROUP_ORDER;
    const scalar = new this.#mcl.Fr();
    scalar.setStr(reduced.toString(16), 16);
    return this.#fr(scalar);
  }
  isZero(scalar: Scalar): boolean {
    return this.#s(scalar).isZero();
  }
  addScalars(left: Scalar, right: Scalar): Scalar {
    return this.#fr(this.#mcl.add(this.#s(left), this.#s(right)));
  }
  subtractScalars(left: Scalar, right: Scalar): Scalar {
    return this.#fr(this.#mcl.sub(this.#s(left), this.#s(right)));
  }
  multiplyScalars(left: Scalar, right: Scalar): Scalar {
    return this.#fr(this.#mcl.mul(this.#s(left), this.#s(right)));
  }
  negateScalar(scalar: Scalar): Scalar {
    return this.#fr(this.#mcl.neg(this.#s(scalar)));
  }
  invertScalar(scalar: Scalar): Scalar {
    if (this.isZero(scalar)) throw new Error('zero has no inverse');
    return this.#fr(this.#mcl.inv(this.#s(scalar)));
  }
  wipeScalar(scalar: Scalar): void {
    this.#s(scalar).clear();
  }

  pairingBytes(pairs: readonly Pair[]): Bytes {
    const product = this.#millerProduct(pairs);
    if (product === undefined) return encodeOne();
    return swapHalves(this.#mcl.finalExp(product).serialize());
  }

  pairingsEqual(
    left: readonly Pair[],
    right: readonly { readonly g1: G1; readonly g2: G2 }[],
  ): boolean {
    const moved = right.map(({ g1, g2 }) => ({ g1: this.negateG1(g1), g2 }));
    const product = this.#millerProduct([...left, ...moved]);
    return product === undefined || this.#mcl.finalExp(product).isOne();
  }

  prepareG2(point: G2): PreparedG2 {
    if (this.isIdentityG2(point)) throw new Error('the identity has no lines');
    return new this.#mcl.PrecomputedG2(this.#q(point)) as unknown as PreparedG2;
  }
  freePreparedG2(prepared: PreparedG2): void {
    const value: unknown = prepared;
    if (value instanceof this.#mcl.PrecomputedG2) value.destroy();
  }

  #millerProduct(pairs: readonly Pair[]): MclGT | undefined {
    let product: MclGT | undefined;
    for (const { g1, g2 } of pairs) {
      const point = this.#p(g1);
      if (point.isZero()) continue;
      const other: unknown = g2;
      let factor: MclGT;
      if (other instanceof this.#mcl.PrecomputedG2) {
        if (isFreed(other)) throw new Error('the prepared point was freed');
        factor = this.#mcl.precomputedMillerLoop(point, other);
      } else {
        if (!(other instanceof this.#mcl.G2)) throw new Error('a G2 point of another backend');
        if (other.isZero()) continue;
        factor = this.#mcl.millerLoop(point, other);
      }
      product = product === undefined ? factor : this.#mcl.mul(product, factor);
    }
    return product;
  }
}

/** The library copies all terms onto a stack of 1 MiB; 1,024 of G2 take a third of it. */
const TERMS_MAX = 1024;

function chunks<Term>(terms: readonly Term[]): readonly (readonly Term[])[] {
  const parts: Term[][] = [];
  for (let i = 0; i < terms.length; i += TERMS_MAX) parts.push(terms.slice(i, i + TERMS_MAX));
  return parts;
}

/** The library's own storage of a value: the raw calls write there. */
function words(value: MclG1 | MclG2): Uint32Array {
  return (value as unknown as { readonly a_: Uint32Array }).a_;
}

/** A freed handle points nowhere, and the library would read memory at 0. */
function isFreed(prepared: object): boolean {
  return (prepared as { readonly p?: number | null }).p === null;
}

function hashRaw(
  raw: RawMcl,
  hashAndMap: HashAndMap,
  target: Uint32Array,
  dst: Bytes,
  message: Bytes,
): void {
  if (dst.length === 0 || dst.length > 255) throw new Error('a tag has 1 to 255 bytes');
  const stack = raw.stackSave();
  try {
    const position = raw.salloc(target);
    const messageAt = raw.sallocBytes(message);
    const dstAt = raw.sallocBytes(dst);
    const status = hashAndMap(position, messageAt, message.length, dstAt, dst.length);
    if (status !== 0) throw new Error('hash to curve failed');
    raw.copyFromHeap32(target, position);
  } finally {
    raw.stackRestore(stack);
  }
}

function fieldOptions(
  dst: string,
  degree: 1 | 2,
): { DST: string; p: bigint; m: number; k: number; expand: 'xmd'; hash: typeof sha256 } {
  return { DST: dst, p: bls12_381.fields.Fp.ORDER, m: degree, k: 128, expand: 'xmd', hash: sha256 };
}

/** mcl writes each Fp2 of a GT element with the imaginary half first; canonical is constant first. */
function swapHalves(bytes: Bytes): Bytes {
  const swapped = new Uint8Array(GT_BYTES);
  for (let offset = 0; offset < GT_BYTES; offset += 96) {
    swapped.set(bytes.subarray(offset + 48, offset + 96), offset);
    swapped.set(bytes.subarray(offset, offset + 48), offset + 48);
  }
  return swapped;
}

function encodeOne(): Bytes {
  const one = new Uint8Array(GT_BYTES);
  one[47] = 1;
  return one;
}

/** First 96 bytes of e(g1, g2); the tests know all 576. */
const PAIRING_PREFIX =
  '1250ebd871fc0a92a7b2d83168d0d727272d441befa15c503dd8e90ce98db3e7b6d194f60839c508a84305aaca1789b6' +
  '089a1c5b46e5110b86750ec6a532348868a84045483c92b7af5af689452eafabf1a8943e50439f1d59882a98eaa0170f';

/** A point of y² = x³ + 4 outside the subgroup of order r (x = 4), and one of the twist (x = u). */
const OUTSIDE_G1 = '8' + '4'.padStart(95, '0');
const OUTSIDE_G2 = `8${'1'.padStart(95, '0')}${'0'.repeat(96)}`;

/** RFC 9380 J.9.1 and J.10.1, empty message, compressed. */
const HASHED_G1 =
  '852926add2207b76ca4fa57a8734416c8dc95e24501772c814278700eed6d1e4e8cf62d9c09db0fac349612b759e79a1';
const HASHED_G2 =
  'a5cb8437535e20ecffaef7752baddf98034139c38452458baeefab379ba13dff5bf5dd71b72418717047f5b0f37da03d' +
  '0141ebfbdca40eb85b87142e130ab689c673cf60f1a3e98d69335266f30d9b8d4ac44c1038e9dcdd5393faf5c41fb78a';
const HASHED_DST = {
  g1: 'QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_',
  g2: 'QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_',
};

/** Refuses to start on a library whose process-wide state is not what this file has set. */
function selfTest(curve: MclCurve): void {
  const message = new Uint8Array(0);
  const checks: readonly (readonly [string, () => boolean])[] = [
    ['pairing', () => firstBytes(curve) === PAIRING_PREFIX],
    ['subgroup check of G1', () => isRefused(() => curve.parseG1(fromHex(OUTSIDE_G1)))],
    ['subgroup check of G2', () => isRefused(() => curve.parseG2(fromHex(OUTSIDE_G2)))],
    ['encoding of G1', () => toHex(curve.encodeG1(curve.g1)) === toHex(BASE_G1)],
    ['encoding of G2', () => toHex(curve.encodeG2(curve.g2)) === toHex(BASE_G2)],
    ['hash to G1', () => hexG1(curve, curve.hashToG1(HASHED_DST.g1, message)) === HASHED_G1],
    ['hash to G2', () => hexG2(curve, curve.hashToG2(HASHED_DST.g2, message)) === HASHED_G2],
    ['map to G1', () => hexG1(curve, curve.hashToG1ByMap(HASHED_DST.g1, message)) === HASHED_G1],
    ['map to G2', () => hexG2(curve, curve.hashToG2ByMap(HASHED_DST.g2, message)) === HASHED_G2],
  ];
  for (const [name, holds] of checks)
    if (!holds()) throw new Error(`mcl self-test failed: ${name}`);
}

function firstBytes(curve: MclCurve): string {
  return toHex(curve.pairingBytes([{ g1: curve.g1, g2: curve.g2 }]).subarray(0, 96));
}

function hexG1(curve: MclCurve, point: G1): string {
  return toHex(curve.encodeG1(point));
}

function hexG2(curve: MclCurve, point: G2): string {
  return toHex(curve.encodeG2(point));
}

function isRefused(parse: () => unknown): boolean {
  try {
    parse();
  } catch {
    return true;
  }
  return false;
}
