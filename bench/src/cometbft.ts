/**
 * The same application on CometBFT: four validators on this machine, each an application process with full checks
 * beside its `cometbft`, without HTTP. Throughput is a ratio to CometBFT's own kvstore over the socket, driven in turn in
 * the same run. All transactions have 512 bytes.
 *
 * YILIAN_BENCH_TRANSACTIONS: after how many transactions memory is taken (default 100,000; the target is for
 * 1,000,000, which takes a quarter of an hour).
 */
import type { BenchOptions } from './bench-options.ts';
import { measureGrowth } from './cometbft/growth.ts';
import { type Contestant, measureThroughput, type Throughput } from './cometbft/throughput.ts';
import { startYilianNetwork } from './cometbft/yilian-network.ts';
import { measureLightReceipt } from './light-receipt.ts';
import { measureLightHeaders } from './light.ts';
import { measureStateSync } from './state-sync.ts';
import { createReport, type Figure, figure, type Ratio, ratio, type Report } from './report.ts';

const INTERVALS_MS = [250, 500, 1_000] as const;
/** Pauses between two transactions of light load. */
const PAUSE_MS = 60;

function throughputFigures(
  all: Readonly<Record<Contestant, Throughput>>,
): Readonly<Record<string, Figure>> {
  const figures: Record<string, Figure> = {};
  for (const [name, { window, drives }] of Object.entries(all)) {
    figures[`cometbft.${name}.tps`] = figure(
      drives.map(({ tps }) => tps),
      'tx/s',
    );
    figures[`cometbft.${name}.window`] = figure([window], 'transactions');
    figures[`cometbft.${name}.application_us`] = figure(
      drives.map(({ applicationUs }) => applicationUs),
      'µs per replica',
    );
    figures[`cometbft.${name}.engine_us`] = figure(
      drives.map(({ engineUs }) => engineUs),
      'µs per replica',
    );
  }
  return figures;
}

/** Median latency over the interval, for each interval, and over all of them. */
async function latencyFigures(quick: boolean): Promise<Readonly<Record<string, Figure>>> {
  const figures: Record<string, Figure> = {};
  const medians: number[] = [];
  for (const blockIntervalMs of quick ? [250] : INTERVALS_MS) {
    const network = await startYilianNetwork({ blockIntervalMs, bundleCountMax: 64 });
    try {
      await network.light({ count: 20, pauseMs: PAUSE_MS });
      const latencies = await network.light({ count: quick ? 40 : 400, pauseMs: PAUSE_MS });
      const all = figure(
        latencies.map((ms) => ms / blockIntervalMs),
        'intervals',
      );
      figures[`cometbft.latency.${blockIntervalMs}ms.intervals`] = all;
      medians.push(all.value);
    } finally {
      await network.stop();
    }
  }
  return { ...figures, 'cometbft.latency.intervals': figure(medians, 'intervals') };
}

async function growthFigures(quick: boolean): Promise<Readonly<Record<string, Figure>>> {
  const wished = Number(process.env['YILIAN_BENCH_TRANSACTIONS'] ?? (quick ? 4_000 : 100_000));
  // What waits to be submitted is in the process too: little of it.
  const step = Math.min(20_000, Math.max(1_000, Math.round(wished / 10)));
  const growth = await measureGrowth({ transactions: wished, step });
  const middle = growth.steps[Math.floor(growth.steps.length / 2)];
  const last = growth.steps.at(-1);
  const figures = {
    'node.transactions': figure([last?.transactions ?? 0], 'transactions'),
    'node.rss_mb': figure(
      growth.application.map(({ all }) => all),
      'MiB per node',
    ),
    'node.anonymous_mb': figure(
      growth.application.map(({ anonymous }) => anonymous),
      'MiB per node',
    ),
    'node.engine_rss_mb': figure(
      growth.engine.map(({ all }) => all),
      'MiB per node',
    ),
  };
  if (middle === undefined || last === undefined || middle === last) return figures;
  // The first half also fills caches and heap, which grow once.
  const hundredThousands = (last.transactions - middle.transactions) / 100_000;
  const growthOf = (last.mebibytes - middle.mebibytes) / hundredThousands;
  return {
    ...figures,
    'node.anonymous_growth_mb': figure([growthOf], 'MiB per 100,000 transactions'),
  };
}

/** Says what is measured so far: all of it takes half an hour, and a later part may fail. */
function told(figures: Readonly<Record<string, Figure>>): Readonly<Record<string, Figure>> {
  for (const [name, { value, unit, min, max }] of Object.entries(figures))
    process.stderr.write(`${name} ${value} ${unit} (${min} … ${max})\n`);
  return figures;
}

function over(figures: Readonly<Record<string, Figure>>, of: string, to: string): Ratio {
  const value = (name: string): { readonly name: string; readonly value: number } => ({
    name,
    value: figures[name]?.value ?? Number.NaN,
  });
  return ratio(value(of), value(to));
}

export async function benchCometbft(options: BenchOptions): Promise<Report> {
  const { quick } = options;
  // The short ones first.
  const light = told({
    ...measureLightHeaders({ quick }),
    ...(await measureLightReceipt({ quick })),
  });
  const throughput = told(
    throughputFigures(
      await measureThroughput(
        quick
          ? { windows: [500], sweeps: 1, rounds: 1, count: 1_000, warmUp: 500 }
          : { windows: [1_000, 2_000, 4_000], sweeps: 1, rounds: 3, count: 8_000, warmUp: 16_000 },
      ),
    ),
  );
  const stateSync = await measureStateSync(options);
  told(stateSync.figures);
  const figures = {
    ...throughput,
    ...told(await latencyFigures(quick)),
    ...told(await growthFigures(quick)),
    ...light,
    ...stateSync.figures,
  };
  return createReport('cometbft', figures, {
    ...stateSync.ratios,
    'cometbft.bundled.vs_kvstore': over(figures, 'cometbft.bundled.tps', 'cometbft.kvstore.tps'),
    'cometbft.single.vs_kvstore': over(figures, 'cometbft.single.tps', 'cometbft.kvstore.tps'),
  });
}
