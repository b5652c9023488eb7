/**
 * AES-GCM is not key-committing (Grubbs, Lu, Ristenpart 2017; Dodis, Grubbs, Ristenpart, Woodage
 * 2018): one ciphertext and tag that decrypt under two keys, to a message of the author's choice under
 * each. Three blocks: the first says `left` under the left key, the second `right` under the right
 * key, the third makes GHASH agree. The other key sees noise in each other's block.
 */
import { ecb } from '@noble/ciphers/aes.js';
import { type Bytes, concatBytes } from '../src/bytes.ts';

/** The reduction polynomial of GCM, bits in GCM's order (bit 0 is the most significant). */
const REDUCTION = 0xe1n << 120n;

function toField(bytes: Bytes): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function toBytes(value: bigint): Bytes {
  const bytes = new Uint8Array(16);
  let rest = value;
  for (let i = 15; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 255n);
  return bytes;
}

const ONE = 1n << 127n;

function multiply(x: bigint, y: bigint): bigint {
  let product = 0n;
  let shifted = y;
  for (let bit = 127n; bit >= 0n; bit--) {
    if ((x >> bit) & 1n) product ^= shifted;
    shifted = shifted & 1n ? (shifted >> 1n) ^ REDUCTION : shifted >> 1n;
  }
  return product;
}

function power(x: bigint, exponent: bigint): bigint {
  let result = ONE;
  let square = x;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = multiply(result, square);
    square = multiply(square, square);
  }
  return result;
}

function block(key: Bytes, input: Bytes): Bytes {
  return ecb(key, { disablePadding: true }).encrypt(input);
}

function counter(nonce: Bytes, value: number): Bytes {
  return concatBytes(nonce, Uint8Array.of(0, 0, 0, value));
}

function xor(left: Bytes, right: Bytes): Bytes {
  return left.map((byte, i) => byte ^ (right[i] ?? 0));
}

function padded(bytes: Bytes): Bytes {
  return concatBytes(bytes, new Uint8Array((16 - (bytes.length % 16)) % 16));
}

function ghash(h: bigint, input: Bytes): bigint {
  let state = 0n;
  for (let i = 0; i < input.length; i += 16)
    state = multiply(state ^ toField(input.subarray(i, i + 16)), h);
  return state;
}

/** ciphertext (48 bytes) ‖ tag that is valid under both keys. `left` and `right` have 16 bytes each. */
export function sealUnderTwoKeys(input: {
  readonly leftKey: Bytes;
  readonly rightKey: Bytes;
  readonly nonce: Bytes;
  readonly associatedData: Bytes;
  readonly left: Bytes;
  readonly right: Bytes;
}): Bytes {
  const { leftKey, rightKey, nonce, associatedData } = input;
  const first = xor(input.left, block(leftKey, counter(nonce, 2)));
  const second = xor(input.right, block(rightKey, counter(nonce, 3)));
  const lengths = new Uint8Array(16);
  const view = new DataView(lengths.buffer);
  view.setUint32(4, associatedData.length * 8);
  view.setUint32(12, 48 * 8);

  // tag = GHASH_H(aad, c1, c2, c3, lengths) ⊕ E_K(J0) under both keys; c3 enters linearly, times H².
  const half = (key: Bytes): { fixed: bigint; factor: bigint; mask: bigint } => {
    const h = toField(block(key, new Uint8Array(16)));
    const withoutThird = concatBytes(
      padded(associatedData),
      first,
      second,
      new Uint8Array(16),
      lengths,
    );
    return {
      fixed: ghash(h, withoutThird),
      factor: multiply(h, h),
      mask: toField(block(key, counter(nonce, 1))),
    };
  };
  const l = half(leftKey);
  const r = half(rightKey);
  const difference = l.fixed ^ l.mask ^ r.fixed ^ r.mask;
  const inverse = power(l.factor ^ r.factor, 2n ** 128n - 2n);
  const third = multiply(difference, inverse);
  const tag = l.fixed ^ multiply(third, l.factor) ^ l.mask;
  return concatBytes(first, second, toBytes(third), toBytes(tag));
}
