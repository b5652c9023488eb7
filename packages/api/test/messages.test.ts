import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encode } from '@yilian/crypto/cbor';
import { publicKey, sign, verifySignature } from '@yilian/crypto/signature';
import { encodeMessage, parseMessage } from '../src/codec.ts';
import {
  accessRequestCommitment,
  accessRequestPost,
  reEncryptionPost,
  searchPost,
} from '../src/messages-access.ts';
import { submitted } from '../src/messages-chain.ts';
import { ciphertextAnnouncement, epochKeyPost } from '../src/messages-institution.ts';
import { blobName, grantIdParameter, heightOrLatest, nibblePrefix } from '../src/parameter.ts';
import { buildTarget, parseParameters } from '../src/route.ts';
import { ROUTES } from '../src/routes.ts';
import {
  fromRequestHeader,
  parseSignedRequest,
  requestMessage,
  signRequest,
  toRequestHeader,
} from '../src/signed-request.ts';
import { openAccess, openNarrowing, sealAccess, sealNarrowing } from '../src/sealed-documents.ts';
import { toGrantId } from '@yilian/crypto/ids';

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const fill = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

describe('messages', () => {
  it('read back what they wrote', () => {
    fc.assert(
      fc.property(bytes(16), fc.nat(), (grantId, number) => {
        const value = { grantId, number };
        const parsed = parseMessage(reEncryptionPost, encodeMessage(reEncryptionPost, value), 1024);
        expect(parsed).toEqual({ ok: true, value });
      }),
    );
  });

  it('never throw on bytes from outside', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        for (const codec of [
          reEncryptionPost,
          searchPost,
          accessRequestPost,
          epochKeyPost,
          submitted,
        ])
          expect(typeof parseMessage<unknown>(codec, noise, 4096).ok).toBe('boolean');
      }),
    );
  });

  it.each([
    ['a shorter grant id', [fill(15, 1), 1]],
    ['a negative number', [fill(16, 1), -1]],
    ['a number as text', [fill(16, 1), '1']],
    ['one field too many', [fill(16, 1), 1, null]],
    ['one field too few', [fill(16, 1)]],
    ['no array', 'text'],
  ])('refuse %s as malformed', (_why, value) => {
    expect(parseMessage(reEncryptionPost, encode(value as never), 1024)).toEqual({
      ok: false,
      fault: 'malformed',
    });
  });

  it('API-1 refuse another encoding of the same value', () => {
    const canonical = encodeMessage(reEncryptionPost, { grantId: fill(16, 1), number: 5 });
    // 5 as a two-byte integer: the same value, another encoding.
    const longer = new Uint8Array([...canonical.subarray(0, -1), 0x18, 5]);
    expect(parseMessage(reEncryptionPost, longer, 1024)).toEqual({
      ok: false,
      fault: 'notCanonical',
    });
    const indefinite = new Uint8Array([0x9f, ...canonical.subarray(1), 0xff]);
    expect(parseMessage(reEncryptionPost, indefinite, 1024).ok).toBe(false);
  });

  it('refuse what is longer than the limit before decoding it', () => {
    expect(parseMessage(searchPost, new Uint8Array(2000), 1000)).toEqual({
      ok: false,
      fault: 'tooLarge',
    });
  });

  it('refuse a list longer than its bound', () => {
    const value = { grantId: fill(16, 1), tokens: Array.from({ length: 513 }, () => fill(1, 1)) };
    expect(parseMessage(searchPost, encodeMessage(searchPost, value), 1 << 20)).toEqual({
      ok: false,
      fault: 'tooLarge',
    });
  });

  it('refuse an unknown variant', () => {
    expect(parseMessage(submitted, encode(['lost', [fill(32, 1)]]), 1024).ok).toBe(false);
  });

  it('bind the commitment of a request to its handle and its sealed bytes', () => {
    const context = { chainId: 'c' };
    const base = accessRequestCommitment(context, { handle: fill(32, 1), sealed: fill(40, 2) });
    expect(
      accessRequestCommitment(context, { handle: fill(32, 3), sealed: fill(40, 2) }),
    ).not.toEqual(base);
    expect(
      accessRequestCommitment(context, { handle: fill(32, 1), sealed: fill(40, 3) }),
    ).not.toEqual(base);
    expect(
      accessRequestCommitment({ chainId: 'd' }, { handle: fill(32, 1), sealed: fill(40, 2) }),
    ).not.toEqual(base);
  });

  it('keep an announcement’s length an integer', () => {
    const value = { headerHash: fill(32, 1), digest: fill(32, 2), length: 2 ** 40 };
    expect(
      parseMessage(ciphertextAnnouncement, encodeMessage(ciphertextAnnouncement, value), 1024),
    ).toEqual({ ok: true, value });
  });
});

