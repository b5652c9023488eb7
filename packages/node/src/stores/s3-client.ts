/**
 * The calls of S3 that a store of objects needs (Amazon S3 API Reference 2006-03-01), signed by
 * Signature Version 4 with the SHA-256 of each body, so that nobody on the way can change one.
 * Every call may be repeated: reads and deletions by nature, puts and completions because they carry
 * `If-None-Match: *`; whoever calls compares what lies there when an answer was lost (`wasRepeated`).
 */
import { AwsV4Signer } from 'aws4fetch';
import { type Bytes, toHex, utf8 } from '@yilian/crypto/bytes';
import { sha256 } from '../verification/sha256.ts';
import { type HttpAnswer, type HttpExchange, createHttpExchange } from './http-exchange.ts';
import { ObjectStoreError } from './object-store-error.ts';
import type { S3Settings } from './s3-settings.ts';

/** What a conditional write came to. */
export interface Written {
  /** `gone`: the multipart upload is not there (any more). */
  readonly outcome: 'written' | 'taken' | 'gone';
  /** An answer was lost before, so that `taken` or `gone` may be one's own doing. */
  readonly wasRepeated: boolean;
}

export interface RangeAnswer {
  /** Bytes of the whole object. */
  readonly total: number;
  readonly entityTag: string;
  /** Exactly the range, or it throws. */
  body(): AsyncGenerator<Bytes>;
  discard(): void;
}

export interface UploadedPart {
  readonly number: number;
  readonly entityTag: string;
}

/** All throw `ObjectStoreError`, or the signal's reason. Keys are without the prefix. */
export interface S3Client {
  put(key: string, body: Bytes, signal?: AbortSignal): Promise<Written>;
  /** From `start` to `end` (exclusive; cut at the object's end); null: no such object. */
  getRange(
    key: string,
    range: { readonly start: number; readonly end: number; readonly entityTag?: string },
    signal?: AbortSignal,
  ): Promise<RangeAnswer | null>;
  delete(key: string): Promise<void>;
  createUpload(key: string, signal?: AbortSignal): Promise<string>;
  uploadPart(
    key: string,
    uploadId: string,
    number: number,
    body: Bytes,
    signal?: AbortSignal,
  ): Promise<UploadedPart>;
  completeUpload(
    key: string,
    uploadId: string,
    parts: readonly UploadedPart[],
    signal?: AbortSignal,
  ): Promise<Written>;
  abortUpload(key: string, uploadId: string): Promise<void>;
  /** Unfinished uploads below the prefix, at most a thousand. */
  listUploads(): Promise<readonly { readonly key: string; readonly uploadId: string }[]>;
  /** Whether the bucket keeps what is deleted; null when the server does not say. */
  isVersioned(): Promise<boolean | null>;
  close(): void;
}

export interface S3ClientPorts {
  /** Milliseconds; replaced in tests that count retries. */
  readonly wait?: (ms: number) => Promise<void>;
  /** In [0, 1). */
  readonly random?: () => number;
}

const RETRY_PAUSE_MS = 100;
const RETRY_PAUSE_MS_MAX = 2_000;
const ANSWER_BYTES_MAX = 1_048_576;

/** Statuses after which the same call may succeed. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

interface Call {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Empty: the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Bytes;
  readonly signal?: AbortSignal | undefined;
}

interface Answered<T> {
  readonly value: T;
  readonly wasRepeated: boolean;
}

function textOf(xml: string, element: string): string | null {
  const match = new RegExp(`<${element}>([^<]{0,4096})</${element}>`).exec(xml);
  return match?.[1] === undefined ? null : unescapeXml(match[1]);
}

function unescapeXml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    lt: '<',
    gt: '>',
    quot: '"',
    apos: "'",
    amp: '&',
    '#34': '"',
    '#39': "'",
  };
  return text.replaceAll(/&(lt|gt|quot|apos|amp|#34|#39);/g, (all, name: string) => {
    return entities[name] ?? all;
  });
}

function escapeXml(text: string): string {
  return text.replaceAll(/[<>&"']/g, (each) => `&#${each.charCodeAt(0)};`);
}

/** The error code that S3 names; it is put into messages, so nothing else of the answer is. */
async function codeIn(answer: HttpAnswer): Promise<string> {
  try {
    const xml = Buffer.from(await answer.bytes(ANSWER_BYTES_MAX)).toString('utf8');
    const code = textOf(xml, 'Code') ?? '';
    return /^[A-Za-z0-9.]{1,64}$/.test(code) ? code : '';
  } catch {
    return '';
  }
}

function refusal(status: number, code: string): ObjectStoreError {
  const said = `the store answered ${status} ${code}`.trimEnd();
  if (status === 401 || status === 403) return new ObjectStoreError('accessDenied', said);
  if (code === 'XAmzContentSHA256Mismatch' || code === 'BadDigest')
    return new ObjectStoreError('corrupted', `what was sent did not arrive unchanged (${code})`);
  if (status === 408 || status === 504) return new ObjectStoreError('timeout', said);
  return new ObjectStoreError('unavailable', said);
}

