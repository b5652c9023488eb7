import { afterEach, describe, expect, it } from 'vitest';
import { parseMessage } from '@yilian/api/codec';
import { provenLogEntry } from '@yilian/api/messages-chain';
import { LIMITS } from '@yilian/api/sizes';
import { toHex } from '@yilian/crypto/bytes';
import { parseLogAnswer } from '@yilian/ledger/answers';
import { parseLogLeaf } from '@yilian/ledger/log-leaf';
import {
  encodeTransaction,
  paddedRequestAccess,
  signTransaction,
  transactionId,
} from '@yilian/ledger/transaction-codec';
import type { UnsignedTransaction } from '@yilian/ledger/transaction';
import {
  CHAIN_ID,
  type TestNode,
  post,
  randomBytes,
  signedHeader,
  startNode,
  until,
} from './support.ts';
import { ROUTES } from '@yilian/api/routes';

let test: TestNode | undefined;
afterEach(async () => {
  await test?.stop();
  test = undefined;
});

/** A node that makes no blocks but those of the test. */
async function startQuietNode(): Promise<TestNode> {
  const started = await startNode({ heartbeatMs: 60_000 });
  // Its day key is the last thing it publishes by itself.
  await until(() => started.node.services.chain.nodeKeys(started.id).length > 0);
  await started.node.settle();
  await new Promise((resolve) => setTimeout(resolve, 200));
  return started;
}

function draft({ doctor }: TestNode): UnsignedTransaction {
  return paddedRequestAccess({
    chainId: CHAIN_ID,
    commitment: randomBytes(32),
    sender: doctor.key,
    nonce: randomBytes(16),
    expiryHeight: 1000,
  });
}

async function waiting(running: TestNode): Promise<number> {
  const { body } = await running.inject({ url: '/metrics' });
  return Number(/^\w*requests_waiting(?:\{[^}]*\})? (\d+)$/m.exec(body)?.[1]);
}

async function untilWaiting(running: TestNode, count: number): Promise<void> {
  for (const endMs = Date.now() + 10_000; (await waiting(running)) !== count;) {
    if (Date.now() > endMs) throw new Error(`never ${count} waiting`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('API-15', () => {
  it('API-15 a receipt is asked for once, before its transaction exists, and comes with its proof', async () => {
    test = await startQuietNode();
    const running = test;
    const unsigned = draft(running);
    const id = transactionId(unsigned);
    const asked = running.inject({
      url: `/v1/transactions/${toHex(id)}/receipt?within=${LIMITS.waitMsMax}`,
    });
    await untilWaiting(running, 1);
    const transaction = encodeTransaction(signTransaction(unsigned, [running.doctor]));
    await running.inject(post('/v1/transactions', transaction));
    const answered = await asked;
    expect(answered.statusCode).toBe(200);
    const receipt = parseMessage(
      provenLogEntry,
      new Uint8Array(answered.rawPayload),
      LIMITS.answerBytesMax,
    );
    if (!receipt.ok) throw new Error(receipt.fault);
    expect(receipt.value.transaction).toEqual(transaction);
    expect(parseLogLeaf(parseLogAnswer(receipt.value.answer).leaf).outcome).toBe('ok');
    expect(await waiting(running)).toBe(0);
  });

  it('a receipt that does not come in time is waitTimedOut, and nobody waits any more', async () => {
    test = await startQuietNode();
    const answered = await test.inject({
      url: `/v1/transactions/${toHex(randomBytes(32))}/receipt?within=50`,
    });
    expect(answered.statusCode).toBe(504);
    expect(answered.json()).toMatchObject({ code: 'waitTimedOut' });
    expect(await waiting(test)).toBe(0);
  });

  it('without `within` nobody waits', async () => {
    test = await startQuietNode();
    const unknown = `/v1/transactions/${toHex(randomBytes(32))}/receipt`;
    expect((await test.inject({ url: unknown })).json()).toMatchObject({ code: 'notFound' });
    const { height } = test.node.ordering.latest();
    const ahead = await test.inject({ url: `/v1/status?height=${height + 1n}` });
    expect(ahead.statusCode).toBe(503);
    expect(ahead.json()).toMatchObject({ code: 'nodeBehind' });
    expect((await test.inject({ url: `/v1/status?height=${height}` })).statusCode).toBe(200);
  });

  it('API-15 a height that the chain reaches is waited for, by signed requests too', async () => {
    test = await startQuietNode();
    const running = test;
    const next = running.node.ordering.latest().height + 1n;
    const { url, bytes } = running.signed(
      ROUTES.getInbox,
      { handle: running.doctor.key },
      new Uint8Array(0),
      running.doctor,
    );
    const asked = [
      running.inject({ url: `/v1/status?height=${next}&within=9000` }),
      running.inject({
        url: `${url}?height=${next}&within=9000`,
        headers: signedHeader(bytes),
      }),
    ];
    await untilWaiting(running, 2);
    const transaction = encodeTransaction(signTransaction(draft(running), [running.doctor]));
    await running.inject(post('/v1/transactions', transaction));
    const [status, inbox] = await Promise.all(asked);
    expect(BigInt(status?.json<{ height: string }>().height ?? 0)).toBeGreaterThanOrEqual(next);
    expect(inbox?.statusCode).toBe(200);
  });

  it.each(['within=10001', 'within=-1', 'within=1e3', 'height=-1', 'height=0x1', 'height='])(
    'refuses ?%s as malformed',
    async (query) => {
      test = await startNode();
      const answered = await test.inject({ url: `/v1/status?${query}` });
      expect(answered.json()).toMatchObject({ code: 'malformed' });
    },
  );

  it('an address has few places, and gets them back', async () => {
    test = await startNode({ heartbeatMs: 60_000, addressPerSecond: 1_000 });
    const running = test;
    const url = '/v1/status?height=1000000&within=2500';
    const asked = Array.from({ length: 250 }, () => running.inject({ url }));
    await untilWaiting(running, 250);
    const surplus = await running.inject({ url });
    expect(surplus.statusCode).toBe(429);
    expect(surplus.json()).toMatchObject({ code: 'rateLimited' });
    // Who does not wait needs no place.
    expect((await running.inject({ url: '/v1/status' })).statusCode).toBe(200);
    for (const answered of await Promise.all(asked))
      expect(answered.json()).toMatchObject({ code: 'nodeBehind' });
    expect(await waiting(running)).toBe(0);
  });

  it('who hangs up waits no longer', async () => {
    test = await startQuietNode();
    const running = test;
    const port = await running.node.http.listen('127.0.0.1', 0);
    const abort = new AbortController();
    const base = `http://127.0.0.1:${port}`;
    const asked = [
      `${base}/v1/status?height=1000000&within=10000`,
      `${base}/v1/transactions/${toHex(randomBytes(32))}/receipt?within=10000`,
    ].map((url) => fetch(url, { signal: abort.signal }).catch(() => 'gone'));
    await untilWaiting(running, 2);
    abort.abort();
    expect(await Promise.all(asked)).toEqual(['gone', 'gone']);
    await untilWaiting(running, 0);
  });

  it('a stopping node sends away who waits', async () => {
    test = await startQuietNode();
    const running = test;
    const asked = running.inject({ url: '/v1/status?height=1000000&within=10000' });
    await untilWaiting(running, 1);
    const stopping = running.node.stop();
    expect((await asked).json()).toMatchObject({ code: 'nodeBehind' });
    await stopping;
  });
});
