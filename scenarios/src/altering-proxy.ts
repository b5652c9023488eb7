/**
 * A man in the middle: an HTTP server between a client and one running node that may change the bytes
 * of an answer, or of a request, on the wire. Everything else passes unchanged.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Gets the whole body and gives the one to pass on; the same one where nothing shall change. */
export type Alteration = (exchange: {
  readonly method: string;
  readonly path: string;
  /** Body of the request as it came. */
  readonly request: Buffer;
  readonly status: number;
  readonly body: Buffer;
}) => Buffer | { readonly status: number; readonly body: Buffer };

export interface AlteringProxy {
  readonly url: string;
  /** Answers changed so far. */
  readonly altered: number;
  close(): Promise<void>;
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(Buffer.from(piece as Uint8Array));
  return Buffer.concat(pieces);
}

function forward(target: URL, incoming: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { ...incoming.headers, host: target.host };
    const outgoing = request(
      new URL(incoming.url ?? '/', target),
      { method: incoming.method, headers },
      resolve,
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Whether a request is to be kept from the node: then its sender sees a broken connection. */
export type Interception = (request: {
  readonly method: string;
  readonly path: string;
  readonly body: Buffer;
}) => boolean;

/** @param alter applied to every answer of `target` */
export async function startAlteringProxy(
  target: string,
  alter: Alteration,
  keepBack: Interception = () => false,
): Promise<AlteringProxy> {
  let altered = 0;
  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const [method, path] = [incoming.method ?? 'GET', incoming.url ?? '/'];
    const sent = await readAll(incoming);
    if (keepBack({ method, path, body: sent })) {
      outgoing.destroy();
      return;
    }
    const answer = await forward(new URL(target), incoming, sent);
    const body = await readAll(answer);
    const status = answer.statusCode ?? 502;
    const changed = alter({ method, path, request: sent, status, body });
    const result = Buffer.isBuffer(changed) ? { status, body: changed } : changed;
    if (!result.body.equals(body) || result.status !== status) altered += 1;
    const headers = { ...answer.headers };
    delete headers['content-length'];
    delete headers['transfer-encoding'];
    outgoing.writeHead(result.status, headers);
    outgoing.end(result.body);
  };
  const server: Server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing).catch(() => {
      outgoing.destroy();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    get altered() {
      return altered;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}
