/** The three fillings of the port give the same answers, on vectors and on whatever is thrown at them. */
import { readFileSync } from 'node:fs';
import { createDecipheriv, createHash } from 'node:crypto';
import { joinSealed } from '@yilian/crypto/aead';
import { type Bytes, concatBytes, fromHex, toHex } from '@yilian/crypto/bytes';
import { type Primitives, purePrimitives } from '@yilian/crypto/primitives';
import { publicKey, sign, type SignatureClaim } from '@yilian/crypto/signature';
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  claims,
  signMixed,
  smallOrderEncodings,
  smallOrderPairs,
  TORSION,
} from '../../../crypto/test/ed25519-cases.ts';
import { createNodePrimitives } from '../../src/platform/node-ciphers.ts';
import { createWebPrimitives } from '../../src/platform/web-ciphers.ts';

const node = createNodePrimitives();
const web = createWebPrimitives();
const platforms: [string, Primitives][] = [
  ['pure', purePrimitives],
  ['node', node],
  ['web', web],
];

function vectors(path: string): unknown {
  const url = new URL(`../../../crypto/test/vectors/${path}`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8'));
}

interface GcmVectors {
  testGroups: {
    ivSize: number;
    keySize: number;
    tests: {
      tcId: number;
      key: string;
      iv: string;
      aad: string;
      msg: string;
      ct: string;
      tag: string;
      result: string;
    }[];
  }[];
}

interface EdVectors {
  testGroups: {
    publicKey: { pk: string };
    tests: { tcId: number; msg: string; sig: string; result: string }[];
  }[];
}

function expectSameVerdict(claim: SignatureClaim): boolean {
  const verdict = purePrimitives.verifySignature(claim);
  expect(node.verifySignature(claim), toHex(claim.publicKey)).toBe(verdict);
  return verdict;
}

describe.each(platforms)('%s', (_, primitives) => {
  it('AES-GCM agrees with Wycheproof', async () => {
    for (const group of (vectors('wycheproof/aes_gcm_test.json') as GcmVectors).testGroups) {
      if (group.ivSize !== 96 || group.keySize === 192) continue;
      for (const known of group.tests) {
        const input = {
          key: fromHex(known.key),
          nonce: fromHex(known.iv),
          associatedData: fromHex(known.aad),
        };
        const sealed = concatBytes(fromHex(known.ct), fromHex(known.tag));
        const opened = await primitives.aead.open({ ...input, sealed });
        if (known.result === 'valid') {
          const plaintext = fromHex(known.msg);
          expect(opened === null ? null : toHex(opened), `${known.tcId}`).toBe(known.msg);
          expect(joinSealed(await primitives.aead.sealParts({ ...input, plaintext }))).toEqual(
            sealed,
          );
        } else expect(opened, `${known.tcId}`).toBeNull();
      }
    }
  });

  it('every truncated tag is refused (Node takes 4 bytes when it is not told)', async () => {
    const input = {
      key: new Uint8Array(32).fill(1),
      nonce: new Uint8Array(12),
      associatedData: Uint8Array.of(1),
    };
    const { ciphertext, tag } = await primitives.aead.sealParts({
      ...input,
      plaintext: Uint8Array.of(1, 2, 3),
    });
    const lax = createDecipheriv('aes-256-gcm', input.key, input.nonce);
    lax.setAAD(input.associatedData);
    lax.setAuthTag(tag.subarray(0, 4));
    lax.update(ciphertext);
    expect(() => lax.final(), 'the hazard exists').not.toThrow();
    for (let length = 0; length < 16; length++) {
      const sealed = concatBytes(ciphertext, tag.subarray(0, length));
      expect(await primitives.aead.open({ ...input, sealed })).toBeNull();
    }
  });

  test.each([
    ['key', { key: new Uint8Array(24) }],
    ['nonce', { nonce: new Uint8Array(16) }],
  ])('a %s of another length throws', async (_name, wrong) => {
    const input = {
      key: new Uint8Array(32),
      nonce: new Uint8Array(12),
      associatedData: new Uint8Array(0),
      ...wrong,
    };
    await expect(
      (async () => primitives.aead.sealParts({ ...input, plaintext: new Uint8Array(1) }))(),
    ).rejects.toThrow(/has/);
    await expect(
      (async () => primitives.aead.open({ ...input, sealed: new Uint8Array(17) }))(),
    ).rejects.toThrow(/has/);
  });

  it('hashes parts as their concatenation', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array(), { maxLength: 4 }), async (parts) => {
        const whole = purePrimitives.sha256(concatBytes(...parts));
        expect(primitives.sha256(...parts)).toEqual(whole);
        expect(await primitives.digest(...parts)).toEqual(whole);
      }),
    );
  });

  it('hashes many large inputs at a time without mixing them up', async () => {
    const sizes = [131_071, 131_072, 1_048_593, 200_000, 2_097_153, 500_000, 131_072, 300_000];
    const inputs = sizes.map((size, i) => new Uint8Array(size).fill(i + 1));
    const prefix = Uint8Array.of(0);
    const underWay = inputs.map((input) => primitives.digest(prefix, input));
    const known = inputs.map((input) => createHash('sha256').update(prefix).update(input).digest());
    for (const [i, digest] of underWay.entries())
      expect(toHex(await digest), `${sizes[i]}`).toBe(known[i]?.toString('hex'));
  });

  it('takes the digest of an input as it was when asked', async () => {
    const input = new Uint8Array(1_000_000);
    const known = purePrimitives.sha256(input);
    const digest = primitives.digest(input);
    input.fill(1);
    expect(await digest).toEqual(known);
  });

  it('reads views in the middle of a buffer correctly', async () => {
    const backing = Uint8Array.from({ length: 100 }, (_, i) => i);
    const view = backing.subarray(20, 60);
    const input = {
      key: backing.subarray(0, 32),
      nonce: backing.subarray(3, 15),
      associatedData: backing.subarray(7, 9),
    };
    const sealed = joinSealed(await primitives.aead.sealParts({ ...input, plaintext: view }));
    expect(purePrimitives.aead.open({ ...input, sealed })).toEqual(view.slice());
  });

  it('encrypts blocks independently, as FIPS 197 C.3 says', () => {
    const key = fromHex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f');
    const block = fromHex('00112233445566778899aabbccddeeff');
    const encrypted = '8ea2b7ca516745bfeafc49904b496089';
    expect(toHex(primitives.encryptBlocks(key, concatBytes(block, block)))).toBe(
      encrypted + encrypted,
    );
    expect(() => primitives.encryptBlocks(key, new Uint8Array(15))).toThrow(Error);
  });
});

