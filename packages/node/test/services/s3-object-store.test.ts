import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectStore } from '../../src/stores/object-store.ts';
import { openS3ObjectStore } from '../../src/stores/s3-object-store.ts';
import { verifyObject } from '../../src/stores/verify-object.ts';
import { testObjectStore } from './object-store-suite.ts';
import { type S3Server, findVersitygw, startS3Server, testSettings } from './s3-server.ts';
import { freshName, pieces, readAll, sealRecord } from './sealed-objects.ts';

const program = findVersitygw();
let server: S3Server;
let prefix: string;
let opened: ObjectStore[] = [];
let number = 0;

const open = async (objectBytesMax = 10_000_000): Promise<ObjectStore> => {
  const settings = testSettings(server.endpoint, prefix);
  const store = await openS3ObjectStore({ settings, objectBytesMax, verify: verifyObject });
  opened.push(store);
  return store;
};

function filesBelow(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(path, name)).isFile(),
  );
}

/** Files of unfinished uploads lie in the server's own folder, whatever their prefix. */
const DRAFTS = '.sgwtmp';

describe.skipIf(program === null)('the object store on S3', () => {
  beforeAll(async () => {
    server = await startS3Server(program ?? '');
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    prefix = `hospital-${++number}/`;
  });
  afterEach(async () => {
    for (const store of opened) await store.close();
    opened = [];
  });

  testObjectStore(() => ({
    open,
    contents: () =>
      Promise.resolve({
        objects: filesBelow(join(server.bucketDirectory, prefix)).filter(
          (name) => name !== 'format',
        ),
        drafts: filesBelow(join(server.bucketDirectory, DRAFTS)),
      }),
    dump: () => {
      const place = join(server.bucketDirectory, prefix);
      const all: Bytes[] = filesBelow(place).map(
        (name) => new Uint8Array(readFileSync(join(place, name))),
      );
      return Promise.resolve(concatBytes(...all));
    },
  }));

  it('goes on after the server was killed in the middle of an upload', async () => {
    const store = await open(64 * 1_048_576);
    const { bytes, announced } = await sealRecord(25 * 1_048_576);
    const name = freshName();
    let handed = 0;
    async function* interrupted(): AsyncGenerator<Bytes> {
      for await (const part of pieces(bytes, 1_048_576)) {
        handed += 1;
        if (handed === 12) {
          await server.kill();
          await server.start();
        }
        yield part;
      }
    }
    expect(await store.put(name, announced, interrupted())).toEqual({ kind: 'stored' });
    const object = await store.get(name);
    if (object === null) throw new Error('it was stored');
    expect(Buffer.compare(await readAll(object), bytes)).toBe(0);
  });

  it('goes on after the server was killed in the middle of a download', async () => {
    const store = await open(64 * 1_048_576);
    const { bytes, announced } = await sealRecord(25 * 1_048_576);
    const name = freshName();
    await store.put(name, announced, pieces(bytes, 1_048_576));
    const object = await store.get(name);
    if (object === null) throw new Error('it was stored');
    const parts: Bytes[] = [];
    let received = 0;
    let isKilled = false;
    for await (const part of object.read({ start: 0, end: object.length })) {
      parts.push(part);
      received += part.length;
      if (received > 5 * 1_048_576 && !isKilled) {
        isKilled = true;
        await server.kill();
        await server.start();
      }
    }
    expect(Buffer.compare(concatBytes(...parts), bytes)).toBe(0);
  });

  it('an upload that the server did not survive leaves nothing visible, and its parts go at the next opening', async () => {
    const store = await open(64 * 1_048_576);
    const { bytes, announced } = await sealRecord(25 * 1_048_576);
    const name = freshName();
    async function* cut(): AsyncGenerator<Bytes> {
      yield* pieces(bytes.subarray(0, 18 * 1_048_576), 1_048_576);
      await server.kill();
      yield* pieces(bytes.subarray(18 * 1_048_576), 1_048_576);
    }
    await expect(store.put(name, announced, cut())).rejects.toMatchObject({ code: 'unavailable' });
    await server.start();
    expect(filesBelow(join(server.bucketDirectory, DRAFTS))).not.toEqual([]);
    const next = await open(64 * 1_048_576);
    expect(await next.get(name)).toBeNull();
    expect(filesBelow(join(server.bucketDirectory, DRAFTS))).toEqual([]);
  });
});
