/**
 * Committed client transactions a second: our application with full checks, in bundles and one by one, against
 * kvstore, all under CometBFT with the same configuration. The three networks stand side by side for the whole run and are
 * driven in turn, the others' engines held meanwhile, each at the window that served it best.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type BenchNetwork, holdEngines } from './bench-network.ts';
import { startKvstoreNetwork } from './kvstore-network.ts';
import { processorMs } from './process-figures.ts';
import { startYilianNetwork } from './yilian-network.ts';

const BLOCK_INTERVAL_MS = 250;
const SETTLE_MS = 1_000;
const CONTESTANTS = ['kvstore', 'bundled', 'single'] as const;
export type Contestant = (typeof CONTESTANTS)[number];

/** One drive of one network. */
interface Drive {
  readonly tps: number;
  /** Processor time of one replica per transaction, µs: application and CometBFT. */
  readonly applicationUs: number;
  readonly engineUs: number;
}

export interface Throughput {
  readonly window: number;
  readonly drives: readonly Drive[];
}

async function measure(network: BenchNetwork, count: number, window: number): Promise<Drive> {
  holdEngines(network, false);
  // Engines that were held have votes and peers to see to.
  await pause(SETTLE_MS);
  await network.prepare(count);
  const { application, engine } = network.pids;
  const applicationMs = processorMs(application);
  const engineMs = processorMs(engine);
  const ms = await network.drive(window);
  const perReplica = 1_000 / (count * application.length);
  const drive = {
    tps: (count * 1_000) / ms,
    applicationUs: (processorMs(application) - applicationMs) * perReplica,
    engineUs: (processorMs(engine) - engineMs) * perReplica,
  };
  holdEngines(network, true);
  return drive;
}

function start(contestant: Contestant): Promise<BenchNetwork> {
  const settings = { blockIntervalMs: BLOCK_INTERVAL_MS };
  switch (contestant) {
    case 'kvstore':
      return startKvstoreNetwork(settings);
    case 'bundled':
      return startYilianNetwork({ ...settings, bundleCountMax: 64 });
    case 'single':
      return startYilianNetwork({ ...settings, bundleCountMax: 1 });
  }
}

async function bestWindow(
  network: BenchNetwork,
  windows: readonly number[],
  rounds: number,
): Promise<number> {
  let best = { window: windows[0] ?? 1, tps: 0 };
  for (const window of windows) {
    let tps = 0;
    for (let round = 0; round < rounds; round++)
      tps = Math.max(tps, (await measure(network, 2 * window, window)).tps);
    if (tps > best.tps) best = { window, tps };
  }
  return best.window;
}

export async function measureThroughput(options: {
  readonly windows: readonly number[];
  readonly sweeps: number;
  readonly rounds: number;
  readonly count: number;
  /** Transactions before anything is measured: the compiler of JavaScript needs some thousands. */
  readonly warmUp: number;
}): Promise<Readonly<Record<Contestant, Throughput>>> {
  const networks = new Map<Contestant, BenchNetwork>();
  const windows = new Map<Contestant, number>();
  const drives = { kvstore: [], bundled: [], single: [] } as Record<Contestant, Drive[]>;
  try {
    for (const name of CONTESTANTS) {
      const network = await start(name);
      networks.set(name, network);
      holdEngines(network, true);
    }
    for (const [name, network] of networks) {
      await measure(network, options.warmUp, Math.min(...options.windows));
      windows.set(name, await bestWindow(network, options.windows, options.sweeps));
    }
    for (let round = 0; round < options.rounds; round++)
      for (const [name, network] of networks)
        drives[name].push(await measure(network, options.count, windows.get(name) ?? 1));
  } finally {
    for (const network of networks.values()) holdEngines(network, false);
    await Promise.all(Array.from(networks.values(), (network) => network.stop()));
  }
  const of = (name: Contestant): Throughput => ({
    window: windows.get(name) ?? 0,
    drives: drives[name],
  });
  return { kvstore: of('kvstore'), bundled: of('bundled'), single: of('single') };
}
