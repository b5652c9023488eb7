/** What a spool was given comes back whole, however little the file system takes at a time. */
import { open, type FileHandle } from 'node:fs/promises';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createNodePlatform } from '../../src/platform/node-platform.ts';
import type { Platform } from '../../src/platform/platform.ts';

let platform: Platform;
let handles: { write: (piece: Uint8Array) => Promise<{ readonly bytesWritten: number }> };

beforeAll(async () => {
  platform = await createNodePlatform();
  const file: FileHandle = await open(new URL(import.meta.url));
  handles = Object.getPrototypeOf(file) as typeof handles;
  await file.close();
});
afterEach(() => {
  vi.restoreAllMocks();
});

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7) & 255);

/** The file system takes at most so many bytes at a time. */
function takeAtMost(most: number): () => number {
  const { write } = handles;
  const spy = vi.spyOn(handles, 'write').mockImplementation(function shortened(
    this: unknown,
    piece: Uint8Array,
  ) {
    return write.call(this, piece.subarray(0, most));
  });
  return () => spy.mock.calls.length;
}

describe('a spool on disk', () => {
  test('gives back what it was given, piece by piece', async () => {
    const spool = await platform.createSpool();
    for (const piece of [bytes(10), new Uint8Array(0), bytes(70_000)]) await spool.write(piece);
    const body = await spool.body();
    expect(new Uint8Array(await body.arrayBuffer())).toEqual(
      Uint8Array.from([...bytes(10), ...bytes(70_000)]),
    );
    await spool.dispose();
  });

  test.each([1, 7, 4096])('loses nothing when writes are cut to %i bytes', async (most) => {
    const calls = takeAtMost(most);
    const spool = await platform.createSpool();
    const length = most * 3 + 1;
    await spool.write(bytes(length));
    await spool.write(bytes(5));
    const body = await spool.body();
    expect(new Uint8Array(await body.arrayBuffer())).toEqual(
      Uint8Array.from([...bytes(length), ...bytes(5)]),
    );
    expect(calls()).toBeGreaterThan(2);
    await spool.dispose();
  });

  test('fails, and does not try for ever, when nothing more is taken', async () => {
    takeAtMost(0);
    const spool = await platform.createSpool();
    await expect(spool.write(bytes(10))).rejects.toMatchObject({ code: 'ENOSPC' });
    await spool.dispose();
  });
});
