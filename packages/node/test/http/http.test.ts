import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeMessage, parseMessage } from '@yilian/api/codec';
import { anchorDocument, statusDocument } from '@yilian/api/documents';
import { reEncryptionPost } from '@yilian/api/messages-access';
import {
  certifiedHeader,
  provenAnswer,
  provenLogEntry,
  submitted,
} from '@yilian/api/messages-chain';
import { ciphertextAnnouncement, storageAttestation } from '@yilian/api/messages-institution';
import { PROBLEMS, parseProblem } from '@yilian/api/problem';
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import {
  paddedRequestAccess,
  encodeTransaction,
  signTransaction,
  transactionId,
} from '@yilian/ledger/transaction-codec';
import { decodeSignedHeader } from '@yilian/consensus/header';
import {
  parseLogAnswer,
  parseSubtreeAnswer,
  verifyLogAnswer,
  verifySubtreeAnswer,
} from '@yilian/ledger/answers';
import { parseLogLeaf } from '@yilian/ledger/log-leaf';
import type { LightMyRequestResponse } from 'fastify';
import {
  CHAIN_ID,
  ORIGIN,
  type TestNode,
  makeKeys,
  post,
  randomBytes,
  signedHeader,
  startNode,
  until,
} from './support.ts';

let test: TestNode;

beforeAll(async () => {
  test = await startNode();
  // The node's first key is on chain: there are transactions and a header above them.
  await until(() => test.node.services.chain.nodeKeys(test.id).length > 0);
  await until(() => test.node.ordering.latest().height > 2n);
});
afterAll(async () => {
  await test.stop();
});

function codeOf(response: LightMyRequestResponse): string {
  expect(response.headers['content-type']).toBe('application/problem+json');
  const problem = parseProblem(response.json());
  if (problem === null) throw new Error(`no problem of ours: ${response.body}`);
  const { status, title, detail } = PROBLEMS[problem.code];
  // The shape is constant: nothing of the request is in it.
  expect(response.json()).toMatchObject({ status, title, detail, code: problem.code });
  expect(response.statusCode).toBe(status);
  return problem.code;
}

function request(expiryHeight = 1000): { readonly bytes: Bytes; readonly id: Bytes } {
  const unsigned = paddedRequestAccess({
    chainId: CHAIN_ID,
    commitment: randomBytes(32),
    sender: test.doctor.key,
    nonce: randomBytes(16),
    expiryHeight,
  });
  return {
    bytes: encodeTransaction(signTransaction(unsigned, [test.doctor])),
    id: transactionId(unsigned),
  };
}

const parse = <T>(
  codec: Parameters<typeof parseMessage<T>>[0],
  response: LightMyRequestResponse,
): T => {
  const parsed = parseMessage(codec, new Uint8Array(response.rawPayload), 1 << 24);
  if (!parsed.ok) throw new Error(`${parsed.fault}: ${response.body.slice(0, 200)}`);
  return parsed.value;
};

