/** This node's own clock, as a parameter of everything that has to do with time. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now() };

export function nowSeconds(clock: Clock): number {
  return Math.floor(clock.nowMs() / 1000);
}

/** Days since 1970 in UTC: the number of an index epoch and of a node key. */
export function dayOf(timeMs: number): number {
  return Math.floor(timeMs / 86_400_000);
}
