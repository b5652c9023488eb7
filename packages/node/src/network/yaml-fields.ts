/** Fields of files that people write, in YAML: every mistake is told with its place and what is expected. */
import { parse as parseYaml, YAMLParseError } from 'yaml';

/** The file does not say what it must. The message names the place. */
export class NetworkFileError extends Error {
  readonly code = 'badNetworkFile';

  constructor(place: string, expected: string, options?: { readonly cause: unknown }) {
    super(`${place}: ${expected}`, options);
    this.name = 'NetworkFileError';
  }
}

export const SHORT_NAME: RegExp = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;
const FILE_BYTES_MAX = 256 * 1024;

export type YamlFields = ReadonlyMap<string, unknown>;

/** An object of these fields and no others. */
export function fieldsOf(place: string, value: unknown, known: readonly string[]): YamlFields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new NetworkFileError(place, `expected ${known.join(', ')}`);
  for (const name of Object.keys(value))
    if (!known.includes(name))
      throw new NetworkFileError(`${place}.${name}`, `unknown; expected ${known.join(', ')}`);
  return new Map(Object.entries(value));
}

export function text(
  fields: YamlFields,
  place: string,
  name: string,
  form: RegExp,
  what: string,
): string {
  const value = fields.get(name);
  if (typeof value !== 'string' || !form.test(value))
    throw new NetworkFileError(`${place}.${name}`, `must be ${what}`);
  return value;
}

export function whole(
  fields: YamlFields,
  place: string,
  name: string,
  range: { readonly min: number; readonly max: number; readonly standard: number },
): number {
  const value = fields.get(name) ?? range.standard;
  if (typeof value !== 'number' || !Number.isSafeInteger(value))
    throw new NetworkFileError(`${place}.${name}`, 'must be a whole number');
  if (value < range.min || value > range.max)
    throw new NetworkFileError(`${place}.${name}`, `must lie from ${range.min} to ${range.max}`);
  return value;
}

/** `name`: what the file is, for messages. @throws NetworkFileError */
export function parseDocument(name: string, source: string): unknown {
  if (source.length > FILE_BYTES_MAX)
    throw new NetworkFileError(name, `must be shorter than ${FILE_BYTES_MAX} characters`);
  try {
    return parseYaml(source, { maxAliasCount: 0 });
  } catch (cause) {
    const line = cause instanceof YAMLParseError ? cause.linePos?.[0].line : undefined;
    throw new NetworkFileError(
      line === undefined ? name : `${name}, line ${line}`,
      'this is no YAML',
      { cause },
    );
  }
}