describe('answers', () => {
  it('JSON documents have their schemas’ form', async () => {
    const anchor = await test.inject({ url: '/v1/anchor' });
    expect(anchorDocument.parse(anchor.json()).chainId).toBe(CHAIN_ID);
    const status = statusDocument.parse((await test.inject({ url: '/v1/status' })).json());
    expect(status.node).toBe(toHex(test.id));
    expect(status.services).toContain('registration');
  });

  it('API-3 API-4 a submitted transaction becomes final and its receipt verifies under the next header', async () => {
    const { bytes, id } = request();
    const final = parse(submitted, await test.inject(post('/v1/transactions?wait=final', bytes)));
    expect(final).toMatchObject({ kind: 'final', id, outcome: 'ok' });
    const url = `/v1/transactions/${toHex(id)}/receipt`;
    await until(
      () => test.node.ordering.latest().height > (final.kind === 'final' ? final.height : 0n),
    );
    const receipt = parse(provenLogEntry, await test.inject({ url }));
    const { header } = decodeSignedHeader(receipt.header);
    const answer = parseLogAnswer(receipt.answer);
    expect(verifyLogAnswer(header.appHash, answer)).toBe(true);
    expect(toHex(parseLogLeaf(answer.leaf).transaction)).toBe(toHex(id));
    expect(receipt.transaction).toEqual(bytes.slice());
  });

  it('API-4 a state subtree verifies under the header it comes with', async () => {
    const proven = parse(provenAnswer, await test.inject({ url: '/v1/state/-' }));
    const { header } = decodeSignedHeader(proven.header);
    expect(verifySubtreeAnswer(header.appHash, '', parseSubtreeAnswer(proven.answer))).toBe(true);
  });

  it('headers come with certificates', async () => {
    const latest = parse(certifiedHeader, await test.inject({ url: '/v1/headers/latest' }));
    expect(decodeSignedHeader(latest.header).header.chainId).toBe(CHAIN_ID);
    expect(latest.certificate.length).toBeGreaterThan(64);
  });

  it('health, readiness, metrics and the contract are served', async () => {
    expect((await test.inject({ url: '/healthz' })).json()).toEqual({ status: 'ok' });
    expect((await test.inject({ url: '/readyz' })).statusCode).toBe(200);
    expect((await test.inject({ url: '/metrics' })).body).toMatch(/yilian_height \d+/);
    expect((await test.inject({ url: '/openapi.json' })).json()).toMatchObject({
      openapi: '3.1.0',
    });
  });

  it('carry security headers and a request id', async () => {
    const { headers } = await test.inject({ url: '/v1/status' });
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('bad input', () => {
  const zeros = '00'.repeat(32);
  it.each<[string, string]>([
    ['/v1/nothing', 'notFound'],
    ['/', 'notFound'],
    ['/v1/headers/999999', 'notFound'],
    ['/v1/headers/-1', 'malformed'],
    ['/v1/headers/01', 'malformed'],
    ['/v1/headers?from=x', 'malformed'],
    ['/v1/headers', 'malformed'],
    ['/v1/headers?from=1&count=101', 'malformed'],
    ['/v1/headers?from=1&from=2', 'malformed'],
    ['/v1/state/XYZ', 'malformed'],
    ['/v1/log/99999999', 'notFound'],
    ['/v1/log/ranges/9/0', 'malformed'],
    ['/v1/log/ranges/8/9007199254740991', 'malformed'],
    [`/v1/transactions/${zeros}/receipt`, 'notFound'],
    [`/v1/transactions/${zeros.toUpperCase().replaceAll('0', 'A')}/receipt`, 'malformed'],
    [`/v1/grants/${'00'.repeat(16)}/events`, 'grantUnknown'],
    [`/v1/grants/${'00'.repeat(16)}/blobs/copy`, 'blobUnknown'],
    [`/v1/grants/${'00'.repeat(16)}/blobs/share-1`, 'blobUnknown'],
    [`/v1/ciphertexts/${zeros}`, 'ciphertextUnknown'],
    ['/v1/ciphertexts/..%2f..%2fkeys.json', 'malformed'],
    ['/v1/ciphertexts/%2e%2e', 'notFound'],
    [`/v1/ciphertexts/${'a'.repeat(500)}`, 'malformed'],
    ['/v1/members/%00/certificate', 'malformed'],
    ['/v1/lists/everything?from=0', 'malformed'],
    ['/v1/lists/epoch-records', 'malformed'],
  ])('API-2 GET %s is %s', async (url, code) => {
    expect(codeOf(await test.inject({ url }))).toBe(code);
  });

  it('API-5 every failure has one form, and quotes nothing of the request', async () => {
    const secret = 'a-name-that-nobody-should-see';
    const answers = await Promise.all([
      test.inject({ url: `/v1/${secret}` }),
      test.inject({ url: `/v1/state/${secret}` }),
      test.inject(post('/v1/transactions', new TextEncoder().encode(secret))),
      test.inject({ method: 'DELETE', url: `/v1/transactions?${secret}` }),
    ]);
    for (const answer of answers) {
      expect(answer.headers['content-type']).toBe('application/problem+json');
      const problem = answer.json<Record<string, unknown>>();
      const more = problem['code'] === 'refused' ? ['rejection'] : [];
      const form = ['code', 'detail', 'status', 'title', 'type', ...more].sort();
      expect(Object.keys(problem).sort()).toEqual(form);
      expect(problem['status']).toBe(answer.statusCode);
      expect(answer.payload).not.toContain(secret);
    }
  });

  it('another method on a known path is methodNotAllowed', async () => {
    const response = await test.inject({ method: 'DELETE', url: '/v1/transactions' });
    expect(codeOf(response)).toBe('methodNotAllowed');
    expect(response.headers['allow']).toBe('POST');
  });

  it.each<[string, Bytes, string, string]>([
    ['noise', randomBytes(100), 'malformed', 'refused'],
    ['an empty body', new Uint8Array(0), 'malformed', 'malformed'],
    ['a body longer than the limit', new Uint8Array(70_000), 'tooLarge', 'tooLarge'],
  ])('%s as a transaction is refused', async (_why, body, first, second) => {
    expect([first, second]).toContain(codeOf(await test.inject(post('/v1/transactions', body))));
  });

  it('JSON and no content type are refused where CBOR is asked for', async () => {
    const headers = { 'content-type': 'application/json' };
    expect(
      codeOf(
        await test.inject({
          method: 'POST',
          url: '/v1/transactions',
          headers,
          payload: '{"a":1,"a":2}',
        }),
      ),
    ).toBe('unsupportedMediaType');
    expect(
      codeOf(await test.inject({ method: 'POST', url: '/v1/search', headers, payload: '{' })),
    ).toBe('unsupportedMediaType');
  });

  it('a transaction of another signer, chain or time is refused with the ledger’s code', async () => {
    const { bytes } = request();
    const altered = bytes.slice();
    altered[altered.length - 1] = (altered[altered.length - 1] ?? 0) ^ 1;
    const forged = await test.inject(post('/v1/transactions', altered));
    expect(codeOf(forged)).toBe('refused');
    expect(forged.json()).toMatchObject({ rejection: 'signatureInvalid' });
    const late = await test.inject(post('/v1/transactions', request(999_999).bytes));
    expect(late.json()).toMatchObject({ code: 'refused', rejection: 'expiryTooFar' });
  });

  it('the same transaction twice is a duplicate', async () => {
    const { bytes } = request();
    expect((await test.inject(post('/v1/transactions?wait=final', bytes))).statusCode).toBe(202);
    expect(codeOf(await test.inject(post('/v1/transactions', bytes)))).toBe('duplicate');
  });
});

describe('signed requests', () => {
  const body = encodeMessage(reEncryptionPost, { grantId: randomBytes(16), number: 1 });
  const send = async (
    change: Parameters<TestNode['signed']>[4] = {},
    signer = test.doctor,
    sent = body,
  ): Promise<LightMyRequestResponse> => {
    const { url, bytes } = test.signed(ROUTES.postReEncryption, {}, sent, signer, change);
    return test.inject(post(url, bytes));
  };

  it('a good one reaches the service', async () => {
    expect(codeOf(await send())).toBe('grantUnknown');
  });

  it('API-7 a replayed one is refused', async () => {
    const nonce = randomBytes(16);
    expect(codeOf(await send({ nonce }))).toBe('grantUnknown');
    expect(codeOf(await send({ nonce }))).toBe('replayed');
    // Somebody else's same nonce is another matter: nobody can use up another's nonces.
    expect(codeOf(await send({ nonce }, makeKeys()))).toBe('unknownMember');
  });

  it.each<[string, () => Promise<LightMyRequestResponse>, string]>([
    ['for another node', () => send({ receiver: randomBytes(32) }), 'wrongReceiver'],
    ['for another route', () => send({ target: 'POST /v1/search' }), 'wrongReceiver'],
    ['for another chain', () => send({ chainId: 'other' }), 'wrongReceiver'],
    [
      'of two minutes ago',
      () => send({ timeSeconds: Math.floor(Date.now() / 1000) - 120 }),
      'requestExpired',
    ],
    [
      'of in two minutes',
      () => send({ timeSeconds: Math.floor(Date.now() / 1000) + 120 }),
      'requestExpired',
    ],
    ['by nobody’s key', () => send({}, makeKeys()), 'unknownMember'],
    [
      'with another’s signature',
      () => send({}, { ...test.doctor, sign: (message: Bytes) => makeKeys().sign(message) }),
      'badSignature',
    ],
    ['with a malformed body inside', () => send({}, test.doctor, randomBytes(20)), 'malformed'],
    [
      'without signature around the body',
      () => test.inject(post('/v1/re-encryptions', body)),
      'malformed',
    ],
  ])('API-6 one %s is refused', async (_why, make, code) => {
    expect(codeOf(await make())).toBe(code);
  });

  it('an inbox is read by its handle only', async () => {
    const handle = makeKeys();
    const params = { handle: handle.key };
    const own = test.signed(ROUTES.getInbox, params, new Uint8Array(0), handle);
    expect((await test.inject({ url: own.url, headers: signedHeader(own.bytes) })).statusCode).toBe(
      200,
    );
    const foreign = test.signed(ROUTES.getInbox, params, new Uint8Array(0), test.doctor);
    expect(
      codeOf(await test.inject({ url: foreign.url, headers: signedHeader(foreign.bytes) })),
    ).toBe('notPermitted');
    expect(codeOf(await test.inject({ url: own.url }))).toBe('badSignature');
    expect(
      codeOf(await test.inject({ url: own.url, headers: { 'yilian-request': '=not base64=' } })),
    ).toBe('malformed');
  });
});

describe('ciphertexts', () => {
  const put = async (
    bytes: Bytes,
    announced: Parameters<
      typeof encodeMessage<{ headerHash: Bytes; digest: Bytes; length: number }>
    >[1],
    signer = test.doctor,
    key = randomBytes(32),
  ): Promise<LightMyRequestResponse> => {
    const body = encodeMessage(ciphertextAnnouncement, announced);
    const { url, bytes: signed } = test.signed(
      ROUTES.putCiphertext,
      { objectKey: key },
      body,
      signer,
    );
    return test.inject({
      method: 'PUT',
      url,
      headers: { 'content-type': 'application/octet-stream', ...signedHeader(signed) },
      payload: Buffer.from(bytes),
    });
  };

  it('API-12 bytes that are not what was announced are refused', async () => {
    const bytes = randomBytes(1000);
    const announced = { headerHash: randomBytes(32), digest: randomBytes(32), length: 1000 };
    expect(codeOf(await put(bytes, announced))).toBe('digestMismatch');
    expect(codeOf(await put(bytes, { ...announced, length: 900 }))).toBe('digestMismatch');
    expect(codeOf(await put(bytes, announced, makeKeys()))).toBe('unknownMember');
    expect(codeOf(await put(bytes, { ...announced, length: -1 }))).toBe('malformed');
  });

  it('more than the store takes is refused', async () => {
    const big = new Uint8Array(1_100_000);
    expect(
      codeOf(
        await put(big, {
          headerHash: randomBytes(32),
          digest: randomBytes(32),
          length: big.length,
        }),
      ),
    ).toBe('tooLarge');
  });

  it('API-12 a record goes in, is attested, and comes out whole and in ranges', async () => {
    const { sealedObject } = await import('./sealed-object.ts');
    const { bytes, announced } = await sealedObject(CHAIN_ID, 50_000);
    const key = randomBytes(32);
    const response = await put(bytes, announced, test.doctor, key);
    expect(response.statusCode).toBe(201);
    expect(parse(storageAttestation, response).signature).toHaveLength(64);
    const url = `/v1/ciphertexts/${toHex(key)}`;
    const whole = await test.inject({ url });
    expect(new Uint8Array(whole.rawPayload)).toEqual(bytes);
    const part = await test.inject({ url, headers: { range: 'bytes=10-19' } });
    expect(part.statusCode).toBe(206);
    expect(part.headers['content-range']).toBe(`bytes 10-19/${bytes.length}`);
    expect(new Uint8Array(part.rawPayload)).toEqual(bytes.subarray(10, 20));
    for (const range of ['bytes=99999999-', 'bytes=5-1', 'bytes=-', 'bytes=1-2,4-5', 'chunks=1-2'])
      expect(codeOf(await test.inject({ url, headers: { range } })), range).toBe(
        'rangeNotSatisfiable',
      );
    expect(
      codeOf(await put(bytes, { ...announced, digest: randomBytes(32) }, test.doctor, key)),
    ).toBe('alreadyStored');
  });
});

describe('pages of other origins', () => {
  it('API-13 the configured one may call, others may not', async () => {
    const allowed = await test.inject({ url: '/v1/status', headers: { origin: ORIGIN } });
    expect(allowed.headers['access-control-allow-origin']).toBe(ORIGIN);
    for (const origin of ['http://evil.example', 'null', `${ORIGIN}.evil.example`]) {
      const response = await test.inject({ url: '/v1/status', headers: { origin } });
      expect(codeOf(response)).toBe('originNotAllowed');
      expect(response.headers['access-control-allow-origin']).toBeUndefined();
    }
  });

  it('a preflight names methods and headers', async () => {
    const response = await test.inject({
      method: 'OPTIONS',
      url: '/v1/search',
      headers: { origin: ORIGIN, 'access-control-request-method': 'POST' },
    });
    expect(response.statusCode).toBe(204);
    expect(response.headers['access-control-allow-headers']).toContain('yilian-request');
  });
});

it('the log names no path, id, key or address of anybody', async () => {
  const key = toHex(randomBytes(32));
  await test.inject({ url: `/v1/ciphertexts/${key}`, headers: { 'user-agent': 'nosy-agent' } });
  await test.inject({ url: '/v1/headers/x' });
  const text = test.log();
  expect(text).toContain('"route":"getCiphertext"');
  expect(text).not.toContain(key);
  expect(text).not.toContain('/v1/');
  expect(text).not.toContain('nosy-agent');
  expect(text).not.toContain('127.0.0.1');
  expect(text).not.toContain(toHex(test.doctor.key));
});
