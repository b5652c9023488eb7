/** What every `ObjectStore` promises: one suite, run against each of them. */
import { concatBytes, type Bytes } from '@yilian/crypto/bytes';
import { expect, it } from 'vitest';
import type { Announcement, ObjectStore } from '../../src/stores/object-store.ts';
import type { StoredName } from '../../src/stores/stored-head.ts';
import { flip, freshName, headEnd, pieces, readAll, sealRecord } from './sealed-objects.ts';
import { randomBytes } from './support.ts';

export interface StorePlace {
  open(objectBytesMax?: number): Promise<ObjectStore>;
  /** Names of what can be read, and of drafts or unfinished uploads. */
  contents(): Promise<{ readonly objects: readonly string[]; readonly drafts: readonly string[] }>;
  /** Everything on the disks behind it that could show an object key. */
  dump(): Promise<Bytes>;
}

const MEBIBYTE = 1_048_576;

function fill(store: ObjectStore, length = 1000): Promise<{ name: StoredName; bytes: Bytes }> {
  const name = freshName();
  return sealRecord(length).then(async ({ bytes, announced }) => {
    expect(await store.put(name, announced, pieces(bytes))).toEqual({ kind: 'stored' });
    return { name, bytes };
  });
}

export function testObjectStore(place: () => StorePlace): void {
  it.each([0, 1, 65_535, 65_536, 65_537, 200_000])(
    'gives back a record of %d bytes, whole and in ranges',
    async (length) => {
      const store = await place().open();
      const { name, bytes } = await fill(store, length);
      const reopened = await place().open();
      const object = await reopened.get(name);
      if (object === null) throw new Error('it was stored');
      expect(object.length).toBe(bytes.length);
      expect(await reopened.inspect(name)).toEqual(object.announced);
      expect(await readAll(object)).toEqual(bytes);
      expect(await readAll(object, 5, 25)).toEqual(bytes.subarray(5, 25));
      expect(await readAll(object, bytes.length - 1)).toEqual(bytes.subarray(-1));
      expect(await readAll(object, 7, 7)).toEqual(new Uint8Array(0));
    },
  );

  // The record's header makes the object longer than the plaintext: some of these cross a part's border.
  it.each([-2, -1, 0, 1])(
    'gives back an object whose last part ends %d bytes from the border of a part of 8 MiB',
    async (distance) => {
      const store = await place().open(64 * MEBIBYTE);
      const near = await sealRecord(8 * MEBIBYTE - 40_000);
      const wished = 8 * MEBIBYTE - 72 + distance;
      const sealed = await sealRecord(8 * MEBIBYTE - 40_000 + wished - near.bytes.length);
      expect(sealed.bytes.length).toBe(wished);
      const name = freshName();
      expect(await store.put(name, sealed.announced, pieces(sealed.bytes, 300_001))).toEqual({
        kind: 'stored',
      });
      const object = await store.get(name);
      if (object === null) throw new Error('it was stored');
      expect(Buffer.compare(await readAll(object), sealed.bytes)).toBe(0);
    },
  );

  it('ST-7 takes 64 MiB and gives them back without holding them', async () => {
    const store = await place().open(80 * MEBIBYTE);
    const { bytes, announced } = await sealRecord(64 * MEBIBYTE);
    const name = freshName();
    let peak = 0;
    const before = process.memoryUsage();
    const used = (): number => {
      const { arrayBuffers, external } = process.memoryUsage();
      return Math.max(arrayBuffers - before.arrayBuffers, external - before.external);
    };
    async function* watched(source: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
      for await (const part of source) {
        peak = Math.max(peak, used());
        yield part;
      }
    }
    expect(await store.put(name, announced, watched(pieces(bytes, 1_000_000)))).toEqual({
      kind: 'stored',
    });
    const object = await store.get(name);
    if (object === null) throw new Error('it was stored');
    let offset = 0;
    for await (const part of watched(object.read({ start: 0, end: object.length }))) {
      if (Buffer.compare(part, bytes.subarray(offset, offset + part.length)) !== 0)
        throw new Error(`other bytes at ${offset}`);
      offset += part.length;
    }
    expect(offset).toBe(bytes.length);
    expect(peak).toBeLessThan(48 * MEBIBYTE);
  });

  it('ST-2 takes the same bytes twice and never others under one name', async () => {
    const store = await place().open();
    const [first, second] = [await sealRecord(1000), await sealRecord(1000)];
    const name = freshName();
    await store.put(name, first.announced, pieces(first.bytes));
    expect(await store.put(name, first.announced, pieces(first.bytes))).toEqual({
      kind: 'present',
    });
    expect(await store.put(name, second.announced, pieces(second.bytes))).toEqual({
      kind: 'occupied',
    });
    const object = await store.get(name);
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
  ])(
    'ST-1 refuses %s and keeps nothing of it, as a new object or in repair',
    async (_why, spoil) => {
      const store = await place().open();
      const { bytes, announced } = await sealRecord(100_000);
      const [sent, said] = spoil(bytes, announced);
      const name = freshName();
      expect(await store.put(name, said, pieces(sent))).toEqual({ kind: 'mismatch' });
      expect(await store.get(name)).toBeNull();
      expect(await store.restore(name, said, pieces(sent))).toEqual({ kind: 'mismatch' });
      expect(await store.get(name)).toBeNull();
      expect(await place().contents()).toEqual({ objects: [], drafts: [] });
    },
  );

  it('refuses a large object whose last byte is wrong and leaves no draft of it', async () => {
    const store = await place().open(64 * MEBIBYTE);
    const { bytes, announced } = await sealRecord(17 * MEBIBYTE);
    const name = freshName();
    const spoiled = flip(bytes, bytes.length - 1);
    expect(await store.put(name, announced, pieces(spoiled, 500_000))).toEqual({
      kind: 'mismatch',
    });
    expect(await store.get(name)).toBeNull();
    expect(await place().contents()).toEqual({ objects: [], drafts: [] });
  });

  it('refuses what is announced larger than its limit without reading it', async () => {
    const store = await place().open(1000);
    const { bytes, announced } = await sealRecord(2000);
    let read = 0;
    const counted = (async function* count(): AsyncGenerator<Bytes> {
      for await (const part of pieces(bytes)) {
        read += 1;
        yield part;
      }
    })();
    expect(await store.put(freshName(), announced, counted)).toEqual({ kind: 'tooLarge' });
    expect(read).toBe(0);
  });

  it('ST-4 keeps nothing of an upload that breaks off or is called off', async () => {
    const store = await place().open(64 * MEBIBYTE);
    for (const length of [100_000, 17 * MEBIBYTE]) {
      const { bytes, announced } = await sealRecord(length);
      const broken = async function* breakOff(action: () => void): AsyncGenerator<Bytes> {
        yield* pieces(bytes.subarray(0, Math.ceil((bytes.length * 2) / 3)), 500_000);
        action();
        yield* pieces(bytes.subarray(Math.ceil((bytes.length * 2) / 3)), 500_000);
      };
      const name = freshName();
      const fall = (): void => {
        throw new Error('the line is gone');
      };
      await expect(store.put(name, announced, broken(fall))).rejects.toThrow('the line is gone');
      const control = new AbortController();
      const callOff = (): void => control.abort(new Error('called off'));
      await expect(store.put(name, announced, broken(callOff), control.signal)).rejects.toThrow(
        'called off',
      );
      expect(await store.get(name)).toBeNull();
      expect(await place().contents()).toEqual({ objects: [], drafts: [] });
    }
  });

  it('ST-1 shows nothing of an upload before it is complete', async () => {
    const store = await place().open(64 * MEBIBYTE);
    const { bytes, announced } = await sealRecord(17 * MEBIBYTE);
    const name = freshName();
    let seen: unknown = 'not looked';
    async function* looking(): AsyncGenerator<Bytes> {
      for await (const part of pieces(bytes, 4 * MEBIBYTE)) {
        yield part;
        seen = await store.get(name);
        expect((await place().contents()).objects).toEqual([]);
      }
    }
    expect(await store.put(name, announced, looking())).toEqual({ kind: 'stored' });
    expect(seen).toBeNull();
    expect(await store.get(name)).not.toBeNull();
  });

  it.each([50_000, 9 * MEBIBYTE])(
    'lets two uploads of one name at once (%d bytes) end in one object',
    async (length) => {
      const store = await place().open(64 * MEBIBYTE);
      const { bytes, announced } = await sealRecord(length);
      const name = freshName();
      const results = await Promise.all(
        [1, 2].map(() => store.put(name, announced, pieces(bytes, Math.ceil(length / 60)))),
      );
      expect(results.map(({ kind }) => kind).sort()).toEqual(['present', 'stored']);
      const object = await store.get(name);
      if (object === null) throw new Error('it was stored');
      expect(Buffer.compare(await readAll(object), bytes)).toBe(0);
      expect((await place().contents()).drafts).toEqual([]);
    },
  );

  it('lets two uploads of different bytes under one name end in one of them, whole', async () => {
    const store = await place().open();
    const name = freshName();
    const sealed = [await sealRecord(50_000), await sealRecord(50_001)];
    const results = await Promise.all(
      sealed.map(({ bytes, announced }) => store.put(name, announced, pieces(bytes, 777))),
    );
    expect(results.map(({ kind }) => kind).sort()).toEqual(['occupied', 'stored']);
    const winner = sealed[results.findIndex(({ kind }) => kind === 'stored')];
    const object = await store.get(name);
    if (object === null || winner === undefined) throw new Error('one was stored');
    expect(await readAll(object)).toEqual(winner.bytes);
  });

  it('erases for good', async () => {
    const store = await place().open();
    const { name } = await fill(store);
    expect(await store.erase(name)).toBe(true);
    expect(await store.get(name)).toBeNull();
    expect(await store.inspect(name)).toBeNull();
    expect(await store.erase(name)).toBe(false);
    expect(await place().contents()).toEqual({ objects: [], drafts: [] });
  });

  it('ST-12 restores in place of what lies there, once and only when it is good', async () => {
    const store = await place().open();
    const name = freshName();
    const [old, good] = [await sealRecord(1000), await sealRecord(2000)];
    await store.put(name, old.announced, pieces(old.bytes));
    const liar = pieces(flip(good.bytes, 1500));
    expect(await store.restore(name, good.announced, liar)).toEqual({ kind: 'mismatch' });
    const still = await store.get(name);
    if (still === null) throw new Error('a liar removed it');
    expect(await readAll(still)).toEqual(old.bytes);
    expect(await store.restore(name, good.announced, pieces(good.bytes))).toEqual({
      kind: 'stored',
    });
    const object = await store.get(name);
    if (object === null) throw new Error('it was restored');
    expect(await readAll(object)).toEqual(good.bytes);
  });

  it('R5 shows no object key behind it, and erases what a crash left of an upload', async () => {
    const store = await place().open();
    const { name } = await fill(store);
    const { objects } = await place().contents();
    expect(objects).toHaveLength(1);
    expect(objects.join(' ')).toContain(name);
    await place().open();
    expect((await place().contents()).drafts).toEqual([]);
    expect((await place().dump()).length).toBeGreaterThan(0);
  });
}
