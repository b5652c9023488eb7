/**
 * What an operator should hear of a chain that does not do well, and cannot see in any one block: that none
 * comes any more, or that this machine's clock is wrong. Block time is the median of the validators' clocks, so a
 * chain that lives tells the time better than one machine does.
 */
import type { LogEvent } from '../logging.ts';

/** Block time lags by up to one beat, and a busy machine by some more. */
const CLOCK_BEATS = 4;
const STAND_BEATS = 6;
const LOOK_MS = 5_000;
const SAY_AGAIN_MS = 60_000;

export interface ChainWatch {
  onBlock(block: { readonly timeNs: bigint }): void;
  tend(peers: number): Promise<void>;
}

export function createChainWatch(input: {
  readonly heartbeatMs: number;
  readonly clockNs: () => bigint;
  /** Of a clock that nobody sets. */
  readonly nowMs: () => number;
  /** Whether the engine still fetches old blocks; may fail while it starts. */
  readonly isCatchingUp: () => Promise<boolean>;
  readonly log: (event: LogEvent) => void;
}): ChainWatch {
  const { heartbeatMs, clockNs, nowMs, isCatchingUp, log } = input;
  const said = new Map<string, number>();
  let lookedMs = nowMs();
  let last = { atMs: nowMs(), timeNs: undefined as bigint | undefined };

  const say = (
    event: 'chainStands' | 'clockDiffers',
    facts: Omit<LogEvent, 'level' | 'event'>,
  ): void => {
    const before = said.get(event);
    if (before !== undefined && nowMs() - before < SAY_AGAIN_MS) return;
    said.set(event, nowMs());
    log({ level: 'warn', event, ...facts });
  };

  return {
    onBlock: ({ timeNs }) => {
      last = { atMs: nowMs(), timeNs };
    },
    tend: async (peers) => {
      if (nowMs() - lookedMs < LOOK_MS) return;
      lookedMs = nowMs();
      const stoodMs = nowMs() - last.atMs;
      if (stoodMs > STAND_BEATS * heartbeatMs) {
        say('chainStands', {
          seconds: Math.round(stoodMs / 1000),
          peers,
          reason:
            'no block for so long: this node is cut off, or fewer than two thirds of the validators run and ' +
            'reach each other; see to the network, then to the other institutions',
        });
        return;
      }
      if (last.timeNs === undefined) return;
      const differenceMs = Number((clockNs() - last.timeNs) / 1_000_000n) - stoodMs;
      if (Math.abs(differenceMs) <= CLOCK_BEATS * heartbeatMs || (await isCatchingUp())) return;
      say('clockDiffers', {
        seconds: Math.round(differenceMs / 1000),
        reason:
          'this machine’s clock differs from block time by so much: set it (NTP); until then the node votes, ' +
          'and releases nothing that is bound to a time',
      });
    },
  };
}
