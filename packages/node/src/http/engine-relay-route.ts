/**
 * `POST /v1/engine`: for another hospital's engine before it takes a snapshot. JSON-RPC as CometBFT speaks it,
 * hence outside the table of routes that people's clients use.
 */
import type { FastifyInstance } from 'fastify';
import { RELAY_REQUEST_BYTES_MAX, type RelayAnswer } from '../cometbft/engine-relay.ts';
import { HttpProblem } from './http-problem.ts';
import type { ServeContext } from './serve-route.ts';

export const ENGINE_RELAY_PATH = '/v1/engine';
/** Of the address's budget: an answer is a header with its certificate, or a page of validators. */
const COST = 5;

export async function serveEngineRelay(
  app: FastifyInstance,
  context: ServeContext,
  relay: (request: string) => Promise<RelayAnswer>,
): Promise<void> {
  await app.register((scope, _options, done) => {
    scope.addContentTypeParser(
      'application/json',
      { parseAs: 'string', bodyLimit: RELAY_REQUEST_BYTES_MAX },
      (_request, body, parsed) => parsed(null, body),
    );
    scope.post(
      ENGINE_RELAY_PATH,
      { config: { routeName: 'relayToEngine' } },
      async (request, reply) => {
        const pauseSeconds = context.addressLimit.take(request.ip, COST);
        if (pauseSeconds > 0)
          throw new HttpProblem('rateLimited', { retryAfterSeconds: pauseSeconds });
        if (!context.isServing()) throw new HttpProblem('notReady', { retryAfterSeconds: 2 });
        const { body } = request;
        const answer = await relay(typeof body === 'string' ? body : '');
        return reply.type('application/json').send(JSON.stringify(answer));
      },
    );
    done();
  });
}
