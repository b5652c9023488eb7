/** A platform that hashes later must change neither bytes nor order, and no failure may get lost. */
import { describe, expect, it, test } from 'vitest';
import { TAG_BYTES } from '../src/aead.ts';
import { type Bytes, concatBytes } from '../src/bytes.ts';
import { CHUNKS_AHEAD_MAX, createChunkPipeline } from '../src/envelope/chunk-pipeline.ts';
import { createRecordWriter } from '../src/envelope/record-writer.ts';
import { LEAF_PREFIX } from '../src/merkle.ts';
import { type Primitives, purePrimitives } from '../src/primitives.ts';
import { CHUNK_BYTES, context, sealFixture, seededBytes } from './sealed-record.ts';

type Digest = Primitives['digest'];

const CHUNKS = 7;
const content = seededBytes(5)(CHUNKS * CHUNK_BYTES);
const section = { path: 'a', mediaType: 'x/y', content: [content] };
/** Sealed by a platform that answers at once. */
const known = sealFixture({}, [section]);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

/** Answers after as many turns of the event loop as `delays` says, over and over. */
function slowDigest(delays: readonly number[]): Digest {
  let call = 0;
  return async (...parts) => {
    const hash = purePrimitives.sha256(...parts);
    await turns(delays[call++ % delays.length] ?? 0);
    return hash;
  };
}

/** Fails at the given call, later. */
function failingDigest(failing: number, delay: number): Digest {
  let call = 0;
  return async (...parts) => {
    const current = call++;
    await turns(current === failing ? delay : 1);
    if (current === failing) throw new Error('no digest');
    return purePrimitives.sha256(...parts);
  };
}

function writerWith(
  digest: Digest,
  sink: (parts: readonly Bytes[]) => void | Promise<void>,
): ReturnType<typeof createRecordWriter> {
  const primitives = { ...purePrimitives, digest };
  return createRecordWriter({ context, primitives, randomBytes: seededBytes(1), sink });
}

async function unhandledDuring(action: () => Promise<void>): Promise<unknown[]> {
  const unhandled: unknown[] = [];
  const listen = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', listen);
  try {
    await action();
    await turns(20);
  } finally {
    process.off('unhandledRejection', listen);
  }
  return unhandled;
}

