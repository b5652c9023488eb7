import { afterEach, describe, expect, it } from 'vitest';
import { parseProblem } from '@yilian/api/problem';
import { ROUTES } from '@yilian/api/routes';
import { toRequestHeader } from '@yilian/api/signed-request';
import {
  encodeTransaction,
  paddedRequestAccess,
  signTransaction,
  transactionId,
} from '@yilian/ledger/transaction-codec';
import { createRateLimit } from '../../src/http/rate-limit.ts';
import {
  CHAIN_ID,
  type TestNode,
  makeKeys,
  post,
  randomBytes,
  startNode,
  until,
} from './support.ts';

let test: TestNode | undefined;
afterEach(async () => {
  await test?.stop();
  test = undefined;
});

/** Reads events until `count` have come. */
async function readEvents(
  url: string,
  count: number,
  headers: Record<string, string> = {},
): Promise<readonly { readonly id: string; readonly data: unknown }[]> {
  const abort = new AbortController();
  const response = await fetch(url, { headers, signal: abort.signal });
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const events: { id: string; data: unknown }[] = [];
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const id = /^id: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (id !== undefined && data !== undefined) events.push({ id, data: JSON.parse(data) });
    }
    if (events.length >= count) break;
  }
  abort.abort();
  return events.slice(0, count);
}

describe('rate limits', () => {
  it('API-8 give back what time gives back, and forget the quietest when there are too many', () => {
    let nowMs = 0;
    const limit = createRateLimit({ perSecond: 10, burst: 20, callersMax: 2, nowMs: () => nowMs });
    expect(limit.take('a', 20)).toBe(0);
    expect(limit.take('a', 5)).toBe(1);
    nowMs += 500;
    expect(limit.take('a', 5)).toBe(0);
    expect(limit.take('a', 1000)).toBe(2);
    expect(limit.take('b', 20)).toBe(0);
    expect(limit.take('c', 20)).toBe(0);
    expect(limit.take('a', 20)).toBe(0);
  });

  it('API-8 refuse an address that asks too much, with the time to wait', async () => {
    test = await startNode({ addressPerSecond: 5 });
    const codes: number[] = [];
    let last: unknown;
    for (let i = 0; i < 40; i++) {
      const response = await test.inject({ url: '/v1/status' });
      codes.push(response.statusCode);
      last = response.json();
    }
    expect(codes[0]).toBe(200);
    expect(codes.at(-1)).toBe(429);
    expect(parseProblem(last)).toMatchObject({ code: 'rateLimited' });
    expect(parseProblem(last)?.retryAfterSeconds).toBeGreaterThan(0);
    // Health stays visible to the one who watches.
    expect((await test.inject({ url: '/healthz' })).statusCode).toBe(200);
  });

  it('API-8 refuse a signer that asks too much, whatever its address', async () => {
    test = await startNode({ signerPerSecond: 5 });
    const handle = makeKeys();
    const codes: number[] = [];
    for (let i = 0; i < 10; i++) {
      const { url, bytes } = test.signed(
        ROUTES.getInbox,
        { handle: handle.key },
        new Uint8Array(0),
        handle,
      );
      codes.push(
        (await test.inject({ url, headers: { 'yilian-request': toRequestHeader(bytes) } }))
          .statusCode,
      );
    }
    expect(codes[0]).toBe(200);
    expect(codes.at(-1)).toBe(429);
  });
});

describe('event streams', () => {
  it('API-11 blocks come as they become final, and a reader that comes back misses none', async () => {
    test = await startNode();
    const port = await test.node.http.listen('127.0.0.1', 0);
    const base = `http://127.0.0.1:${port}/v1/blocks/events`;
    await until(() => (test?.node.ordering.latest().height ?? 0n) >= 3n);
    const replayed = await readEvents(base, 3, { 'last-event-id': '0' });
    expect(replayed.map(({ id }) => id)).toEqual(['1', '2', '3']);
    expect(replayed[0]?.data).toMatchObject({ height: '1' });
    const { doctor } = test;
    const live = readEvents(base, 1);
    const unsigned = paddedRequestAccess({
      chainId: CHAIN_ID,
      commitment: randomBytes(32),
      sender: doctor.key,
      nonce: randomBytes(16),
      expiryHeight: 1000,
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await test.inject(
      post('/v1/transactions', encodeTransaction(signTransaction(unsigned, [doctor]))),
    );
    const [event] = await live;
    expect(Number(event?.id)).toBeGreaterThan(2);
  });

  it('API-11 an inbox stream is opened by its handle, in header or query, and ends when the node stops', async () => {
    test = await startNode();
    const running = test;
    const port = await running.node.http.listen('127.0.0.1', 0);
    const handle = makeKeys();
    const { url, bytes } = running.signed(
      ROUTES.streamInbox,
      { handle: handle.key },
      new Uint8Array(0),
      handle,
    );
    const response = await fetch(
      `http://127.0.0.1:${port}${url}?request=${toRequestHeader(bytes)}`,
    );
    expect(response.status).toBe(200);
    const ended = response.text();
    const stopping = running.node.stop();
    expect(await ended).toMatch(/^retry: /);
    await stopping;
    const stranger = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => 'closed');
    expect(stranger).toBe('closed');
  });
});

it('a stopped node starts again from its disk where it was, with the keys it had', async () => {
  test = await startNode();
  const running = test;
  await until(() => running.node.services.chain.nodeKeys(running.id).length > 0);
  const { doctor } = running;
  const unsigned = paddedRequestAccess({
    chainId: CHAIN_ID,
    commitment: randomBytes(32),
    sender: doctor.key,
    nonce: randomBytes(16),
    expiryHeight: 1000,
  });
  const transaction = encodeTransaction(signTransaction(unsigned, [doctor]));
  const answered = await running.inject(post('/v1/transactions?wait=final', transaction));
  expect(answered.statusCode).toBe(202);
  const [before] = running.node.services.chain.nodeKeys(running.id);
  const { height } = running.node.ordering.latest();
  await running.restart();
  expect(running.node.ordering.latest().height).toBeGreaterThanOrEqual(height);
  expect(running.node.services.chain.transaction(transactionId(unsigned))?.outcome).toBe('ok');
  expect((await running.inject(post('/v1/transactions', transaction))).json()).toMatchObject({
    code: 'duplicate',
  });
  // The day's key is still held: shares sealed to it open, so no second one is published.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(running.node.services.chain.nodeKeys(running.id)[0]).toEqual(before);
});
