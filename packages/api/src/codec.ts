/**
 * One declaration per message gives its type's encoder, its strict parser and its description.
 * Messages are canonical CBOR arrays with a fixed order (crypto/src/cbor.ts); an object exists only
 * on this side of the wire.
 */
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';

/** How one message travels. `fromCbor` throws `CodecError` `malformed` or `tooLarge`. */
export interface Codec<T> {
  /** One line for people, printed into the OpenAPI document. */
  readonly describe: string;
  toCbor(value: T): Cbor;
  fromCbor(value: Cbor): T;
}

/** Why received bytes are not the message they should be. */
export type ParseFault = 'malformed' | 'notCanonical' | 'tooLarge';

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly fault: ParseFault };

/** The one encoding of `value` under `codec`. */
export function encodeMessage<T>(codec: Codec<T>, value: T): Bytes {
  return encode(codec.toCbor(value));
}

/** Untrusted bytes to a typed message, or why not. Never throws for bad input. */
export function parseMessage<T>(codec: Codec<T>, bytes: Bytes, bytesMax: number): Parsed<T> {
  try {
    return { ok: true, value: codec.fromCbor(decode(bytes, { bytesMax, depthMax: 16 })) };
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    return { ok: false, fault: error.code === 'tooDeep' ? 'malformed' : error.code };
  }
}

function malformed(what: string): CodecError {
  return new CodecError('malformed', `expected ${what}`);
}

/** A byte string of exactly `length` bytes. */
export function fixedBytes(length: number): Codec<Bytes> {
  const describe = `${length} bytes`;
  return {
    describe,
    toCbor: (value) => value,
    fromCbor: (value) => {
      if (!(value instanceof Uint8Array) || value.length !== length) throw malformed(describe);
      return value;
    },
  };
}

/** A byte string of at most `max` bytes. */
export function boundedBytes(max: number): Codec<Bytes> {
  const describe = `at most ${max} bytes`;
  return {
    describe,
    toCbor: (value) => value,
    fromCbor: (value) => {
      if (!(value instanceof Uint8Array)) throw malformed(describe);
      if (value.length > max) throw new CodecError('tooLarge', `expected ${describe}`);
      return value;
    },
  };
}

/** Text of at most `max` UTF-16 units that matches `pattern` as a whole. */
export function text(max: number, pattern: RegExp): Codec<string> {
  const describe = `text ${pattern.source}`;
  return {
    describe,
    toCbor: (value) => value,
    fromCbor: (value) => {
      if (typeof value !== 'string' || value.length > max || !pattern.test(value))
        throw malformed(describe);
      return value;
    },
  };
}

/** A non-negative safe integer of at most `max`. */
export function uint(max: number = Number.MAX_SAFE_INTEGER): Codec<number> {
  const describe = `integer 0…${max}`;
  return {
    describe,
    toCbor: (value) => value,
    fromCbor: (value) => {
      if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max)
        throw malformed(describe);
      return value;
    },
  };
}

/** A height: a non-negative integer below 2^63, bigint on this side whatever its size. */
export const height: Codec<bigint> = {
  describe: 'height',
  toCbor: (value) => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value),
  fromCbor: (value) => {
    const wide = typeof value === 'number' ? BigInt(value) : value;
    if (typeof wide !== 'bigint' || wide < 0n || wide >= 1n << 63n) throw malformed('height');
    return wide;
  },
};

/** True or false. */
export const flag: Codec<boolean> = {
  describe: 'true | false',
  toCbor: (value) => value,
  fromCbor: (value) => {
    if (typeof value !== 'boolean') throw malformed('true or false');
    return value;
  },
};

/** One of a fixed set of words. */
export function oneOf<const T extends string>(...words: readonly T[]): Codec<T> {
  const describe = words.join(' | ');
  return {
    describe,
    toCbor: (value) => value,
    fromCbor: (value) => {
      const word = words.find((candidate) => candidate === value);
      if (word === undefined) throw malformed(describe);
      return word;
    },
  };
}

/** `codec` or null. */
export function nullable<T>(codec: Codec<T>): Codec<T | null> {
  return {
    describe: `${codec.describe} | null`,
    toCbor: (value) => (value === null ? null : codec.toCbor(value)),
    fromCbor: (value) => (value === null ? null : codec.fromCbor(value)),
  };
}

/** At most `max` items. */
export function list<T>(item: Codec<T>, max: number): Codec<readonly T[]> {
  const describe = `[${item.describe}, … ≤ ${max}]`;
  return {
    describe,
    toCbor: (value) => value.map((one) => item.toCbor(one)),
    fromCbor: (value) => {
      if (!Array.isArray(value)) throw malformed(describe);
      if (value.length > max) throw new CodecError('tooLarge', `expected at most ${max} items`);
      return value.map((one: Cbor) => item.fromCbor(one));
    },
  };
}

/** An array of exactly the named fields, in the order of their declaration. */
export function fields<T extends object>(shape: {
  readonly [K in keyof T]: Codec<T[K]>;
}): Codec<T> {
  // Declaration order is the wire order; names are words, so engines keep that order.
  const names = Object.keys(shape) as (keyof T)[];
  const describe = `[${names.map((name) => `${String(name)}: ${shape[name].describe}`).join(', ')}]`;
  return {
    describe,
    toCbor: (value) => names.map((name) => shape[name].toCbor(value[name])),
    fromCbor: (value) => {
      if (!Array.isArray(value) || value.length !== names.length) throw malformed(describe);
      const parsed: Partial<T> = {};
      names.forEach((name, position) => {
        parsed[name] = shape[name].fromCbor((value[position] ?? null) as Cbor);
      });
      return parsed as T;
    },
  };
}

/** `[kind, …fields of that kind]`; the value carries its `kind`. */
export function variants<T extends { readonly kind: string }>(shapes: {
  readonly [K in T['kind']]: Codec<Omit<Extract<T, { kind: K }>, 'kind'>>;
}): Codec<T> {
  const kinds = Object.keys(shapes) as T['kind'][];
  const describe = kinds.map((kind) => `['${kind}', ${shapes[kind].describe}]`).join(' | ');
  return {
    describe,
    toCbor: (value) => {
      const kind: T['kind'] = value.kind;
      return [kind, shapes[kind].toCbor(value as never)];
    },
    fromCbor: (value) => {
      if (!Array.isArray(value) || value.length !== 2) throw malformed(describe);
      const kind = kinds.find((candidate) => candidate === value[0]);
      if (kind === undefined) throw malformed(describe);
      return { kind, ...shapes[kind].fromCbor((value[1] ?? null) as Cbor) } as unknown as T;
    },
  };
}

/** A whole canonical CBOR item that another package owns; kept as a value. */
export const anyCbor: Codec<Cbor> = {
  describe: 'CBOR',
  toCbor: (value) => value,
  fromCbor: (value) => value,
};
