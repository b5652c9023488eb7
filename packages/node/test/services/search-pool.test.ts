/** The built worker program in threads of its own, against the same tasks run here. */
import { afterEach, describe, expect, it } from 'vitest';
import { utf8 } from '@yilian/crypto/bytes';
import { randomScalar } from '@yilian/crypto/curve';
import { blindKeyword, deriveKeywordSecret } from '@yilian/crypto/keyword';
import { parseMonth } from '@yilian/crypto/period';
import {
  createEpochKey,
  createIndexTags,
  deriveTrapdoor,
  packEpochIndex,
  trapdoorTagKey,
} from '@yilian/crypto/searchable-encryption';
import { encryptBlocks } from '../../src/native-primitives.ts';
import { createSearchPool, type SearchPool } from '../../src/services/search-pool.ts';
import type { SearchTask } from '../../src/services/search-task.ts';
import { CONTEXT, curve, randomBytes } from './support.ts';

const pools: SearchPool[] = [];
function pool(workers: number, program?: URL): SearchPool {
  const made = createSearchPool({
    workers,
    context: CONTEXT,
    curve,
    ...(program === undefined ? {} : { program }),
  });
  pools.push(made);
  return made;
}
afterEach(async () => {
  for (const each of pools.splice(0)) await each.close();
});

const CRASHING = new URL('crashing-worker.mjs', import.meta.url);
const RECORDS = 40;
const patientSecret = randomBytes(32);
const patientScalar = randomScalar(curve, randomBytes);

function keyword(text: string): ReturnType<typeof blindKeyword> {
  const secret = deriveKeywordSecret({
    context: CONTEXT,
    patientSecret,
    hospitalId: utf8('h-1'),
    month: parseMonth('2026-09'),
  });
  return blindKeyword(CONTEXT, secret, { type: 'code', text });
}

function rightTo(text: string): ReturnType<typeof deriveTrapdoor> {
  return deriveTrapdoor({
    curve,
    context: CONTEXT,
    patientScalar,
    keyword: keyword(text),
    randomBytes,
  });
}

/** One epoch whose records carry `even` and `odd` in turn. */
function makeEpoch(): SearchTask['epochs'][number] {
  const { key } = createEpochKey({
    curve,
    context: CONTEXT,
    hospitalId: utf8('h-1'),
    epoch: '1',
    randomBytes,
  });
  const tagKeys = ['even', 'odd'].map((word) =>
    trapdoorTagKey({
      curve,
      context: CONTEXT,
      epochPoint: key.point,
      trapdoor: rightTo(word),
    }),
  );
  const records = Array.from({ length: RECORDS }, (_, i) => {
    const recordId = randomBytes(32);
    const tags = createIndexTags({
      tagKeys: tagKeys.slice(i % 2, (i % 2) + 1),
      recordId,
      locationSecret: randomBytes(16),
      count: 8,
      encryptBlocks,
      randomBytes,
    });
    return { recordId, tags };
  });
  const packed = packEpochIndex(records);
  // As the index service keeps it: in memory that threads share.
  return {
    point: curve.encodeG1(key.point),
    index: { ...packed, prefixes: shared(packed.prefixes), tags: shared(packed.tags) },
  };
}

function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

const epochs = [makeEpoch(), makeEpoch()];

function taskFor(text: string): SearchTask {
  return { mode: 'pk', right: curve.encodeG2(rightTo(text)), epochs };
}

describe('search in threads', () => {
  it('finds what the same search finds in this thread', async () => {
    const inline = pool(0);
    const threads = pool(2);
    for (const word of ['even', 'odd', 'neither']) {
      const here = await inline.run(taskFor(word));
      const there = await threads.run(taskFor(word));
      expect(there.matches).toEqual(here.matches);
      const found = word === 'neither' ? 0 : RECORDS / 2;
      expect(there.matches.map((matches) => matches.length)).toEqual([found, found]);
    }
  });

  it('serves more tasks than it has threads, each its own answer', async () => {
    const threads = pool(2);
    const words = Array.from({ length: 9 }, (_, i) => (i % 2 === 0 ? 'even' : 'odd'));
    const answers = words.map((word) => threads.run(taskFor(word)));
    expect(threads.pending()).toBe(9);
    for (const [i, answer] of answers.entries()) {
      const [first] = (await answer).matches[0] ?? [];
      expect(first?.position).toBe(i % 2);
    }
    expect(threads.pending()).toBe(0);
  });

  it('a task that cannot be done is a typed error, and the thread goes on', async () => {
    const threads = pool(1);
    const bad: SearchTask = { mode: 'pk', right: new Uint8Array(96), epochs };
    await expect(threads.run(bad)).rejects.toMatchObject({ code: 'taskFailed' });
    await expect(pool(0).run(bad)).rejects.toMatchObject({ code: 'taskFailed' });
    const { matches } = await threads.run(taskFor('even'));
    expect(matches[0]).toHaveLength(RECORDS / 2);
  });
});

describe('a thread that ends', () => {
  const task = (how: number): SearchTask => ({
    mode: 'sym',
    right: Uint8Array.of(how),
    epochs: [],
  });

  it.each([
    ['by exit', 1],
    ['by an uncaught error', 2],
  ])('%s: a typed error for its task, and a new thread for the next', async (_how, how) => {
    const threads = pool(1, CRASHING);
    expect((await threads.run(task(7))).cpuMs).toBe(7);
    const lost = threads.run(task(how));
    const next = threads.run(task(8));
    await expect(lost).rejects.toMatchObject({ name: 'SearchPoolError', code: 'workerLost' });
    expect((await next).cpuMs).toBe(8);
    expect(threads.pending()).toBe(0);
  });

  it('takes nothing with it from the other threads', async () => {
    const threads = pool(3, CRASHING);
    const results = await Promise.allSettled(
      [5, 1, 6, 2, 7, 1, 8].map((how) => threads.run(task(how))),
    );
    expect(results.map(({ status }) => status === 'fulfilled')).toEqual([
      true,
      false,
      true,
      false,
      true,
      false,
      true,
    ]);
  });

  it('by closing: what waits is refused, and so is what comes later', async () => {
    const threads = pool(1);
    const running = threads.run(taskFor('even'));
    const waiting = threads.run(taskFor('odd'));
    const both = Promise.allSettled([running, waiting]);
    await threads.close();
    for (const result of await both)
      expect(result.status === 'rejected' && String(result.reason)).toMatch(/closed|ended/);
    await expect(threads.run(taskFor('even'))).rejects.toMatchObject({ code: 'closed' });
  });
});
