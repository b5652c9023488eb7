/** A cluster of simulated nodes on one schedule, with everything that happens drawn from one seed. */
import type { Genesis } from '@yilian/consensus/application';
import type { Settings } from '@yilian/consensus/pbft/settings';
import { toHex } from '@yilian/crypto/bytes';
import { createNotary, type Notary, type SimulatedKey } from './keys.ts';
import { createNetwork, type SimulatedNetwork } from './network.ts';
import { CORE, type Core, createNode, type Observer, type SimulatedNode, toNs } from './node.ts';
import { createRandom, type Random } from './random.ts';
import { createSchedule, type Schedule } from './schedule.ts';

export interface ClusterOptions {
  readonly seed: number;
  /** Members that vote; the first `leaders` of them lead. */
  readonly validators: number;
  readonly leaders: number;
  /** Further nodes that only follow. */
  readonly observers?: number;
  readonly settings?: Partial<Settings>;
  readonly observer: Observer;
  readonly core?: Core;
  readonly clockSkewMs?: number;
}

export interface Cluster {
  readonly schedule: Schedule;
  readonly random: Random;
  readonly network: SimulatedNetwork;
  readonly nodes: readonly SimulatedNode[];
  readonly keys: readonly SimulatedKey[];
  readonly notary: Notary;
  readonly genesis: Genesis;
  readonly nodeOf: (key: Uint8Array) => SimulatedNode | undefined;
  /** Runs until simulated time has advanced by `ms`. */
  readonly runFor: (ms: number) => void;
}

export const SIMULATED_SETTINGS: Partial<Settings> = {
  blockIntervalMs: 50,
  heartbeatMs: 2_000,
  viewTimeoutMs: 500,
  viewTimeoutMaxMs: 8_000,
  statusMs: 300,
  requestRelayMs: 500,
  requestComplainMs: 5_000,
  fetchTimeoutMs: 400,
  checkpointInterval: 8,
};

export function createCluster(options: ClusterOptions): Cluster {
  const random = createRandom(options.seed);
  const schedule = createSchedule();
  const notary = createNotary();
  const total = options.validators + (options.observers ?? 0);
  const keys = Array.from({ length: total }, (_, index) => notary.createKey(`node ${index}`));
  const genesis: Genesis = {
    chainId: 'simulated',
    timeNs: toNs(0),
    validators: keys
      .slice(0, options.validators)
      .map(({ key }, index) => ({ key, power: 1n, leads: index < options.leaders })),
    appState: new Uint8Array(),
  };
  const byKey = new Map<string, number>(keys.map(({ key }, index) => [toHex(key), index]));
  const network = createNetwork({
    schedule,
    random,
    deliver: (from, to, bytes) => {
      const sender = keys[from];
      if (sender !== undefined) nodes[to]?.receive(sender.key, bytes);
    },
  });
  const skewMs = options.clockSkewMs ?? 0;
  const nodes: SimulatedNode[] = keys.map((keyPair, index) =>
    createNode({
      index,
      keyPair,
      genesis,
      settings: { ...SIMULATED_SETTINGS, ...options.settings },
      verifySignature: notary.verifySignature,
      schedule,
      random,
      observer: options.observer,
      core: options.core ?? CORE,
      clockOffsetMs: skewMs === 0 ? 0 : random.between(-skewMs, skewMs),
      flushMs: { min: 1, max: 8 },
      peers: () => keys.filter((_, other) => other !== index).map(({ key }) => key),
      send: (to, bytes) => {
        const target = byKey.get(toHex(to));
        if (target !== undefined) network.send(index, target, bytes);
      },
    }),
  );
  return {
    schedule,
    random,
    network,
    nodes,
    keys,
    notary,
    genesis,
    nodeOf: (key) => nodes[byKey.get(toHex(key)) ?? -1],
    runFor: (ms) => {
      const until = schedule.nowMs() + ms;
      schedule.after(ms, 'idle', () => {});
      while ((schedule.nextAtMs() ?? Infinity) <= until) schedule.runNext();
    },
  };
}
