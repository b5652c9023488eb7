/**
 * Bytes to a running node and back, without the client: an attacker writes what it likes. Nothing is
 * retried, nothing is verified; a refusal becomes an error with the code the node gave.
 */
import { request } from 'node:http';
import { parseMessage } from '@yilian/api/codec';
import { submitted } from '@yilian/api/messages-chain';
import { parseProblem } from '@yilian/api/problem';
import type { Bytes } from '@yilian/crypto/bytes';

/** A node said no. `code` is the ledger's rejection where there is one, else the problem's. */
class Refusal extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, status: number) {
    super(`refused with ${status} ${code}`);
    this.code = code;
    this.status = status;
  }
}

export interface WireAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** One HTTP exchange. */
export function exchange(
  url: string,
  input: {
    readonly method: string;
    readonly path: string;
    readonly contentType?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: Uint8Array;
  },
): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...(input.body === undefined
        ? {}
        : {
            'content-type': input.contentType ?? 'application/cbor',
            'content-length': String(input.body.length),
          }),
      ...input.headers,
    };
    const outgoing = request(
      new URL(input.path, url),
      { method: input.method, headers },
      (incoming) => {
        const pieces: Buffer[] = [];
        incoming.on('data', (piece: Buffer) => pieces.push(piece));
        incoming.on('end', () => {
          resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(pieces) });
        });
        incoming.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(input.body);
  });
}

/** The answer, or its problem as a `Refusal`. */
export function orRefusal(answer: WireAnswer): WireAnswer {
  if (answer.status < 400) return answer;
  let document: unknown = null;
  try {
    document = JSON.parse(answer.body.toString('utf8'));
  } catch {
    // No problem document: the status must do.
  }
  const problem = parseProblem(document);
  throw new Refusal(problem?.rejection ?? problem?.code ?? `status${answer.status}`, answer.status);
}

/** Hands in a transaction as bytes and waits. @throws Refusal also for a refusal that is in the log */
export async function postTransaction(url: string, bytes: Bytes): Promise<void> {
  const answer = orRefusal(
    await exchange(url, { method: 'POST', path: '/v1/transactions?wait=final', body: bytes }),
  );
  const parsed = parseMessage(submitted, answer.body, 1024 * 1024);
  if (!parsed.ok) throw new Refusal('unreadableAnswer', answer.status);
  const { value } = parsed;
  if (value.kind === 'final' && value.outcome !== 'ok')
    throw new Refusal(value.outcome, answer.status);
}
