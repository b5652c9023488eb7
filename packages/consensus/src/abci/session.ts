/**
 * The server's side of one ABCI connection: bytes in, requests out; answers in, bytes out. There are no ids
 * on the wire, the n-th response answers the n-th request. So every request gets a ticket; answers may be
 * given in any order, and leave in the order of the requests. The session answers Echo and Flush itself, in
 * their turn. After an exception, ours or for bytes that are no request, nothing is answered any more:
 * CometBFT stops at an exception, and whatever stood behind it would be read as the answer to something else.
 */
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import { decodeRequest, encodeExceptionFrame, encodeResponseFrame } from './envelope.ts';
import { FrameSplitter, joinBytes } from './frame-splitter.ts';
import type { Request, RequestKind, RequestOf } from './requests.ts';
import type { ResponseBodies } from './responses.ts';

export type SessionFault =
  /** A frame beyond the limit; its bytes were not waited for. */
  | 'frameTooLarge'
  /** Bytes that are no message, or a message of which a part has another form. */
  | 'malformed'
  /** A message of a kind that ABCI 2.0 does not have. */
  | 'unknownRequest'
  /** Bytes after the end. */
  | 'closed';

/** Entitles to one answer of its kind. */
export interface Ticket<Kind extends RequestKind = RequestKind> {
  readonly kind: Kind;
  /** The how manieth request of its session it is, from 0. */
  readonly place: number;
}

/** Requests that the session leaves to others. */
export type AskedKind = Exclude<RequestKind, 'echo' | 'flush'>;

export interface AskedOf<Kind extends AskedKind> {
  readonly ticket: Ticket<Kind>;
  readonly request: RequestOf<Kind>;
}

export type Asked = { [Kind in AskedKind]: AskedOf<Kind> }[AskedKind];

export interface Received {
  /** In the order of arrival. */
  readonly asked: readonly Asked[];
  /** Set when the session ended itself: nothing will be read any more. */
  readonly fault: SessionFault | undefined;
}

export interface SessionOptions {
  /** Bytes of one request at most (default 64 MiB; CometBFT's blocks have at most 100 MB, by default 21). */
  readonly frameBytesMax?: number;
}

const FRAME_BYTES_MAX = 64 * 1024 * 1024;
const NOTHING: Bytes = new Uint8Array(0);
const FLUSHED: Bytes = encodeResponseFrame('flush', {});

/** Places that have left are cut off in one go when so many have gathered. */
const LEFT_MAX = 1_024;

export class AbciSession {
  readonly #splitter: FrameSplitter;
  /** Answers by place, from place `#first` on; those before `#head` have left. */
  #answers: (Bytes | undefined)[] = [];
  #first = 0;
  #head = 0;
  #ready: Bytes[] = [];
  #ended = false;

  constructor(options: SessionOptions = {}) {
    this.#splitter = new FrameSplitter(options.frameBytesMax ?? FRAME_BYTES_MAX);
  }

  /** Requests whose answer has not left. */
  get pending(): number {
    return this.#answers.length - this.#head;
  }

  /** Nothing is read or answered any more; what `takeOutput` still gives is the last. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether the peer may close here without having cut a request. */
  get isBetweenRequests(): boolean {
    return this.#splitter.isBetweenFrames;
  }

  /** Takes the bytes of a chunk, which nobody may write to afterwards. */
  receive(chunk: Bytes): Received {
    const asked: Asked[] = [];
    if (this.#ended) return { asked, fault: 'closed' };
    let fault: SessionFault | undefined;
    const splitFault = this.#splitter.push(chunk, (frame) => {
      fault ??= this.#take(frame, asked);
    });
    fault ??= splitFault;
    if (fault !== undefined) this.end(fault);
    return { asked, fault };
  }

  /**
   * Gives the answer to a request. Without effect once the session ended: what is still being worked on then
   * finds nobody who listens.
   */
  answer<Kind extends AskedKind>(ticket: Ticket<Kind>, body: ResponseBodies[Kind]): void {
    if (this.#ended) return;
    const { place } = ticket;
    const index = place - this.#first;
    if (index < this.#head || this.#answers[index] !== undefined)
      throw new Error(`assertion: request ${place} (${ticket.kind}) has its answer already`);
    this.#answers[index] = encodeResponseFrame(ticket.kind, body);
    this.#release();
  }

  /** Ends the session with an exception, which leaves at once behind the answers that were next. */
  end(error: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#answers = [];
    this.#head = 0;
    this.#ready.push(encodeExceptionFrame(error));
  }

  /** Bytes whose turn it is; empty when there are none. */
  takeOutput(): Bytes {
    const ready = this.#ready;
    if (ready.length === 0) return NOTHING;
    this.#ready = [];
    const [only] = ready;
    return ready.length === 1 && only !== undefined ? only : joinBytes(ready);
  }

  #take(frame: Bytes, asked: Asked[]): SessionFault | undefined {
    let request: Request | undefined;
    try {
      request = decodeRequest(frame);
    } catch (error) {
      if (error instanceof CodecError) return 'malformed';
      throw error;
    }
    if (request === undefined) return 'unknownRequest';
    const place = this.#first + this.#answers.length;
    if (request.kind === 'flush') this.#answers.push(FLUSHED);
    else if (request.kind === 'echo') this.#answers.push(encodeResponseFrame('echo', request.body));
    else {
      this.#answers.push(undefined);
      asked.push(ask(request, place));
      return undefined;
    }
    this.#release();
    return undefined;
  }

  /** Everything that is next and has its answer. */
  #release(): void {
    for (;;) {
      const frame = this.#answers[this.#head];
      if (frame === undefined) break;
      this.#ready.push(frame);
      this.#head += 1;
    }
    if (this.#head < LEFT_MAX && this.#head < this.#answers.length) return;
    this.#answers.splice(0, this.#head);
    this.#first += this.#head;
    this.#head = 0;
  }
}

/** The pairing of ticket and request, which the compiler loses with the union. */
function ask(request: Exclude<Request, { kind: 'echo' | 'flush' }>, place: number): Asked {
  return { ticket: { kind: request.kind, place }, request } as Asked;
}