describe('a record sealed with digests that come later', () => {
  test.each([
    ['each slower than the last', [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['each faster than the last', [9, 8, 7, 6, 5, 4, 3, 2, 1]],
    ['of one pace', [2]],
  ])('%s is the same record', async (_, delays) => {
    const { sealed, body } = await known;
    const primitives = { ...purePrimitives, digest: slowDigest(delays) };
    const later = await sealFixture({ primitives }, [section]);
    expect(later.sealed).toEqual(sealed);
    expect(later.body).toEqual(body);
  });

  it('some later and some at once is the same record', async () => {
    const slow = slowDigest([3]);
    let call = 0;
    const digest: Digest = (...parts) =>
      call++ % 3 === 0 ? slow(...parts) : purePrimitives.sha256(...parts);
    const { sealed, body } = await known;
    const mixed = await sealFixture({ primitives: { ...purePrimitives, digest } }, [section]);
    expect(mixed.sealed).toEqual(sealed);
    expect(mixed.body).toEqual(body);
  });

  it('seals on while a digest is under way', async () => {
    let underWay = 0;
    let most = 0;
    const slow = slowDigest([4]);
    const digest: Digest = async (...parts) => {
      most = Math.max(most, ++underWay);
      const hash = await slow(...parts);
      underWay--;
      return hash;
    };
    await sealFixture({ primitives: { ...purePrimitives, digest } }, [section]);
    expect(most).toBe(CHUNKS_AHEAD_MAX);
  });

  it('holds no more than its bound of chunks, however slow the sink', async () => {
    let hashed = 0;
    let sunk = 0;
    let most = 0;
    const slow = slowDigest([1]);
    const digest: Digest = (...parts) => {
      most = Math.max(most, ++hashed - sunk);
      return slow(...parts);
    };
    const writer = writerWith(digest, async () => {
      await turns(5);
      sunk++;
    });
    await writer.writeSection(section);
    expect(sunk).toBe(CHUNKS);
    expect(most).toBe(CHUNKS_AHEAD_MAX);
  });

  it('hands the sink only what was hashed, as it was hashed, one call at a time', async () => {
    const hashed: Bytes[] = [];
    const slow = slowDigest([3, 1, 2]);
    const digest: Digest = async (...parts) => {
      const hash = await slow(...parts);
      hashed.push(concatBytes(...parts));
      return hash;
    };
    const sunk: Bytes[] = [];
    let isBusy = false;
    const writer = writerWith(digest, async (parts) => {
      expect(isBusy).toBe(false);
      isBusy = true;
      const leaf = concatBytes(LEAF_PREFIX, ...parts);
      expect(hashed).toContainEqual(leaf);
      await turns(2);
      sunk.push(concatBytes(...parts));
      isBusy = false;
    });
    await writer.writeSection(section);
    expect(sunk.map((chunk) => chunk.length)).toEqual(
      Array.from({ length: CHUNKS }, () => CHUNK_BYTES + TAG_BYTES),
    );
  });

  it('a digest at once queues nothing: each chunk is sunk before the next is sealed', async () => {
    const events: string[] = [];
    const pipeline = createChunkPipeline(() => void events.push('sink'));
    const chunk = { ciphertext: Uint8Array.of(1), tag: new Uint8Array(TAG_BYTES) };
    for (let i = 0; i < 3; i++) {
      const leafHash = Uint8Array.of(i);
      events.push('hashed');
      expect(pipeline.put({ ...chunk, leafHash })).toBeUndefined();
    }
    expect(events).toEqual(['hashed', 'sink', 'hashed', 'sink', 'hashed', 'sink']);
    expect(await pipeline.finish()).toEqual([0, 1, 2].map((i) => Uint8Array.of(i)));
  });
});

describe('a failure behind the sealing', () => {
  const dead = { code: 'notSealable' };

  test.each([
    ['first', 0, 1],
    ['first, late', 0, 12],
    ['middle', 4, 1],
    ['middle, late', 4, 12],
    ['last', CHUNKS - 1, 3],
  ])('of the %s digest kills the writer and sinks no later chunk', async (_, failing, delay) => {
    let sunk = 0;
    const writer = writerWith(failingDigest(failing, delay), () => void sunk++);
    const unhandled = await unhandledDuring(async () => {
      await expect(writer.writeSection(section)).rejects.toThrow('no digest');
    });
    expect(unhandled).toEqual([]);
    expect(sunk).toBe(failing);
    await expect(writer.finish({ patientSlots: [] })).rejects.toMatchObject(dead);
  });

  it('of a digest that throws at once kills the writer too', async () => {
    let call = 0;
    const slow = slowDigest([3]);
    const digest: Digest = (...parts) => {
      if (call++ === 2) throw new Error('no digest');
      return slow(...parts);
    };
    const writer = writerWith(digest, () => undefined);
    const unhandled = await unhandledDuring(async () => {
      await expect(writer.writeSection(section)).rejects.toThrow('no digest');
    });
    expect(unhandled).toEqual([]);
    await expect(writer.finish({ patientSlots: [] })).rejects.toMatchObject(dead);
  });

  test.each([0, 3, CHUNKS - 1])('of the sink at chunk %i kills the writer', async (failing) => {
    let calls = 0;
    const writer = writerWith(slowDigest([1, 3]), async () => {
      await turn();
      if (calls++ === failing) throw new Error('disk full');
    });
    const unhandled = await unhandledDuring(async () => {
      await expect(writer.writeSection(section)).rejects.toThrow('disk full');
    });
    expect(unhandled).toEqual([]);
    expect(calls, 'no call follows the failed one').toBe(failing + 1);
    await expect(writer.finish({ patientSlots: [] })).rejects.toMatchObject(dead);
  });

  it('of the source ends with the sink at rest', async () => {
    let calls = 0;
    let isBusy = false;
    const writer = writerWith(slowDigest([2]), async () => {
      calls++;
      isBusy = true;
      await turns(6);
      isBusy = false;
    });
    function* broken(): Generator<Bytes> {
      yield content;
      throw new Error('unplugged');
    }
    const unhandled = await unhandledDuring(async () => {
      await expect(writer.writeSection({ ...section, content: broken() })).rejects.toThrow(
        'unplugged',
      );
    });
    const callsThen = calls;
    expect(isBusy).toBe(false);
    await turns(30);
    expect(calls).toBe(callsThen);
    expect(calls).toBeLessThan(CHUNKS);
    expect(unhandled).toEqual([]);
  });
});
