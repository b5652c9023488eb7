import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { toRecordId } from '@yilian/crypto/ids';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createShelf } from '../../src/services/service-store.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import { CONFIRM_AFTER_MS, type CopyAudit, createCopyAudit } from '../../src/stores/copy-audit.ts';
import { createCopySources, type CopySource } from '../../src/stores/copy-source.ts';
import { openFileObjectStore } from '../../src/stores/file-object-store.ts';
import { type ObjectHoldings, createObjectHoldings } from '../../src/stores/object-holdings.ts';
import { openObjectInventory } from '../../src/stores/object-inventory.ts';
import { ObjectStoreError } from '../../src/stores/object-store-error.ts';
import { verifyObject } from '../../src/stores/verify-object.ts';
import { type Sealed, flip, pieces, sealRecord } from './sealed-objects.ts';
import {
  CONTEXT,
  ChainModel,
  TestClock,
  person,
  randomBytes,
  temporaryDirectory,
} from './support.ts';

const { id: own } = person('store', 'hospital-a').member;
const { id: other } = person('store', 'hospital-b').member;

let place: ReturnType<typeof temporaryDirectory>;
let clock: TestClock;
let holdings: ObjectHoldings;
let sealed: Sealed;
let audit: CopyAudit;
let noted: string[];
/** What the other operator serves. */
let theirs: Bytes;
/** How its node answers a range. */
let probe: CopySource['probe'];

beforeEach(async () => {
  place = temporaryDirectory();
  clock = new TestClock();
  noted = [];
  const objects = await openFileObjectStore({
    directory: place.path,
    objectBytesMax: 10_000_000,
    verify: verifyObject,
  });
  const inventory = openObjectInventory(createShelf(createMemoryStore(), 'objects'));
  holdings = createObjectHoldings({ context: CONTEXT, objects, inventory, verify: verifyObject });
  // More than one part of a whole read.
  sealed = await sealRecord(1_500_000);
  theirs = sealed.bytes;
  const objectKey = randomBytes(32);
  await holdings.put(objectKey, sealed.announced, pieces(sealed.bytes));
  const id = toRecordId(randomBytes(32));
  const record = { ...sealed.announced, id, stores: [own, other] } as unknown as LedgerRecord;
  await inventory.change(holdings.nameOf(objectKey), (before) =>
    before === undefined ? null : { ...before, recordId: id },
  );
  const chain = new ChainModel(clock);
  chain.records.set(toHex(id), record);
  probe = (_record, { start, end }) =>
    Promise.resolve({ kind: 'bytes', bytes: theirs.slice(start, end) });
  audit = createCopyAudit({
    chain,
    clock,
    holdings,
    sources: createCopySources({
      places: () => [{ store: other, node: other, url: 'https://other.example' }],
      open: ({ store }) => ({
        store,
        fetch: () => Promise.resolve(null),
        probe: (...asked) => probe(...asked),
        close: () => undefined,
      }),
    }),
    store: own,
    reporter: {
      note: (_record, store, seen) => {
        noted.push(`${toHex(store) === toHex(own) ? 'own' : 'other'} ${seen}`);
        return Promise.resolve();
      },
    },
    verify: verifyObject,
    shelf: createShelf(createMemoryStore(), 'copy-doubts'),
    onEvent: () => undefined,
  });
});
afterEach(async () => {
  await audit.stop();
  place.clean();
});

async function doubt(): Promise<void> {
  for (let i = 0; i < 500 && audit.counts().doubted === 0; i++) await audit.round();
  expect(audit.counts().doubted).toBe(1);
  clock.ms += CONFIRM_AFTER_MS;
}

describe('a copy of another operator', () => {
  it('ST-17 that is as one’s own is sampled and not doubted', async () => {
    for (let i = 0; i < 10; i++) await audit.round();
    expect(audit.counts()).toMatchObject({ doubted: 0, unanswered: 0 });
    expect(audit.counts().sampled).toBeGreaterThanOrEqual(10);
    expect(noted).toEqual([]);
  });

  it('ST-18 of which one bit differs is found, and reported at the second look', async () => {
    theirs = flip(sealed.bytes, 1_200_000);
    await doubt();
    expect(noted).toEqual([]);
    await audit.round();
    expect(noted).toEqual(['other altered']);
  });

  it('ST-18 that was whole again at the second look is not reported', async () => {
    const good = theirs;
    theirs = flip(good, 1_200_000);
    await doubt();
    theirs = good;
    await audit.round();
    expect(noted).toEqual(['other held']);
    expect(audit.counts().doubted).toBe(0);
  });

  it('ST-18 whose node breaks off long answers is asked for shorter ones, and found out', async () => {
    theirs = flip(sealed.bytes, 1_200_000);
    await doubt();
    probe = (_record, { start, end }) => {
      if (end - start > 65_536)
        return Promise.reject(new ObjectStoreError('unavailable', 'the line ended'));
      const isSpoilt = start <= 1_200_000 && 1_200_000 < end;
      return Promise.resolve(
        isSpoilt
          ? { kind: 'lost', finding: 'altered' }
          : { kind: 'bytes', bytes: theirs.slice(start, end) },
      );
    };
    await audit.round();
    expect(noted).toEqual(['other altered']);
  });

  it.each(['unavailable', 'timeout', 'accessDenied'] as const)(
    'ST-18 that cannot be had (%s) is neither lost nor forgotten',
    async (code) => {
      theirs = flip(sealed.bytes, 1_200_000);
      await doubt();
      probe = () => Promise.reject(new ObjectStoreError(code, 'not now'));
      await audit.round();
      expect(noted).toEqual([]);
      expect(audit.counts()).toMatchObject({ doubted: 1 });
      expect(audit.counts().unanswered).toBeGreaterThan(0);
    },
  );

  it('ST-17 that is good while one’s own is not shows the loss of one’s own', async () => {
    const [holding] = holdings.inventory.list(null, 1);
    if (holding === undefined) throw new Error('it was put');
    // The other operator has the right bytes; ours were exchanged behind the store's back.
    const file = join(place.path, holding.name.slice(0, 2), holding.name);
    const bytes = readFileSync(file);
    const at = bytes.length - 100_000;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    await doubt();
    expect(holdings.inventory.get(holding.name)?.state).toBe('damaged');
    await audit.round();
    expect(noted).toEqual(['other held']);
  });
});
