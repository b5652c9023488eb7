import { type Bytes, concatBytes, toHex } from '@yilian/crypto/bytes';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import { toRecordId } from '@yilian/crypto/ids';
import {
  assert,
  asyncProperty,
  constantFrom,
  integer,
  nat,
  property,
  uint8Array,
} from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Shelf, createShelf } from '../../src/services/service-store.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import { openFileObjectStore } from '../../src/stores/file-object-store.ts';
import { type ObjectHoldings, createObjectHoldings } from '../../src/stores/object-holdings.ts';
import { openObjectInventory } from '../../src/stores/object-inventory.ts';
import type { ObjectStore } from '../../src/stores/object-store.ts';
import { encodeHead, parseHead, parseStoredName } from '../../src/stores/stored-head.ts';
import { HELD_BACK_BYTES, readVerified } from '../../src/stores/verified-read.ts';
import { verifyObject } from '../../src/stores/verify-object.ts';
import { type Sealed, flip, freshName, pieces, readAll, sealRecord } from './sealed-objects.ts';
import { CONTEXT, contains, randomBytes, temporaryDirectory } from './support.ts';

let place: ReturnType<typeof temporaryDirectory>;
let objects: ObjectStore;
let shelf: Shelf;
let holdings: ObjectHoldings;
let sealed: Sealed;

const openHoldings = (): ObjectHoldings =>
  createObjectHoldings({
    context: CONTEXT,
    objects,
    inventory: openObjectInventory(shelf),
    verify: verifyObject,
  });

function recordOf({ announced }: Sealed): LedgerRecord {
  return { ...announced, id: toRecordId(randomBytes(32)) } as LedgerRecord;
}

beforeEach(async () => {
  place = temporaryDirectory();
  objects = await openFileObjectStore({
    directory: place.path,
    objectBytesMax: 10_000_000,
    verify: verifyObject,
  });
  shelf = createShelf(createMemoryStore(), 'objects');
  holdings = openHoldings();
  sealed = await sealRecord(1000);
});
afterEach(() => place.clean());

describe('the inventory of a store', () => {
  it('outlives the process, in the order of names, with every count', async () => {
    const keys = [1, 2, 3, 4, 5].map(() => randomBytes(32));
    for (const key of keys) {
      const { bytes, announced } = await sealRecord(100);
      await holdings.put(key, announced, pieces(bytes));
    }
    const [first = randomBytes(32), second = randomBytes(32)] = keys;
    await objects.erase(holdings.nameOf(first));
    await expect(holdings.get(first)).rejects.toMatchObject({ code: 'missing' });
    await holdings.erase(second);
    const { inventory } = openHoldings();
    expect(inventory.count('held')).toBe(3);
    expect(inventory.count('missing')).toBe(1);
    expect(inventory.count('erased')).toBe(1);
    expect(inventory.broken().map(({ name }) => name)).toEqual([holdings.nameOf(first)]);
    const names = inventory.list(null, 100).map(({ name }) => name);
    expect(names).toEqual(keys.map((key) => holdings.nameOf(key)).sort());
    expect(inventory.list(names[1] ?? null, 2).map(({ name }) => name)).toEqual(names.slice(2, 4));
    expect(inventory.list(names[4] ?? null, 2)).toEqual([]);
  });

  it('ST-5 R5 holds no object key', async () => {
    const key = randomBytes(32);
    await holdings.put(key, sealed.announced, pieces(sealed.bytes));
    const dump = concatBytes(...shelf.list().flatMap(({ key: at, value }) => [at, value]));
    expect(contains(dump, sealed.announced.headerHash)).toBe(true);
    expect(contains(dump, key)).toBe(false);
  });

  it('takes in what lay in the store before there was an inventory', async () => {
    const key = randomBytes(32);
    await objects.put(holdings.nameOf(key), sealed.announced, pieces(sealed.bytes));
    expect(holdings.inventory.count('held')).toBe(0);
    const object = await holdings.get(key);
    if (object === null) throw new Error('it lies there');
    expect(await readAll(object)).toEqual(sealed.bytes);
    expect(holdings.inventory.count('held')).toBe(1);
    expect(await holdings.get(randomBytes(32))).toBeNull();
  });

  it('is not misled by entries that do not parse', () => {
    const good = createShelf(createMemoryStore(), 'objects');
    const junk = [Uint8Array.of(0x6e), concatBytes(Uint8Array.of(0x6e), randomBytes(31))];
    return good
      .putAll(junk.map((key) => ({ key, value: Uint8Array.of(0x80) })))
      .then(() => expect(openObjectInventory(good).list(null, 10)).toEqual([]));
  });
});

