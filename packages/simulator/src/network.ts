/** A network that loses, delays, reorders and repeats, and splits into parts that do not hear each other. */
import type { Random } from './random.ts';
import type { Schedule } from './schedule.ts';

export interface NetworkFaults {
  readonly lossRate: number;
  readonly repeatRate: number;
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
}

export const CALM: NetworkFaults = { lossRate: 0, repeatRate: 0, delayMinMs: 1, delayMaxMs: 5 };

/** Seam for Byzantine nodes: what really goes out instead of `bytes`, possibly nothing or several. */
export type Interceptor = (packet: {
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}) => readonly Uint8Array[];

export interface SimulatedNetwork {
  readonly send: (from: number, to: number, bytes: Uint8Array) => void;
  readonly setFaults: (faults: NetworkFaults) => void;
  /** Directed: `from` is not heard by `to`. */
  readonly cut: (from: number, to: number) => void;
  readonly heal: () => void;
  readonly intercept: (interceptor: Interceptor | undefined) => void;
}

export function createNetwork(input: {
  readonly schedule: Schedule;
  readonly random: Random;
  readonly deliver: (from: number, to: number, bytes: Uint8Array) => void;
}): SimulatedNetwork {
  const { schedule, random, deliver } = input;
  let faults = CALM;
  let interceptor: Interceptor | undefined;
  const cuts = new Set<string>();
  const transmit = (from: number, to: number, bytes: Uint8Array): void => {
    if (cuts.has(`${from}>${to}`) || random.chance(faults.lossRate)) return;
    const copies = random.chance(faults.repeatRate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++)
      schedule.after(random.between(faults.delayMinMs, faults.delayMaxMs), 'deliver', () =>
        deliver(from, to, bytes),
      );
  };
  return {
    send: (from, to, bytes) => {
      const sent = interceptor === undefined ? [bytes] : interceptor({ from, to, bytes });
      for (const packet of sent) transmit(from, to, packet);
    },
    setFaults: (next) => {
      faults = next;
    },
    cut: (from, to) => void cuts.add(`${from}>${to}`),
    heal: () => cuts.clear(),
    intercept: (next) => {
      interceptor = next;
    },
  };
}
