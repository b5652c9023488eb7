/** Two threads seal what one seals, whatever happens to the second one. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AeadInput } from '@yilian/crypto/aead';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { CHUNKS_AHEAD_MAX } from '@yilian/crypto/envelope/chunk-pipeline';
import type { ByteStream } from '@yilian/crypto/envelope/plaintext-chunks';
import { sealRecord, type SealedRecord } from '@yilian/crypto/envelope/record-writer';
import { type Primitives, purePrimitives } from '@yilian/crypto/primitives';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { context, recordSlotKey, seededBytes } from '../../../crypto/test/sealed-record.ts';
import { createNodePrimitives } from '../../src/platform/node-ciphers.ts';
import { sealLeafHere } from '../../src/platform/node-sealing.ts';
import { createSealingLane, type SealingLane } from '../../src/platform/sealing-lane.ts';

const CHUNK_BYTES = 262_144;
const node = createNodePrimitives();
/** One thread only, and the cipher apart from the hash. */
const plain: Primitives = {
  ...purePrimitives,
  sha256: node.sha256,
  digest: node.digest,
  aead: node.aead,
};
const random = seededBytes(7)(CHUNK_BYTES);

/** Different chunks, cheap to make. */
function contentOf(length: number): Bytes {
  const bytes = new Uint8Array(length);
  for (let offset = 0; offset < length; offset += CHUNK_BYTES) {
    bytes.set(random.subarray(0, length - offset), offset);
    bytes[offset] = offset / CHUNK_BYTES;
  }
  return bytes;
}

/** Pieces that no chunk consists of, so that chunks are put together in one buffer over and over. */
function* piecesOf(content: Bytes): Generator<Bytes> {
  for (let offset = 0; offset < content.length; offset += 100_000)
    yield content.slice(offset, offset + 100_000);
}

async function seal(
  primitives: Primitives,
  content: ByteStream,
  sink?: (chunk: readonly Bytes[]) => Promise<void>,
): Promise<{ sealed: SealedRecord; body: string }> {
  // Comparing megabytes element by element would take minutes.
  const body = createHash('sha256');
  const sealed = await sealRecord(
    {
      context: { ...context, chunkBytes: CHUNK_BYTES },
      primitives,
      randomBytes: seededBytes(1),
      sink: (chunk) => {
        for (const part of chunk) body.update(part);
        return sink?.(chunk);
      },
    },
    [{ path: 'dicom/1', mediaType: 'application/dicom', content }],
    { patientSlots: [{ slotKey: recordSlotKey, opens: 'record' }] },
  );
  return { sealed, body: body.digest('hex') };
}

interface Counted {
  readonly primitives: Primitives;
  /** Chunks that the other thread took. */
  taken: number;
}

function withLane(lane: SealingLane): Counted {
  const counted: Counted = {
    taken: 0,
    primitives: {
      ...plain,
      sealLeaf(input) {
        const underWay = lane.offer(input);
        if (underWay !== null) counted.taken++;
        return underWay ?? sealLeafHere(input);
      },
    },
  };
  return counted;
}

const input: AeadInput & { plaintext: Bytes } = {
  key: new Uint8Array(32).fill(3),
  nonce: new Uint8Array(12),
  associatedData: Uint8Array.of(5),
  plaintext: contentOf(CHUNK_BYTES),
};

/** Offers until the thread has answered once. */
async function started(lane: SealingLane): Promise<SealingLane> {
  for (;;) {
    const underWay = lane.offer(input);
    if (underWay === null) await sleep(1);
    else {
      await underWay;
      return lane;
    }
  }
}

let unhandled: unknown[] = [];
const listen = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => {
  unhandled = [];
  process.on('unhandledRejection', listen);
});
afterEach(async () => {
  await sleep(5);
  process.off('unhandledRejection', listen);
  expect(unhandled).toEqual([]);
});

const many = contentOf(20 * CHUNK_BYTES + 5);

