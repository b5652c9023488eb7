/** A problem on its way to the caller; everything a handler throws that is not one becomes `internal`. */
import { type Problem, type ProblemCode, createProblem } from '@yilian/api/problem';
import type { FastifyReply } from 'fastify';
import type { Refused } from '../services/served.ts';

export class HttpProblem extends Error {
  readonly problem: Problem;

  constructor(
    code: ProblemCode,
    extra: { readonly retryAfterSeconds?: number; readonly rejection?: string } = {},
  ) {
    super(code);
    this.name = 'HttpProblem';
    this.problem = createProblem(code, extra);
  }
}

export function toHttpProblem({ problem, retryAfterSeconds, rejection }: Refused): HttpProblem {
  return new HttpProblem(problem, {
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(rejection === undefined ? {} : { rejection }),
  });
}

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.retryAfterSeconds !== undefined)
    void reply.header('retry-after', String(problem.retryAfterSeconds));
  return (
    reply
      .code(problem.status)
      .header('cache-control', 'no-store')
      .header('content-type', 'application/problem+json')
      // As bytes: to text fastify adds a charset, which RFC 8259 does not know.
      .send(Buffer.from(JSON.stringify(problem)))
  );
}
