import { randomBytes as nodeRandomBytes } from 'node:crypto';
import type { Bytes, RandomBytes } from '../../src/bytes.ts';
import { hkdf } from '../../src/hash.ts';
import { u64be, utf8 } from '../../src/bytes.ts';

export const randomBytes: RandomBytes = (length) => Uint8Array.from(nodeRandomBytes(length));

/** Repeatable coins: the same seed gives the same sequence. */
export function seededRandom(seed: string): RandomBytes {
  let counter = 0n;
  return (length): Bytes => {
    counter += 1n;
    return hkdf({ ikm: utf8(seed), info: u64be(counter), length });
  };
}
