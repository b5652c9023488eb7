/**
 * Server-sent events (WHATWG HTML §9.2) on a raw response: ids to resume from, a comment now and then so
 * that proxies keep the line open, and an end when the reader is slower than its buffer allows.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';

const KEEP_ALIVE_MS = 15_000;
const BUFFERED_BYTES_MAX = 1024 * 1024;

export interface EventStream {
  /** `id` comes back as Last-Event-ID. False when the reader is gone or too slow (it is then cut). */
  send(id: string, data: unknown): boolean;
  close(): void;
  /** Runs once, when the stream ends for whatever reason. */
  onClose(listener: () => void): void;
}

/** Takes the response over from fastify. */
export function openEventStream(reply: FastifyReply): EventStream {
  const { raw } = reply;
  reply.hijack();
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) headers[name] = String(value);
  raw.writeHead(200, {
    ...headers,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    connection: 'close',
  });
  raw.write('retry: 1000\n\n');
  const listeners: (() => void)[] = [];
  let ended = false;
  const timer = setInterval(() => raw.write(':\n\n'), KEEP_ALIVE_MS);
  timer.unref();
  const end = (): void => {
    if (ended) return;
    ended = true;
    clearInterval(timer);
    raw.end();
    for (const listener of listeners) listener();
  };
  raw.on('close', end);
  raw.on('error', end);
  return {
    send: (id, data) => {
      if (ended) return false;
      if (raw.writableLength > BUFFERED_BYTES_MAX) {
        raw.destroy();
        end();
        return false;
      }
      raw.write(`id: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
      return true;
    },
    close: end,
    onClose: (listener) => {
      if (ended) listener();
      else listeners.push(listener);
    },
  };
}

/** The number of the last event that the reader has, by header or (EventSource polyfills) by query. */
export function lastEventId(request: FastifyRequest): number | null {
  const { query } = request;
  const fromQuery =
    typeof query === 'object' && query !== null && 'lastEventId' in query
      ? query.lastEventId
      : undefined;
  const raw = request.headers['last-event-id'] ?? fromQuery;
  if (typeof raw !== 'string' || !/^(0|[1-9][0-9]{0,15})$/.test(raw)) return null;
  return Number(raw);
}
