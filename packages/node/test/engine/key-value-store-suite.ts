/** What every `KeyValueStore` promises; run on each implementation. */
import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import type { Batch, KeyValueStore } from '../../src/storage/key-value-store.ts';

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
const put = (key: Uint8Array, value: Uint8Array): Batch => ({
  puts: [{ key, value }],
  deletes: [],
});

export function testKeyValueStore(name: string, open: () => Promise<KeyValueStore>): void {
  describe(`key-value store: ${name}`, () => {
    test('a batch is shown when its promise resolves, and not before', async () => {
      const store = await open();
      await store.write(put(bytes(1), bytes(1)));
      const seen = new Set<number | undefined>();
      let written = false;
      const writing = store.write(put(bytes(1), bytes(2))).then(() => (written = true));
      // oxlint-disable-next-line no-unmodified-loop-condition -- the promise sets it
      while (!written) {
        seen.add(store.get(bytes(1))?.[0]);
        // oxlint-disable-next-line no-await-in-loop -- watches the turns of the event loop
        await new Promise((resolve) => setImmediate(resolve));
        if (!written) seen.add(store.get(bytes(1))?.[0]);
      }
      await writing;
      expect([...seen]).toEqual([1]);
      expect(store.get(bytes(1))).toEqual(bytes(2));
      await store.close();
    });

    test('batches queued in one turn are applied in order', async () => {
      const store = await open();
      const writes = [1, 2, 3].map((value) => store.write(put(bytes(9), bytes(value))));
      await Promise.all(writes);
      expect(store.get(bytes(9))).toEqual(bytes(3));
      await store.close();
    });

    test('what is handed out is a copy', async () => {
      const store = await open();
      await store.write(put(bytes(1), bytes(7, 7)));
      store.get(bytes(1))?.fill(0);
      const first = store.get(bytes(1));
      store.get(bytes(2));
      expect(first).toEqual(bytes(7, 7));
      store.range({ from: bytes(0), to: bytes(9) })[0]?.value.fill(0);
      expect(store.get(bytes(1))).toEqual(bytes(7, 7));
      await store.close();
    });

    test('a snapshot shows what was there, while batches go on, until it is closed', async () => {
      const store = await open();
      await store.write(put(bytes(1), bytes(1)));
      const early = store.openSnapshot();
      const twin = store.openSnapshot();
      for (let value = 2; value < 40; value++) {
        // oxlint-disable-next-line no-await-in-loop -- batch after batch
        await store.write(put(bytes(1), bytes(value)));
        // oxlint-disable-next-line no-await-in-loop -- gives the database's own timers their turn
        await new Promise((resolve) => setTimeout(resolve, 1));
        expect(early.get(bytes(1))).toEqual(bytes(1));
      }
      await store.write({ puts: [], deletes: [bytes(1)] });
      const late = store.openSnapshot();
      expect(store.get(bytes(1))).toBeUndefined();
      expect(late.get(bytes(1))).toBeUndefined();
      twin.close();
      expect(early.get(bytes(1))).toEqual(bytes(1));
      early.close();
      early.close();
      await store.write(put(bytes(1), bytes(9)));
      expect(late.get(bytes(1))).toBeUndefined();
      expect(store.get(bytes(1))).toEqual(bytes(9));
      await store.close();
    });

    test('a value of a megabyte comes back whole', async () => {
      const store = await open();
      const large = new Uint8Array(1_000_000).map((_, i) => i % 251);
      await store.write(put(bytes(1), large));
      expect(Buffer.compare(store.get(bytes(1)) ?? bytes(), large)).toBe(0);
      await store.close();
    });

    test('agrees with a sorted list of entries under puts, deletes and ranges', async () => {
      const key = fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 });
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(key, fc.option(fc.uint8Array({ minLength: 1, maxLength: 4 }))), {
            maxLength: 20,
          }),
          key,
          key,
          fc.boolean(),
          fc.integer({ min: 1, max: 10 }),
          async (changes, from, to, reverse, limit) => {
            const store = await open();
            const model = new Map<string, Uint8Array>();
            for (const [at, value] of changes) {
              // oxlint-disable-next-line no-await-in-loop -- one batch after another
              await store.write(value === null ? { puts: [], deletes: [at] } : put(at, value));
              const hex = Buffer.from(at).toString('hex');
              if (value === null) model.delete(hex);
              else model.set(hex, value);
            }
            const keys = [...model.keys()]
              .map((hex) => Buffer.from(hex, 'hex'))
              .sort((left, right) => Buffer.compare(left, right))
              .filter((at) => Buffer.compare(at, from) >= 0 && Buffer.compare(at, to) < 0);
            if (reverse) keys.reverse();
            const expected = keys.slice(0, limit).map((at) => at.toString('hex'));
            const found = store.range({ from, to, reverse, limit });
            expect(found.map((entry) => Buffer.from(entry.key).toString('hex'))).toEqual(expected);
            for (const [hex, value] of model)
              expect(store.get(Buffer.from(hex, 'hex'))).toEqual(new Uint8Array(value));
            expect(store.count()).toBe(model.size);
            await store.close();
          },
        ),
        { numRuns: 25 },
      );
    });

    test('a closed store refuses', async () => {
      const store = await open();
      await store.close();
      expect(() => store.get(bytes(1))).toThrow(expect.objectContaining({ code: 'closed' }));
      await expect(store.write(put(bytes(1), bytes(1)))).rejects.toMatchObject({ code: 'closed' });
    });
  });
}
