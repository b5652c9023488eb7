import { x25519 } from '@noble/curves/ed25519.js';
import { describe, expect, it, test } from 'vitest';
import { type Bytes, concatBytes, fromHex, toHex, utf8 } from '../src/bytes.ts';
import {
  deriveHpkeKeyPair,
  HPKE_OVERHEAD_BYTES,
  openWith,
  parseHpkePrivateKey,
  parseHpkePublicKey,
  sealTo,
} from '../src/hpke.ts';
import { readVectors } from './vectors.ts';

interface Rfc9180 {
  info: string;
  ikmR: string;
  pkRm: string;
  skRm: string;
  enc: string;
  encryptions: { sequence: number; pt: string; aad: string; ct: string }[];
}

interface X25519Vectors {
  testGroups: { tests: { public: string; shared: string; flags: string[] }[] }[];
}

const known = readVectors('rfc9180/x25519-hkdf-sha256-chacha20poly1305-base.json') as Rfc9180;
const seed = new Uint8Array(32).fill(5);
const info = utf8('grant 1, node 2');
const aad = utf8('aad');
const plaintext = utf8('share');

function flip(bytes: Bytes, at: number): Bytes {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

describe('RFC 9180 A.2.1', () => {
  it('derives the recipient key pair', async () => {
    const pair = await deriveHpkeKeyPair(fromHex(known.ikmR));
    expect(toHex(pair.publicKey)).toBe(known.pkRm);
    // Private keys are compared after clamping, as X25519 uses them.
    expect(toHex(x25519.getPublicKey(pair.privateKey))).toBe(known.pkRm);
    expect(toHex(x25519.getPublicKey(fromHex(known.skRm)))).toBe(known.pkRm);
  });

  it('opens the first message', async () => {
    const privateKey = parseHpkePrivateKey(fromHex(known.skRm));
    const [first] = known.encryptions;
    if (privateKey === null || first === undefined) throw new Error('vector is incomplete');
    const opened = await openWith(privateKey, {
      info: fromHex(known.info),
      aad: fromHex(first.aad),
      sealed: concatBytes(fromHex(known.enc), fromHex(first.ct)),
    });
    expect(opened === null ? null : toHex(opened)).toBe(first.pt);
  });

  test.each(known.encryptions.slice(1))(
    'message $sequence of a longer context is refused as a first one',
    async (later) => {
      const privateKey = parseHpkePrivateKey(fromHex(known.skRm));
      if (privateKey === null) throw new Error('vector is incomplete');
      const sealed = concatBytes(fromHex(known.enc), fromHex(later.ct));
      const message = { info: fromHex(known.info), aad: fromHex(later.aad), sealed };
      expect(await openWith(privateKey, message)).toBeNull();
    },
  );
});

describe('sealing to a member', () => {
  it('opens for her, and two blobs of one plaintext differ', async () => {
    const pair = await deriveHpkeKeyPair(seed);
    const first = await sealTo(pair.publicKey, { info, aad, plaintext });
    const second = await sealTo(pair.publicKey, { info, aad, plaintext });
    expect(first).toHaveLength(plaintext.length + HPKE_OVERHEAD_BYTES);
    expect(first).not.toEqual(second);
    for (const sealed of [first, second])
      expect(await openWith(pair.privateKey, { info, aad, sealed })).toEqual(plaintext);
  });

  it('an empty plaintext has a form too', async () => {
    const pair = await deriveHpkeKeyPair(seed);
    const sealed = await sealTo(pair.publicKey, { info, aad, plaintext: new Uint8Array(0) });
    expect(await openWith(pair.privateKey, { info, aad, sealed })).toEqual(new Uint8Array(0));
  });

  it('F6 refuses other info, other aad, another recipient and every changed byte', async () => {
    const pair = await deriveHpkeKeyPair(seed);
    const stranger = await deriveHpkeKeyPair(new Uint8Array(32).fill(6));
    const sealed = await sealTo(pair.publicKey, { info, aad, plaintext });
    expect(await openWith(pair.privateKey, { info: utf8('x'), aad, sealed })).toBeNull();
    expect(await openWith(pair.privateKey, { info, aad: utf8('x'), sealed })).toBeNull();
    expect(await openWith(stranger.privateKey, { info, aad, sealed })).toBeNull();
    for (let i = 0; i < sealed.length; i++)
      expect(await openWith(pair.privateKey, { info, aad, sealed: flip(sealed, i) })).toBeNull();
  });

  it('refuses every truncation', async () => {
    const pair = await deriveHpkeKeyPair(seed);
    const sealed = await sealTo(pair.publicKey, { info, aad, plaintext });
    for (let length = 0; length < sealed.length; length++) {
      const cut = sealed.subarray(0, length);
      expect(await openWith(pair.privateKey, { info, aad, sealed: cut })).toBeNull();
    }
  });
});

describe('key parsing', () => {
  it('refuses every Wycheproof key whose shared secret is all zero, and every non-canonical one', () => {
    const { testGroups } = readVectors('wycheproof/x25519_test.json') as X25519Vectors;
    const tests = testGroups.flatMap((group) => group.tests);
    const zero = tests.filter((known) => /^0+$/.test(known.shared));
    expect(zero.length).toBeGreaterThan(5);
    for (const known of zero) expect(parseHpkePublicKey(fromHex(known.public))).toBeNull();
    const nonCanonical = tests.filter((known) => known.flags.includes('NonCanonicalPublic'));
    expect(nonCanonical.length).toBeGreaterThan(5);
    for (const known of nonCanonical) expect(parseHpkePublicKey(fromHex(known.public))).toBeNull();
  });

  it('a small-order encapsulation is refused before the library sees it, and by the library too', async () => {
    const pair = await deriveHpkeKeyPair(seed);
    const sealed = new Uint8Array(80);
    expect(await openWith(pair.privateKey, { info, aad, sealed })).toBeNull();
    expect(() => x25519.getSharedSecret(pair.privateKey, new Uint8Array(32))).toThrow(Error);
  });

  it('refuses other lengths and short seeds', async () => {
    for (const length of [0, 31, 33]) {
      expect(parseHpkePublicKey(new Uint8Array(length))).toBeNull();
      expect(parseHpkePrivateKey(new Uint8Array(length))).toBeNull();
    }
    await expect(deriveHpkeKeyPair(new Uint8Array(31))).rejects.toThrow(RangeError);
  });
});
