/**
 * Between sealing and the sink: while another thread works on a chunk, the next one is begun already.
 * A chunk goes to the sink only when its leaf hash is known and its predecessor was taken, so the body
 * never runs ahead of its hashes, and what is hashed is what is written. A platform that answers at
 * once never queues anything.
 */
import type { Eventual } from '../aead.ts';
import type { Bytes } from '../bytes.ts';
import type { SealedLeaf } from '../primitives.ts';

/** Chunks under way or held at a time; two keep two threads busy, the rest evens out their pace. */
export const CHUNKS_AHEAD_MAX = 4;

export interface ChunkPipeline {
  /**
   * Takes the next chunk; done when there is room for another.
   * @throws (also later, or from `finish`) why a chunk was not sealed or not taken, the earliest first
   */
  put(chunk: Eventual<SealedLeaf>): Eventual<void>;
  /** Leaf hashes of all chunks in their order, after the sink has taken the last. */
  finish(): Promise<readonly Bytes[]>;
  /** After a failure: keeps the rest from the sink and waits for what is under way. Never throws. */
  abandon(): Promise<void>;
}

/** @param sink is never called while an earlier call is still under way */
export function createChunkPipeline(
  sink: (parts: readonly Bytes[]) => Eventual<void>,
): ChunkPipeline {
  const leafHashes: Bytes[] = [];
  const ahead: Promise<void>[] = [];
  let abandoned = false;

  function pass({ ciphertext, tag, leafHash, release }: SealedLeaf): Eventual<void> {
    leafHashes.push(leafHash);
    const taken = sink([ciphertext, tag]);
    if (release === undefined) return taken;
    if (taken instanceof Promise) return taken.then(release);
    return release();
  }

  async function deliver(
    chunk: Eventual<SealedLeaf>,
    predecessor: Promise<void> | undefined,
  ): Promise<void> {
    // Together, so that neither can fail while nobody listens.
    const [sealed] = await Promise.all([chunk, predecessor]);
    if (abandoned) return;
    await pass(sealed);
  }

  return {
    put(chunk) {
      if (ahead.length === 0 && !(chunk instanceof Promise)) return pass(chunk);
      const delivery = deliver(chunk, ahead.at(-1));
      // Awaited in `put`, `finish` or `abandon`, which may be long after it failed.
      delivery.catch(() => undefined);
      ahead.push(delivery);
      return ahead.length < CHUNKS_AHEAD_MAX ? undefined : ahead.shift();
    },
    async finish() {
      for (const delivery of ahead.splice(0)) await delivery;
      return leafHashes;
    },
    async abandon() {
      abandoned = true;
      await Promise.allSettled(ahead);
    },
  };
}
