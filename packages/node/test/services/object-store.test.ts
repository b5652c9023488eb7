import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bytes, concatBytes, toHex } from '@yilian/crypto/bytes';
import { encodeObjectHead } from '@yilian/crypto/envelope/object';
import { createRecordWriter } from '@yilian/crypto/envelope/record-writer';
import { nativePrimitives } from '../../src/native-primitives.ts';
import { listStoredNames, openFileObjectStore } from '../../src/stores/file-object-store.ts';
import type { Announcement, ObjectStore } from '../../src/stores/object-store.ts';
import { verifyObject } from '../../src/stores/verify-object.ts';
import { CONTEXT, contains, randomBytes, temporaryDirectory } from './support.ts';

let place: ReturnType<typeof temporaryDirectory>;
let store: ObjectStore;

/** A real sealed record as one object, with what the chain would say of it. */
async function sealedObject(
  length: number,
): Promise<{ readonly bytes: Bytes; readonly announced: Announcement }> {
  const body: Bytes[] = [];
  const writer = createRecordWriter({
    context: { ...CONTEXT, suite: 'intl', recordId: randomBytes(32), chunkBytes: 65_536 },
    primitives: nativePrimitives,
    randomBytes,
    sink: (parts) => {
      for (const part of parts) body.push(part.slice());
    },
  });
  await writer.writeSection({ path: 'a', mediaType: 'text/plain', content: [randomBytes(length)] });
  const sealed = await writer.finish({
    patientSlots: [{ slotKey: randomBytes(32), opens: 'record' }],
  });
  const bytes = concatBytes(encodeObjectHead(sealed), ...body);
  return {
    bytes,
    announced: { headerHash: sealed.headerHash, digest: sealed.digest, length: bytes.length },
  };
}

async function* pieces(bytes: Bytes, size = 10_000): AsyncGenerator<Bytes> {
  for (let offset = 0; offset < bytes.length; offset += size)
    yield bytes.subarray(offset, offset + size);
  await Promise.resolve();
}

async function readAll(
  object: {
    readonly length: number;
    read(range: { start: number; end: number }): AsyncIterable<Bytes>;
  },
  start = 0,
  end = object.length,
): Promise<Bytes> {
  const parts: Bytes[] = [];
  for await (const part of object.read({ start, end })) parts.push(new Uint8Array(part));
  return concatBytes(...parts);
}

function filesBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile());
}

const open = (objectBytesMax = 10_000_000): Promise<ObjectStore> =>
  openFileObjectStore({
    directory: place.path,
    context: CONTEXT,
    objectBytesMax,
    verify: verifyObject,
  });

beforeEach(async () => {
  place = temporaryDirectory();
  store = await open();
});
afterEach(() => place.clean());

