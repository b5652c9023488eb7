import { assert, property, uint8Array } from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Bytes } from '@yilian/crypto/bytes';
import {
  type Certificate,
  type CertificateSubject,
  encodeCertificate,
  encodeCertificateRequest,
  parseCertificate,
  parseCertificateRequest,
} from '../src/certificate.ts';
import { LIMITS } from '../src/sizes.ts';

const SUBJECT: CertificateSubject = {
  name: '陈医生',
  role: 'doctor',
  institution: 'community-1',
  operator: 'community-1',
  signingKey: new Uint8Array(32).fill(1),
  hpkeKey: new Uint8Array(32).fill(2),
  patientKey: null,
  licence: 'L-1',
  profiles: [],
};

function certificateOf(change: Partial<CertificateSubject> = {}): Certificate {
  return {
    content: {
      chainId: 'a-chain',
      serial: new Uint8Array(16).fill(3),
      subject: { ...SUBJECT, ...change },
      notBefore: 1_700_000_000,
      notAfter: 1_800_000_000,
    },
    signature: new Uint8Array(64).fill(4),
  };
}

const forms: readonly (readonly [string, Bytes, (bytes: Bytes) => { readonly ok: boolean }])[] = [
  ['a certificate', encodeCertificate(certificateOf()), parseCertificate],
  [
    'a request for one',
    encodeCertificateRequest({
      subject: SUBJECT,
      signature: new Uint8Array(64).fill(5),
      possession: null,
    }),
    parseCertificateRequest,
  ],
];

describe.each(forms)('%s from outside', (_name, bytes, parse) => {
  test('reads back what was written', () => {
    expect(parse(bytes).ok).toBe(true);
  });

  test('cut short anywhere, or with something behind, is refused', () => {
    for (let length = 0; length < bytes.length; length++)
      expect(parse(bytes.subarray(0, length)).ok, `${length} bytes`).toBe(false);
    expect(parse(Uint8Array.of(...bytes, 0)).ok).toBe(false);
  });

  test('of any bytes is refused with a value and never throws', () => {
    assert(
      property(uint8Array({ maxLength: 400 }), (noise) => {
        expect(parse(noise).ok).toBe(false);
      }),
    );
  });

  test('with any byte changed is refused or says something else, never the same', () => {
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      const parsed = parse(changed);
      if (parsed.ok) expect(parsed).not.toEqual(parse(bytes));
    }
  });

  test('longer than the limit is refused before it is decoded', () => {
    expect(parse(new Uint8Array(LIMITS.certificateBytesMax + 1)).ok).toBe(false);
  });
});

describe('a subject that no centre would sign', () => {
  test.each<[string, Partial<CertificateSubject>]>([
    ['a key of another length', { signingKey: new Uint8Array(31) }],
    ['a patient key of another length', { patientKey: new Uint8Array(96) }],
    ['no name', { name: '' }],
    ['a name with control characters', { name: 'a\u0000b' }],
    ['a name of 129 characters', { name: 'n'.repeat(129) }],
    ['an institution in capitals', { institution: 'Community 1' }],
  ])('%s is refused', (_why, change) => {
    const refused = (): boolean => {
      try {
        return !parseCertificate(encodeCertificate(certificateOf(change))).ok;
      } catch {
        // It cannot even be written.
        return true;
      }
    };
    expect(refused()).toBe(true);
  });
});
