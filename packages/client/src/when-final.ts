import { ProblemError } from './failure.ts';

const NOT_FINAL_TRIES = 25;
const NOT_FINAL_PAUSE_MS = 80;
const NOT_FINAL: ReadonlySet<string> = new Set([
  'notFinal',
  'grantUnknown',
  'grantPending',
  // Enrolled a moment ago: not every node has the block yet.
  'unknownMember',
]);

/** Repeats a call while the node it goes to has not the block yet that it is about. */
export async function whenFinal<T>(
  wait: (ms: number) => Promise<void>,
  call: () => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      const isEarly = error instanceof ProblemError && NOT_FINAL.has(error.code);
      if (!isEarly || attempt >= NOT_FINAL_TRIES) throw error;
      await wait(NOT_FINAL_PAUSE_MS);
    }
  }
}
