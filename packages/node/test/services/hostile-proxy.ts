/**
 * Stands before a real S3 server and does to its answers, or to what is sent to it, what a hostile or
 * broken store would do. What it does not spoil goes through unchanged, signatures included.
 */
import {
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
  createServer,
  request as httpRequest,
} from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Passing {
  readonly method: string;
  /** Path without the bucket and prefix, with query. */
  readonly path: string;
  readonly body: Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

export interface Spoiled extends Answer {
  /** Sends so many bytes of the body and cuts the line. */
  readonly cutAfter?: number;
  /** Sends one byte, then the next after so many milliseconds. */
  readonly trickleMs?: number;
}

export interface HostileProxy {
  readonly endpoint: string;
  /** Requests since the last `behave`. */
  readonly requests: Passing[];
  /** What it does from now on; parts that are left out are honest. */
  behave(behaviour?: Behaviour): void;
  stop(): Promise<void>;
}

export interface Behaviour {
  /** Changes a body on its way in. */
  readonly onRequest?: (request: Passing) => Buffer;
  /** Answers instead of the server: `silence` never does. */
  readonly instead?: (request: Passing) => Spoiled | 'silence' | undefined;
  /** Changes the server's answer. */
  readonly onAnswer?: (request: Passing, answer: Answer) => Spoiled;
}

async function gather(stream: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

export function s3Error(status: number, code: string): Spoiled {
  return {
    status,
    headers: { 'content-type': 'application/xml' },
    body: Buffer.from(
      `<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message></Error>`,
    ),
  };
}

export async function startHostileProxy(server: { readonly port: number }): Promise<HostileProxy> {
  let behaviour: Behaviour = {};
  const requests: Passing[] = [];

  const forward = (incoming: IncomingMessage, body: Buffer): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const outgoing = httpRequest(
        {
          host: '127.0.0.1',
          port: server.port,
          method: incoming.method ?? 'GET',
          path: incoming.url ?? '/',
          headers: incoming.headers,
        },
        (response) => {
          gather(response).then(
            (bytes) =>
              resolve({
                status: response.statusCode ?? 0,
                headers: { ...response.headers },
                body: bytes,
              }),
            reject,
          );
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });

  const send = async (response: ServerResponse, answer: Spoiled): Promise<void> => {
    const { status, body, cutAfter, trickleMs } = answer;
    const headers = { ...answer.headers };
    headers['content-length'] ??= String(body.length);
    delete headers['transfer-encoding'];
    response.writeHead(status, headers);
    if (trickleMs !== undefined) {
      for (let i = 0; i < body.length && !response.destroyed; i++) {
        response.write(body.subarray(i, i + 1));
        await new Promise((resolve) => setTimeout(resolve, trickleMs));
      }
      response.end();
      return;
    }
    if (cutAfter === undefined) {
      response.end(body);
      return;
    }
    response.write(body.subarray(0, cutAfter), () => response.destroy());
  };

  const proxy: Server = createServer((incoming, response) => {
    const handle = async (): Promise<void> => {
      const passing: Passing = {
        method: incoming.method ?? '',
        path: (incoming.url ?? '').replace(/^\/[^/?]+/, '').replace(/^\/[^/?]+\//, ''),
        body: await gather(incoming),
      };
      requests.push(passing);
      const instead = behaviour.instead?.(passing);
      if (instead === 'silence') return;
      if (instead !== undefined) return send(response, instead);
      const answer = await forward(incoming, behaviour.onRequest?.(passing) ?? passing.body);
      await send(response, behaviour.onAnswer?.(passing, answer) ?? answer);
    };
    handle().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    behave: (next = {}) => {
      behaviour = next;
      requests.length = 0;
    },
    stop: async () => {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
