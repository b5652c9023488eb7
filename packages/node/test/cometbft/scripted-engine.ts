/**
 * CometBFT's side of the socket, as its Go client behaves: requests are tracked in order, an answer of another
 * kind or one that nobody asked for is an error, each synchronous call is followed by a Flush and waits for
 * it, a CheckTx has no Flush of its own.
 */
import { connect, type Socket } from 'node:net';
import { decodeResponse, encodeRequestFrame } from '@yilian/consensus/abci/envelope';
import { FrameSplitter } from '@yilian/consensus/abci/frame-splitter';
import type { RequestBodies, RequestKind } from '@yilian/consensus/abci/requests';
import type { Response, ResponseBodies } from '@yilian/consensus/abci/responses';
import type { Bytes } from '@yilian/crypto/bytes';

interface Sent {
  readonly kind: RequestKind;
  readonly settle: (response: Response) => void;
  readonly fail: (error: Error) => void;
}

export class EngineConnection {
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #splitter = new FrameSplitter(1 << 26);
  #sent: Sent[] = [];
  #error: Error | undefined;
  /** Bytes of one write at most; cuts frames and lengths. */
  chunkBytes: number = Number.MAX_SAFE_INTEGER;

  constructor(path: string) {
    this.#socket = connect(path);
    this.#socket.on('data', (chunk: Buffer) => {
      this.#splitter.push(new Uint8Array(chunk), (frame) => this.#onFrame(frame));
    });
    this.#socket.on('error', (error) => this.#fail(error));
    this.closed = new Promise((resolve) => {
      this.#socket.on('close', () => {
        this.#fail(new Error('the application closed the connection'));
        resolve();
      });
    });
  }

  /** Undefined while the connection is good. */
  get error(): Error | undefined {
    return this.#error;
  }

  send<Kind extends RequestKind>(
    kind: Kind,
    body: RequestBodies[Kind],
  ): Promise<ResponseBodies[Kind]> {
    const answer = new Promise<Response>((settle, fail) => {
      if (this.#error === undefined) this.#sent.push({ kind, settle, fail });
      else fail(this.#error);
    });
    this.write(encodeRequestFrame(kind, body));
    const body_ = answer.then(({ body: answered }) => answered as ResponseBodies[Kind]);
    // Whoever does not look at an answer must not stop the test.
    body_.catch(() => undefined);
    return body_;
  }

  /** Request and Flush; waits for the Flush, as Go does. */
  async call<Kind extends RequestKind>(
    kind: Kind,
    body: RequestBodies[Kind],
  ): Promise<ResponseBodies[Kind]> {
    const answer = this.send(kind, body);
    await this.send('flush', {});
    return answer;
  }

  write(bytes: Bytes): void {
    for (let at = 0; at < bytes.length; at += this.chunkBytes)
      this.#socket.write(bytes.slice(at, at + this.chunkBytes));
  }

  close(): void {
    this.#socket.destroy();
  }

  #onFrame(frame: Bytes): void {
    const response = decodeResponse(frame);
    const next = this.#sent.shift();
    if (response?.kind === 'exception') this.#fail(new Error(`exception: ${response.body.error}`));
    else if (next === undefined) this.#fail(new Error('an answer that nobody asked for'));
    else if (response?.kind !== next.kind) {
      const error = new Error(`${response?.kind} answered to ${next.kind}`);
      next.fail(error);
      this.#fail(error);
    } else next.settle(response);
  }

  #fail(error: Error): void {
    this.#error ??= error;
    for (const { fail } of this.#sent.splice(0)) fail(this.#error);
  }
}

/** The four connections, in the order in which CometBFT opens them. */
export class ScriptedEngine {
  readonly query: EngineConnection;
  readonly snapshot: EngineConnection;
  readonly mempool: EngineConnection;
  readonly consensus: EngineConnection;

  constructor(path: string) {
    this.query = new EngineConnection(path);
    this.snapshot = new EngineConnection(path);
    this.mempool = new EngineConnection(path);
    this.consensus = new EngineConnection(path);
  }

  get connections(): readonly EngineConnection[] {
    return [this.query, this.snapshot, this.mempool, this.consensus];
  }

  close(): void {
    for (const connection of this.connections) connection.close();
  }
}
