/** Bodies of answers: read within limits of size and time, parsed as their route says. */
import { parseMessage } from '@yilian/api/codec';
import { parseProblem } from '@yilian/api/problem';
import type { Content } from '@yilian/api/route';
import type { Bytes } from '@yilian/crypto/bytes';
import { NetworkError, ProblemError, type Source, VerificationError } from './failure.ts';
import type { Platform } from './platform/platform.ts';

const PROBLEM_BYTES_MAX = 16 * 1024;
const JSON_BYTES_MAX = 8 * 1024 * 1024;
const EVENT_BYTES_MAX = 1024 * 1024;
/** Bodies up to this length are read at once. */
const SMALL_BODY_BYTES = 1024 * 1024;

/** A response whose body is still on its way. */
export interface Sent {
  readonly response: Response;
  readonly timer: Deadline;
  readonly source: Source;
  readonly abort: () => void;
  readonly release: () => void;
}

/** Aborts when the time is over, unless it is cancelled or put off before. */
export class Deadline {
  readonly #platform: Platform;
  readonly #expire: () => void;
  #cancel = new AbortController();
  expired = false;

  constructor(platform: Platform, ms: number, expire: () => void) {
    this.#platform = platform;
    this.#expire = expire;
    this.restart(ms);
  }

  restart(ms: number): void {
    this.cancel();
    const controller = new AbortController();
    this.#cancel = controller;
    void this.#platform.wait(ms, controller.signal).then(() => {
      if (controller.signal.aborted) return;
      this.expired = true;
      this.#expire();
    });
  }

  cancel(): void {
    this.#cancel.abort();
  }
}

/** The answer as its route describes it. @throws VerificationError `malformed` */
export async function decodeContent<T>(content: Content<T>, sent: Sent): Promise<T> {
  const { response, source } = sent;
  switch (content.kind) {
    case 'none':
      await response.arrayBuffer();
      return null as T;
    case 'cbor': {
      const parsed = parseMessage(
        content.codec,
        await readAll(sent, content.bytesMax),
        content.bytesMax,
      );
      if (!parsed.ok)
        throw new VerificationError('malformed', source, `the answer is ${parsed.fault}`);
      return parsed.value;
    }
    case 'bytes':
      return (await readAll(sent, content.bytesMax)) as T;
    case 'json': {
      const parsed = content.schema.safeParse(
        parseJson(new TextDecoder().decode(await readAll(sent, JSON_BYTES_MAX))),
      );
      if (!parsed.success)
        throw new VerificationError('malformed', source, 'the answer has another form');
      return parsed.data;
    }
    case 'text':
      return new TextDecoder().decode(await readAll(sent, JSON_BYTES_MAX)) as T;
    case 'stream':
    case 'events':
      throw new TypeError('a stream is read by download or events');
  }
}

/** A body of any size; `limitMs` is the node's time for each piece. */
export async function* piecesOf(sent: Sent, limitMs: number): AsyncGenerator<Bytes> {
  const announced = Number(sent.response.headers.get('content-length') ?? Number.NaN);
  if (announced <= SMALL_BODY_BYTES) {
    yield await readAll(sent, SMALL_BODY_BYTES);
    return;
  }
  const reader = sent.response.body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      // The reader of a download may be slow; only the node's time counts.
      sent.timer.cancel();
      yield value;
      sent.timer.restart(limitMs);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/**
 * The whole body, of at most `bytesMax` bytes. The browser itself collects it while a copy is counted:
 * Chromium reports a request as aborted when a script reads the last piece before the network has
 * closed it, although nothing is lost.
 */
async function readAll(sent: Sent, bytesMax: number): Promise<Bytes> {
  const { response, source, abort } = sent;
  const counted = response.clone().body?.getReader();
  const whole = response.arrayBuffer();
  if (counted === undefined) return new Uint8Array(await whole);
  // Whatever ends the copy ends the body, too: it is reported once.
  whole.catch(() => undefined);
  let length = 0;
  for (;;) {
    const { done, value } = await counted.read();
    if (done) break;
    length += value.length;
    if (length <= bytesMax) continue;
    // Ends both: a branch that is cancelled alone would wait for the other one.
    abort();
    throw new VerificationError('malformed', source, 'the answer is too long');
  }
  return new Uint8Array(await whole);
}

/** What a node that refused says, as an error to throw. */
export async function readProblem(sent: Sent): Promise<ProblemError | NetworkError> {
  const { response, source } = sent;
  const text = new TextDecoder().decode(await readAll(sent, PROBLEM_BYTES_MAX));
  const problem = parseProblem(parseJson(text));
  if (problem === null)
    return new NetworkError(
      'unreachable',
      `${source.node} answered ${source.route} with status ${response.status} and no known problem`,
      source,
    );
  return new ProblemError({
    code: problem.code,
    status: problem.status,
    detail: problem.detail,
    source,
    retryAfterSeconds: problem.retryAfterSeconds,
    rejection: problem.rejection,
  });
}

/** Undefined where the text is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** WHATWG HTML §9.2: fields `id` and `data`, events end with an empty line, `:` starts a comment. */
export async function* serverSentEvents(
  sent: Sent,
): AsyncGenerator<{ readonly id: string | undefined; readonly data: string }> {
  const reader = sent.response.body?.getReader();
  if (reader === undefined) return;
  const decoder = new TextDecoder();
  let buffered = '';
  let id: string | undefined;
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      buffered += decoder.decode(value, { stream: true });
      if (buffered.length > EVENT_BYTES_MAX)
        throw new VerificationError('malformed', sent.source, 'an event is too long');
      const lines = buffered.split(/\r\n|\n|\r/);
      buffered = lines.pop() ?? '';
      for (const line of lines) {
        if (line === '') {
          if (data.length > 0) yield { id, data: data.join('\n') };
          data = [];
        } else if (line.startsWith('id:')) id = line.slice(3).trimStart();
        else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
