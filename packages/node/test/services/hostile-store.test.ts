import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createShelf } from '../../src/services/service-store.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import { type ObjectHoldings, createObjectHoldings } from '../../src/stores/object-holdings.ts';
import { openObjectInventory } from '../../src/stores/object-inventory.ts';
import type { ObjectStoreCode } from '../../src/stores/object-store-error.ts';
import type { ObjectStore } from '../../src/stores/object-store.ts';
import { openS3ObjectStore } from '../../src/stores/s3-object-store.ts';
import { verifyObject } from '../../src/stores/verify-object.ts';
import {
  type Answer,
  type Behaviour,
  type HostileProxy,
  type Passing,
  s3Error,
  startHostileProxy,
} from './hostile-proxy.ts';
import {
  type S3Server,
  TEST_CREDENTIALS,
  findVersitygw,
  startS3Server,
  testSettings,
} from './s3-server.ts';
import { type Sealed, pieces, sealRecord } from './sealed-objects.ts';
import { CONTEXT, randomBytes } from './support.ts';

const program = findVersitygw();
const RETRIES = 2;
let server: S3Server;
let proxy: HostileProxy;
let store: ObjectStore;
let holdings: ObjectHoldings;
let small: Sealed;
let large: Sealed;
let number = 0;

/** An object's own path, not the bucket's and not a part's. */
const isObjectRead = ({ method, path }: Passing): boolean =>
  method === 'GET' && /^[0-9a-f]{2}\/[0-9a-f]{64}/.test(path);

const onReads = (
  spoil: (answer: Answer, request: Passing) => ReturnType<NonNullable<Behaviour['onAnswer']>>,
): Behaviour => ({
  onAnswer: (request, answer) =>
    isObjectRead(request) && answer.status === 206 ? spoil(answer, request) : answer,
});
const insteadOfReads = (answer: ReturnType<NonNullable<Behaviour['instead']>>): Behaviour => ({
  instead: (request) => (isObjectRead(request) ? answer : undefined),
});

function flipped(body: Buffer, at: number): Buffer {
  const changed = Buffer.from(body);
  const position = Math.min(at, body.length - 1);
  changed[position] = (changed[position] ?? 0) ^ 1;
  return changed;
}

const MARKS: Partial<Record<ObjectStoreCode, string>> = {
  corrupted: 'damaged',
  missing: 'missing',
};

/** Reads to the end; what came and how it ended. */
async function read(key: Bytes): Promise<{ readonly bytes: Bytes; readonly code: string }> {
  const parts: Bytes[] = [];
  try {
    const object = await holdings.get(key);
    if (object === null) return { bytes: new Uint8Array(0), code: 'none' };
    for await (const part of object.read({ start: 0, end: object.length }))
      parts.push(new Uint8Array(part));
    return { bytes: concatBytes(...parts), code: 'whole' };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'untyped';
    return { bytes: concatBytes(...parts), code };
  }
}

async function keep({ bytes, announced }: Sealed): Promise<Bytes> {
  const key = randomBytes(32);
  expect(await holdings.put(key, announced, pieces(bytes, 300_000))).toEqual({ kind: 'stored' });
  return key;
}

