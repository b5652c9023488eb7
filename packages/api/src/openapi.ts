/** The route table as an OpenAPI 3.1 document; `x-yilian-proof` says what makes an answer believable. */
import * as z from 'zod';
import type { Parameter } from './parameter.ts';
import { PROBLEMS, type ProblemCode } from './problem.ts';
import { type Authentication, type Content, type Method, PATIENCE } from './route.ts';
import { COMMON_PROBLEMS, ROUTES, SIGNED_PROBLEMS } from './routes.ts';

/** JSON of any shape. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

interface Row {
  readonly name: string;
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly params: object;
  readonly query: object;
  readonly auth: Authentication;
  readonly request: Content<never>;
  readonly answer: Content<never>;
  readonly status: number;
  readonly proof: string;
  readonly problems: readonly ProblemCode[];
}

function describeContent(content: Content<never>): { readonly [mediaType: string]: Json } {
  switch (content.kind) {
    case 'none':
      return {};
    case 'cbor':
      return {
        'application/cbor': {
          schema: {
            type: 'string',
            contentMediaType: 'application/cbor',
            description: content.codec.describe,
          },
        },
      };
    case 'json':
      return { 'application/json': { schema: jsonSchema(content.schema) } };
    case 'bytes':
      return {
        [content.mediaType]: {
          schema: {
            type: 'string',
            contentMediaType: content.mediaType,
            maxLength: content.bytesMax,
          },
        },
      };
    case 'stream':
      return { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } };
    case 'events':
      return { 'text/event-stream': { schema: jsonSchema(content.schema) } };
    case 'text':
      break;
  }
  return { [content.mediaType]: { schema: { type: 'string' } } };
}

function jsonSchema(schema: z.ZodType): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema);
  return rest as unknown as Json;
}

function describeParameters(shape: object, place: 'path' | 'query'): readonly Json[] {
  return Object.entries(shape).map(([name, value]) => {
    const parameter = value as Parameter<unknown>;
    return {
      name,
      in: place,
      required: place === 'path' || parameter.absent === undefined,
      description: parameter.describe,
      schema: { type: 'string', pattern: parameter.pattern.source },
    };
  });
}

function describeAuthentication(auth: Authentication): string {
  switch (auth.kind) {
    case 'none':
      return 'none';
    case 'transaction':
      return 'the transaction carries its own signatures';
    case 'hashOnChain':
      return 'the hash of the bytes stands in a final grant';
    case 'capability':
      return 'knowing the path';
    case 'enrolmentSecret':
      return 'a one-time enrolment secret in the body';
    case 'signed':
      break;
  }
  return `signed request in the ${auth.carrier} by the ${auth.signer}`;
}

/** All problems a route can answer with, in the order of the table. */
export function problemsOf(route: {
  readonly auth: Authentication;
  readonly problems: readonly ProblemCode[];
}): readonly ProblemCode[] {
  const own =
    route.auth.kind === 'signed' ? [...SIGNED_PROBLEMS, ...route.problems] : route.problems;
  return [...new Set([...COMMON_PROBLEMS, ...own])];
}

function describeProblems(codes: readonly ProblemCode[]): { readonly [status: string]: Json } {
  const byStatus: Record<string, ProblemCode[]> = {};
  for (const code of codes) {
    const status = String(PROBLEMS[code].status);
    byStatus[status] = [...(byStatus[status] ?? []), code];
  }
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, found]) => [
      status,
      {
        description: found.map((code) => `${code}: ${PROBLEMS[code].detail}`).join(' · '),
        content: {
          'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
        },
      },
    ]),
  );
}

function describeRoute(row: Row): Json {
  const content = describeContent(row.request);
  const answer = describeContent(row.answer);
  return {
    operationId: row.name,
    summary: row.summary,
    parameters: [
      ...describeParameters(row.params, 'path'),
      ...describeParameters(row.query, 'query'),
      ...describeParameters(PATIENCE, 'query'),
    ],
    ...(Object.keys(content).length === 0 ? {} : { requestBody: { required: true, content } }),
    responses: {
      [String(row.status)]: {
        description: row.proof,
        ...(Object.keys(answer).length === 0 ? {} : { content: answer }),
      },
      ...describeProblems(problemsOf(row)),
    },
    'x-yilian-auth': describeAuthentication(row.auth),
    'x-yilian-proof': row.proof,
  };
}

/** OpenAPI 3.1 of the whole table. */
export function openApiDocument(): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of Object.values(ROUTES)) {
    const row = route as unknown as Row;
    paths[row.path] = { ...paths[row.path], [row.method.toLowerCase()]: describeRoute(row) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Yilian node',
      version: '1',
      description:
        'Bodies are canonical CBOR arrays unless JSON is said. Believe an answer only after the check that x-yilian-proof names.',
    },
    paths,
    components: {
      schemas: {
        Problem: {
          type: 'object',
          required: ['type', 'title', 'status', 'code', 'detail'],
          properties: {
            type: { type: 'string' },
            title: { type: 'string' },
            status: { type: 'integer' },
            code: { enum: Object.keys(PROBLEMS) },
            detail: { type: 'string' },
            retryAfterSeconds: { type: 'integer' },
            rejection: { type: 'string' },
          },
        },
      },
    },
  };
}