export function createS3Client(settings: S3Settings, ports: S3ClientPorts = {}): S3Client {
  const wait = ports.wait ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
  const random = ports.random ?? Math.random;
  const { bucket, prefix, region, credentials, retries } = settings;
  const exchange: HttpExchange = createHttpExchange(settings.limits);
  const base = new URL(settings.endpoint);
  if (!settings.pathStyle) base.host = `${bucket}.${base.host}`;
  const root = settings.pathStyle ? `${base.pathname.replace(/\/$/, '')}/${bucket}` : '';
  const signingKeys = new Map<string, ArrayBuffer>();

  const send = async (call: Call): Promise<HttpAnswer> => {
    const url = new URL(base);
    url.pathname = call.key === '' ? root || '/' : `${root}/${prefix}${call.key}`;
    for (const [name, value] of Object.entries(call.query ?? {})) url.searchParams.set(name, value);
    const signed = await new AwsV4Signer({
      method: call.method,
      url: url.href,
      headers: {
        ...call.headers,
        'x-amz-content-sha256': toHex(sha256(call.body ?? new Uint8Array(0))),
      },
      accessKeyId: credentials.accessKey,
      secretAccessKey: credentials.secretKey,
      service: 's3',
      region,
      cache: signingKeys,
    }).sign();
    return exchange.send({
      method: call.method,
      url: signed.url,
      headers: Object.fromEntries(signed.headers),
      ...(call.body === undefined ? {} : { body: call.body }),
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    });
  };

  const pause = (attempt: number): Promise<void> =>
    wait(random() * Math.min(RETRY_PAUSE_MS_MAX, RETRY_PAUSE_MS * 2 ** attempt));

  /**
   * What `read` makes of an answer of one of the statuses `expected`, after as many repetitions as are
   * allowed. An answer that breaks off while it is read is lost like one that never came.
   */
  const request = async <T>(
    call: Call,
    expected: readonly number[],
    read: (answer: HttpAnswer) => Promise<T>,
  ): Promise<Answered<T>> => {
    for (let attempt = 0; ; attempt++) {
      let failure: ObjectStoreError;
      let mayRepeat = true;
      try {
        const answer = await send(call);
        if (expected.includes(answer.status))
          return { value: await read(answer), wasRepeated: attempt > 0 };
        failure = refusal(answer.status, await codeIn(answer));
        mayRepeat = TRANSIENT.has(answer.status) || failure.code === 'corrupted';
      } catch (error) {
        if (!(error instanceof ObjectStoreError)) throw error;
        failure = error;
        mayRepeat = error.code === 'unavailable' || error.code === 'timeout';
      }
      if (!mayRepeat || attempt >= retries) throw failure;
      await pause(attempt);
      call.signal?.throwIfAborted();
    }
  };

  const written = async (
    call: Call,
    read: (answer: HttpAnswer) => Promise<Written['outcome'] | null>,
  ): Promise<Written> => {
    const { value, wasRepeated } = await request(call, [200, 404, 409, 412], async (answer) => {
      const outcome = await read(answer);
      // 409: another conditional write is under way; 200 with an error inside: it came to nothing.
      if (outcome === null)
        throw new ObjectStoreError('unavailable', 'the store did not finish the write');
      return outcome;
    });
    return { outcome: value, wasRepeated };
  };

  const entityTagOf = (answer: HttpAnswer): string => {
    const { etag } = answer.headers;
    if (etag === undefined || !/^[\x21-\x7e]{1,256}$/.test(etag))
      throw new ObjectStoreError('unavailable', 'the store answers without an entity tag');
    return etag;
  };

  const xmlOf = async (answer: HttpAnswer): Promise<string> =>
    Buffer.from(await answer.bytes(ANSWER_BYTES_MAX)).toString('utf8');

  const rangeOf = async (
    answer: HttpAnswer,
    asked: {
      readonly start: number;
      readonly end: number;
      readonly entityTag: string | undefined;
    },
  ): Promise<RangeAnswer | null> => {
    const { start, end, entityTag } = asked;
    if (answer.status === 404) {
      const code = await codeIn(answer);
      // A bucket that is not there says nothing about the object.
      if (code === 'NoSuchBucket') throw refusal(404, code);
      return null;
    }
    if (answer.status === 412 || answer.status === 416) {
      answer.discard();
      throw new ObjectStoreError('corrupted', 'the object is another or shorter than it was');
    }
    const { 'content-range': contentRange = '', etag = '' } = answer.headers;
    const match = /^bytes ([0-9]{1,15})-([0-9]{1,15})\/([0-9]{1,15})$/.exec(contentRange);
    const [, first, last, total] = (match ?? []).map(Number);
    const isAsked =
      first === start &&
      last !== undefined &&
      total !== undefined &&
      last === Math.min(end, total) - 1 &&
      (entityTag === undefined || etag === entityTag);
    if (!isAsked) {
      answer.discard();
      throw new ObjectStoreError('corrupted', 'the store gave another range than it was asked');
    }
    const length = last + 1 - start;
    return {
      total,
      entityTag: etag,
      discard: () => answer.discard(),
      body: async function* exactly() {
        let received = 0;
        for await (const part of answer.body()) {
          received += part.length;
          if (received > length)
            throw new ObjectStoreError('corrupted', 'the store gave more than it was asked');
          yield part;
        }
        if (received !== length)
          throw new ObjectStoreError('unavailable', 'the store stopped in the middle');
      },
    };
  };

  return {
    put: (key, body, signal) =>
      written(
        {
          method: 'PUT',
          key,
          body,
          signal,
          headers: { 'if-none-match': '*', 'content-type': 'application/octet-stream' },
        },
        async (answer) => {
          const code = await codeIn(answer);
          if (answer.status === 412) return 'taken';
          if (answer.status === 404) throw refusal(404, code);
          return answer.status === 200 ? 'written' : null;
        },
      ),

    getRange: async (key, { start, end, entityTag }, signal) => {
      const { value } = await request<RangeAnswer | null>(
        {
          method: 'GET',
          key,
          signal,
          headers: {
            range: `bytes=${start}-${end - 1}`,
            ...(entityTag === undefined ? {} : { 'if-match': entityTag }),
          },
        },
        [206, 404, 412, 416],
        async (answer) => rangeOf(answer, { start, end, entityTag }),
      );
      return value;
    },

    delete: async (key) => {
      await request({ method: 'DELETE', key }, [200, 204, 404], async (answer) => {
        const code = await codeIn(answer);
        if (answer.status === 404 && code === 'NoSuchBucket') throw refusal(404, code);
      });
    },

    createUpload: async (key, signal) => {
      const call: Call = {
        method: 'POST',
        key,
        signal,
        query: { uploads: '' },
        headers: { 'content-type': 'application/octet-stream' },
      };
      const { value } = await request(call, [200], async (answer) => {
        const uploadId = textOf(await xmlOf(answer), 'UploadId');
        if (uploadId === null || uploadId === '')
          throw new ObjectStoreError('unavailable', 'the store began an upload without a name');
        return uploadId;
      });
      return value;
    },

    uploadPart: async (key, uploadId, number, body, signal) => {
      const query = { partNumber: String(number), uploadId };
      const call: Call = { method: 'PUT', key, body, signal, query };
      const { value } = await request(call, [200], async (answer) => {
        await answer.bytes(ANSWER_BYTES_MAX);
        return { number, entityTag: entityTagOf(answer) };
      });
      return value;
    },

    completeUpload: (key, uploadId, parts, signal) => {
      const items = parts.map(
        ({ number, entityTag }) =>
          `<Part><PartNumber>${number}</PartNumber><ETag>${escapeXml(entityTag)}</ETag></Part>`,
      );
      const body = utf8(
        `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${items.join('')}</CompleteMultipartUpload>`,
      );
      return written(
        {
          method: 'POST',
          key,
          body,
          signal,
          query: { uploadId },
          headers: { 'if-none-match': '*', 'content-type': 'application/xml' },
        },
        async (answer) => {
          if (answer.status === 412) {
            answer.discard();
            return 'taken';
          }
          const xml = await xmlOf(answer);
          // A completion that takes long begins with 200 and may end in an error.
          if (answer.status === 200)
            return xml.includes('<CompleteMultipartUploadResult') ? 'written' : null;
          if (answer.status === 409) return null;
          if (textOf(xml, 'Code') === 'NoSuchBucket') throw refusal(404, 'NoSuchBucket');
          return 'gone';
        },
      );
    },

    abortUpload: async (key, uploadId) => {
      await request({ method: 'DELETE', key, query: { uploadId } }, [200, 204, 404], (answer) =>
        answer.bytes(ANSWER_BYTES_MAX),
      );
    },

    listUploads: async () => {
      const call: Call = { method: 'GET', key: '', query: { uploads: '', prefix } };
      const { value: xml } = await request(call, [200], xmlOf);
      return [...xml.matchAll(/<Upload>([\s\S]*?)<\/Upload>/g)].flatMap(([, upload = '']) => {
        const key = textOf(upload, 'Key');
        const uploadId = textOf(upload, 'UploadId');
        return key === null || uploadId === null || !key.startsWith(prefix)
          ? []
          : [{ key: key.slice(prefix.length), uploadId }];
      });
    },

    isVersioned: async () => {
      const call: Call = { method: 'GET', key: '', query: { versioning: '' } };
      const { value } = await request(call, [200, 400, 404, 405, 501], async (answer) => {
        const xml = await xmlOf(answer);
        if (answer.status === 200) return textOf(xml, 'Status') === 'Enabled';
        const code = textOf(xml, 'Code');
        if (code === 'NoSuchBucket') throw refusal(404, code);
        return null;
      });
      return value;
    },

    close: () => exchange.close(),
  };
}
