import { randomBytes } from 'node:crypto';
import { bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { hkdf, hmacSha256, sha256 } from '@yilian/crypto/hash';
import { publicKey } from '@yilian/crypto/signature';
import { describe, expect, test } from 'vitest';
import { ByteWindows } from '../src/byte-windows.ts';
import { findTraces } from '../src/qin/linkage.ts';

const context = { chainId: 'linkage-test' };
const pid = new Uint8Array(randomBytes(20));
const grantId = new Uint8Array(randomBytes(16));

function search(...planted: readonly Uint8Array[]): readonly string[] {
  const haystack = new ByteWindows();
  for (const bytes of [new Uint8Array(randomBytes(500)), ...planted])
    haystack.add(Buffer.concat([randomBytes(33), bytes, randomBytes(33)]));
  return findTraces({
    context,
    haystack,
    traces: [{ name: 'a PID', bytes: pid }],
    companions: [grantId],
  });
}

describe('the linkage search', () => {
  test('finds nothing in bytes that have nothing to do with the value', () => {
    expect(search()).toEqual([]);
  });

  test.each([
    ['the value itself', pid],
    ['its plain hash', sha256(pid)],
    ['a domain-separated hash', sha256(bindChain(DOMAIN_TAGS.recordId, context, pid))],
    ['a truncated hash', sha256(bindChain(DOMAIN_TAGS.grantBody, context, pid)).subarray(0, 20)],
    ['a hash with the grant id', sha256(bindChain(DOMAIN_TAGS.grantSalt, context, grantId, pid))],
    ['an HMAC', hmacSha256(pid, bindChain(DOMAIN_TAGS.grantTag, context))],
    [
      'a tag key derived from it (R1)',
      publicKey(hkdf({ ikm: pid, info: bindChain(DOMAIN_TAGS.grantTag, context, 1), length: 32 })),
    ],
  ])('F4 finds %s when it is planted', (_, planted) => {
    expect(search(planted)).toHaveLength(1);
  });

  test('refuses values so short that they are found by chance', () => {
    expect(() => new ByteWindows().has(new Uint8Array(15))).toThrowError(RangeError);
  });
});
