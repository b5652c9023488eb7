/**
 * What both backends check before a library sees foreign bytes: length, flag bits, infinity, and that
 * each coordinate is below the field prime (a library that reduces it accepts two encodings).
 */
import { type Bytes, compareBytes, fromHex } from './bytes.ts';
import { G1_BYTES, G2_BYTES, PointError, SCALAR_BYTES } from './curve.ts';

/** The base field prime p of BLS12-381. */
const FIELD_PRIME = fromHex(
  '1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab',
);
/** The group order r of BLS12-381. */
export const GROUP_ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n;
const GROUP_ORDER_BYTES = fromHex(
  '73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001',
);

const COMPRESSED = 0x80;
const INFINITY = 0x40;
const FLAGS = 0xe0;

/** @throws PointError `length`, `encoding` or `infinity` */
export function checkPointEncoding(bytes: Bytes, group: 'G1' | 'G2'): void {
  const length = group === 'G1' ? G1_BYTES : G2_BYTES;
  if (bytes.length !== length)
    throw new PointError('length', `a point of ${group} has ${length} bytes`);
  const flags = bytes[0] ?? 0;
  if ((flags & COMPRESSED) === 0)
    throw new PointError('encoding', 'only compressed points are accepted');
  if ((flags & INFINITY) !== 0)
    throw new PointError('infinity', 'the point at infinity is refused');
  for (let offset = 0; offset < length; offset += 48) {
    const limb = bytes.slice(offset, offset + 48);
    if (offset === 0) limb[0] = (limb[0] ?? 0) & ~FLAGS;
    if (compareBytes(limb, FIELD_PRIME) >= 0)
      throw new PointError('encoding', 'a coordinate is not below the field prime');
  }
}

/** @throws PointError `scalar` */
export function checkScalarEncoding(bytes: Bytes): void {
  if (bytes.length !== SCALAR_BYTES)
    throw new PointError('scalar', `a scalar has ${SCALAR_BYTES} bytes`);
  if (compareBytes(bytes, GROUP_ORDER_BYTES) >= 0)
    throw new PointError('scalar', 'a scalar is below the group order');
  if (bytes.every((byte) => byte === 0)) throw new PointError('scalar', 'a scalar is not zero');
}
