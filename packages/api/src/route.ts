/** What a row of the route table says, and the two functions both of its faces need. */
import type { Bytes } from '@yilian/crypto/bytes';
import type * as z from 'zod';
import type { Codec } from './codec.ts';
import { numberParameter, optionalHeight, type Parameter } from './parameter.ts';
import type { ProblemCode } from './problem.ts';
import type { ServiceName } from './documents.ts';
import { LIMITS } from './sizes.ts';

export type Method = 'GET' | 'POST' | 'PUT';

/** How a request or an answer travels. `T` is its type on this side of the wire. */
export type Content<T> =
  | { readonly kind: 'none' }
  | { readonly kind: 'cbor'; readonly codec: Codec<T>; readonly bytesMax: number }
  | { readonly kind: 'json'; readonly schema: z.ZodType<T> }
  /** Bytes held in memory, `application/octet-stream` or canonical CBOR of another package. */
  | { readonly kind: 'bytes'; readonly mediaType: string; readonly bytesMax: number }
  /** Bytes of any size that pass through. */
  | { readonly kind: 'stream'; readonly bytesMax: number }
  /** Server-sent events with JSON data; resume by Last-Event-ID. */
  | { readonly kind: 'events'; readonly schema: z.ZodType<T> }
  | { readonly kind: 'text'; readonly mediaType: string };

/** Who may call. The signer named is checked by the service behind the route. */
export type Authentication =
  | { readonly kind: 'none' }
  /** The body is a transaction and carries its own signatures. */
  | { readonly kind: 'transaction' }
  /** The bytes' hash stands in a final grant. */
  | { readonly kind: 'hashOnChain' }
  /** Knowing the path is the permission. */
  | { readonly kind: 'capability' }
  | { readonly kind: 'enrolmentSecret' }
  | {
      readonly kind: 'signed';
      readonly carrier: 'body' | 'header';
      readonly signer: 'member' | 'grantee' | 'doctor' | 'handle';
    };

/** No parameters. */
export type NoValues = object;

export interface Route<Params extends object, Query extends object, Request, Answer> {
  readonly name: string;
  readonly method: Method;
  /** `{name}` stands for a parameter. */
  readonly path: string;
  readonly summary: string;
  readonly params: { readonly [K in keyof Params]: Parameter<Params[K]> };
  readonly query: { readonly [K in keyof Query]: Parameter<Query[K]> };
  readonly auth: Authentication;
  /** With `auth.carrier` body: what lies inside the signed request. */
  readonly request: Content<Request>;
  readonly answer: Content<Answer>;
  /** Status of success. */
  readonly status: 200 | 201 | 202;
  /** What a client checks before it believes the answer. */
  readonly proof: string;
  /** Problems beyond those any route can give (`COMMON_PROBLEMS`). */
  readonly problems: readonly ProblemCode[];
  /** Cost of one call in the caller's allowance of 100 a second. */
  readonly cost: number;
  /** The service that answers; null: every node. */
  readonly service: ServiceName | null;
}

/** Any row, when its types do not matter. */
export type AnyRoute = Route<object, object, never, never> | Route<never, never, never, never>;

/** How long a call may wait at the node, and for what. */
export interface Patience {
  /** Answered only when so high a block is final at the node; null: at once. */
  readonly height: bigint | null;
  /** Milliseconds. */
  readonly within: number;
}

/** Query parameters that every route takes besides its own (API-15). */
export const PATIENCE: { readonly [K in keyof Patience]: Parameter<Patience[K]> } = {
  height: optionalHeight,
  within: numberParameter(LIMITS.waitMsMax, 0),
};

/** Path and query of a call, from typed values. */
export function buildTarget<Params extends object, Query extends object>(
  route: {
    readonly path: string;
    readonly params: { readonly [K in keyof Params]: Parameter<Params[K]> };
    readonly query: { readonly [K in keyof Query]: Parameter<Query[K]> };
  },
  params: Params,
  query: Partial<Query> = {},
  patience: Partial<Patience> = {},
): { readonly path: string; readonly search: string } {
  const { params: pathShape, query: queryShape } = route;
  let path = route.path;
  for (const name in pathShape)
    path = path.replace(`{${name}}`, pathShape[name].format(params[name]));
  const search = [...queryItems(queryShape, query), ...queryItems(PATIENCE, patience)];
  return { path, search: search.length === 0 ? '' : `?${search.join('&')}` };
}

function queryItems<Query extends object>(
  shape: { readonly [K in keyof Query]: Parameter<Query[K]> },
  values: Partial<Query>,
): readonly string[] {
  const items: string[] = [];
  for (const name in shape) {
    const value = values[name];
    const parameter = shape[name];
    if (value !== undefined && value !== null && value !== parameter.absent)
      items.push(`${name}=${parameter.format(value)}`);
  }
  return items;
}

/** Raw text values to typed ones; null when one is missing or does not match. */
export function parseParameters<Values extends object>(
  shape: { readonly [K in keyof Values]: Parameter<Values[K]> },
  raw: (name: string) => string | undefined,
): Values | null {
  const values: Partial<Values> = {};
  for (const name in shape) {
    const parameter = shape[name];
    const textValue = raw(name);
    if (textValue === undefined) {
      if (parameter.absent === undefined) return null;
      values[name] = parameter.absent;
      continue;
    }
    if (!parameter.pattern.test(textValue)) return null;
    const parsed = parameter.parse(textValue);
    if (parsed === null) return null;
    values[name] = parsed;
  }
  return values as Values;
}

/** Bytes of canonical CBOR that another package owns. */
export function cborBytes(bytesMax: number): Content<Bytes> {
  return { kind: 'bytes', mediaType: 'application/cbor', bytesMax };
}
