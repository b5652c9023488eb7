/**
 * The HTTP face of a node: every route of the table, one error shape, limits, CORS by list, security
 * headers, metrics, and a stop that lets what runs end.
 */
import { randomUUID } from 'node:crypto';
import { openApiDocument } from '@yilian/api/openapi';
import { createProblem } from '@yilian/api/problem';
import { ROUTES } from '@yilian/api/routes';
import { SIGNED_REQUEST_HEADER } from '@yilian/api/signed-request';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from '../logging.ts';
import type { Metrics } from '../metrics.ts';
import { isFresh } from '../services/freshness.ts';
import { served } from '../services/served.ts';
import { createAuthentication } from './authentication.ts';
import { serveChain } from './chain-routes.ts';
import { serveCiphertexts } from './ciphertext-routes.ts';
import { serveEngineRelay } from './engine-relay-route.ts';
import type { EventStream } from './event-stream.ts';
import { HttpProblem, sendProblem } from './http-problem.ts';
import type { NodeServices } from './node-services.ts';
import { servePeople } from './people-routes.ts';
import { createRateLimit } from './rate-limit.ts';
import { type ServeContext, serveRoute } from './serve-route.ts';
import { createWaitingRoom } from './waiting-room.ts';

export interface HttpServerOptions {
  readonly services: NodeServices;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Origins of pages that may call this node. */
  readonly origins: readonly string[];
  /** Cost units a second, per address and per signer. */
  readonly addressPerSecond: number;
  readonly signerPerSecond: number;
}

export interface HttpServer {
  readonly app: FastifyInstance;
  /** The port it listens on. */
  listen(host: string, port: number): Promise<number>;
  /** Answers `shuttingDown` to what comes now, ends streams, waits for what runs. */
  stop(): Promise<void>;
}

/** Requests that wait at once, in all; and how many of one address at least, if it may ask that often. */
const WAITING_MAX = 1_024;
const WAITING_PER_ADDRESS_MIN = 16;

const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
} as const;

/** What still runs then is cut off: an upload starts again, everything else is answered long before. */
const STOP_MS_MAX = 5_000;

const ALLOWED_HEADERS = `content-type, range, last-event-id, ${SIGNED_REQUEST_HEADER}`;

/** Regular expressions of all paths, for telling 404 from 405. */
const PATHS = Object.values(ROUTES).map(({ method, path }) => ({
  method,
  pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
}));

function routeNameOf(request: FastifyRequest): string {
  const config: object = request.routeOptions.config;
  return 'routeName' in config && typeof config.routeName === 'string'
    ? config.routeName
    : 'unknown';
}

/** What fastify itself refuses before a handler runs. */
function problemOf(error: unknown): HttpProblem | null {
  if (error instanceof HttpProblem) return error;
  if (!(error instanceof Error) || !('code' in error)) return null;
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new HttpProblem('tooLarge');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new HttpProblem('unsupportedMediaType');
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
    case 'FST_ERR_CTP_EMPTY_TYPE':
    case 'FST_ERR_BAD_URL':
      return new HttpProblem('malformed');
    default:
      return null;
  }
}

