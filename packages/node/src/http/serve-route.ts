/**
 * From a row of the route table to a fastify route: limits, authentication, parsing and encoding happen
 * here once, so that a handler sees typed values and returns a typed answer or a problem.
 */
import { encodeMessage, parseMessage } from '@yilian/api/codec';
import {
  type Content,
  PATIENCE,
  type Patience,
  type Route,
  parseParameters,
} from '@yilian/api/route';
import { SIGNED_REQUEST_HEADER, SIGNED_REQUEST_QUERY } from '@yilian/api/signed-request';
import type { Bytes } from '@yilian/crypto/bytes';
import { equalBytes } from '@yilian/crypto/bytes';
import type { Member } from '@yilian/ledger/contracts/members/member';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Served } from '../services/served.ts';
import type { Authentication } from './authentication.ts';
import { HttpProblem, toHttpProblem } from './http-problem.ts';
import type { RateLimit } from './rate-limit.ts';
import type { Wait, WaitingRoom } from './waiting-room.ts';

/** What one call brings, parsed. */
export interface Call<Params, Query, Request> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Request;
  /** Of the signer; null on routes without a signature and for handles. */
  readonly member: Member | null;
  /** Signed body of the header (uploads). */
  readonly announcement: Bytes | null;
  /** What is left of the time that the caller gives. */
  readonly wait: Wait;
}

export interface ServeContext {
  readonly authentication: Authentication;
  /** By address. */
  readonly addressLimit: RateLimit;
  /** By member or handle key. */
  readonly signerLimit: RateLimit;
  readonly waiting: WaitingRoom;
  /** False while stopping or before the node has caught up. */
  readonly isServing: () => boolean;
}

function unwrap<T>(result: Served<T>): T {
  if (!result.ok) throw toHttpProblem(result);
  return result.value;
}

/** `/v1/x/{id}` as fastify writes it; `(\\w+)` would let it match more than the table says. */
function fastifyPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

function queryValue(request: FastifyRequest, name: string): string | undefined {
  const { query } = request;
  if (typeof query !== 'object' || query === null || !Object.hasOwn(query, name)) return undefined;
  const value: unknown = (query as Record<string, unknown>)[name];
  if (typeof value !== 'string') throw new HttpProblem('malformed');
  return value;
}

function paramValue(request: FastifyRequest, name: string): string | undefined {
  const { params } = request;
  if (typeof params !== 'object' || params === null || !Object.hasOwn(params, name))
    return undefined;
  const value: unknown = (params as Record<string, unknown>)[name];
  return typeof value === 'string' ? value : undefined;
}

function bodyBytes(request: FastifyRequest): Bytes {
  const { body } = request;
  if (body instanceof Uint8Array)
    return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  return new Uint8Array(0);
}

function parseContent<T>(content: Content<T>, bytes: Bytes): T {
  switch (content.kind) {
    case 'none':
      return null as T;
    case 'cbor': {
      const parsed = parseMessage(content.codec, bytes, content.bytesMax);
      if (!parsed.ok) throw new HttpProblem(parsed.fault);
      return parsed.value;
    }
    case 'bytes':
      if (bytes.length > content.bytesMax) throw new HttpProblem('tooLarge');
      if (bytes.length === 0) throw new HttpProblem('malformed');
      return bytes as T;
    case 'json':
    case 'stream':
    case 'events':
    case 'text':
      break;
  }
  return null as T;
}

/** Aborts when the connection closes before the answer is out; listens only where somebody asks. */
function hangUpOf(reply: FastifyReply): AbortSignal {
  const hangUp = new AbortController();
  if (reply.raw.destroyed) hangUp.abort();
  else reply.raw.once('close', () => hangUp.abort());
  return hangUp.signal;
}

function waitOf(request: FastifyRequest, reply: FastifyReply, { within }: Patience): Wait {
  const endMs = performance.now() + within;
  let signal: AbortSignal | undefined;
  return {
    caller: request.ip,
    leftMs: () => Math.max(0, Math.ceil(endMs - performance.now())),
    get signal() {
      return (signal ??= hangUpOf(reply));
    },
  };
}

