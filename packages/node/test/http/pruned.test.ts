/** What a node answers that does not keep every block, and the relay to its engine, over HTTP. */
import type { LightMyRequestResponse } from 'fastify';
import { afterEach, expect, it } from 'vitest';
import { toHex } from '@yilian/crypto/bytes';
import {
  transactionId,
  encodeTransaction,
  signTransaction,
  paddedRequestAccess,
} from '@yilian/ledger/transaction-codec';
import { createHttpServer, type HttpServer } from '../../src/http/http-server.ts';
import { createLogger } from '../../src/logging.ts';
import { createMetrics } from '../../src/metrics.ts';
import { relayToEngine } from '../../src/cometbft/engine-relay.ts';
import { CHAIN_ID, ORIGIN, randomBytes, startNode, type TestNode } from './support.ts';

let test: TestNode | undefined;
let server: HttpServer | undefined;
afterEach(async () => {
  await server?.stop();
  await test?.stop();
  test = undefined;
  server = undefined;
});

/** The node's own services, as if its blocks up to `pruned` were gone, behind a server of their own. */
async function serve(running: TestNode, pruned: bigint): Promise<HttpServer> {
  const { services } = running.node;
  const { ordering } = services;
  server = await createHttpServer({
    services: {
      ...services,
      ordering: {
        ...ordering,
        firstBlock: () => pruned + 1n,
        block: (height) =>
          height !== 'latest' && height <= pruned ? undefined : ordering.block(height),
        relayToEngine: (request) =>
          relayToEngine({ call: (method) => Promise.resolve({ method }) }, request),
      },
    },
    logger: createLogger({ level: 'silent', node: 'test' }),
    metrics: createMetrics(),
    origins: [ORIGIN],
    addressPerSecond: 20,
    signerPerSecond: 20,
  });
  return server;
}

const codeOf = (response: { json: () => unknown }): unknown =>
  (response.json() as Record<string, unknown>)['code'];

it('says pruned of a block, a receipt and a list that it cannot give whole, and notFound of what is not', async () => {
  test = await startNode();
  const { doctor, node } = test;
  const unsigned = paddedRequestAccess({
    chainId: CHAIN_ID,
    commitment: randomBytes(32),
    sender: doctor.key,
    nonce: randomBytes(16),
    expiryHeight: 1_000,
  });
  const submitted = await node.ordering.submit(
    encodeTransaction(signTransaction(unsigned, [doctor])),
  );
  expect(submitted.admitted).toBe(true);
  const id = transactionId(unsigned);
  const outcome = await node.ordering.outcome(id, 10_000);
  if (outcome === 'timeout') throw new Error('not final in time');
  const { app } = await serve(test, outcome.height);
  const get = (url: string): Promise<LightMyRequestResponse> => app.inject({ url });
  const whole = await test.inject({ url: `/v1/transactions/${toHex(id)}/receipt?within=10000` });
  expect(whole.statusCode).toBe(200);

  const block = await get(`/v1/blocks/${outcome.height}`);
  expect([block.statusCode, codeOf(block)]).toEqual([410, 'pruned']);
  const receipt = await get(`/v1/transactions/${toHex(id)}/receipt`);
  expect([receipt.statusCode, codeOf(receipt)]).toEqual([410, 'pruned']);
  const range = await get('/v1/log/ranges/0/0');
  expect([range.statusCode, codeOf(range)]).toEqual([410, 'pruned']);
  const future = await get('/v1/blocks/100000');
  expect([future.statusCode, codeOf(future)]).toEqual([404, 'notFound']);
  expect((await get(`/v1/headers/${outcome.height}`)).statusCode).toBe(200);
});

it('relays to the engine what a light client asks, within the budget of the address', async () => {
  test = await startNode();
  const { app } = await serve(test, 0n);
  const ask = (payload: string, type = 'application/json'): Promise<LightMyRequestResponse> =>
    app.inject({ method: 'POST', url: '/v1/engine', payload, headers: { 'content-type': type } });
  const question = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'commit', params: {} });
  expect((await ask(question)).json()).toEqual({
    jsonrpc: '2.0',
    id: 1,
    result: { method: 'commit' },
  });
  const refused = await ask(question.replace('commit', 'broadcast_tx_sync'));
  expect(refused.json()).toMatchObject({ error: { code: -32_601 } });
  expect((await ask(`${question}${' '.repeat(2_000)}`)).statusCode).toBe(413);
  expect((await ask(question, 'text/plain')).statusCode).toBe(415);
  let last = 200;
  for (let n = 0; n < 40 && last === 200; n++)
    // oxlint-disable-next-line no-await-in-loop -- until the budget is used up
    last = (await ask(question)).statusCode;
  expect(last).toBe(429);
  const closed = await test.inject({ method: 'POST', url: '/v1/engine', payload: question });
  expect(closed.statusCode).toBe(404);
});
