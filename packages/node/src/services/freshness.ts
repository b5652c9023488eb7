/**
 * Whether this node may decide anything that depends on time: block time lags on an idle chain and
 * stands still on a node that is cut off, a clock can be wrong. So block time *and* the node's own
 * clock must lie in the period, and differ by less than two heartbeats (ledger-and-consensus.md).
 */
import type { Clock } from '../clock.ts';
import type { ChainTip } from './chain-view.ts';

export interface Freshness {
  readonly tip: ChainTip;
  readonly clock: Clock;
  readonly heartbeatMs: number;
}

export function isFresh({ tip, clock, heartbeatMs }: Freshness): boolean {
  return Math.abs(clock.nowMs() - tip.timeMs) < 2 * heartbeatMs;
}

/** Whether both times lie in [from, to), in seconds. */
export function isWithin(
  { tip, clock }: Freshness,
  period: { readonly from: number; readonly to: number },
): 'before' | 'within' | 'after' {
  const times = [tip.timeMs, clock.nowMs()];
  if (times.some((time) => time >= period.to * 1000)) return 'after';
  // The chain set `from`; a clock a little behind block time must not undo an inclusion.
  if (tip.timeMs < period.from * 1000) return 'before';
  return 'within';
}
