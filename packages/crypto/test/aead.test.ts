import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { AeadError, joinSealed, keyBytesOf, open, pureAead, seal, TAG_BYTES } from '../src/aead.ts';
import { concatBytes, fromHex, toHex } from '../src/bytes.ts';
import { hkdf } from '../src/hash.ts';
import { readVectors } from './vectors.ts';

interface GcmVectors {
  testGroups: {
    ivSize: number;
    keySize: number;
    tagSize: number;
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

interface HkdfVectors {
  testGroups: {
    tests: {
      tcId: number;
      ikm: string;
      salt: string;
      info: string;
      size: number;
      okm: string;
      result: string;
    }[];
  }[];
}

const key = new Uint8Array(32).fill(1);
const nonce = new Uint8Array(12).fill(2);
const associatedData = Uint8Array.of(3);
const plaintext = Uint8Array.of(4, 5, 6);

describe('Wycheproof AES-GCM', () => {
  it('agrees on every case with 12-byte nonces and 16- or 32-byte keys', () => {
    const { testGroups } = readVectors('wycheproof/aes_gcm_test.json') as GcmVectors;
    let seen = 0;
    for (const group of testGroups) {
      if (group.ivSize !== 96 || group.keySize === 192 || group.tagSize !== 128) continue;
      for (const known of group.tests) {
        seen += 1;
        const input = {
          key: fromHex(known.key),
          nonce: fromHex(known.iv),
          associatedData: fromHex(known.aad),
        };
        const sealed = concatBytes(fromHex(known.ct), fromHex(known.tag));
        const opened = open({ ...input, sealed });
        if (known.result === 'valid') {
          expect(opened === null ? null : toHex(opened), `${known.tcId}`).toBe(known.msg);
          expect(toHex(seal({ ...input, plaintext: fromHex(known.msg) }))).toBe(toHex(sealed));
        } else expect(opened, `${known.tcId}`).toBeNull();
      }
    }
    expect(seen).toBeGreaterThan(130);
  });

  it('refuses every other nonce and key length', () => {
    const { testGroups } = readVectors('wycheproof/aes_gcm_test.json') as GcmVectors;
    for (const group of testGroups) {
      if (group.ivSize === 96 && group.keySize !== 192) continue;
      for (const known of group.tests)
        expect(() =>
          open({
            key: fromHex(known.key),
            nonce: fromHex(known.iv),
            associatedData: fromHex(known.aad),
            sealed: concatBytes(fromHex(known.ct), fromHex(known.tag)),
          }),
        ).toThrow(AeadError);
    }
  });
});

describe('RFC 5869 and Wycheproof HKDF-SHA-256', () => {
  it('agrees on all 86 cases', () => {
    const { testGroups } = readVectors('wycheproof/hkdf_sha256_test.json') as HkdfVectors;
    let seen = 0;
    for (const known of testGroups.flatMap((group) => group.tests)) {
      seen += 1;
      const derive = (): string =>
        toHex(
          hkdf({
            ikm: fromHex(known.ikm),
            salt: fromHex(known.salt),
            info: fromHex(known.info),
            length: known.size,
          }),
        );
      if (known.result === 'valid') expect(derive(), `${known.tcId}`).toBe(known.okm);
      else expect(derive, `${known.tcId}`).toThrow(Error);
    }
    expect(seen).toBe(86);
  });
});

describe('seal and open', () => {
  it('give back any plaintext, also in parts', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(16, 32),
        fc.uint8Array({ maxLength: 100 }),
        fc.uint8Array({ maxLength: 40 }),
        (keyBytes, text, data) => {
          const input = { key: key.subarray(0, keyBytes), nonce, associatedData: data };
          const sealed = seal({ ...input, plaintext: text });
          expect(open({ ...input, sealed })).toEqual(text);
          expect(joinSealed(pureAead.sealParts({ ...input, plaintext: text }))).toEqual(sealed);
        },
      ),
    );
  });

  it('every truncated tag is refused', () => {
    const sealed = seal({ key, nonce, associatedData, plaintext });
    for (let length = 0; length < sealed.length; length++)
      expect(open({ key, nonce, associatedData, sealed: sealed.subarray(0, length) })).toBeNull();
    expect(sealed.length - plaintext.length).toBe(TAG_BYTES);
  });

  test.each([
    ['another key', { key: new Uint8Array(32) }],
    ['a key of the other size', { key: key.subarray(0, 16) }],
    ['another nonce', { nonce: new Uint8Array(12) }],
    ['other associated data', { associatedData: Uint8Array.of(4) }],
    ['a byte more', { sealed: new Uint8Array(TAG_BYTES + 4) }],
  ])('%s is refused', (_, change) => {
    const sealed = seal({ key, nonce, associatedData, plaintext });
    expect(open({ key, nonce, associatedData, sealed, ...change })).toBeNull();
  });

  it('a key or nonce of wrong length is the caller’s mistake', () => {
    expect(() => seal({ key: new Uint8Array(24), nonce, associatedData, plaintext })).toThrow(
      expect.objectContaining({ code: 'keyLength' }),
    );
    expect(() => seal({ key, nonce: new Uint8Array(16), associatedData, plaintext })).toThrow(
      expect.objectContaining({ code: 'nonceLength' }),
    );
  });

  it('suites have their key lengths', () => {
    expect([keyBytesOf('intl'), keyBytesOf('paper')]).toEqual([32, 16]);
  });
});