describe('what was erased', () => {
  it('ST-10 stays erased for uploads and repairs', async () => {
    const key = randomBytes(32);
    await holdings.put(key, sealed.announced, pieces(sealed.bytes));
    expect(await holdings.erase(key)).toBe(true);
    expect(await holdings.erase(key)).toBe(false);
    expect(await holdings.get(key)).toBeNull();
    expect(await holdings.put(key, sealed.announced, pieces(sealed.bytes))).toEqual({
      kind: 'occupied',
    });
    const name = holdings.nameOf(key);
    for (const named of [name, freshName()])
      expect(
        await holdings.restore(recordOf(sealed), { name: named, origin: 'copied' }, () =>
          pieces(sealed.bytes),
        ),
      ).toEqual({ kind: 'occupied' });
    expect(await objects.get(name)).toBeNull();
  });

  it('while it was being repaired does not come back by the repair', async () => {
    const key = randomBytes(32);
    const name = holdings.nameOf(key);
    await holdings.put(key, sealed.announced, pieces(sealed.bytes));
    await objects.erase(name);
    async function* erasingMeanwhile(): AsyncGenerator<Bytes> {
      yield sealed.bytes.subarray(0, 100);
      await holdings.erase(key);
      yield sealed.bytes.subarray(100);
    }
    expect(
      await holdings.restore(recordOf(sealed), { name, origin: 'uploaded' }, erasingMeanwhile),
    ).toEqual({ kind: 'occupied' });
    expect(await objects.get(name)).toBeNull();
    expect(await openHoldings().get(key)).toBeNull();
  });
});

describe('a repair', () => {
  it('ST-15 by another name is taken only where the name was another operator’s word', async () => {
    const record = recordOf(sealed);
    const wrong = freshName();
    const right = randomBytes(32);
    const content = (): AsyncIterable<Bytes> => pieces(sealed.bytes);
    await holdings.restore(record, { name: wrong, origin: 'copied' }, content);
    // Who has the object key knows better.
    expect(
      await holdings.restore(record, { name: holdings.nameOf(right), origin: 'uploaded' }, content),
    ).toEqual({ kind: 'stored' });
    expect(await objects.get(wrong)).toBeNull();
    // And is not moved by anybody else.
    expect(
      await holdings.restore(record, { name: freshName(), origin: 'uploaded' }, content),
    ).toEqual({ kind: 'occupied' });
    expect(await holdings.get(right)).not.toBeNull();
  });

  it('of what is there is not read', async () => {
    const key = randomBytes(32);
    await holdings.put(key, sealed.announced, pieces(sealed.bytes));
    const result = await holdings.restore(
      recordOf(sealed),
      { name: holdings.nameOf(key), origin: 'uploaded' },
      () => {
        throw new Error('it was read');
      },
    );
    expect(result).toEqual({ kind: 'present' });
  });
});