describe('a record sealed by two threads', () => {
  test.each([
    ['nothing', 0],
    ['1 byte', 1],
    ['a chunk but for one byte', CHUNK_BYTES - 1],
    ['a chunk', CHUNK_BYTES],
    ['a chunk and a byte', CHUNK_BYTES + 1],
    ['many chunks', many.length],
  ])('%s: the same bytes as one thread seals', async (_, length) => {
    const { primitives } = withLane(await started(createSealingLane()));
    const content = contentOf(length);
    expect(await seal(primitives, piecesOf(content))).toEqual(await seal(plain, [content]));
  });

  it('any size: the same bytes as one thread seals', async () => {
    const counted = withLane(await started(createSealingLane()));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: many.length }), async (length) => {
        const content = many.subarray(0, length);
        const known = await seal(plain, [content]);
        expect(await seal(counted.primitives, piecesOf(content))).toEqual(known);
      }),
      { numRuns: 15 },
    );
    expect(counted.taken).toBeGreaterThan(0);
  });

  it('both threads take part, from the platform’s own primitives on', async () => {
    expect(await seal(node, piecesOf(many))).toEqual(await seal(plain, [many]));
    const counted = withLane(await started(createSealingLane()));
    await seal(counted.primitives, [many]);
    expect(counted.taken).toBeGreaterThan(1);
    expect(counted.taken).toBeLessThan(20);
  });

  it('small chunks never go to another thread', () => {
    const lane = createSealingLane();
    const plaintext = input.plaintext.subarray(1);
    for (let i = 0; i < 50; i++) expect(lane.offer({ ...input, plaintext })).toBeNull();
  });

  it('a plaintext that is overwritten at once was read before', async () => {
    const lane = await started(createSealingLane());
    const plaintext = input.plaintext.slice();
    const underWay = lane.offer({ ...input, plaintext });
    plaintext.fill(0);
    const sealed = await underWay;
    const known = sealLeafHere(input);
    expect(sealed?.leafHash).toEqual(known.leafHash);
    expect(equalBytes(sealed?.ciphertext ?? plaintext, known.ciphertext)).toBe(true);
  });

  it('a released chunk is gone, and asks for no collection', async () => {
    const lane = await started(createSealingLane());
    const sealed = await lane.offer(input);
    expect(sealed?.ciphertext.length).toBe(CHUNK_BYTES);
    sealed?.release?.();
    expect(sealed?.ciphertext.length).toBe(0);
  });

  it('a slow sink holds both threads back', async () => {
    const lane = await started(createSealingLane());
    let begun = 0;
    let sunk = 0;
    let most = 0;
    const primitives: Primitives = {
      ...plain,
      sealLeaf(chunk) {
        most = Math.max(most, ++begun - sunk);
        return lane.offer(chunk) ?? sealLeafHere(chunk);
      },
    };
    await seal(primitives, [many], async () => {
      await sleep(2);
      sunk++;
    });
    expect(most).toBe(CHUNKS_AHEAD_MAX);
  });
});

describe('a failure while two threads seal', () => {
  const program = new URL('../../dist/platform/sealing-worker.js', import.meta.url);
  /** A thread that is lost at this order, before it has answered; the real one listens at the same port. */
  const lost = (at: number): URL =>
    new URL(`data:text/javascript,
      import { workerData } from 'node:worker_threads';
      let orders = 0;
      workerData.port.on('message', () => { if (++orders === ${at}) process.exit(1); });
      await import('${program.href}');`);

  test.each([1, 2, 5])(
    'a thread lost at its order %i: the same bytes, and it is not used again',
    async (at) => {
      const lane = createSealingLane({ program: lost(at) });
      const counted = withLane(lane);
      const known = await seal(plain, [many]);
      for (let round = 0; counted.taken < at && round < 500; round++) {
        expect(await seal(counted.primitives, piecesOf(many))).toEqual(known);
        await sleep(1);
      }
      expect(counted.taken).toBeGreaterThanOrEqual(at);
      for (let i = 0; i < 50; i++) expect(lane.offer(input)).toBeNull();
    },
  );

  it('a thread that does not start: the same bytes', async () => {
    const counted = withLane(
      createSealingLane({ program: new URL('data:text/javascript,throw new Error()') }),
    );
    const known = await seal(plain, [many]);
    for (let i = 0; i < 3; i++) {
      expect(await seal(counted.primitives, [many])).toEqual(known);
      await sleep(20);
    }
    expect(counted.taken).toBe(0);
  });

  it('a source that breaks off: that error, and the next record is sealed', async () => {
    const { primitives } = withLane(await started(createSealingLane()));
    function* broken(): Generator<Bytes> {
      yield many;
      throw new Error('unplugged');
    }
    await expect(seal(primitives, broken())).rejects.toThrow('unplugged');
    expect(await seal(primitives, [many])).toEqual(await seal(plain, [many]));
  });

  test.each([0, 3, 20])(
    'a sink that gives up at chunk %i: that error, no later chunk',
    async (failing) => {
      const { primitives } = withLane(await started(createSealingLane()));
      let calls = 0;
      const sink = async (): Promise<void> => {
        await sleep(1);
        if (calls++ === failing) throw new Error('disk full');
      };
      await expect(seal(primitives, [many], sink)).rejects.toThrow('disk full');
      expect(calls).toBe(failing + 1);
      expect(await seal(primitives, [many])).toEqual(await seal(plain, [many]));
    },
  );

  it('a wrong key is refused at once', () => {
    expect(() => node.sealLeaf({ ...input, key: new Uint8Array(24) })).toThrow(/16 or 32/);
  });
});

describe('the second thread', () => {
  it('ends when it has had nothing to do, and starts again for the next large record', async () => {
    const lane = await started(createSealingLane({ idleMs: 20 }));
    await sleep(500);
    expect(lane.offer(input)).toBeNull();
    const { primitives } = withLane(await started(lane));
    expect(await seal(primitives, [many])).toEqual(await seal(plain, [many]));
  });

  it('never keeps the process alive', () => {
    const program = `
      import { createSealingLane } from '${new URL('../../dist/platform/sealing-lane.js', import.meta.url).href}';
      const lane = createSealingLane({ idleMs: 600_000 });
      const chunk = { key: new Uint8Array(32), nonce: new Uint8Array(12), associatedData: new Uint8Array(0), plaintext: new Uint8Array(${CHUNK_BYTES}) };
      let underWay = null;
      while ((underWay = lane.offer(chunk)) === null) await new Promise((resolve) => setTimeout(resolve, 1));
      void underWay.then(({ ciphertext }) => console.log(ciphertext.length));`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect(output.trim()).toBe(String(CHUNK_BYTES));
  });
});
