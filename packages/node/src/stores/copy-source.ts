/**
 * Where a store gets a record's bytes again: from the other operators whose stores the record names.
 * What comes is believed only when it is what the chain says (`ObjectHoldings.restore`).
 */
import { randomBytes } from 'node:crypto';
import type { ProblemCode } from '@yilian/api/problem';
import { buildTarget } from '@yilian/api/route';
import { ROUTES } from '@yilian/api/routes';
import { SIGNED_REQUEST_HEADER, signRequest, toRequestHeader } from '@yilian/api/signed-request';
import { type Bytes, equalBytes, fromHex, toHex } from '@yilian/crypto/bytes';
import type { ChainContext } from '@yilian/crypto/context';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import type { Signer } from '@yilian/ledger/transaction-codec';
import { type Clock, nowSeconds } from '../clock.ts';
import { ConfigError, JsonFields } from '../json-fields.ts';
import { type ExchangeLimits, type HttpAnswer, createHttpExchange } from './http-exchange.ts';
import { ObjectStoreError } from './object-store-error.ts';
import { type StoredName, parseStoredName } from './stored-head.ts';

/** A store of another operator as this node is configured to reach it. */
export interface CopyPlace {
  /** Member ids of the store and of the node that serves it. */
  readonly store: Bytes;
  readonly node: Bytes;
  readonly url: string;
}

/** `copies` of config.json; absent: none. @throws ConfigError */
export function parseCopyPlaces(file: string, value: unknown): readonly CopyPlace[] {
  const fields = new JsonFields(file, value);
  if (!fields.has('copies')) return [];
  return fields.list('copies', (item, where) => {
    const place = new JsonFields(where, item);
    const url = place.text('url');
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new ConfigError(`${where}: url must be an http or https URL`);
    return {
      store: fromHex(place.text('store', /^[0-9a-f]{64}$/)),
      node: fromHex(place.text('node', /^[0-9a-f]{64}$/)),
      url,
    };
  });
}

export interface OfferedCopy {
  /** As the other operator says. */
  readonly name: StoredName;
  readonly content: AsyncIterable<Bytes>;
}

export interface CopySource {
  /** Member id of the store. */
  readonly store: Bytes;
  /** Null: it has none to give. @throws ObjectStoreError when it cannot be asked */
  fetch(record: LedgerRecord, signal: AbortSignal): Promise<OfferedCopy | null>;
  /**
   * A range of what it keeps, for an audit; or that it says itself to have lost the whole.
   * @throws ObjectStoreError when it cannot be asked, does not know the record yet, or breaks off
   */
  probe(record: LedgerRecord, range: ByteRange, signal: AbortSignal): Promise<Probe>;
  close(): void;
}

export interface ByteRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

export type Probe =
  | { readonly kind: 'bytes'; readonly bytes: Bytes }
  | { readonly kind: 'lost'; readonly finding: 'missing' | 'altered' };

/** What a problem of `getStoredCopy` says of the object; others say nothing of it. */
const LOSSES: Readonly<Partial<Record<string, 'missing' | 'altered'>>> = {
  ciphertextUnknown: 'missing',
  ciphertextLost: 'missing',
  ciphertextDamaged: 'altered',
  rangeNotSatisfiable: 'altered',
} satisfies Partial<Record<ProblemCode, 'missing' | 'altered'>>;

const PROBLEM_BYTES_MAX = 16_384;

async function codeOf(answer: HttpAnswer): Promise<string | null> {
  const text = new TextDecoder().decode(await answer.bytes(PROBLEM_BYTES_MAX));
  try {
    const problem: unknown = JSON.parse(text);
    return typeof problem === 'object' && problem !== null && 'code' in problem
      ? String(problem.code)
      : null;
  } catch {
    return null;
  }
}

export const STORED_NAME_HEADER = 'yilian-stored-name';

const LIMITS: ExchangeLimits = { answerMs: 15_000, bytesPerSecondMin: 16_384 };

/** The other operator's node, asked by HTTP in the name of this one. */
export function createCopySource(options: {
  readonly context: ChainContext;
  readonly place: CopyPlace;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly limits?: ExchangeLimits;
}): CopySource {
  const { context, place, signer, clock } = options;
  const exchange = createHttpExchange(options.limits ?? LIMITS);
  const route = ROUTES.getStoredCopy;
  const ask = (
    record: LedgerRecord,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpAnswer> => {
    const { path, search } = buildTarget<{ readonly recordId: Bytes }, object>(route, {
      recordId: record.id,
    });
    const signed = signRequest(context, {
      receiver: place.node,
      target: `${route.method} ${path}`,
      timeSeconds: nowSeconds(clock),
      nonce: new Uint8Array(randomBytes(16)),
      body: new Uint8Array(0),
      key: signer.key,
      sign: (message) => signer.sign(message),
    });
    return exchange.send({
      method: 'GET',
      url: new URL(`${place.url.replace(/\/$/, '')}${path}${search}`),
      headers: { ...headers, [SIGNED_REQUEST_HEADER]: toRequestHeader(signed) },
      signal,
    });
  };

  return {
    store: place.store,
    fetch: async (record, signal) => {
      const answer = await ask(record, {}, signal);
      const told = answer.headers[STORED_NAME_HEADER];
      const name = typeof told === 'string' ? parseStoredName(told) : null;
      if (answer.status === 200 && name !== null) return { name, content: answer.body() };
      answer.discard();
      if (answer.status === 404 || answer.status === 410) return null;
      throw new ObjectStoreError(
        answer.status === 401 || answer.status === 403 ? 'accessDenied' : 'unavailable',
        `the other operator's node answered ${answer.status}`,
      );
    },
    probe: async (record, { start, end }, signal) => {
      const answer = await ask(record, { range: `bytes=${start}-${end - 1}` }, signal);
      if (answer.status === 206) return { kind: 'bytes', bytes: await answer.bytes(end - start) };
      // A whole object instead of the range: an older node, or one that wants to be asked no more.
      const code = answer.status === 200 ? null : await codeOf(answer);
      const finding = code === null ? undefined : LOSSES[code];
      answer.discard();
      if (finding !== undefined) return { kind: 'lost', finding };
      throw new ObjectStoreError(
        answer.status === 401 || answer.status === 403 ? 'accessDenied' : 'unavailable',
        `the other operator's node answered ${answer.status}`,
      );
    },
    close: () => exchange.close(),
  };
}

/** The other operators' stores, as they are known at the moment. */
export interface CopySources {
  /** Those that the record names. */
  of(record: LedgerRecord): readonly CopySource[];
  close(): void;
}

/** `places`: where a store is named twice, the first counts. A source is opened once for each place. */
export function createCopySources(input: {
  readonly places: () => readonly CopyPlace[];
  readonly open: (place: CopyPlace) => CopySource;
}): CopySources {
  const { places, open } = input;
  const opened = new Map<string, { readonly url: string; readonly source: CopySource }>();
  const sourceOf = (place: CopyPlace): CopySource => {
    const name = toHex(place.store);
    const before = opened.get(name);
    if (before?.url === place.url) return before.source;
    before?.source.close();
    const source = open(place);
    opened.set(name, { url: place.url, source });
    return source;
  };
  return {
    of: (record) => {
      const named = places().filter(({ store }) =>
        record.stores.some((id) => equalBytes(id, store)),
      );
      const first = (place: CopyPlace, at: number): boolean =>
        named.findIndex(({ store }) => equalBytes(store, place.store)) === at;
      return named.filter(first).map(sourceOf);
    },
    close: () => {
      for (const { source } of opened.values()) source.close();
    },
  };
}