describe('a verified read', () => {
  async function drain(parts: AsyncIterable<Bytes>): Promise<{ bytes: Bytes; error: unknown }> {
    const got: Bytes[] = [];
    try {
      for await (const part of parts) got.push(part);
      return { bytes: concatBytes(...got), error: null };
    } catch (error) {
      return { bytes: concatBytes(...got), error };
    }
  }

  it('hands on good content unchanged, however it comes in pieces', async () => {
    await assert(
      asyncProperty(integer({ min: 1, max: 5000 }), async (size) => {
        const read = await drain(
          readVerified(sealed.announced, pieces(sealed.bytes, size), verifyObject),
        );
        expect(read.error).toBeNull();
        expect(Buffer.compare(read.bytes, sealed.bytes)).toBe(0);
      }),
      { numRuns: 30 },
    );
  });

  it('ST-8 hands on nothing of a small object with any one bit changed, cut or lengthened', async () => {
    const { bytes, announced } = sealed;
    await assert(
      asyncProperty(
        nat({ max: bytes.length - 1 }),
        constantFrom('flip', 'cut', 'lengthen'),
        async (at, how) => {
          const spoiled = {
            flip: () => flip(bytes, at),
            cut: () => bytes.subarray(0, at),
            lengthen: () => concatBytes(bytes, randomBytes(at + 1)),
          }[how]();
          const read = await drain(readVerified(announced, pieces(spoiled, 700), verifyObject));
          expect(read.error).toMatchObject({ code: 'corrupted' });
          expect(read.bytes.length).toBe(0);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('ST-8 keeps back the end of a large object whose last bit changed', async () => {
    const { bytes, announced } = await sealRecord(3_000_000);
    const spoiled = flip(bytes, bytes.length - 1);
    const read = await drain(readVerified(announced, pieces(spoiled, 100_000), verifyObject));
    expect(read.error).toMatchObject({ code: 'corrupted' });
    expect(read.bytes.length).toBeGreaterThan(0);
    expect(read.bytes.length).toBeLessThanOrEqual(bytes.length - HELD_BACK_BYTES);
  });

  it('keeps back all of what comes in one piece', async () => {
    const { bytes, announced } = await sealRecord(3_000_000);
    const spoiled = flip(bytes, bytes.length - 1);
    const read = await drain(readVerified(announced, pieces(spoiled, 4_000_000), verifyObject));
    expect(read.error).toMatchObject({ code: 'corrupted' });
    expect(read.bytes.length).toBe(0);
  });

  it.each([0, 1, 15])('closes its source when the reader leaves after %d pieces', async (count) => {
    const { bytes, announced } = await sealRecord(3_000_000);
    let isClosed = false;
    async function* watched(): AsyncGenerator<Bytes> {
      try {
        yield* pieces(bytes, 100_000);
      } finally {
        isClosed = true;
      }
    }
    const reading = readVerified(announced, watched(), verifyObject);
    for (let i = 0; i <= count; i++) await reading.next();
    await reading.return(undefined);
    expect(isClosed).toBe(true);
  });

  it('passes on what its source throws', async () => {
    async function* broken(): AsyncGenerator<Bytes> {
      yield sealed.bytes.subarray(0, 500);
      await Promise.resolve();
      throw new Error('the line is gone');
    }
    const read = await drain(readVerified(sealed.announced, broken(), verifyObject));
    expect(read.error).toMatchObject({ message: 'the line is gone' });
    expect(read.bytes.length).toBe(0);
  });
});

describe('the head of a stored object', () => {
  it('reads back what was written, and nothing else of 72 bytes or fewer', () => {
    assert(
      property(
        uint8Array({ minLength: 32, maxLength: 32 }),
        uint8Array({ minLength: 32, maxLength: 32 }),
        nat(),
        (headerHash, digest, length) => {
          const head = encodeHead({ headerHash, digest, length });
          expect(parseHead(head)).toEqual({ headerHash, digest, length });
          expect(parseHead(head.subarray(0, -1))).toBeNull();
        },
      ),
    );
    expect(parseHead(new Uint8Array(72).fill(255))).toBeNull();
  });

  it('lies under a name of 64 hexadecimal digits and no other', () => {
    expect(parseStoredName(toHex(randomBytes(32)))).not.toBeNull();
    for (const text of ['', '..', 'A'.repeat(64), 'ab'.repeat(31), `${'ab'.repeat(32)}/..`])
      expect(parseStoredName(text)).toBeNull();
  });
});
