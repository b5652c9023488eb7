/** Path and query parameters: one declaration formats, parses and describes. */
import { type Bytes, fromHex, toHex } from '@yilian/crypto/bytes';
import { SIZES } from './sizes.ts';

export interface Parameter<T> {
  readonly describe: string;
  /** Anchored; what `parse` accepts. */
  readonly pattern: RegExp;
  format(value: T): string;
  /** Null when `raw` does not match. */
  parse(raw: string): T | null;
  /** Query only: the value when the parameter is absent. Undefined: required. */
  readonly absent?: T;
}

/** Exactly `length` bytes as lower-case hexadecimal. */
export function hexBytes(length: number): Parameter<Bytes> {
  const pattern = new RegExp(`^[0-9a-f]{${2 * length}}$`);
  return {
    describe: `${length} bytes, lower-case hex`,
    pattern,
    format: toHex,
    parse: (raw) => (pattern.test(raw) ? fromHex(raw) : null),
  };
}

const DECIMAL = /^(0|[1-9][0-9]{0,18})$/;

export const heightParameter: Parameter<bigint> = {
  describe: 'height, decimal',
  pattern: DECIMAL,
  format: String,
  parse: (raw) => (DECIMAL.test(raw) ? BigInt(raw) : null),
};

export const heightOrLatest: Parameter<bigint | 'latest'> = {
  describe: 'height, decimal, or latest',
  pattern: /^(latest|0|[1-9][0-9]{0,18})$/,
  format: String,
  parse: (raw) => (raw === 'latest' ? raw : heightParameter.parse(raw)),
};

/** A height, or absent. */
export const optionalHeight: Parameter<bigint | null> = {
  ...heightParameter,
  format: (value) => String(value ?? ''),
  absent: null,
};

/** A decimal number of at most `max`. */
export function numberParameter(max: number, absent?: number): Parameter<number> {
  return {
    describe: `0…${max}, decimal`,
    pattern: DECIMAL,
    format: String,
    parse: (raw) => {
      const value = DECIMAL.test(raw) ? Number(raw) : null;
      return value !== null && value <= max ? value : null;
    },
    ...(absent === undefined ? {} : { absent }),
  };
}

/** A word of a fixed list, or absent. */
export function optionalWord<const T extends string>(...words: readonly T[]): Parameter<T | null> {
  return {
    describe: words.join(' | '),
    pattern: new RegExp(`^(${words.join('|')})$`),
    format: (value) => value ?? '',
    parse: (raw) => words.find((word) => word === raw) ?? null,
    absent: null,
  };
}

/** A short identifier, or absent. */
export const optionalShortName: Parameter<string | null> = {
  describe: 'short name [a-z0-9-]',
  pattern: /^[a-z0-9-]{1,64}$/,
  format: (value) => value ?? '',
  parse: (raw) => raw,
  absent: null,
};

/** Lists of the ledger: member ids; [institution, epoch]; record ids of an institution and epoch. */
const LIST_NAMES = ['members', 'epochs', 'epoch-records', 'misbehaviour'] as const;
export type ListName = (typeof LIST_NAMES)[number];

export const listName: Parameter<ListName> = {
  describe: 'members | epochs | epoch-records | misbehaviour',
  pattern: /^(members|epochs|epoch-records|misbehaviour)$/,
  format: (value) => value,
  parse: (raw) => LIST_NAMES.find((name) => name === raw) ?? null,
};

/** Prefix of a hashed state key in hexadecimal digits: 0 to 64 of them, `-` for the empty prefix. */
export const nibblePrefix: Parameter<string> = {
  describe: '1…64 lower-case hex digits, or - for the empty prefix',
  pattern: /^(-|[0-9a-f]{1,64})$/,
  format: (value) => (value === '' ? '-' : value),
  parse: (raw) => (/^(-|[0-9a-f]{1,64})$/.test(raw) ? raw.replace('-', '') : null),
};

/** Which sealed blob of a grant. */
export type BlobName =
  | { readonly kind: 'share'; readonly index: number }
  | { readonly kind: 'grantee' }
  | { readonly kind: 'copy' }
  | { readonly kind: 'narrowing' };

export const blobName: Parameter<BlobName> = {
  describe: 'share-1 … share-255, grantee, copy or narrowing',
  pattern: /^(share-[1-9][0-9]{0,2}|grantee|copy|narrowing)$/,
  format: (name) => (name.kind === 'share' ? `share-${name.index}` : name.kind),
  parse: (raw) => {
    if (raw === 'grantee' || raw === 'copy' || raw === 'narrowing') return { kind: raw };
    const index = /^share-([1-9][0-9]{0,2})$/.exec(raw)?.[1];
    return index === undefined || Number(index) > 255
      ? null
      : { kind: 'share', index: Number(index) };
  },
};

export const recordIdParameter: Parameter<Bytes> = hexBytes(SIZES.recordId);
export const memberIdParameter: Parameter<Bytes> = hexBytes(SIZES.memberId);
export const transactionIdParameter: Parameter<Bytes> = hexBytes(SIZES.transactionId);
export const grantIdParameter: Parameter<Bytes> = hexBytes(SIZES.grantId);
export const hashParameter: Parameter<Bytes> = hexBytes(SIZES.hash);
export const objectKeyParameter: Parameter<Bytes> = hexBytes(SIZES.objectKey);
export const handleParameter: Parameter<Bytes> = hexBytes(SIZES.key);
