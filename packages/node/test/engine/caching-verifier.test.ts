import { publicKey, sign } from '@yilian/crypto/signature';
import { expect, test } from 'vitest';
import { createCachingVerifier, verifySignature } from '../../src/verification/verify-signature.ts';

const seedOf = (n: number): Uint8Array => new Uint8Array(32).fill(n + 1);
const message = Uint8Array.of(1, 2, 3);
const claims = Array.from({ length: 6 }, (_, n) => {
  const seed = seedOf(n);
  return { publicKey: publicKey(seed), message, signature: sign(seed, message) };
});

test('answers as without a cache, again and again, also when there are more keys than it keeps', () => {
  const verify = createCachingVerifier(4);
  for (let round = 0; round < 3; round++)
    for (const [n, claim] of claims.entries()) {
      const strangers = { ...claim, signature: claims[(n + 1) % 6]?.signature ?? message };
      const bent = { ...claim, message: Uint8Array.of(3, 2, 1) };
      for (const each of [claim, strangers, bent]) expect(verify(each)).toBe(verifySignature(each));
      expect(verify(claim)).toBe(true);
    }
});

test('a key that is none is refused each time, and so is a key changed in place', () => {
  const verify = createCachingVerifier();
  const [good] = claims;
  if (good === undefined) throw new Error('no claim');
  const notOnCurve = Uint8Array.of(2, ...new Uint8Array(31));
  const identity = Uint8Array.of(1, ...new Uint8Array(31));
  for (const key of [notOnCurve, identity, notOnCurve, identity, new Uint8Array(31)])
    expect(verify({ ...good, publicKey: key })).toBe(false);
  const own = Uint8Array.from(good.publicKey);
  expect(verify({ ...good, publicKey: own })).toBe(true);
  own[0] = (own[0] ?? 0) ^ 1;
  expect(verify({ ...good, publicKey: own })).toBe(false);
});