describe('an object store', () => {
  it.each([1, 65_535, 65_536, 200_000])(
    'gives back the %d bytes it took, whole and in ranges',
    async (length) => {
      const { bytes, announced } = await sealedObject(length);
      const key = randomBytes(32);
      expect(await store.put(key, announced, pieces(bytes))).toEqual({ kind: 'stored' });
      const object = await (await open()).get(key);
      if (object === null) throw new Error('it was stored');
      expect(object.length).toBe(bytes.length);
      expect(await readAll(object)).toEqual(bytes);
      expect(await readAll(object, 5, 25)).toEqual(bytes.subarray(5, 25));
    },
  );

  it('takes the same bytes twice and never others under one key', async () => {
    const [first, second] = [await sealedObject(1000), await sealedObject(1000)];
    const key = randomBytes(32);
    await store.put(key, first.announced, pieces(first.bytes));
    expect(await store.put(key, first.announced, pieces(first.bytes))).toEqual({ kind: 'present' });
    expect(await store.put(key, second.announced, pieces(second.bytes))).toEqual({
      kind: 'occupied',
    });
    const object = await store.get(key);
    if (object === null) throw new Error('it was stored');
    expect(await readAll(object)).toEqual(first.bytes);
  });

  it.each<[string, (bytes: Bytes, announced: Announcement) => readonly [Bytes, Announcement]]>([
    [
      'QJ-10 one bit of the body changed',
      (bytes, announced) => [flip(bytes, bytes.length - 3), announced],
    ],
    ['QJ-10 one bit of the header changed', (bytes, announced) => [flip(bytes, 30), announced]],
    [
      'one bit of the chunk hashes changed',
      (bytes, announced) => [flip(bytes, headEnd(bytes) + 3), announced],
    ],
    ['cut short', (bytes, announced) => [bytes.subarray(0, -1), announced]],
    [
      'cut short and announced so',
      (bytes, announced) => [bytes.subarray(0, -20), { ...announced, length: bytes.length - 20 }],
    ],
    ['one byte longer', (bytes, announced) => [concatBytes(bytes, Uint8Array.of(0)), announced]],
    [
      'one byte longer and announced so',
      (bytes, announced) => [
        concatBytes(bytes, Uint8Array.of(0)),
        { ...announced, length: bytes.length + 1 },
      ],
    ],
    [
      'another digest announced',
      (bytes, announced) => [bytes, { ...announced, digest: randomBytes(32) }],
    ],
    [
      'another header hash announced',
      (bytes, announced) => [bytes, { ...announced, headerHash: randomBytes(32) }],
    ],
    ['nothing at all', (_bytes, announced) => [new Uint8Array(0), announced]],
    [
      'a header length of four gigabytes',
      (bytes, announced) => [
        concatBytes(new Uint8Array(4).fill(255), bytes.subarray(4)),
        announced,
      ],
    ],
    ['noise', (bytes, announced) => [randomBytes(bytes.length), announced]],
  ])('refuses %s and keeps nothing of it', async (_why, spoil) => {
    const { bytes, announced } = await sealedObject(100_000);
    const [sent, said] = spoil(bytes, announced);
    const key = randomBytes(32);
    expect(await store.put(key, said, pieces(sent))).toEqual({ kind: 'mismatch' });
    expect(await store.get(key)).toBeNull();
    expect(filesBelow(place.path)).toEqual([]);
  });

  it('refuses what is announced larger than its limit without reading it', async () => {
    const small = await open(1000);
    const { bytes, announced } = await sealedObject(2000);
    let read = 0;
    const counted = (async function* count(): AsyncGenerator<Bytes> {
      for await (const part of pieces(bytes)) {
        read += 1;
        yield part;
      }
    })();
    expect(await small.put(randomBytes(32), announced, counted)).toEqual({ kind: 'tooLarge' });
    expect(read).toBe(0);
  });

  it('R5 names no object key on its disk', async () => {
    const { bytes, announced } = await sealedObject(1000);
    const key = randomBytes(32);
    await store.put(key, announced, pieces(bytes));
    const names = filesBelow(place.path);
    expect(names).toHaveLength(1);
    expect(names.join(' ')).not.toContain(toHex(key));
    for (const name of names) expect(contains(new Uint8Array(readFileSync(name)), key)).toBe(false);
    expect(await listStoredNames(place.path)).toHaveLength(1);
  });

  it('keeps nothing of an upload that breaks off, and erases what a crash left', async () => {
    const { bytes, announced } = await sealedObject(100_000);
    const broken = (async function* breakOff(): AsyncGenerator<Bytes> {
      yield bytes.subarray(0, 50_000);
      await Promise.resolve();
      throw new Error('the line is gone');
    })();
    await expect(store.put(randomBytes(32), announced, broken)).rejects.toThrow('the line is gone');
    expect(filesBelow(place.path)).toEqual([]);
    writeFileSync(join(place.path, 'incoming', 'left-over'), 'x');
    await open();
    expect(filesBelow(place.path)).toEqual([]);
  });

  it('lets two uploads of one key at once end in one object', async () => {
    const { bytes, announced } = await sealedObject(50_000);
    const key = randomBytes(32);
    const results = await Promise.all(
      [1, 2].map(() => store.put(key, announced, pieces(bytes, 777))),
    );
    expect(results.map(({ kind }) => kind).sort()).toEqual(['present', 'stored']);
  });

  it('erases for good', async () => {
    const { bytes, announced } = await sealedObject(1000);
    const key = randomBytes(32);
    await store.put(key, announced, pieces(bytes));
    expect(await store.erase(key)).toBe(true);
    expect(await store.get(key)).toBeNull();
    expect(await store.erase(key)).toBe(false);
  });
});

function flip(bytes: Bytes, at: number): Bytes {
  const changed = bytes.slice();
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

function headEnd(bytes: Bytes): number {
  return 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}
