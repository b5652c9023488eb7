/**
 * Reads an object to its end and checks it on the way. The last bytes are held back until the verdict is
 * in: a small object is handed out only when it is good, of a large damaged one the reader never gets
 * the end, and learns why. Memory: what is held back and one piece.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import { ObjectStoreError } from './object-store-error.ts';
import type { Announcement, VerifyContent } from './object-store.ts';

export const HELD_BACK_BYTES = 1_048_576;

class AbandonedError extends Error {}

type Verdict = { readonly isGood: boolean } | { readonly failure: unknown };

/** @throws ObjectStoreError `corrupted`; what `content` throws */
export async function* readVerified(
  announced: Announcement,
  content: AsyncIterable<Bytes>,
  verify: VerifyContent,
): AsyncGenerator<Bytes> {
  const held: Bytes[] = [];
  const state: { heldBytes: number; received: number; isAbandoned: boolean; verdict?: Verdict } = {
    heldBytes: 0,
    received: 0,
    isAbandoned: false,
  };
  let changed: () => void = () => undefined;
  let change = new Promise<void>((resolve) => (changed = resolve));
  const tell = (): void => {
    changed();
    change = new Promise<void>((resolve) => (changed = resolve));
  };

  /** Whether so much is left behind the first piece as is held back. */
  const mayGive = (): boolean => state.heldBytes - (held[0]?.length ?? Infinity) >= HELD_BACK_BYTES;

  // The check drives; it runs ahead of the reader by what is held back.
  async function* passing(): AsyncGenerator<Bytes> {
    for await (const part of content) {
      state.received += part.length;
      held.push(part);
      state.heldBytes += part.length;
      tell();
      while (mayGive() && !state.isAbandoned) await change;
      if (state.isAbandoned) throw new AbandonedError();
      yield part;
    }
  }

  const passed = passing();
  const judged = verify(announced, passed).then(
    (isGood) => {
      state.verdict = { isGood: isGood && state.received === announced.length };
      tell();
    },
    (failure: unknown) => {
      state.verdict = { failure };
      tell();
    },
  );
  const take = (): Bytes | undefined => {
    const part = held.shift();
    state.heldBytes -= part?.length ?? 0;
    return part;
  };

  try {
    while (state.verdict === undefined) {
      if (!mayGive()) {
        await change;
        continue;
      }
      const part = take();
      tell();
      if (part !== undefined) yield part;
    }
    const { verdict } = state;
    if ('failure' in verdict) throw verdict.failure;
    if (!verdict.isGood)
      throw new ObjectStoreError('corrupted', 'the object is not what its digest says');
    for (let part = take(); part !== undefined; part = take()) yield part;
  } finally {
    state.isAbandoned = true;
    tell();
    await judged;
    // A check that stopped early leaves the source open.
    await passed.return(undefined);
  }
}