describe.skipIf(program === null)('a hostile store', () => {
  beforeAll(async () => {
    server = await startS3Server(program ?? '');
    proxy = await startHostileProxy(server);
    small = await sealRecord(20_000);
    large = await sealRecord(3_000_000);
  });
  afterAll(async () => {
    await proxy.stop();
    await server.stop();
  });
  beforeEach(async () => {
    proxy.behave();
    store = await openS3ObjectStore({
      settings: testSettings(proxy.endpoint, `h-${++number}/`, {
        retries: RETRIES,
        limits: { answerMs: 400, bytesPerSecondMin: 4_000_000 },
      }),
      objectBytesMax: 64_000_000,
      verify: verifyObject,
      wait: () => Promise.resolve(),
    });
    const inventory = openObjectInventory(createShelf(createMemoryStore(), 'objects'));
    holdings = createObjectHoldings({
      context: CONTEXT,
      objects: store,
      inventory,
      verify: verifyObject,
    });
  });
  afterEach(() => store.close());

  const BEHAVIOURS: readonly (readonly [string, Behaviour, ObjectStoreCode])[] = [
    ['alters a byte', onReads((a) => ({ ...a, body: flipped(a.body, 15_000) })), 'corrupted'],
    [
      'alters the digest in the head',
      onReads((a) => ({ ...a, body: flipped(a.body, 40) })),
      'corrupted',
    ],
    [
      'alters the length in the head',
      onReads((a) => ({ ...a, body: flipped(a.body, 71) })),
      'corrupted',
    ],
    [
      'truncates and says so',
      onReads((a) => {
        const body = a.body.subarray(0, 5_000);
        const range = `bytes 0-${body.length - 1}/${body.length}`;
        return {
          ...a,
          body,
          headers: { ...a.headers, 'content-length': String(body.length), 'content-range': range },
        };
      }),
      'corrupted',
    ],
    [
      'truncates and gives the old range',
      onReads((a) => ({
        ...a,
        body: a.body.subarray(0, 5_000),
        headers: { ...a.headers, 'content-length': '5000' },
      })),
      'unavailable',
    ],
    [
      'appends a byte',
      onReads((a) => ({
        ...a,
        body: Buffer.concat([a.body, Buffer.of(0)]),
        headers: { ...a.headers, 'content-length': String(a.body.length + 1) },
      })),
      'corrupted',
    ],
    [
      'gives another range than was asked',
      onReads((a) => ({ ...a, headers: { ...a.headers, 'content-range': 'bytes 7-20/1000' } })),
      'corrupted',
    ],
    ['ignores the range', onReads((a) => ({ ...a, status: 200 })), 'unavailable'],
    [
      'closes in the middle of the body',
      onReads((a) => ({ ...a, cutAfter: 3_000 })),
      'unavailable',
    ],
    ['closes before the body', onReads((a) => ({ ...a, cutAfter: 0 })), 'unavailable'],
    ['sends byte after byte, slowly', onReads((a) => ({ ...a, trickleMs: 20 })), 'timeout'],
    ['says nothing at all', insteadOfReads('silence'), 'timeout'],
    ['answers 500', insteadOfReads(s3Error(500, 'InternalError')), 'unavailable'],
    ['answers 503', insteadOfReads(s3Error(503, 'SlowDown')), 'unavailable'],
    ['answers 504', insteadOfReads(s3Error(504, 'GatewayTimeout')), 'timeout'],
    ['answers 403', insteadOfReads(s3Error(403, 'AccessDenied')), 'accessDenied'],
    ['answers 401', insteadOfReads(s3Error(401, 'InvalidAccessKeyId')), 'accessDenied'],
    ['loses the object', insteadOfReads(s3Error(404, 'NoSuchKey')), 'missing'],
    [
      'loses the bucket, which says nothing of the object',
      insteadOfReads(s3Error(404, 'NoSuchBucket')),
      'unavailable',
    ],
    [
      'sends the reader elsewhere',
      insteadOfReads({
        status: 307,
        headers: { location: 'http://169.254.169.254/' },
        body: Buffer.alloc(0),
      }),
      'unavailable',
    ],
    [
      'claims a compression',
      onReads((a) => ({
        ...a,
        body: flipped(a.body, 300),
        headers: { ...a.headers, 'content-encoding': 'gzip' },
      })),
      'corrupted',
    ],
    [
      'answers nonsense',
      insteadOfReads({ status: 206, headers: {}, body: Buffer.from('hello') }),
      'corrupted',
    ],
  ];

  describe.each([
    ['a small record', () => small],
    ['a record of 3 MB', () => large],
  ])('that keeps %s', (_which, sealed) => {
    it.each(BEHAVIOURS)('ST-6 and %s is noticed', async (_how, behaviour, expected) => {
      const key = await keep(sealed());
      proxy.behave(behaviour);
      const { bytes, code } = await read(key);
      expect(code).toBe(expected);
      // A reader never gets the end of what is wrong, nor anything of a small object.
      expect(bytes.length).toBeLessThan(sealed().bytes.length);
      if (sealed() === small) expect(bytes.length).toBe(0);
      proxy.behave();
      const holding = holdings.inventory.get(holdings.nameOf(key));
      const marked = MARKS[expected] ?? 'held';
      expect(holding?.state).toBe(marked);
      // What was only out of reach, or looked damaged on the way, is found again.
      const again = await read(key);
      expect(again.code).toBe('whole');
      expect(Buffer.compare(again.bytes, sealed().bytes)).toBe(0);
      expect(holdings.inventory.get(holdings.nameOf(key))?.state).toBe('held');
    });
  });

  it('ST-9 that gives another record in its place is noticed, whole as that record is', async () => {
    const [first, second] = [await keep(small), await keep(await sealRecord(20_000))];
    const answers = new Map<string, Answer>();
    proxy.behave(
      onReads((answer, { path }) => {
        answers.set(path, answer);
        return answer;
      }),
    );
    await read(first);
    await read(second);
    const [one, two] = [...answers.values()];
    if (one === undefined || two === undefined) throw new Error('two were read');
    proxy.behave(insteadOfReads(two));
    expect((await read(first)).code).toBe('corrupted');
    expect((await read(second)).code).toBe('whole');
  });

  it('that goes on serving what was erased is not believed', async () => {
    const key = await keep(small);
    let old: Answer | undefined;
    proxy.behave(onReads((answer) => (old = answer)));
    await read(key);
    proxy.behave();
    await holdings.erase(key);
    if (old === undefined) throw new Error('it was read');
    proxy.behave(insteadOfReads(old));
    expect(await read(key)).toMatchObject({ code: 'none' });
    expect(await holdings.put(key, small.announced, pieces(small.bytes))).toEqual({
      kind: 'occupied',
    });
  });

  it('that does not erase is found out', async () => {
    const key = await keep(small);
    proxy.behave({
      instead: ({ method }) =>
        method === 'DELETE' ? { status: 204, headers: {}, body: Buffer.alloc(0) } : undefined,
    });
    await expect(holdings.erase(key)).rejects.toMatchObject({ code: 'unavailable' });
    expect(await read(key)).toMatchObject({ code: 'none' });
  });

  it('that swaps the object between two reads of it is noticed', async () => {
    const key = await keep(large);
    let reads = 0;
    proxy.behave(
      onReads((answer) =>
        ++reads === 1 ? answer : { ...answer, headers: { ...answer.headers, etag: '"another"' } },
      ),
    );
    expect((await read(key)).code).toBe('corrupted');
  });

  describe('in an upload', () => {
    const puts = async (sealed: Sealed): Promise<string> => {
      try {
        const { kind } = await holdings.put(
          randomBytes(32),
          sealed.announced,
          pieces(sealed.bytes, 300_000),
        );
        return kind;
      } catch (error) {
        return error instanceof Error && 'code' in error ? String(error.code) : 'untyped';
      }
    };
    const isWrite = ({ method, path }: Passing): boolean =>
      (method === 'PUT' || method === 'POST') && /^[0-9a-f]{2}\//.test(path);
    const insteadOfWrites = (answer: ReturnType<NonNullable<Behaviour['instead']>>): Behaviour => ({
      instead: (request) => (isWrite(request) ? answer : undefined),
    });
    let huge: Sealed;
    beforeAll(async () => {
      huge = await sealRecord(9_000_000);
    });

    it.each<[string, Behaviour, string]>([
      [
        'a changed byte',
        {
          onRequest: ({ body, method }) =>
            method === 'PUT' && body.length > 1000 ? flipped(body, 900) : body,
        },
        'corrupted',
      ],
      ['500', insteadOfWrites(s3Error(500, 'InternalError')), 'unavailable'],
      ['503', insteadOfWrites(s3Error(503, 'SlowDown')), 'unavailable'],
      ['403', insteadOfWrites(s3Error(403, 'AccessDenied')), 'accessDenied'],
      ['a full disk', insteadOfWrites(s3Error(507, 'InsufficientStorage')), 'unavailable'],
      ['silence', insteadOfWrites('silence'), 'timeout'],
      ['no bucket', insteadOfWrites(s3Error(404, 'NoSuchBucket')), 'unavailable'],
    ])('%s is typed, and nothing is attested', async (_what, behaviour, expected) => {
      for (const sealed of [small, huge]) {
        proxy.behave(behaviour);
        expect(await puts(sealed)).toBe(expected);
      }
      proxy.behave();
      expect(holdings.inventory.count('held')).toBe(0);
    });

    it('ST-3 a store that says stored and keeps nothing is found out before anybody attests', async () => {
      proxy.behave(
        insteadOfWrites({ status: 200, headers: { etag: '"e"' }, body: Buffer.alloc(0) }),
      );
      expect(await puts(small)).toBe('unavailable');
    });

    it('a store that says stored and keeps another object is found out', async () => {
      const other = await keep(await sealRecord(20_000));
      let answer: Answer | undefined;
      proxy.behave(onReads((each) => (answer = each)));
      await read(other);
      const body = answer?.body.subarray(0, 72);
      if (answer === undefined || body === undefined) throw new Error('it was read');
      const swapped = {
        ...answer,
        body,
        headers: {
          ...answer.headers,
          'content-length': '72',
          'content-range': String(answer.headers['content-range']).replace(/0-\d+/, '0-71'),
        },
      };
      let isWritten = false;
      proxy.behave({
        instead: (request) => {
          if (isWrite(request)) isWritten = true;
          return isObjectRead(request) && isWritten ? swapped : undefined;
        },
      });
      expect(await puts(small)).toBe('corrupted');
    });

    it('a completion that begins with 200 and ends in an error is not a completion', async () => {
      let completions = 0;
      proxy.behave({
        instead: ({ method, path }) => {
          if (method !== 'POST' || !path.includes('uploadId=')) return undefined;
          completions += 1;
          return s3Error(200, 'InternalError');
        },
      });
      expect(await puts(huge)).toBe('unavailable');
      expect(completions).toBe(RETRIES + 1);
    });

    it.each([
      ['a small record', () => small],
      ['a record in parts', () => huge],
    ])('%s whose answer was lost is stored once, and known as stored', async (_which, sealed) => {
      let lost = 0;
      proxy.behave({
        onAnswer: (request, answer) => {
          const isLast =
            isWrite(request) &&
            !request.path.includes('partNumber') &&
            !request.path.includes('uploads') &&
            answer.status === 200;
          if (!isLast || lost > 0) return answer;
          lost += 1;
          return {
            ...answer,
            cutAfter: 0,
            body: Buffer.alloc(0),
            headers: { 'content-length': '10' },
          };
        },
      });
      expect(await puts(sealed())).toBe('stored');
      expect(lost).toBe(1);
    });
  });

  it('a completion whose answer was lost, and whose upload is then unknown, is looked up', async () => {
    const sealed = await sealRecord(9_000_000);
    let completions = 0;
    proxy.behave({
      onAnswer: ({ method, path }, answer) => {
        if (method !== 'POST' || !path.includes('uploadId=')) return answer;
        completions += 1;
        return completions === 1
          ? { ...answer, cutAfter: 0, body: Buffer.alloc(0), headers: { 'content-length': '10' } }
          : s3Error(404, 'NoSuchUpload');
      },
    });
    const key = await keep(sealed);
    expect(completions).toBe(2);
    proxy.behave();
    expect((await read(key)).code).toBe('whole');
  });

  describe('tries again', () => {
    it('ST-7 what may succeed, a bounded number of times', async () => {
      const key = await keep(small);
      let failures = RETRIES;
      proxy.behave({
        instead: (request) =>
          isObjectRead(request) && failures-- > 0 ? s3Error(503, 'SlowDown') : undefined,
      });
      expect((await read(key)).code).toBe('whole');
      expect(proxy.requests.length).toBe(RETRIES + 1);
      proxy.behave(insteadOfReads(s3Error(503, 'SlowDown')));
      expect((await read(key)).code).toBe('unavailable');
      expect(proxy.requests.length).toBe(RETRIES + 1);
    });

    it('not what is refused', async () => {
      const key = await keep(small);
      proxy.behave(insteadOfReads(s3Error(403, 'SignatureDoesNotMatch')));
      await read(key);
      expect(proxy.requests.length).toBe(1);
    });

    it('not what the caller has called off', async () => {
      const key = await keep(small);
      proxy.behave(insteadOfReads('silence'));
      const control = new AbortController();
      const asked = holdings.get(key, control.signal);
      setTimeout(() => control.abort(new Error('called off')), 20);
      await expect(asked).rejects.toThrow('called off');
      expect(proxy.requests.length).toBe(1);
    });
  });

  describe('is not opened', () => {
    const openWith = (behaviour: Behaviour): Promise<ObjectStore> => {
      proxy.behave(behaviour);
      return openS3ObjectStore({
        settings: testSettings(proxy.endpoint, `o-${++number}/`, { retries: 0 }),
        objectBytesMax: 1_000_000,
        verify: verifyObject,
      });
    };

    it('ST-11 when it ignores If-None-Match on puts', async () => {
      const opened = openWith({
        onAnswer: ({ method, path }, answer) =>
          method === 'PUT' && path === 'format' && answer.status === 412
            ? { ...answer, status: 200, body: Buffer.alloc(0), headers: { etag: '"e"' } }
            : answer,
      });
      await expect(opened).rejects.toMatchObject({ code: 'badConfig', message: /PutObject/ });
    });

    it('when it ignores If-None-Match on completions', async () => {
      const opened = openWith({
        onAnswer: ({ method, path }, answer) =>
          method === 'POST' && path.includes('uploadId=') && answer.status === 412
            ? {
                status: 200,
                headers: {},
                body: Buffer.from(
                  '<CompleteMultipartUploadResult></CompleteMultipartUploadResult>',
                ),
              }
            : answer,
      });
      await expect(opened).rejects.toMatchObject({ code: 'badConfig', message: /Complete/ });
    });

    it('ST-11 when the bucket keeps versions of what is erased', async () => {
      const opened = openWith({
        instead: ({ path }) =>
          path.startsWith('?versioning')
            ? {
                status: 200,
                headers: {},
                body: Buffer.from(
                  '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
                ),
              }
            : undefined,
      });
      await expect(opened).rejects.toMatchObject({ code: 'badConfig', message: /versions/ });
    });

    it('with credentials that are none, and no error quotes them', async () => {
      proxy.behave();
      const secretKey = 'another-secret-that-must-not-be-shown';
      const opened = openS3ObjectStore({
        settings: testSettings(proxy.endpoint, 'o/', {
          credentials: { accessKey: TEST_CREDENTIALS.accessKey, secretKey },
        }),
        objectBytesMax: 1_000_000,
        verify: verifyObject,
      });
      const error = await opened.then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject({ code: 'accessDenied' });
      const shown = `${String(error)} ${error instanceof Error ? error.stack : ''} ${JSON.stringify(error)}`;
      for (const secret of [
        secretKey,
        TEST_CREDENTIALS.secretKey,
        TEST_CREDENTIALS.accessKey,
        'Signature=',
        proxy.endpoint,
      ])
        expect(shown).not.toContain(secret);
    });
  });
});
