/**
 * Typed calls of the route table over `fetch`: what a route says of its parameters, its request and its
 * answer is all this file knows. It believes nothing it receives: answers are parsed here and verified
 * by verified-reader.ts and those who build on it.
 */
import { encodeMessage } from '@yilian/api/codec';
import { buildTarget, type Content, type Patience, type Route } from '@yilian/api/route';
import { SIGNED_REQUEST_HEADER, signRequest, toRequestHeader } from '@yilian/api/signed-request';
import type { Bytes } from '@yilian/crypto/bytes';
import type { MemberId } from '@yilian/ledger/ids';
import type { Signer } from '@yilian/ledger/transaction-codec';
import { NetworkError, ProblemError, type Source, VerificationError } from './failure.ts';
import {
  Deadline,
  decodeContent,
  parseJson,
  piecesOf,
  readProblem,
  type Sent,
  serverSentEvents,
} from './response-body.ts';
import type { Platform } from './platform/platform.ts';

/** A node as the client is configured to reach it. Everything but the address is verified by state. */
export interface NodeEndpoint {
  /** For messages: `tertiary-1`. */
  readonly name: string;
  /** Receiver of signed requests. */
  readonly memberId: MemberId;
  readonly url: string;
  readonly institution: string;
  readonly operator: string;
  readonly isRegulator: boolean;
  /** Member id of the store that this node runs, if it runs one. */
  readonly store: MemberId | null;
  /** Key of the institution's signing server, by which it issues records; null where there is none. */
  readonly hospitalKey: Uint8Array | null;
}