/** Everything before the handler. */
async function receive<Params extends object, Query extends object, Request, Answer>(
  route: Route<Params, Query, Request, Answer>,
  context: ServeContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Call<Params, Query, Request>> {
  if (route.cost > 0) {
    const pauseSeconds = context.addressLimit.take(request.ip, route.cost);
    if (pauseSeconds > 0) throw new HttpProblem('rateLimited', { retryAfterSeconds: pauseSeconds });
    if (!context.isServing()) throw new HttpProblem('notReady', { retryAfterSeconds: 2 });
  }
  const patience = parseParameters<Patience>(PATIENCE, (name) => queryValue(request, name));
  if (patience === null) throw new HttpProblem('malformed');
  const wait = waitOf(request, reply, patience);
  // Before anything is judged: a member enrolled a block ago may be unknown here until that block.
  if (patience.height !== null) unwrap(await context.waiting.untilHeight(patience.height, wait));
  const params = parseParameters<Params>(route.params, (name) => paramValue(request, name));
  const query = parseParameters<Query>(route.query, (name) => queryValue(request, name));
  if (params === null || query === null) throw new HttpProblem('malformed');
  const { auth } = route;
  if (auth.kind !== 'signed') {
    const body = parseContent(route.request, bodyBytes(request));
    return { params, query, body, member: null, announcement: null, wait };
  }
  const [path = ''] = request.url.split('?', 1);
  const target = `${route.method} ${path}`;
  const header = request.headers[SIGNED_REQUEST_HEADER];
  const carried = typeof header === 'string' ? header : queryValue(request, SIGNED_REQUEST_QUERY);
  const { key, body: signedBody } = unwrap(
    auth.carrier === 'body'
      ? context.authentication.verify(bodyBytes(request), target)
      : context.authentication.verifyHeader(carried, target),
  );
  const member = auth.signer === 'handle' ? null : unwrap(context.authentication.member(key));
  if (member === null && !(isHandle(params) && equalBytes(params.handle, key)))
    throw new HttpProblem('notPermitted');
  const name = Buffer.from(member?.id ?? key).toString('hex');
  const pauseSeconds = context.signerLimit.take(name, route.cost);
  if (pauseSeconds > 0) throw new HttpProblem('rateLimited', { retryAfterSeconds: pauseSeconds });
  const body =
    auth.carrier === 'body' ? parseContent(route.request, signedBody) : (null as Request);
  return {
    params,
    query,
    body,
    member,
    announcement: auth.carrier === 'header' ? signedBody : null,
    wait,
  };
}

function isHandle(params: object): params is { readonly handle: Bytes } {
  return 'handle' in params && params.handle instanceof Uint8Array;
}

/** The member behind a signed call. */
export function signerOf(call: { readonly member: Member | null }): Member {
  if (call.member === null) throw new HttpProblem('unknownMember');
  return call.member;
}

function sendAnswer<Answer>(
  route: { readonly answer: Content<Answer>; readonly status: number },
  reply: FastifyReply,
  answer: Answer,
): FastifyReply {
  // A handler may have said otherwise.
  if (reply.statusCode === 200) void reply.code(route.status);
  const { answer: content } = route;
  switch (content.kind) {
    case 'none':
      return reply.send();
    case 'cbor':
      return reply.type('application/cbor').send(Buffer.from(encodeMessage(content.codec, answer)));
    case 'bytes':
      return reply.type(content.mediaType).send(Buffer.from(answer as Bytes));
    case 'json':
      return reply.type('application/json').send(JSON.stringify(answer));
    case 'text':
      return reply.type(content.mediaType).send(answer);
    case 'stream':
    case 'events':
      break;
  }
  throw new TypeError('streams are served by serveRaw');
}

type Handler<Params, Query, Request, Answer> = (
  call: Call<Params, Query, Request>,
  reply: FastifyReply,
) => Served<Answer> | Promise<Served<Answer>>;

/** A route whose answer is one message. */
export function serveRoute<Params extends object, Query extends object, Request, Answer>(
  app: FastifyInstance,
  context: ServeContext,
  route: Route<Params, Query, Request, Answer>,
  handler: Handler<Params, Query, Request, Answer>,
): void {
  serveRaw(app, context, route, async (call, _request, reply) =>
    sendAnswer(route, reply, unwrap(await handler(call, reply))),
  );
}

/** A route that writes its answer itself (streams, events). */
export function serveRaw<Params extends object, Query extends object, Request, Answer>(
  app: FastifyInstance,
  context: ServeContext,
  route: Route<Params, Query, Request, Answer>,
  handler: (
    call: Call<Params, Query, Request>,
    request: FastifyRequest,
    reply: FastifyReply,
  ) => Promise<unknown>,
): void {
  app.route({
    method: route.method,
    url: fastifyPath(route.path),
    config: { routeName: route.name },
    bodyLimit: bodyLimitOf(route),
    handler: async (request, reply) => {
      const call = await receive(route, context, request, reply);
      return handler(call, request, reply);
    },
  });
}

/** Room for the signature around a signed body. */
const SIGNATURE_OVERHEAD = 1024;

function bodyLimitOf<P extends object, Q extends object, R, A>(route: Route<P, Q, R, A>): number {
  const { request } = route;
  switch (request.kind) {
    case 'cbor':
    case 'bytes':
    case 'stream':
      return request.bytesMax + SIGNATURE_OVERHEAD;
    case 'none':
    case 'json':
    case 'events':
    case 'text':
      break;
  }
  return SIGNATURE_OVERHEAD;
}

/** For handlers that answer outside `serveRoute`. */
export { unwrap as valueOrProblem };
