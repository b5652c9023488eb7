/** A node whose S3 is hostile or away: every trick has its problem code, and no wrong body ends well. */
import { encodeMessage } from '@yilian/api/codec';
import { ciphertextAnnouncement } from '@yilian/api/messages-institution';
import type { ProblemCode } from '@yilian/api/problem';
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Announcement } from '../../src/stores/object-store.ts';
import { type HostileProxy, s3Error, startHostileProxy } from '../services/hostile-proxy.ts';
import {
  type S3Server,
  TEST_CREDENTIALS,
  findVersitygw,
  startS3Server,
  testSettings,
} from '../services/s3-server.ts';
import { sealedObject } from './sealed-object.ts';
import { CHAIN_ID, type TestNode, randomBytes, signedHeader, startNode } from './support.ts';

const program = findVersitygw();
let server: S3Server;
let proxy: HostileProxy;
let test: TestNode;
let url: string;
let small: { readonly key: Bytes; readonly bytes: Bytes };
let large: { readonly key: Bytes; readonly bytes: Bytes };

async function put(key: Bytes, bytes: Bytes, announced: Announcement): Promise<Response> {
  const signed = test.signed(
    ROUTES.putCiphertext,
    { objectKey: key },
    encodeMessage(ciphertextAnnouncement, announced),
    test.doctor,
  );
  return fetch(`${url}${signed.url}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream', ...signedHeader(signed.bytes) },
    body: bytes.slice(),
  });
}

async function keep(length: number): Promise<{ readonly key: Bytes; readonly bytes: Bytes }> {
  const { bytes, announced } = await sealedObject(CHAIN_ID, length);
  const key = randomBytes(32);
  expect((await put(key, bytes, announced)).status).toBe(201);
  return { key, bytes };
}

/** Problem code, `whole`, `other bytes`, or `broken off`. */
async function outcome({ key, bytes }: { key: Bytes; bytes: Bytes }): Promise<string> {
  const answer = await fetch(`${url}/v1/ciphertexts/${toHex(key)}`);
  if (!answer.ok) return ((await answer.json()) as { code: string }).code;
  try {
    const body = Buffer.from(await answer.arrayBuffer());
    return body.equals(bytes) ? 'whole' : 'other bytes';
  } catch {
    return 'broken off';
  }
}

const isRead = ({ method, path }: { method: string; path: string }): boolean =>
  method === 'GET' && /^[0-9a-f]{2}\/[0-9a-f]{64}/.test(path);

describe.skipIf(program === null)('a node on a hostile S3', () => {
  beforeAll(async () => {
    server = await startS3Server(program ?? '');
    proxy = await startHostileProxy(server);
    test = await startNode(
      { objectBytesMax: 10_000_000 },
      testSettings(proxy.endpoint, 'node/', {
        retries: 1,
        limits: { answerMs: 400, bytesPerSecondMin: 4_000_000 },
      }),
    );
    url = `http://127.0.0.1:${await test.node.http.listen('127.0.0.1', 0)}`;
    small = await keep(5_000);
    large = await keep(4_000_000);
  });
  afterEach(() => proxy.behave());
  afterAll(async () => {
    await test.stop();
    await proxy.stop();
    await server.stop();
  });

  it('serves what it keeps while the store is honest', async () => {
    expect(await outcome(small)).toBe('whole');
    expect(await outcome(large)).toBe('whole');
  });

  it.each<[string, ReturnType<typeof s3Error> | 'silence', ProblemCode]>([
    ['500', s3Error(500, 'InternalError'), 'storeUnavailable'],
    ['503', s3Error(503, 'SlowDown'), 'storeUnavailable'],
    ['403', s3Error(403, 'AccessDenied'), 'storeRefused'],
    ['silence', 'silence', 'storeTimedOut'],
    ['no object', s3Error(404, 'NoSuchKey'), 'ciphertextLost'],
    ['no bucket', s3Error(404, 'NoSuchBucket'), 'storeUnavailable'],
  ])('answers %s with its problem', async (_what, answer, code) => {
    for (const record of [small, large]) {
      proxy.behave({ instead: (request) => (isRead(request) ? answer : undefined) });
      expect(await outcome(record)).toBe(code);
    }
  });

  it('answers altered bytes with a problem, or breaks off when it is late for one', async () => {
    proxy.behave({
      onAnswer: (request, answer) => {
        if (!isRead(request) || answer.status !== 206) return answer;
        const body = Buffer.from(answer.body);
        body[body.length - 9] = (body[body.length - 9] ?? 0) ^ 1;
        return { ...answer, body };
      },
    });
    expect(await outcome(small)).toBe('ciphertextDamaged');
    expect(['ciphertextDamaged', 'broken off']).toContain(await outcome(large));
    const metrics = await fetch(`${url}/metrics`).then((answer) => answer.text());
    expect(metrics).toMatch(/^yilian_store_objects_damaged 2$/m);
    proxy.behave();
    expect(await outcome(small)).toBe('whole');
    expect(await outcome(large)).toBe('whole');
  });

  it('attests nothing of an upload that the store does not take', async () => {
    proxy.behave({
      instead: ({ method, path }) =>
        method === 'PUT' && path !== 'format' ? s3Error(503, 'SlowDown') : undefined,
    });
    const { bytes, announced } = await sealedObject(CHAIN_ID, 1000);
    const answer = await put(randomBytes(32), bytes, announced);
    expect(answer.status).toBe(503);
    expect(((await answer.json()) as { code: string }).code).toBe('storeUnavailable');
  });

  it('starts, orders and answers while its store is away, and serves when it is back', async () => {
    await server.kill();
    await test.restart();
    url = `http://127.0.0.1:${await test.node.http.listen('127.0.0.1', 0)}`;
    expect((await fetch(`${url}/v1/status`)).status).toBe(200);
    expect(await outcome(small)).toBe('storeUnavailable');
    await server.start();
    expect(await outcome(small)).toBe('whole');
  });

  it('writes neither credentials nor object keys into its log', () => {
    const text = test.log();
    for (const secret of [TEST_CREDENTIALS.secretKey, TEST_CREDENTIALS.accessKey, toHex(small.key)])
      expect(text).not.toContain(secret);
  });
});
