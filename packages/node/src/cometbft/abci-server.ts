/**
 * The socket shell of an ABCI 2.0 application: sessions over a unix socket or loopback TCP, requests handed
 * to handlers, answers sent in order. It knows nothing of what is answered, so any application may stand
 * behind it.
 *
 * Sockets are read as fast as bytes come: an application that stops reading makes CometBFT's client spin.
 * Handlers only take a request and promise an answer; what computes for long does so later, elsewhere.
 *
 * How it ends. CometBFT kills itself at an exception and when one of its four connections closes, and never
 * dials again by itself. So a handler that fails ends everything: the exception is answered, all connections
 * close, `onFailure` is told, once. A connection that breaks or sends rubbish ends alone: its peer is gone, or is no
 * CometBFT; the server waits for the next one.
 */
import { createServer, type Server, type Socket } from 'node:net';
import {
  AbciSession,
  type Asked,
  type AskedKind,
  type AskedOf,
} from '@yilian/consensus/abci/session';
import type { RequestBodies } from '@yilian/consensus/abci/requests';
import type { ResponseBodies } from '@yilian/consensus/abci/responses';
import type { LogEvent } from '../logging.ts';
import { prepareSocketPath } from './socket-path.ts';

/** One per method. Called in the order of arrival on each connection; may answer in any order. */
export type AbciHandlers = {
  readonly [Kind in AskedKind]: (body: RequestBodies[Kind]) => Promise<ResponseBodies[Kind]>;
};

export type AbciAddress =
  /** In a directory that nobody else may enter; made if absent. */
  | { readonly kind: 'unix'; readonly path: string }
  /** On 127.0.0.1; port 0 takes a free one. */
  | { readonly kind: 'tcp'; readonly port: number };

export interface AbciServerOptions {
  readonly address: AbciAddress;
  readonly handlers: AbciHandlers;
  /** Bytes of one request at most. */
  readonly frameBytesMax?: number;
  readonly log: (event: LogEvent) => void;
  /** A handler failed: the engine is told to stop, and the application cannot go on either. */
  readonly onFailure: (error: Error) => void;
}

export interface AbciServer {
  /** What CometBFT wants as `proxy_app`. */
  readonly proxyApp: string;
  /** Connections that are open; CometBFT holds four. */
  connections(): number;
  /** No new connections and requests; what was begun is answered, then the connections close. */
  close(): Promise<void>;
}

class Connection {
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #session: AbciSession;
  readonly #owner: AbciConnections;
  readonly #underWay = new Set<Promise<void>>();
  #isWriteDue = false;
  #stopped = false;

  constructor(socket: Socket, owner: AbciConnections) {
    const { frameBytesMax } = owner.options;
    this.#socket = socket;
    this.#owner = owner;
    this.#session = new AbciSession(frameBytesMax === undefined ? {} : { frameBytesMax });
    this.closed = new Promise((resolve) => {
      socket.on('close', () => resolve());
    });
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onBytes(chunk));
    // 'close' follows.
    socket.on('error', (error) =>
      owner.options.log({ level: 'warn', event: 'abciSocketError', reason: error.message }),
    );
  }

  /** Answers what was asked so far, then closes. */
  async finish(): Promise<void> {
    this.#stopped = true;
    while (this.#underWay.size > 0 && !this.#session.ended) {
      // oxlint-disable-next-line no-await-in-loop -- an answer may free another
      await Promise.all(this.#underWay);
    }
    this.#write();
    this.#socket.destroySoon();
    await this.closed;
  }

  /** Answers nothing any more but the exception. */
  abort(reason: string): void {
    this.#stopped = true;
    this.#session.end(reason);
    this.#write();
    this.#socket.destroySoon();
  }

  #onBytes(chunk: Buffer): void {
    if (this.#stopped) return;
    const { asked, fault } = this.#session.receive(chunk);
    for (const each of asked) this.#ask(each);
    if (fault === undefined) {
      this.#writeSoon();
      return;
    }
    this.#owner.options.log({ level: 'error', event: 'abciRequestRefused', fault });
    this.abort(fault);
  }

  #ask(asked: Asked): void {
    const work = this.#answer(asked).catch((error: unknown) => {
      const failure = error instanceof Error ? error : new Error(String(error));
      this.abort(failure.message);
      this.#owner.fail(failure);
    });
    this.#underWay.add(work);
    void work.then(() => this.#underWay.delete(work));
  }

  async #answer<Kind extends AskedKind>({ ticket, request }: AskedOf<Kind>): Promise<void> {
    const body = await this.#owner.options.handlers[ticket.kind](request.body);
    this.#session.answer(ticket, body);
    this.#writeSoon();
  }

  /** All answers of one turn of the event loop leave in one write. */
  #writeSoon(): void {
    if (this.#isWriteDue) return;
    this.#isWriteDue = true;
    setImmediate(() => {
      this.#isWriteDue = false;
      this.#write();
    });
  }

  #write(): void {
    const bytes = this.#session.takeOutput();
    if (bytes.length > 0 && this.#socket.writable) this.#socket.write(bytes);
  }
}

class AbciConnections {
  readonly options: AbciServerOptions;
  readonly open: Set<Connection> = new Set<Connection>();
  #failed = false;
  #closing: Promise<void> | undefined;
  readonly #server: Server;

  constructor(options: AbciServerOptions) {
    this.options = options;
    this.#server = createServer((socket) => this.#onConnection(socket));
  }

  async listen(): Promise<string> {
    const { address } = this.options;
    const server = this.#server;
    if (address.kind === 'unix') await prepareSocketPath(address.path);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(
        address.kind === 'unix'
          ? { path: address.path }
          : { port: address.port, host: '127.0.0.1' },
        () => {
          server.off('error', reject);
          resolve();
        },
      );
    });
    if (address.kind === 'unix') return `unix://${address.path}`;
    const bound = server.address();
    const port = bound !== null && typeof bound === 'object' ? bound.port : address.port;
    return `tcp://127.0.0.1:${port}`;
  }

  fail(error: Error): void {
    if (this.#failed) return;
    this.#failed = true;
    this.options.log({
      level: 'error',
      event: 'abciFailed',
      error: error.name,
      reason: error.message,
    });
    for (const connection of this.open) connection.abort(error.message);
    void this.close();
    this.options.onFailure(error);
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      const stopped = new Promise<void>((resolve) => {
        this.#server.close(() => resolve());
      });
      await Promise.all(Array.from(this.open, (connection) => connection.finish()));
      await stopped;
    })();
    return this.#closing;
  }

  #onConnection(socket: Socket): void {
    if (this.#closing !== undefined) {
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, this);
    this.open.add(connection);
    this.options.log({ level: 'debug', event: 'abciConnected', connections: this.open.size });
    void connection.closed.then(() => {
      this.open.delete(connection);
      const level = this.#closing === undefined ? 'warn' : 'debug';
      this.options.log({ level, event: 'abciDisconnected', connections: this.open.size });
    });
  }
}

/** Listens until `close`. @throws SocketPathError, or the system's error when the address is taken */
export async function listenAbci(options: AbciServerOptions): Promise<AbciServer> {
  const connections = new AbciConnections(options);
  const proxyApp = await connections.listen();
  return {
    proxyApp,
    connections: () => connections.open.size,
    close: () => connections.close(),
  };
}
