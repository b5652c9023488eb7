/**
 * One keyword over 120,000 records with 8 keywords each in 600 epochs: on one core, on two workers, and
 * beside it what plain PEKS would cost (one test per record and keyword, as count × the measured test).
 */
import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { createMclCurve } from '@yilian/crypto/curve-mcl';
import type { BenchOptions } from './bench-options.ts';
import { EPOCHS_PER_TASK } from '@yilian/node/services/search';
import { createReport, figure, ratio, type Report } from './report.ts';
import type { Portion } from './search-worker.ts';
import { createCorpus, type EpochBytes, searchEpochs } from './search-corpus.ts';

export async function benchSearch(options: BenchOptions): Promise<Report> {
  const size = options.quick
    ? { epochs: 50, records: 2_000, keywords: 8 }
    : { epochs: 600, records: 120_000, keywords: 8 };
  const runs = options.quick ? 2 : 5;
  const curve = await createMclCurve();
  const corpus = createCorpus(curve, size);
  const trapdoor = curve.parseG2(corpus.trapdoor);
  const workers = await Promise.all([startWorker(corpus.epochs), startWorker(corpus.epochs)]);

  const pairingMs: number[] = [];
  const oneMs: number[] = [];
  const twoMs: number[] = [];
  for (let run = 0; run < runs; run++) {
    pairingMs.push(timePairing(() => void curve.pairingBytes([{ g1: curve.g1, g2: trapdoor }])));
    let started = performance.now();
    const hits = searchEpochs(curve, corpus.epochs, corpus.trapdoor);
    oneMs.push(performance.now() - started);
    started = performance.now();
    const found = await searchOnWorkers(workers, corpus.trapdoor, size.epochs);
    twoMs.push(performance.now() - started);
    if (hits !== corpus.planted || found !== corpus.planted)
      throw new Error(`planted ${corpus.planted} hits, found ${hits} and ${found}`);
  }
  await Promise.all(workers.map((worker) => worker.terminate()));

  const figures = {
    'search.1core.pairings': figure(
      oneMs.map((ms, run) => ms / (pairingMs[run] ?? ms)),
      'pairings',
    ),
    'search.1core.seconds': figure(
      oneMs.map((ms) => ms / 1000),
      's',
    ),
    'search.2workers.seconds': figure(
      twoMs.map((ms) => ms / 1000),
      's',
    ),
    'search.2workers.speedup': figure(
      oneMs.map((ms, run) => ms / (twoMs[run] ?? ms)),
      '×',
    ),
    'search.naive.seconds': figure(
      pairingMs.map((ms) => (ms * size.records * size.keywords) / 1000),
      's',
    ),
    'search.pairing.ms': figure(pairingMs, 'ms'),
  };
  const naive = figures['search.naive.seconds'].value;
  const one = figures['search.1core.seconds'].value;
  return createReport('search', figures, {
    'search.naive_vs_1core': ratio(
      { name: 'search.naive.seconds', value: naive },
      { name: 'search.1core.seconds', value: one },
    ),
  });
}

function timePairing(pairing: () => void): number {
  const calls = 100;
  const started = performance.now();
  for (let call = 0; call < calls; call++) pairing();
  return (performance.now() - started) / calls;
}

async function startWorker(epochs: readonly EpochBytes[]): Promise<Worker> {
  const worker = new Worker(new URL('./search-worker.js', import.meta.url), { workerData: epochs });
  await new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve());
    worker.once('error', reject);
  });
  return worker;
}

/** Portions as the service hands them out: whoever is done takes the next. */
async function searchOnWorkers(
  workers: readonly Worker[],
  trapdoor: Uint8Array,
  epochs: number,
): Promise<number> {
  let next = 0;
  const work = async (worker: Worker): Promise<number> => {
    let found = 0;
    while (next < epochs) {
      const from = next;
      next = Math.min(epochs, from + EPOCHS_PER_TASK);
      found += await askWorker(worker, { trapdoor, from, to: next });
    }
    return found;
  };
  const counts = await Promise.all(workers.map(work));
  return counts.reduce((sum, count) => sum + count, 0);
}

function askWorker(worker: Worker, portion: Portion): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (found: number) => {
      worker.off('error', reject);
      resolve(found);
    });
    worker.postMessage(portion);
  });
}
