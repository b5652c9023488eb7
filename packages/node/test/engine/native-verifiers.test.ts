/** libsodium, OpenSSL and the pure verifier: one answer to every claim, or replicas would part. */
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex } from '@yilian/crypto/bytes';
import {
  publicKey,
  type SignatureClaim,
  verifySignature as verifyPurely,
} from '@yilian/crypto/signature';
import {
  claims,
  smallOrderEncodings,
  smallOrderPairs,
} from '../../../crypto/test/ed25519-cases.ts';
import { loadSodiumVerifier } from '../../src/verification/sodium-verifier.ts';
import {
  createCachingVerifier,
  createSigner,
  verifySignature,
} from '../../src/verification/verify-signature.ts';
import { keysOf } from './consortium.ts';

const openssl = createCachingVerifier(8);
const sodium = loadSodiumVerifier();
const natives = [
  ['openssl', openssl],
  ...(sodium === undefined ? [] : [['sodium', sodium] as const]),
  ['the one in use', verifySignature],
] as const;

interface Wycheproof {
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk: string };
    readonly tests: readonly {
      readonly msg: string;
      readonly sig: string;
      readonly result: string;
    }[];
  }[];
}
const { testGroups } = JSON.parse(
  readFileSync(
    new URL('../../../crypto/test/vectors/wycheproof/ed25519_test.json', import.meta.url),
    'utf8',
  ),
) as Wycheproof;

const isBuiltFor = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
test.runIf(process.env['CI'] === 'true' && isBuiltFor)('libsodium is among them', () => {
  expect(sodium).toBeDefined();
});

describe.each(natives)('%s', (_, verify) => {
  test('agrees with Wycheproof', () => {
    for (const { publicKey, tests } of testGroups)
      for (const { msg, sig, result } of tests) {
        const claim = {
          publicKey: fromHex(publicKey.pk),
          message: fromHex(msg),
          signature: fromHex(sig),
        };
        expect(verify(claim)).toBe(result === 'valid');
      }
  });

  test.each(claims)('$name: accepted = $accepted', ({ claim, accepted }) => {
    expect(verify(claim)).toBe(accepted);
  });

  test('refuses small orders as keys and as R', () => {
    for (const claim of smallOrderPairs) expect(verify(claim)).toBe(false);
    const keys = keysOf('honest');
    const message = Uint8Array.of(1);
    const signature = keys.sign(message);
    for (const encoding of smallOrderEncodings) {
      expect(verify({ publicKey: encoding, message, signature })).toBe(false);
      const bent = Uint8Array.of(...encoding, ...signature.subarray(32));
      expect(verify({ publicKey: keys.key, message, signature: bent })).toBe(false);
    }
  });

  test('answers every length without throwing', () => {
    const keys = keysOf('honest');
    const signature = keys.sign(new Uint8Array(0));
    expect(verify({ publicKey: keys.key, message: new Uint8Array(0), signature })).toBe(true);
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.uint8Array({ maxLength: 40 }),
        fc.uint8Array({ maxLength: 70 }),
        (publicKey, message, bytes) => {
          const claim: SignatureClaim = { publicKey, message, signature: bytes };
          expect(verify(claim)).toBe(verifyPurely(claim));
        },
      ),
    );
  });

  test('answers as the pure verifier for honest and bent claims, in views of larger buffers too', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ maxLength: 64 }),
        fc.nat(95),
        fc.nat(8),
        (seed, message, at, bit) => {
          const signature = createSigner(seed)(message);
          const key = publicKey(seed);
          const whole = Uint8Array.of(9, 9, 9, ...key, ...signature, 9);
          if (bit < 8) whole[3 + at] = (whole[3 + at] ?? 0) ^ (1 << bit);
          const claim = {
            publicKey: whole.subarray(3, 35),
            message,
            signature: whole.subarray(35, 99),
          };
          expect(verify(claim)).toBe(verifyPurely(claim));
          expect(verify(claim)).toBe(bit === 8);
        },
      ),
      { numRuns: 40 },
    );
  });
});
