/**
 * One HTTP exchange with a store that may be slow, broken or hostile. Nothing is followed, decompressed
 * or repeated here. Time runs while the other side is waited for, never while our own reader pauses:
 * so long until the answer begins, and then at least so many bytes a second (with a start-up allowance).
 */
import { Agent as HttpAgent, type IncomingHttpHeaders, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Bytes } from '@yilian/crypto/bytes';
import { ObjectStoreError } from './object-store-error.ts';

export interface ExchangeLimits {
  /** Until the answer's head is there, and the allowance for its body. */
  readonly answerMs: number;
  /** Below this, in either direction, it is a time-out. */
  readonly bytesPerSecondMin: number;
}

export interface ExchangeInput {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Bytes;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** @throws ObjectStoreError `timeout`, `unavailable` (also when the line ends in the middle) */
  body(): AsyncGenerator<Bytes>;
  /** The whole body when it is at most `bytesMax` long. @throws ObjectStoreError */
  bytes(bytesMax: number): Promise<Bytes>;
  /** Lets go of the connection without reading. */
  discard(): void;
}

export interface HttpExchange {
  /** @throws ObjectStoreError `timeout`, `unavailable`; the signal's reason when it aborts */
  send(input: ExchangeInput): Promise<HttpAnswer>;
  close(): void;
}

const SOCKETS_MAX = 64;

function unavailable(cause: unknown): ObjectStoreError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no answer';
  return new ObjectStoreError('unavailable', `the store cannot be reached: ${code}`, cause);
}

export function createHttpExchange(limits: ExchangeLimits): HttpExchange {
  const { answerMs, bytesPerSecondMin } = limits;
  const agents = {
    'http:': new HttpAgent({ keepAlive: true, maxSockets: SOCKETS_MAX }),
    'https:': new HttpsAgent({ keepAlive: true, maxSockets: SOCKETS_MAX }),
  };

  const send = (input: ExchangeInput): Promise<HttpAnswer> =>
    new Promise((resolve, reject) => {
      const { method, url, headers, body, signal } = input;
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      const isSecure = url.protocol === 'https:';
      const request = (isSecure ? httpsRequest : httpRequest)(url, {
        method,
        headers:
          body === undefined && method !== 'PUT' && method !== 'POST'
            ? headers
            : { ...headers, 'content-length': String(body?.length ?? 0) },
        agent: isSecure ? agents['https:'] : agents['http:'],
      });
      let failure: Error | undefined;
      const fail = (error: Error): void => {
        failure ??= error;
        request.destroy();
        reject(failure);
      };
      const sendMs = ((body?.length ?? 0) / bytesPerSecondMin) * 1000;
      const timer = setTimeout(
        () => fail(new ObjectStoreError('timeout', 'the store did not answer in time')),
        answerMs + sendMs,
      );
      const onAbort = (): void => fail(signal?.reason as Error);
      signal?.addEventListener('abort', onAbort, { once: true });
      request.once('close', () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        // After an answer this is its ordinary end and changes nothing.
        reject(failure ?? unavailable(undefined));
      });
      request.on('error', (error) => fail(failure ?? unavailable(error)));
      request.once('response', (response) => {
        clearTimeout(timer);
        response.on('error', () => undefined);

        async function* pieces(): AsyncGenerator<Bytes> {
          const parts = (response as AsyncIterable<Bytes>)[Symbol.asyncIterator]();
          let received = 0;
          let waitedMs = 0;
          try {
            for (;;) {
              const allowedMs = answerMs + (received / bytesPerSecondMin) * 1000;
              const startedMs = performance.now();
              const next = await before(parts.next(), Math.max(0, allowedMs - waitedMs));
              waitedMs += performance.now() - startedMs;
              if (next.done === true) break;
              received += next.value.length;
              yield next.value;
            }
          } catch (error) {
            if (failure !== undefined) throw failure;
            throw error instanceof ObjectStoreError ? error : unavailable(error);
          } finally {
            if (!response.readableEnded) response.destroy();
          }
          if (failure !== undefined) throw failure;
          if (!response.complete) throw unavailable(undefined);
        }

        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: pieces,
          bytes: async (bytesMax) => {
            const parts: Bytes[] = [];
            let length = 0;
            for await (const part of pieces()) {
              length += part.length;
              if (length > bytesMax)
                throw new ObjectStoreError('corrupted', 'the store answers more than it was asked');
              parts.push(part);
            }
            return new Uint8Array(Buffer.concat(parts, length));
          },
          discard: () => response.destroy(),
        });
      });
      request.end(body);
    });

  return {
    send,
    close: () => {
      agents['http:'].destroy();
      agents['https:'].destroy();
    },
  };
}

async function before<T>(promise: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new ObjectStoreError('timeout', 'the store sends too slowly')),
      limitMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