export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { services, logger, metrics } = options;
  const { clock } = services;
  const origins = new Set(options.origins);
  const streams = new Set<EventStream>();
  let stopping = false;

  const app = Fastify({
    logger: false,
    genReqId: () => randomUUID(),
    exposeHeadRoutes: false,
    return503OnClosing: false,
    // An upload of gigabytes takes its time; headers must come soon.
    requestTimeout: 0,
    connectionTimeout: 0,
    keepAliveTimeout: 65_000,
    routerOptions: { maxParamLength: 200, ignoreTrailingSlash: false },
    // What the router itself cannot take (encodings, lengths) never reaches a handler.
    frameworkErrors: (_error, _request, reply) => {
      void reply.headers(SECURITY_HEADERS);
      void sendProblem(reply, createProblem('malformed'));
    },
  });
  app.server.headersTimeout = 20_000;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    ['application/cbor', 'application/octet-stream'],
    { parseAs: 'buffer' },
    (_request, body, done) => done(null, body),
  );

  const fail = (reply: FastifyReply, problem: HttpProblem): FastifyReply => {
    metrics.refused(problem.problem.code);
    return sendProblem(reply, problem.problem);
  };

  app.addHook('onRequest', async (request, reply) => {
    void reply.headers({ ...SECURITY_HEADERS, 'x-request-id': request.id });
    if (stopping) throw new HttpProblem('shuttingDown', { retryAfterSeconds: 5 });
    const { origin } = request.headers;
    if (origin === undefined) return;
    if (!origins.has(origin)) throw new HttpProblem('originNotAllowed');
    void reply.headers({
      'access-control-allow-origin': origin,
      'access-control-expose-headers': 'retry-after, content-range, x-request-id',
      vary: 'origin',
    });
    if (request.method === 'OPTIONS') {
      await reply
        .code(204)
        .headers({
          'access-control-allow-methods': 'GET, POST, PUT',
          'access-control-allow-headers': ALLOWED_HEADERS,
          'access-control-max-age': '600',
        })
        .send();
    }
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = routeNameOf(request);
    metrics.request(route, reply.statusCode, reply.elapsedTime / 1000);
    const entry = {
      event: 'request',
      request: request.id,
      route,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
    };
    if (reply.statusCode >= 500 && reply.statusCode !== 503) logger.warn(entry);
    else logger.debug(entry);
    done();
  });
  app.setErrorHandler((error, request, reply) => {
    const known = problemOf(error);
    if (known !== null) return fail(reply, known);
    logger.error({
      event: 'requestFailed',
      request: request.id,
      route: routeNameOf(request),
      err: error,
    });
    return fail(reply, new HttpProblem('internal'));
  });
  app.setNotFoundHandler((request, reply) => {
    const [path = ''] = request.url.split('?', 1);
    const others = PATHS.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
    if (others.length === 0) return fail(reply, new HttpProblem('notFound'));
    void reply.header('allow', [...new Set(others)].join(', '));
    return fail(reply, new HttpProblem('methodNotAllowed'));
  });

  const nowMs = (): number => clock.nowMs();
  const waiting = createWaitingRoom({
    ordering: services.ordering,
    placesMax: WAITING_MAX,
    placesPerCallerMax: Math.max(WAITING_PER_ADDRESS_MIN, Math.floor(options.addressPerSecond / 4)),
  });
  metrics.gauge(
    'requests_waiting',
    'Requests that wait for a height or a transaction',
    () => waiting.size,
  );
  const context: ServeContext = {
    waiting,
    authentication: createAuthentication({
      chainId: services.context.chainId,
      node: services.identity.node,
      clock,
      chain: services.chain,
    }),
    addressLimit: createRateLimit({
      perSecond: options.addressPerSecond,
      burst: options.addressPerSecond * 4,
      callersMax: 10_000,
      nowMs,
    }),
    signerLimit: createRateLimit({
      perSecond: options.signerPerSecond,
      burst: options.signerPerSecond * 4,
      callersMax: 100_000,
      nowMs,
    }),
    isServing: () => !stopping,
  };

  serveChain(app, context, services, streams);
  servePeople(app, context, services, streams);
  await serveCiphertexts(app, context, services);
  const { relayToEngine } = services.ordering;
  if (relayToEngine !== undefined) await serveEngineRelay(app, context, relayToEngine);

  const halted = (): boolean => services.ordering.status().halted !== undefined;
  serveRoute(app, context, ROUTES.getHealth, (_call, reply) => {
    if (halted()) void reply.code(503);
    return served({ status: halted() ? 'halted' : 'ok' });
  });
  serveRoute(app, context, ROUTES.getReadiness, () => {
    const { chain, heartbeatMs } = services;
    if (halted()) throw new HttpProblem('notReady', { retryAfterSeconds: 5 });
    if (!isFresh({ tip: chain.tip(), clock, heartbeatMs }))
      throw new HttpProblem('notReady', { retryAfterSeconds: 1 });
    return served({ status: 'ok' });
  });
  serveRoute(app, context, ROUTES.getMetrics, async () => served(await metrics.registry.metrics()));
  const openApi = JSON.stringify(openApiDocument());
  serveRoute(app, context, ROUTES.getOpenApi, () => served(openApi));

  return {
    app,
    listen: async (host, port) => {
      await app.listen({ host, port });
      const address = app.server.address();
      return typeof address === 'object' && address !== null ? address.port : port;
    },
    stop: async () => {
      stopping = true;
      for (const stream of streams) stream.close();
      waiting.close();
      // Lines that fall idle during the stop would be kept open for their whole keep-alive time.
      const sweep = setInterval(() => app.server.closeIdleConnections(), 50);
      const cut = setTimeout(() => app.server.closeAllConnections(), STOP_MS_MAX);
      try {
        await app.close();
      } finally {
        clearInterval(sweep);
        clearTimeout(cut);
      }
    },
  };
}
