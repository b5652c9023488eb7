import { describe, expect, test } from 'vitest';
import { concatBytes } from '../src/bytes.ts';
import {
  afghEncapsulate,
  type AfghKeyPair,
  afghOpenOwn,
  afghOpenReEncrypted,
  afghReEncrypt,
  createAfghKeyPair,
  createAfghReEncryptionKey,
  encodeAfghPublicKey,
  encodeAfghReEncrypted,
  encodeAfghReEncryptionKey,
  parseAfghPublicKey,
  parseAfghReEncrypted,
  parseAfghReEncryptionKey,
} from '../src/afgh.ts';
import type { Curve } from '../src/curve.ts';
import { curves, fast } from './support/curves.ts';
import { codeOf } from './support/error-code.ts';
import { chain } from './support/patient.ts';
import { randomBytes } from './support/randomness.ts';

const recordId = randomBytes(32);

function sealTo(curve: Curve, to: AfghKeyPair, level: 1 | 2): ReturnType<typeof afghEncapsulate> {
  const { publicKey } = to;
  return afghEncapsulate({ curve, context: chain, publicKey, recordId, level, randomBytes });
}

function reEncryptedKey(
  curve: Curve,
  from: AfghKeyPair,
  to: AfghKeyPair,
  reader: AfghKeyPair,
  level: 1 | 2,
): {
  readonly expected: Uint8Array;
  readonly got: Uint8Array;
} {
  const { c, slotKey } = sealTo(curve, from, level);
  const made = createAfghReEncryptionKey({
    curve,
    from: from.secretKey,
    to: to.publicKey,
    randomBytes,
  });
  const key = parseAfghReEncryptionKey(curve, encodeAfghReEncryptionKey(curve, made));
  const wire = encodeAfghReEncrypted(curve, afghReEncrypt({ curve, key, c, randomBytes }));
  const got = afghOpenReEncrypted({
    curve,
    context: chain,
    secretKey: reader.secretKey,
    publicKey: from.publicKey,
    recordId,
    answer: parseAfghReEncrypted(curve, wire),
    randomBytes,
  });
  return { expected: slotKey, got };
}

describe.each(curves)('AFGH06 on $backend', (curve) => {
  const [alice, bob, carol] = [0, 1, 2].map(() => createAfghKeyPair(curve, randomBytes)) as [
    AfghKeyPair,
    AfghKeyPair,
    AfghKeyPair,
  ];

  test('the owner opens both levels', () => {
    for (const level of [1, 2] as const) {
      const { c, slotKey } = sealTo(curve, alice, level);
      const open = (keyPair: AfghKeyPair): Uint8Array =>
        afghOpenOwn({ curve, context: chain, keyPair, recordId, level, c, randomBytes });
      expect(open(alice)).toEqual(slotKey);
      expect(open(bob)).not.toEqual(slotKey);
    }
  });

  test('the grantee opens a re-encrypted second-level ciphertext, and nobody else', () => {
    const { expected, got } = reEncryptedKey(curve, alice, bob, bob, 2);
    expect(got).toEqual(expected);
    const stolen = reEncryptedKey(curve, alice, bob, carol, 2);
    expect(stolen.got).not.toEqual(stolen.expected);
  });

  test('a first-level ciphertext cannot be re-encrypted', () => {
    const { expected, got } = reEncryptedKey(curve, alice, bob, bob, 1);
    expect(got).not.toEqual(expected);
  });

  test('unidirectional: the key from Alice to Bob does not serve Bob’s records', () => {
    const { c, slotKey } = sealTo(curve, bob, 2);
    const key = createAfghReEncryptionKey({
      curve,
      from: alice.secretKey,
      to: bob.publicKey,
      randomBytes,
    });
    const answer = afghReEncrypt({ curve, key, c, randomBytes });
    for (const reader of [alice, bob])
      for (const owner of [alice, bob])
        expect(
          afghOpenReEncrypted({
            curve,
            context: chain,
            secretKey: reader.secretKey,
            publicKey: owner.publicKey,
            recordId,
            answer,
            randomBytes,
          }),
        ).not.toEqual(slotKey);
  });
});

describe('what AFGH06 does not promise', () => {
  const curve = fast;
  const alice = createAfghKeyPair(curve, randomBytes);
  const bob = createAfghKeyPair(curve, randomBytes);

  test('one leaked rk and its grantee open every second-level ciphertext: why it is a baseline', () => {
    const { point } = createAfghReEncryptionKey({
      curve,
      from: alice.secretKey,
      to: bob.publicKey,
      randomBytes,
    });
    const g2a1 = curve.multiplyG2(point, curve.invertScalar(bob.secretKey.a2));
    const { c } = sealTo(curve, alice, 2);
    expect(curve.pairingBytes([{ g1: c, g2: g2a1 }])).toEqual(
      curve.pairingBytes([{ g1: curve.multiplyG1(c, alice.secretKey.a1), g2: curve.g2 }]),
    );
  });

  test('foreign bytes: wrong lengths, identities and GT-sized answers are refused', () => {
    const key = encodeAfghPublicKey(curve, alice.publicKey);
    expect(encodeAfghPublicKey(curve, parseAfghPublicKey(curve, key))).toEqual(key);
    expect(codeOf(() => parseAfghPublicKey(curve, key.subarray(1)))).toBe('length');
    expect(codeOf(() => parseAfghReEncrypted(curve, new Uint8Array(576)))).toBe('length');
    expect(codeOf(() => parseAfghReEncryptionKey(curve, new Uint8Array(576)))).toBe('length');
    const infinity = concatBytes(Uint8Array.of(0xc0), new Uint8Array(95));
    expect(codeOf(() => parseAfghReEncryptionKey(curve, infinity))).toBe('infinity');
    const identity = curve.multiplyG1(curve.g1, curve.scalarFromInteger(0n));
    const rk = createAfghReEncryptionKey({
      curve,
      from: alice.secretKey,
      to: bob.publicKey,
      randomBytes,
    });
    expect(codeOf(() => afghReEncrypt({ curve, key: rk, c: identity, randomBytes }))).toBe(
      'infinity',
    );
  });
});