describe('parameters', () => {
  it('API-2 build and read a path', () => {
    const grantId = fill(16, 0xab);
    const { path, search } = buildTarget(ROUTES.getGrantEvents, { grantId }, { from: 7 });
    expect(path).toBe(`/v1/grants/${'ab'.repeat(16)}/events`);
    expect(search).toBe('?from=7');
    expect(parseParameters(ROUTES.getGrantEvents.params, () => 'ab'.repeat(16))).toEqual({
      grantId,
    });
    expect(buildTarget(ROUTES.getGrantEvents, { grantId }).search).toBe('');
  });

  it.each([
    'AB'.repeat(16),
    'ab'.repeat(15),
    `${'ab'.repeat(16)}00`,
    '../../etc/passwd',
    '',
    '%2e%2e',
  ])('refuse %j as a grant id', (raw) => {
    expect(grantIdParameter.parse(raw)).toBeNull();
  });

  it.each(['-1', '01', '1e3', ' 1', 'newest', ''])('API-2 refuse %j as a height', (raw) => {
    expect(heightOrLatest.parse(raw)).toBeNull();
  });

  it('name the empty prefix', () => {
    expect(nibblePrefix.parse('-')).toBe('');
    expect(nibblePrefix.format('')).toBe('-');
    expect(nibblePrefix.parse('xyz')).toBeNull();
  });

  it.each(['share-0', 'share-256', 'share-01', 'share-', 'Copy', 'copy/..'])(
    'refuse %j as a blob',
    (raw) => {
      expect(blobName.parse(raw)).toBeNull();
    },
  );
});

describe('signed requests', () => {
  const seed = fill(32, 9);
  const claim = {
    receiver: fill(32, 1),
    target: 'POST /v1/search',
    timeSeconds: 1_700_000_000,
    nonce: fill(16, 2),
    body: fill(10, 3),
  };
  const signed = signRequest(
    { chainId: 'c' },
    { ...claim, key: publicKey(seed), sign: (message) => sign(seed, message) },
  );

  it('API-6 read back, and their signature holds', () => {
    const request = parseSignedRequest(signed, 4096);
    expect(request.claim).toEqual({ chainId: 'c', ...claim });
    expect(
      verifySignature({
        publicKey: request.key,
        message: requestMessage(request.claim),
        signature: request.signature,
      }),
    ).toBe(true);
    expect(fromRequestHeader(toRequestHeader(signed))).toEqual(Uint8Array.from(signed));
  });

  it('API-6 mean nothing when any byte of the claim differs', () => {
    const request = parseSignedRequest(signed, 4096);
    for (const changed of [
      { ...request.claim, receiver: fill(32, 7) },
      { ...request.claim, target: 'POST /v1/requests' },
      { ...request.claim, timeSeconds: claim.timeSeconds + 1 },
      { ...request.claim, nonce: fill(16, 7) },
      { ...request.claim, body: fill(10, 7) },
      { ...request.claim, chainId: 'd' },
    ])
      expect(
        verifySignature({
          publicKey: request.key,
          message: requestMessage(changed),
          signature: request.signature,
        }),
      ).toBe(false);
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    [
      'another tag',
      encode([['X', 'c', fill(32, 1), 't', 1, fill(16, 1), fill(1, 1)], fill(32, 1), fill(64, 1)]),
    ],
    ['two parts', encode([[], fill(32, 1)])],
    [
      'a short key',
      encode([
        ['YILIAN-V1-HTTP-REQUEST', 'c', fill(32, 1), 't', 1, fill(16, 1), fill(1, 1)],
        fill(31, 1),
        fill(64, 1),
      ]),
    ],
  ])('refuse %s', (_why, noise) => {
    expect(() => parseSignedRequest(noise, 4096)).toThrow();
  });

  it('refuse a lenient base64url header', () => {
    expect(() => fromRequestHeader('AB=')).toThrow();
    expect(() => fromRequestHeader('A+')).toThrow();
  });
});

describe('sealed documents', () => {
  const context = { chainId: 'c', suite: 'intl' } as const;
  const grantId = toGrantId(fill(16, 4));
  const access = { salt: fill(32, 5), grantId, nonce: fill(16, 6) };
  const purpose = { recordId: fill(32, 7), label: 2, purpose: 'referral' };

  it('open an access under its own salt, grant and nonce only', () => {
    const sealed = sealAccess(context, access, purpose);
    expect(sealed.length).toBeLessThanOrEqual(512);
    expect(openAccess(context, access, sealed)).toEqual(purpose);
    expect(openAccess(context, { ...access, salt: fill(32, 1) }, sealed)).toBeNull();
    expect(openAccess(context, { ...access, nonce: fill(16, 1) }, sealed)).toBeNull();
    expect(openAccess(context, { ...access, grantId: toGrantId(fill(16, 1)) }, sealed)).toBeNull();
    expect(openAccess({ chainId: 'd', suite: 'intl' }, access, sealed)).toBeNull();
    expect(openAccess(context, access, sealed.subarray(1))).toBeNull();
  });

  it('keep the longest purpose within what the ledger takes', () => {
    const longest = { ...purpose, label: 15, purpose: '病'.repeat(100) };
    expect(sealAccess(context, access, longest).length).toBeLessThanOrEqual(512);
  });

  it('open a narrowing of its own grant only', () => {
    const narrowing = { grantId, labels: [0], records: null };
    const sealed = sealNarrowing(context, { salt: access.salt, nonce: fill(16, 8), narrowing });
    expect(openNarrowing(context, { salt: access.salt, grantId, sealed })).toEqual(narrowing);
    expect(openNarrowing(context, { salt: fill(32, 1), grantId, sealed })).toBeNull();
    expect(
      openNarrowing(context, { salt: access.salt, grantId: toGrantId(fill(16, 1)), sealed }),
    ).toBeNull();
    expect(
      openNarrowing(context, { salt: access.salt, grantId, sealed: sealed.subarray(0, 10) }),
    ).toBeNull();
  });
});
