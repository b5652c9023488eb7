import { ed25519 } from '@noble/curves/ed25519.js';
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { at } from './at.ts';
import { type Bytes, fromHex, toHex, utf8 } from '../src/bytes.ts';
import {
  parsePublicKey,
  precheckSignature,
  publicKey,
  sign,
  signBound,
  verifyBound,
  verifyCofactored,
  verifySignature,
} from '../src/signature.ts';
import { DOMAIN_TAGS } from '../src/domain-tags.ts';
import {
  claims,
  signWithTorsion,
  smallOrderEncodings,
  smallOrderPairs,
  TORSION,
} from './ed25519-cases.ts';
import { readVectors } from './vectors.ts';

interface Rfc8032 {
  seed: string;
  publicKey: string;
  message: string;
  signature: string;
}

interface Wycheproof {
  testGroups: {
    publicKey: { pk: string };
    tests: { tcId: number; comment: string; msg: string; sig: string; result: string }[];
  }[];
}

describe('RFC 8032 §7.1', () => {
  test.each(readVectors('rfc8032/section-7-1.json') as Rfc8032[])('seed $seed', (known) => {
    const seed = fromHex(known.seed);
    const message = fromHex(known.message);
    expect(toHex(publicKey(seed))).toBe(known.publicKey);
    expect(toHex(sign(seed, message))).toBe(known.signature);
    const claim = { publicKey: fromHex(known.publicKey), signature: fromHex(known.signature) };
    expect(verifySignature({ ...claim, message })).toBe(true);
    expect(verifySignature({ ...claim, message: utf8('other') })).toBe(false);
  });
});

describe('Wycheproof', () => {
  it('agrees on all 151 cases, malleable ones among them', () => {
    const { testGroups } = readVectors('wycheproof/ed25519_test.json') as Wycheproof;
    let seen = 0;
    for (const group of testGroups)
      for (const known of group.tests) {
        seen += 1;
        const accepted = verifySignature({
          publicKey: fromHex(group.publicKey.pk),
          message: fromHex(known.msg),
          signature: fromHex(known.sig),
        });
        expect(accepted, `${known.tcId} ${known.comment}`).toBe(known.result === 'valid');
      }
    expect(seen).toBe(151);
  });
});

describe('the one rule', () => {
  test.each(claims)('$name: accepted = $accepted', ({ claim, accepted }) => {
    expect(verifySignature(claim)).toBe(accepted);
  });

  it('accepts none of the 64 pairs of small-order key and small-order R', () => {
    expect(smallOrderPairs).toHaveLength(64);
    for (const claim of smallOrderPairs) {
      expect(verifySignature(claim)).toBe(false);
      expect(precheckSignature(claim)).toBe(false);
    }
    const zip215 = smallOrderPairs.filter((claim) =>
      ed25519.verify(claim.signature, claim.message, claim.publicKey, { zip215: true }),
    );
    expect(zip215, 'the pairs are the dangerous ones').toHaveLength(64);
  });

  it('refuses the universal signature of the identity key for every message', () => {
    const identity = at(TORSION, 0);
    const signature = new Uint8Array(64);
    signature.set(identity);
    fc.assert(
      fc.property(fc.uint8Array(), (message) => {
        expect(verifySignature({ publicKey: identity, message, signature })).toBe(false);
      }),
    );
  });

  it('some mixed-order keys pass and some fail, as bytes decide', () => {
    const mixed = claims.filter(({ name }) => name.startsWith('key with torsion'));
    expect(mixed.some(({ accepted }) => accepted)).toBe(true);
    expect(mixed.some(({ accepted }) => !accepted)).toBe(true);
  });

  it('a flipped bit anywhere in key, message or signature is refused', () => {
    const seed = new Uint8Array(32).fill(3);
    const message = utf8('issueRecord');
    const key = publicKey(seed);
    const signature = sign(seed, message);
    fc.assert(
      fc.property(
        fc.constantFrom('publicKey' as const, 'message' as const, 'signature' as const),
        fc.nat(),
        (field, at) => {
          const claim = { publicKey: key as Bytes, message, signature };
          const changed = claim[field].slice();
          const bit = at % (changed.length * 8);
          changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          expect(verifySignature({ ...claim, [field]: changed })).toBe(false);
        },
      ),
    );
  });
});

