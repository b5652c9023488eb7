/**
 * Between sealing and the sink: while another thread hashes a chunk, the next one is sealed already.
 * A chunk goes to the sink only when its leaf hash is known and its predecessor was taken, so the body
 * never runs ahead of its hashes, and what is hashed is what is written. A platform that hashes at
 * once never queues anything.
 */
import type { Eventual, SealedParts } from '../aead.ts';
import type { Bytes } from '../bytes.ts';
import { LEAF_PREFIX } from '../merkle.ts';
import type { Primitives } from '../primitives.ts';

/** Sealed chunks held in memory at a time; two keep two threads busy, the rest evens out their pace. */
export const CHUNKS_AHEAD_MAX = 4;

export interface ChunkPipeline {
  /**
   * Takes the next chunk; done when there is room for another.
   * @throws (also later, or from `finish`) whatever digest or sink threw, the earliest chunk's first
   */
  put(chunk: SealedParts): Eventual<void>;
  /** Leaf hashes of all chunks in their order, after the sink has taken the last. */
  finish(): Promise<readonly Bytes[]>;
  /** After a failure: keeps the rest from the sink and waits for what is under way. Never throws. */
  abandon(): Promise<void>;
}

/** @param sink is never called while an earlier call is still under way */
export function createChunkPipeline(
  digest: Primitives['digest'],
  sink: (parts: readonly Bytes[]) => Eventual<void>,
): ChunkPipeline {
  const leafHashes: Bytes[] = [];
  const ahead: Promise<void>[] = [];
  let abandoned = false;

  async function deliver(
    { ciphertext, tag }: SealedParts,
    leafHash: Eventual<Bytes>,
    predecessor: Promise<void> | undefined,
  ): Promise<void> {
    // Together, so that neither can fail while nobody listens.
    const [known] = await Promise.all([leafHash, predecessor]);
    if (abandoned) return;
    leafHashes.push(known);
    await sink([ciphertext, tag]);
  }

  return {
    put(chunk) {
      const { ciphertext, tag } = chunk;
      const leafHash = digest(LEAF_PREFIX, ciphertext, tag);
      if (ahead.length === 0 && leafHash instanceof Uint8Array) {
        leafHashes.push(leafHash);
        return sink([ciphertext, tag]);
      }
      const delivery = deliver(chunk, leafHash, ahead.at(-1));
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
