import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openAppendFile } from '../../src/storage/append-file.ts';
import { openLmdbStore } from '../../src/storage/lmdb-store.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import { openWriteAheadLog } from '../../src/storage/write-ahead-log.ts';
import { createFaultyDisk } from './faulty-disk.ts';
import { testKeyValueStore } from './key-value-store-suite.ts';

const root = mkdtempSync(join(tmpdir(), 'yilian-storage-'));
let made = 0;
const fresh = (): string => join(root, String(made++));
afterAll(() => rmSync(root, { recursive: true, force: true }));

testKeyValueStore('LMDB', () => Promise.resolve(openLmdbStore(fresh())));
testKeyValueStore('memory', () => Promise.resolve(createMemoryStore()));
testKeyValueStore('faulty disk', () => Promise.resolve(createFaultyDisk({}).openStore()));

const text = (words: string): Uint8Array => new TextEncoder().encode(words);

describe('LMDB', () => {
  test('a database continues after it was closed', async () => {
    const path = fresh();
    const first = openLmdbStore(path);
    await first.write({ puts: [{ key: text('k'), value: text('v') }], deletes: [] });
    await first.close();
    const second = openLmdbStore(path);
    expect(second.get(text('k'))).toEqual(text('v'));
    await second.close();
  });

  test('a failed batch leaves nothing of it, and nothing is accepted after it', async () => {
    const path = fresh();
    const store = openLmdbStore(path);
    const tooLong = { key: new Uint8Array(5_000), value: text('v') };
    await expect(
      store.write({ puts: [{ key: text('a'), value: text('v') }, tooLong], deletes: [] }),
    ).rejects.toMatchObject({ code: 'writeFailed' });
    await expect(
      store.write({ puts: [{ key: text('b'), value: text('v') }], deletes: [] }),
    ).rejects.toMatchObject({ code: 'writeFailed' });
    await store.close();
    const again = openLmdbStore(path);
    expect(again.get(text('a'))).toBeUndefined();
    await again.close();
  });
});

const write = async (path: string, ...payloads: readonly string[]): Promise<void> => {
  const log = await openWriteAheadLog(await openAppendFile(path));
  for (const payload of payloads) {
    // oxlint-disable-next-line no-await-in-loop -- one call at a time is the contract
    await log.append(text(payload));
  }
  await log.close();
};
const recovered = async (path: string): Promise<readonly string[]> => {
  const log = await openWriteAheadLog(await openAppendFile(path));
  await log.close();
  return log.recovered.map((payload) => new TextDecoder().decode(payload));
};

describe('write-ahead log', () => {
  test('what was appended is recovered in order, also after more was appended', async () => {
    const path = fresh();
    await write(path, 'one', 'two');
    await write(path, 'three');
    expect(await recovered(path)).toEqual(['one', 'two', 'three']);
  });

  test('a tail torn at any byte is cut, and what follows is appended behind the cut', async () => {
    const path = fresh();
    await write(path, 'one', 'two!');
    const whole = readFileSync(path);
    const frame = 41 + 'two!'.length;
    for (let kept = 0; kept < frame; kept++) {
      writeFileSync(path, whole.subarray(0, whole.length - frame + kept));
      // oxlint-disable-next-line no-await-in-loop -- one file, one byte after another
      expect(await recovered(path), `${kept} bytes kept`).toEqual(['one']);
      const zeros = Buffer.alloc(frame - kept);
      writeFileSync(path, Buffer.concat([whole.subarray(0, whole.length - frame + kept), zeros]));
      // oxlint-disable-next-line no-await-in-loop -- as above
      expect(await recovered(path), `${kept} bytes kept, rest zeros`).toEqual(['one']);
    }
    await write(path, 'three');
    expect(await recovered(path)).toEqual(['one', 'three']);
  });

  test('one flipped bit anywhere, the last frame included, is found and refused', async () => {
    const path = fresh();
    await write(path, 'one', 'two');
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at++) {
      const rotten = Buffer.from(whole);
      rotten[at] = (rotten[at] ?? 0) ^ (1 << (at % 8));
      writeFileSync(path, rotten);
      // oxlint-disable-next-line no-await-in-loop -- one file, one byte after another
      await expect(recovered(path), `byte ${at}`).rejects.toMatchObject({ code: 'damaged' });
    }
  });

  test('a frame that was lost between two others is missed', async () => {
    const path = fresh();
    await write(path, 'one', 'two', 'six');
    const whole = readFileSync(path);
    const frame = 44;
    writeFileSync(path, Buffer.concat([whole.subarray(0, frame), whole.subarray(2 * frame)]));
    await expect(recovered(path)).rejects.toMatchObject({ code: 'damaged' });
  });

  test('an append counts only after its flush', async () => {
    const disk = createFaultyDisk({ flushMs: 20 });
    const log = await openWriteAheadLog(disk.openFile());
    await log.append(text('kept'));
    const lost = log.append(text('lost'));
    await Promise.resolve();
    disk.crash({ tornBytes: 11 });
    await expect(lost).rejects.toMatchObject({ code: 'writeFailed' });
    const after = await openWriteAheadLog(disk.openFile());
    expect(after.recovered).toEqual([text('kept')]);
    expect(after.cutTail).toBe(true);
  });

  test('after a failed flush nothing is appended any more', async () => {
    const disk = createFaultyDisk({});
    const log = await openWriteAheadLog(disk.openFile());
    disk.crash();
    await expect(log.append(text('a'))).rejects.toMatchObject({ code: 'writeFailed' });
    await expect(log.append(text('b'))).rejects.toMatchObject({ code: 'writeFailed' });
  });
});