describe('the rule of CometBFT, ZIP-215', () => {
  const seed = new Uint8Array(32).fill(5);
  const message = utf8('vote');
  const claim = { publicKey: publicKey(seed), message };

  it('takes whatever the one rule takes', () => {
    for (const { claim: each, accepted } of claims)
      if (accepted) expect(verifyCofactored(each)).toBe(true);
  });

  it('takes a signature with a torsion part of its own signer, which the one rule refuses', () => {
    const signature = signWithTorsion(seed, message);
    expect(verifySignature({ ...claim, signature })).toBe(false);
    expect(verifyCofactored({ ...claim, signature })).toBe(true);
    expect(verifyCofactored({ ...claim, signature, message: utf8('another') })).toBe(false);
    const other = publicKey(new Uint8Array(32).fill(6));
    expect(verifyCofactored({ ...claim, signature, publicKey: other })).toBe(false);
  });

  it('takes all 64 pairs of small order, as ZIP-215 says', () => {
    expect(smallOrderPairs.every(verifyCofactored)).toBe(true);
  });

  it('refuses flipped bits, other lengths, an S of the order or more, and never throws', () => {
    const signature = sign(seed, message);
    expect(verifyCofactored({ ...claim, signature })).toBe(true);
    for (let bit = 0; bit < 512; bit++) {
      const changed = signature.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(verifyCofactored({ ...claim, signature: changed })).toBe(false);
    }
    for (const wrong of [signature.slice(1), new Uint8Array(0), new Uint8Array(64).fill(255)])
      expect(verifyCofactored({ ...claim, signature: wrong })).toBe(false);
    expect(verifyCofactored({ ...claim, publicKey: claim.publicKey.slice(1), signature })).toBe(
      false,
    );
  });
});

describe('the precheck of native verifiers', () => {
  const seed = new Uint8Array(32).fill(2);
  const message = utf8('message');
  const valid = { publicKey: publicKey(seed) as Bytes, signature: sign(seed, message) };

  it('lets valid signatures through', () => {
    expect(precheckSignature(valid)).toBe(true);
  });

  it('stops non-canonical keys and R, which OpenSSL would reduce', () => {
    for (let low = 0xed; low <= 0xff; low++)
      for (const high of ['7f', 'ff']) {
        const point = fromHex(`${low.toString(16)}${'ff'.repeat(30)}${high}`);
        expect(precheckSignature({ ...valid, publicKey: point })).toBe(false);
        const signature = valid.signature.slice();
        signature.set(point);
        expect(precheckSignature({ ...valid, signature })).toBe(false);
      }
  });
});

describe('bytes in a Buffer', () => {
  const seed = new Uint8Array(32).fill(7);
  const message = utf8('a message');
  // Some keys and R have the sign bit set, which the check clears in its own copy only.
  const seeds = [seed, ...[1, 2, 3, 4, 5, 6].map((fill) => new Uint8Array(32).fill(fill))];

  test.each(seeds.map((each) => [toHex(publicKey(each)), each] as const))(
    'key %s verifies and is left as it was',
    (hex, each) => {
      const signature = Buffer.from(sign(each, message));
      const key = Buffer.from(publicKey(each));
      const before = signature.toString('hex');
      expect(precheckSignature({ publicKey: key, signature })).toBe(true);
      expect(verifySignature({ publicKey: key, message, signature })).toBe(true);
      const parsed = parsePublicKey(key);
      expect([key.toString('hex'), signature.toString('hex')]).toEqual([hex, before]);
      key.fill(0);
      expect(parsed).toEqual(publicKey(each));
    },
  );
});

describe('public keys', () => {
  it('of seeds are taken', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
        expect(parsePublicKey(publicKey(seed))).toEqual(publicKey(seed));
      }),
      { numRuns: 20 },
    );
  });

  test.each(smallOrderEncodings.map((key) => [toHex(key), key] as const))(
    'small order %s is refused',
    (_, key) => {
      expect(parsePublicKey(key)).toBeNull();
    },
  );

  it('non-canonical y is refused: y = p + 3 … p + 18', () => {
    for (let low = 0xed; low <= 0xff; low++) {
      const key = fromHex(`${low.toString(16)}${'ff'.repeat(30)}7f`);
      expect(parsePublicKey(key)).toBeNull();
      key[31] = 0xff;
      expect(parsePublicKey(key)).toBeNull();
    }
  });

  it('off the curve, short, long and empty are refused', () => {
    const two = new Uint8Array(32);
    two[0] = 2;
    expect(parsePublicKey(two)).toBeNull();
    for (const length of [0, 31, 33, 64]) expect(parsePublicKey(new Uint8Array(length))).toBeNull();
  });
});

describe('bound signatures', () => {
  const seed = new Uint8Array(32).fill(1);
  const message = {
    tag: DOMAIN_TAGS.authorSignature,
    context: { chainId: 'chain-1' },
    items: [utf8('pid'), 5],
  } as const;

  it('verify for what they were made', () => {
    const signature = signBound(seed, message);
    expect(verifyBound({ publicKey: publicKey(seed), signature }, message)).toBe(true);
  });

  test.each([
    ['another chain', { ...message, context: { chainId: 'chain-2' } }],
    ['another purpose', { ...message, tag: DOMAIN_TAGS.visitAuthorisation }],
    ['another item', { ...message, items: [utf8('pid'), 6] }],
    ['an item less', { ...message, items: [utf8('pid')] }],
  ])('%s is refused', (_, other) => {
    const signature = signBound(seed, message);
    expect(verifyBound({ publicKey: publicKey(seed), signature }, other)).toBe(false);
  });
});
