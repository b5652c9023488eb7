/**
 * Requests that wait for a height or a transaction (API-15): few of each address and few in all, none
 * for long, and none whose caller has hung up.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import type { FinalOutcome } from '../ordering/final-block.ts';
import type { OrderingNode } from '../ordering-node.ts';
import { type Served, refuse, served } from '../services/served.ts';

/** One request's right to wait. */
export interface Wait {
  readonly caller: string;
  /** Milliseconds that it may still take. */
  leftMs(): number;
  /** Aborts when the caller hangs up. */
  readonly signal: AbortSignal;
}

export interface WaitingRoom {
  /** Until a block of this height is final here. Refuses with `nodeBehind` or `rateLimited`. */
  untilHeight(height: bigint, wait: Wait): Promise<Served<null>>;
  /** Until the transaction is final here. Refuses with `waitTimedOut` or `rateLimited`. */
  untilFinal(id: Bytes, wait: Wait): Promise<Served<FinalOutcome>>;
  /** How many wait. */
  readonly size: number;
  /** Sends everybody away. */
  close(): void;
}

export interface WaitingRoomOptions {
  readonly ordering: Pick<OrderingNode, 'latest' | 'subscribe' | 'outcome' | 'outcomeNow'>;
  readonly placesMax: number;
  readonly placesPerCallerMax: number;
}

export function createWaitingRoom(options: WaitingRoomOptions): WaitingRoom {
  const { ordering, placesMax, placesPerCallerMax } = options;
  const taken = new Map<string, number>();
  let size = 0;
  const seated = new Set<AbortController>();
  const waitingForHeight = new Set<{ readonly height: bigint; readonly wake: () => void }>();
  const unsubscribe = ordering.subscribe(({ height }) => {
    for (const each of waitingForHeight) if (each.height <= height) each.wake();
  });

  /** A place for as long as `stay` lasts. */
  const seat = async <T>(
    { caller, signal }: Wait,
    stay: (signal: AbortSignal) => Promise<Served<T>>,
  ): Promise<Served<T>> => {
    const own = taken.get(caller) ?? 0;
    if (size >= placesMax || own >= placesPerCallerMax)
      return refuse('rateLimited', { retryAfterSeconds: 1 });
    taken.set(caller, own + 1);
    size += 1;
    const leaving = new AbortController();
    const leave = (): void => leaving.abort();
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave);
    seated.add(leaving);
    try {
      return await stay(leaving.signal);
    } finally {
      signal.removeEventListener('abort', leave);
      seated.delete(leaving);
      size -= 1;
      const left = (taken.get(caller) ?? 1) - 1;
      if (left === 0) taken.delete(caller);
      else taken.set(caller, left);
    }
  };

  const heightReached = (height: bigint, timeoutMs: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const waiter = {
        height,
        wake: (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', waiter.wake);
          waitingForHeight.delete(waiter);
          resolve();
        },
      };
      const timer = setTimeout(waiter.wake, timeoutMs);
      if (signal.aborted) waiter.wake();
      else {
        signal.addEventListener('abort', waiter.wake);
        waitingForHeight.add(waiter);
      }
    });

  return {
    get size() {
      return size;
    },
    untilHeight: async (height, wait) => {
      const isThere = (): boolean => ordering.latest().height >= height;
      if (isThere()) return served(null);
      const leftMs = wait.leftMs();
      if (leftMs <= 0) return refuse('nodeBehind', { retryAfterSeconds: 1 });
      return seat(wait, async (signal) => {
        await heightReached(height, leftMs, signal);
        return isThere() ? served(null) : refuse('nodeBehind', { retryAfterSeconds: 1 });
      });
    },
    untilFinal: async (id, wait) => {
      const known = ordering.outcomeNow(id);
      if (known !== undefined) return served(known);
      const leftMs = wait.leftMs();
      if (leftMs <= 0) return refuse('waitTimedOut');
      return seat(wait, async (signal) => {
        const final = await ordering.outcome(id, leftMs, signal);
        return final === 'timeout' ? refuse('waitTimedOut') : served(final);
      });
    },
    close: () => {
      unsubscribe();
      for (const leaving of seated) leaving.abort();
    },
  };
}
