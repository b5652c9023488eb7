import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bytes, concatBytes, toHex } from '@yilian/crypto/bytes';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listStoredNames, openFileObjectStore } from '../../src/stores/file-object-store.ts';
import { ObjectStoreError } from '../../src/stores/object-store-error.ts';
import type { ObjectStore } from '../../src/stores/object-store.ts';
import { storedName } from '../../src/stores/stored-head.ts';
import { verifyObject } from '../../src/stores/verify-object.ts';
import { testObjectStore } from './object-store-suite.ts';
import { freshName, pieces, readAll, sealRecord } from './sealed-objects.ts';
import { CONTEXT, contains, randomBytes, temporaryDirectory } from './support.ts';

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.clean());

function filesBelow(path: string): readonly string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .map((name) => join(path, name))
    .filter((each) => statSync(each).isFile());
}

const open = (objectBytesMax = 10_000_000): Promise<ObjectStore> =>
  openFileObjectStore({ directory: directory.path, objectBytesMax, verify: verifyObject });

const dump = (): Bytes =>
  concatBytes(...filesBelow(directory.path).map((path) => new Uint8Array(readFileSync(path))));

describe('the object store on the file system', () => {
  testObjectStore(() => ({
    open,
    contents: async () => ({
      objects: await listStoredNames(directory.path),
      drafts: readdirSync(join(directory.path, 'incoming')),
    }),
    dump: () => Promise.resolve(dump()),
  }));

  it('R5 names no object key on its disk', async () => {
    const store = await open();
    const { bytes, announced } = await sealRecord(1000);
    const key = randomBytes(32);
    await store.put(storedName(CONTEXT, key), announced, pieces(bytes));
    expect(filesBelow(directory.path).join(' ')).not.toContain(toHex(key));
    expect(contains(dump(), key)).toBe(false);
  });

  it('erases what a crash left', async () => {
    await open();
    writeFileSync(join(directory.path, 'incoming', 'left-over'), 'x');
    await open();
    expect(filesBelow(directory.path)).toEqual([]);
  });

  it.each<[string, (path: string) => void]>([
    ['emptied', (path) => writeFileSync(path, '')],
    ['cut', (path) => writeFileSync(path, readFileSync(path).subarray(0, -1))],
    [
      'lengthened',
      (path) => writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.of(1)])),
    ],
  ])('a file that was %s is corrupted, and not another record', async (_how, spoil) => {
    const store = await open();
    const { bytes, announced } = await sealRecord(1000);
    const name = freshName();
    await store.put(name, announced, pieces(bytes));
    const [path = ''] = filesBelow(directory.path);
    spoil(path);
    await expect(store.get(name)).rejects.toMatchObject({ code: 'corrupted' });
    await expect(store.get(name)).rejects.toBeInstanceOf(ObjectStoreError);
    expect(await store.restore(name, announced, pieces(bytes))).toEqual({ kind: 'stored' });
    const object = await store.get(name);
    if (object === null) throw new Error('it was restored');
    expect(await readAll(object)).toEqual(bytes);
  });
});
