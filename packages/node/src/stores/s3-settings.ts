/**
 * Where an operator's S3 is and how it is spoken to. The place stands in config.json; access key and
 * secret stand in keys.json or in the environment, never in config.json.
 */
import { ConfigError, JsonFields } from '../json-fields.ts';
import type { ExchangeLimits } from './http-exchange.ts';

export interface S3Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
}

export interface S3Settings {
  /** `https://host[:port]`; plain HTTP on loopback only. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** Empty, or ends in a slash. One node has one prefix for itself. */
  readonly prefix: string;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly pathStyle: boolean;
  readonly credentials: S3Credentials;
  /** Further tries of a call that failed on the way. */
  readonly retries: number;
  readonly limits: ExchangeLimits;
}

export const S3_ENVIRONMENT = {
  accessKey: 'YILIAN_S3_ACCESS_KEY',
  secretKey: 'YILIAN_S3_SECRET_KEY',
} as const;

const LOOPBACK = /^(127(\.[0-9]{1,3}){3}|localhost|\[::1\])$/;
const SECRET_NAMES = ['accessKey', 'secretKey', 'accessKeyId', 'secretAccessKey'];

function readEndpoint(file: string, fields: JsonFields): string {
  const text = fields.text('endpoint');
  const fail = (what: string): never => {
    throw new ConfigError(`${file}: objectStore: endpoint ${what}`);
  };
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return fail('must be a URL');
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.test(url.hostname)))
    fail('must begin with https:// (http:// only on loopback)');
  if (url.username !== '' || url.password !== '') fail('must not carry credentials');
  if (url.search !== '' || url.hash !== '') fail('must have no query');
  return url.href;
}

function readCredentials(
  file: string,
  keys: unknown,
  environment: Readonly<Record<string, string | undefined>>,
): S3Credentials {
  const accessKey = environment[S3_ENVIRONMENT.accessKey];
  const secretKey = environment[S3_ENVIRONMENT.secretKey];
  if (accessKey !== undefined && secretKey !== undefined) return { accessKey, secretKey };
  if (accessKey !== undefined || secretKey !== undefined)
    throw new ConfigError(
      `${S3_ENVIRONMENT.accessKey} and ${S3_ENVIRONMENT.secretKey} must be set together`,
    );
  const all = new JsonFields(file, keys);
  if (!all.has('objectStore'))
    throw new ConfigError(
      `${file}: objectStore with accessKey and secretKey is missing (or set ${S3_ENVIRONMENT.accessKey} and ${S3_ENVIRONMENT.secretKey})`,
    );
  const fields = all.nested('objectStore');
  return {
    accessKey: fields.text('accessKey', /^[\x21-\x7e]{1,256}$/),
    secretKey: fields.text('secretKey', /^[\x21-\x7e]{1,256}$/),
  };
}

/**
 * `objectStore` of config.json with the credentials that belong to it; null: objects lie on the node's
 * own disk. @throws ConfigError naming file and field, quoting no secret
 */
export function parseS3Settings(
  files: {
    readonly config: { readonly file: string; readonly value: unknown };
    readonly keys: { readonly file: string; readonly value: unknown };
  },
  environment: Readonly<Record<string, string | undefined>>,
): S3Settings | null {
  const { file } = files.config;
  const all = new JsonFields(file, files.config.value);
  if (!all.has('objectStore')) return null;
  const fields = all.nested('objectStore');
  for (const name of SECRET_NAMES)
    if (fields.has(name))
      throw new ConfigError(`${file}: objectStore: ${name} belongs into keys.json`);
  const kind = fields.text('kind', /^(s3|files)$/);
  if (kind === 'files') return null;
  const whole = (name: string, min: number, max: number, otherwise: number): number =>
    fields.has(name) ? fields.whole(name, min, max) : otherwise;
  return {
    endpoint: readEndpoint(file, fields),
    region: fields.has('region') ? fields.text('region', /^[a-z0-9-]{1,64}$/) : 'us-east-1',
    bucket: fields.text('bucket', /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/),
    prefix: fields.has('prefix')
      ? fields.text('prefix', /^([a-z0-9][a-z0-9_-]{0,62}\/){0,8}$/)
      : '',
    pathStyle: fields.has('pathStyle') ? fields.flag('pathStyle') : true,
    credentials: readCredentials(files.keys.file, files.keys.value, environment),
    retries: whole('retries', 0, 10, 3),
    limits: {
      answerMs: whole('answerMs', 100, 600_000, 15_000),
      bytesPerSecondMin: whole('bytesPerSecondMin', 1, 1_000_000_000, 65_536),
    },
  };
}