describe('pure and native Ed25519 are one rule', () => {
  it.each(claims)('$name', ({ claim, accepted }) => {
    expect(expectSameVerdict(claim)).toBe(accepted);
  });

  it('on the 64 small-order pairs: none accepted', () => {
    for (const claim of smallOrderPairs) expect(expectSameVerdict(claim)).toBe(false);
  });

  it('on Wycheproof', () => {
    for (const group of (vectors('wycheproof/ed25519_test.json') as EdVectors).testGroups)
      for (const known of group.tests) {
        const verdict = expectSameVerdict({
          publicKey: fromHex(group.publicKey.pk),
          message: fromHex(known.msg),
          signature: fromHex(known.sig),
        });
        expect(verdict, `${known.tcId}`).toBe(known.result === 'valid');
      }
  });

  it('on keys and nonces with torsion parts', () => {
    const verdicts = new Set<boolean>();
    fc.assert(
      fc.property(
        fc.bigInt({ min: 1n, max: 2n ** 250n }),
        fc.bigInt({ min: 0n, max: 2n ** 250n }),
        fc.constantFrom(...TORSION),
        fc.constantFrom(...TORSION),
        fc.uint8Array({ maxLength: 8 }),
        (a, r, keyTorsion, nonceTorsion, message) => {
          verdicts.add(expectSameVerdict(signMixed({ a, r, keyTorsion, nonceTorsion, message })));
        },
      ),
      { numRuns: 150 },
    );
    expect(verdicts).toEqual(new Set([true, false]));
  });

  it('on encodings: small order, non-canonical and random keys and R', () => {
    const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const encoding = fc.oneof(fc.constantFrom(...smallOrderEncodings), bytes32);
    fc.assert(
      fc.property(encoding, encoding, bytes32, fc.uint8Array(), (key, r, s, message) => {
        const low = s.slice();
        low[31] = (low[31] ?? 0) & 0x0f;
        expectSameVerdict({ publicKey: key, message, signature: concatBytes(r, low) });
      }),
      { numRuns: 150 },
    );
  });

  it('on valid signatures with one flipped bit', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(), (seed, at) => {
        const message = Uint8Array.of(1, 2, 3);
        const signature: Bytes = sign(seed, message);
        expect(expectSameVerdict({ publicKey: publicKey(seed), message, signature })).toBe(true);
        const changed = signature.slice();
        changed[(at >> 3) % 64] = (changed[(at >> 3) % 64] ?? 0) ^ (1 << (at & 7));
        expect(expectSameVerdict({ publicKey: publicKey(seed), message, signature: changed })).toBe(
          false,
        );
      }),
      { numRuns: 60 },
    );
  });
});