export interface CallInput<Params, Query, Request> {
  readonly params: Params;
  readonly query?: Partial<Query>;
  readonly request?: Request;
  /** Signs the request where the route asks for it. */
  readonly signer?: Signer;
  /** Body of the signed header (uploads), canonical CBOR. */
  readonly announcement?: Bytes;
  /** What the node shall wait for before it answers; default: the height expected (`expectHeight`). */
  readonly patience?: Patience;
  /** Without the time that the node may wait. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** One event of a stream, with the id from which a reader resumes. */
export interface StreamEvent<T> {
  readonly id: string | undefined;
  readonly value: T;
}

export interface Transport {
  /** @throws NetworkError, ProblemError, VerificationError `malformed` */
  call<Params extends object, Query extends object, Request, Answer>(
    node: NodeEndpoint,
    route: Route<Params, Query, Request, Answer>,
    input: CallInput<Params, Query, Request>,
  ): Promise<Answer>;
  /**
   * What follows was proven at this height: for the next seconds nodes are asked to answer from there
   * on, so that one which is a block behind waits for it instead of refusing.
   */
  expectHeight(height: bigint): void;
  /** The height that nodes are asked to have; null when nothing was proven lately. */
  expectedHeight(): bigint | null;
  /** Sends a body of any size. */
  upload<Params extends object, Query extends object, Answer>(
    node: NodeEndpoint,
    route: Route<Params, Query, Bytes, Answer>,
    input: CallInput<Params, Query, never> & { readonly body: BodyInit },
  ): Promise<Answer>;
  /** Receives a body of any size, piece by piece; the timeout is for each piece. */
  download<Params extends object, Query extends object>(
    node: NodeEndpoint,
    route: Route<Params, Query, null, Bytes>,
    input: CallInput<Params, Query, null>,
  ): AsyncIterable<Bytes>;
  /** Server-sent events until the node closes or `signal` aborts. */
  events<Params extends object, Query extends object, T>(
    node: NodeEndpoint,
    route: Route<Params, Query, null, T>,
    input: CallInput<Params, Query, null> & { readonly lastEventId?: string },
  ): AsyncIterable<StreamEvent<T>>;
}

export interface TransportOptions {
  readonly platform: Platform;
  readonly chainId: string;
  /** Per call, or per piece of a download. Default 10 s. */
  readonly timeoutMs?: number;
  /** Further tries of idempotent calls that failed on the way. Default 2. */
  readonly retries?: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_RETRIES = 2;
const RETRY_PAUSE_MS = 150;
const RETRY_AFTER_MAX_MS = 3_000;
/**
 * Longer ago every node has the block, and those that have not are passed over; and a height told for
 * long would make a caller's questions recognisable.
 */
const EXPECTATION_MS = 5_000;
const EXPECTATION_WITHIN_MS = 2_000;

interface Prepared {
  readonly url: string;
  readonly init: RequestInit;
  /** Milliseconds that the node may wait before it begins. */
  readonly withinMs: number;
  readonly source: Source;
}

/** Calls over `platform.fetch`; requests are signed for the receiving node and the current time. */
export function createTransport(options: TransportOptions): Transport {
  const { platform, chainId } = options;
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const retries = options.retries ?? DEFAULT_RETRIES;
  let expectation: { readonly height: bigint; readonly atMs: number } | undefined;

  function expectedHeight(): bigint | null {
    const isRecent =
      expectation !== undefined && platform.nowMs() - expectation.atMs < EXPECTATION_MS;
    return isRecent && expectation !== undefined ? expectation.height : null;
  }

  function defaultPatience(): Patience {
    const height = expectedHeight();
    return { height, within: height === null ? 0 : EXPECTATION_WITHIN_MS };
  }

  function prepare<Params extends object, Query extends object, Request, Answer>(
    node: NodeEndpoint,
    route: Route<Params, Query, Request, Answer>,
    input: CallInput<Params, Query, Request>,
    rawBody?: BodyInit,
  ): Prepared {
    const patience = input.patience ?? defaultPatience();
    const { path, search } = buildTarget(route, input.params, input.query ?? {}, patience);
    const headers: Record<string, string> = {};
    let body: BodyInit | undefined = rawBody;
    const content = encodeContent(route.request, input.request);
    if (route.auth.kind === 'signed') {
      if (input.signer === undefined) throw new TypeError(`${route.name} needs a signer`);
      const carried = route.auth.carrier === 'body' ? content : input.announcement;
      const signed = signRequest(
        { chainId },
        {
          receiver: node.memberId,
          target: `${route.method} ${path}`,
          timeSeconds: Math.floor(platform.nowMs() / 1000),
          nonce: platform.randomBytes(16),
          body: carried ?? new Uint8Array(0),
          key: input.signer.key,
          sign: (message) => input.signer?.sign(message) ?? new Uint8Array(0),
        },
      );
      if (route.auth.carrier === 'header') headers[SIGNED_REQUEST_HEADER] = toRequestHeader(signed);
      else {
        body = signed.slice();
        headers['content-type'] = 'application/cbor';
      }
    }
    if (body === undefined && content !== undefined) body = content.slice();
    if (body !== undefined && headers['content-type'] === undefined)
      headers['content-type'] = mediaTypeOf(route.request);
    return {
      url: `${node.url.replace(/\/$/, '')}${path}${search}`,
      init: { method: route.method, headers, ...(body === undefined ? {} : { body }) },
      withinMs: patience.within,
      source: { node: node.name, route: route.name },
    };
  }

  async function send(prepared: Prepared, limitMs: number, outer?: AbortSignal): Promise<Sent> {
    const { url, init, source, withinMs } = prepared;
    const abort = new AbortController();
    const stop = (): void => abort.abort();
    outer?.addEventListener('abort', stop);
    const timer = new Deadline(platform, limitMs + withinMs, stop);
    try {
      const response = await platform.fetch(url, { ...init, signal: abort.signal });
      return {
        response,
        timer,
        source,
        abort: stop,
        release: () => outer?.removeEventListener('abort', stop),
      };
    } catch (cause) {
      timer.cancel();
      outer?.removeEventListener('abort', stop);
      throw networkError(timer, source, cause);
    }
  }

  async function exchange<Answer>(
    prepared: Prepared,
    answer: Content<Answer>,
    limitMs: number,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const sent = await send(prepared, limitMs, signal);
    try {
      if (!sent.response.ok) throw await readProblem(sent);
      return await decodeContent(answer, sent);
    } catch (cause) {
      if (isOurs(cause)) throw cause;
      throw networkError(sent.timer, sent.source, cause);
    } finally {
      sent.timer.cancel();
      sent.release();
    }
  }

  return {
    call: async (node, route, input) => {
      const idempotent = route.method !== 'POST';
      for (let attempt = 0; ; attempt++) {
        try {
          // Signed anew at each try: a nonce is accepted once.
          const prepared = prepare(node, route, input);
          return await exchange(prepared, route.answer, input.timeoutMs ?? timeoutMs, input.signal);
        } catch (error) {
          const pauseMs = retryPauseMs(error, attempt);
          if (!idempotent || attempt >= retries || pauseMs === undefined) throw error;
          if (input.signal?.aborted === true) throw error;
          await platform.wait(pauseMs, input.signal);
        }
      }
    },
    expectHeight: (height) => {
      const isNews = expectation === undefined || height > expectation.height;
      if (isNews) expectation = { height, atMs: platform.nowMs() };
    },
    expectedHeight,
    upload: (node, route, input) => {
      const prepared = prepare(node, route, input, input.body);
      const init = { ...prepared.init, duplex: 'half' };
      // A large body takes its time; the limit is generous and still an end.
      const limitMs = input.timeoutMs ?? 60 * timeoutMs;
      return exchange({ ...prepared, init }, route.answer, limitMs, input.signal);
    },
    download: async function* (node, route, input) {
      const prepared = prepare(node, route, input);
      const limitMs = input.timeoutMs ?? timeoutMs;
      const sent = await send(prepared, limitMs, input.signal);
      try {
        if (!sent.response.ok) throw await readProblem(sent);
        yield* piecesOf(sent, limitMs);
      } catch (cause) {
        if (isOurs(cause)) throw cause;
        throw networkError(sent.timer, sent.source, cause);
      } finally {
        sent.timer.cancel();
        sent.release();
      }
    },
    events: async function* (node, route, input) {
      const prepared = prepare(node, route, input);
      const headers = {
        ...(prepared.init.headers as Record<string, string>),
        accept: 'text/event-stream',
        ...(input.lastEventId === undefined ? {} : { 'last-event-id': input.lastEventId }),
      };
      const sent = await send(
        { ...prepared, init: { ...prepared.init, headers } },
        input.timeoutMs ?? timeoutMs,
        input.signal,
      );
      try {
        if (!sent.response.ok) throw await readProblem(sent);
        sent.timer.cancel();
        const { answer } = route;
        if (answer.kind !== 'events') throw new TypeError(`${route.name} is not a stream`);
        for await (const { id, data } of serverSentEvents(sent)) {
          const parsed = answer.schema.safeParse(parseJson(data));
          if (!parsed.success)
            throw new VerificationError('malformed', sent.source, 'an event has another form');
          yield { id, value: parsed.data };
        }
      } catch (cause) {
        if (isOurs(cause)) throw cause;
        if (input.signal?.aborted === true) return;
        throw networkError(sent.timer, sent.source, cause);
      } finally {
        sent.timer.cancel();
        sent.release();
      }
    },
  };
}

function isOurs(error: unknown): boolean {
  return (
    error instanceof ProblemError ||
    error instanceof VerificationError ||
    error instanceof NetworkError
  );
}

function networkError(timer: Deadline, source: Source, cause: unknown): NetworkError {
  return timer.expired
    ? new NetworkError('timeout', `${source.node} did not answer ${source.route} in time`, source)
    : new NetworkError('unreachable', `${source.node} cannot be reached`, source, cause);
}

/** Pause before another try, or undefined when trying again cannot help. */
function retryPauseMs(error: unknown, attempt: number): number | undefined {
  // A node that let a whole timeout pass is not asked again: another one is quicker.
  if (error instanceof NetworkError)
    return error.code === 'timeout' ? undefined : RETRY_PAUSE_MS * 2 ** attempt;
  // It has been waited for there already.
  if (error instanceof ProblemError && error.code === 'nodeBehind') return undefined;
  if (error instanceof ProblemError && (error.status === 429 || error.status === 503)) {
    const wished = (error.retryAfterSeconds ?? 0) * 1000;
    return wished > RETRY_AFTER_MAX_MS
      ? undefined
      : Math.max(wished, RETRY_PAUSE_MS * 2 ** attempt);
  }
  return undefined;
}

function encodeContent<T>(content: Content<T>, value: T | undefined): Bytes | undefined {
  if (value === undefined || value === null) return undefined;
  switch (content.kind) {
    case 'cbor':
      return encodeMessage(content.codec, value);
    case 'bytes':
      return value instanceof Uint8Array ? value : undefined;
    case 'none':
    case 'json':
    case 'stream':
    case 'events':
    case 'text':
      return undefined;
  }
}

function mediaTypeOf<T>(content: Content<T>): string {
  switch (content.kind) {
    case 'bytes':
      return content.mediaType;
    case 'cbor':
      return 'application/cbor';
    case 'none':
    case 'json':
    case 'stream':
    case 'events':
    case 'text':
      return 'application/octet-stream';
  }
}
