/**
 * What a node's services do by themselves: after each final block, and from time to time. Blocks are worked off
 * one after the other; a failure of one service stops neither the others nor the next block.
 */
import type { ChainView, FinalBlockView } from '../services/chain-view.ts';

/** How often what depends on the clock alone is looked at. */
const TEND_INTERVAL_MS = 30_000;

type Task = () => void | Promise<void>;

export interface TendedServices {
  /** Resolves when the services have done what the last final block asked of them. */
  settle(): Promise<void>;
  /** No block and no clock any more; what runs may end: see `settle`. */
  stop(): void;
}

export function tendServices(input: {
  readonly chain: Pick<ChainView, 'subscribe'>;
  /** One after the other, for each block. */
  readonly onBlock: readonly ((block: FinalBlockView) => void | Promise<void>)[];
  /** One after the other, at once and from time to time. */
  readonly onClock: readonly Task[];
  /** At once and from time to time, none waits for another. */
  readonly beside: readonly Task[];
  /** From time to time, none waits for another: what need not be done at the start. */
  readonly later: readonly Task[];
  readonly onError: (error: unknown) => void;
}): TendedServices {
  const { chain, onBlock, onClock, beside, later, onError } = input;
  const attempt = (action: Task): Promise<void> => Promise.resolve().then(action).catch(onError);
  let work: Promise<void> = Promise.resolve();
  const unsubscribe = chain.subscribe((block) => {
    work = work.then(async () => {
      for (const action of onBlock) {
        // oxlint-disable-next-line no-await-in-loop -- in this order
        await attempt(() => action(block));
      }
    });
  });
  const tendClock = async (): Promise<void> => {
    for (const action of onClock) {
      // oxlint-disable-next-line no-await-in-loop -- in this order
      await attempt(action);
    }
  };
  const tend = (): void => {
    void tendClock();
    for (const action of beside) void attempt(action);
  };
  const timer = setInterval(() => {
    tend();
    for (const action of later) void attempt(action);
  }, TEND_INTERVAL_MS);
  timer.unref();
  // Publishing today's key needs a running chain, so nobody waits for it here.
  tend();
  return {
    settle: () => work,
    stop: () => {
      clearInterval(timer);
      unsubscribe();
    },
  };
}
