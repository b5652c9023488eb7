/**
 * Size buckets: Padmé (Nikitin, Barman, Lueks, Underwood, Hubaux, Ford 2019, algorithm 1). A length
 * keeps about as many significant bits as its own length has, which costs at most 12 % and leaves
 * O(log log max) bits of the size to be seen.
 */
import type { Bytes } from '../bytes.ts';

/** Short sections all look like this many bytes: differences there would tell the most. */
export const BUCKET_BYTES_MIN = 4096;

/** The bucket that `length` bytes fall into. */
export function bucketBytes(length: number): number {
  if (length <= BUCKET_BYTES_MIN) return BUCKET_BYTES_MIN;
  const exponent = bitLength(length) - 1;
  const step = 2 ** (exponent - bitLength(exponent));
  return Math.ceil(length / step) * step;
}

function bitLength(value: number): number {
  let bits = 0;
  for (let rest = value; rest >= 1; rest = Math.floor(rest / 2)) bits += 1;
  return bits;
}

const ZEROS: Bytes = new Uint8Array(65_536);

/** `count` zero bytes in pieces. */
export function* zeros(count: number): Generator<Bytes> {
  for (let left = count; left > 0; left -= ZEROS.length)
    yield left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS;
}
