/**
 * The ledger alone on LMDB, without consensus and signature checks: `issueRecord` transactions (three keys
 * each: record, visit entry, live id) in blocks of 1,000, at about 10 thousand and about 1 million keys of
 * state. Also the heap at both sizes, after collection: state must not live in it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createNodePrimitives } from '@yilian/client/platform/node-ciphers';
import { createLedger, type Ledger } from '@yilian/ledger/ledger';
import { type ChainStore, createChainStore, STATE_SPACE } from '@yilian/node/storage/chain-store';
import { openLmdbStore } from '@yilian/node/storage/lmdb-store';
import type { BenchOptions } from './bench-options.ts';
import {
  ALL_HOLD,
  appState,
  CHAIN_ID,
  issueRecord,
  KEYS_PER_TRANSACTION,
  START_SECONDS,
} from './record-blocks.ts';
import { createReport, figure, ratio, type Report } from './report.ts';

const BLOCK_TRANSACTIONS = 1_000;
const primitives = createNodePrimitives();

interface Chain {
  readonly ledger: Ledger;
  readonly store: ChainStore;
  height: number;
}

/** Executes and durably commits one block; returns milliseconds. */
async function runBlock(chain: Chain): Promise<number> {
  const height = chain.height + 1;
  const txs = Array.from({ length: BLOCK_TRANSACTIONS }, () => issueRecord(height));
  const block = {
    height: BigInt(height),
    timeNs: BigInt(START_SECONDS + height) * 1_000_000_000n,
    proposer: new Uint8Array(32),
    txs,
    votes: [],
    misbehaviour: [],
  };
  const started = performance.now();
  const { outcomes } = chain.ledger.finalizeBlock(block, ALL_HOLD);
  await chain.store.commitState(chain.ledger.commit().writes);
  const elapsed = performance.now() - started;
  const refused = outcomes.find((outcome) => !outcome.ok);
  if (refused !== undefined && !refused.ok)
    throw new Error(`a bench transaction was refused: ${refused.rejection.code}`);
  chain.height = height;
  return elapsed;
}

async function measure(chain: Chain, blocks: number): Promise<readonly number[]> {
  const tps: number[] = [];
  for (let block = 0; block < blocks; block++)
    tps.push((BLOCK_TRANSACTIONS * 1000) / (await runBlock(chain)));
  return tps;
}

function collectedHeap(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

export async function benchLedger(options: BenchOptions): Promise<Report> {
  const directory = mkdtempSync(join(tmpdir(), 'yilian-bench-ledger-'));
  const database = openLmdbStore(directory);
  try {
    const store = createChainStore(database);
    const ledger = createLedger({
      reader: store.state,
      space: STATE_SPACE,
      hash: (bytes) => primitives.sha256(bytes),
    });
    ledger.initChain({
      chainId: CHAIN_ID,
      timeNs: BigInt(START_SECONDS) * 1_000_000_000n,
      validators: [],
      appState: appState([]),
    });
    const chain: Chain = { ledger, store, height: 0 };
    const small = 10_000;
    const large = options.quick ? 30_000 : 1_000_000;
    const samples = options.quick ? 3 : 15;
    await growTo(chain, small);
    const atSmall = await measure(chain, samples);
    const heapSmall = collectedHeap();
    await growTo(chain, large);
    const atLarge = await measure(chain, samples);
    const heapLarge = collectedHeap();
    const figures = {
      'ledger.tps.10k': figure(atSmall, 'tx/s'),
      'ledger.tps.1m': figure(atLarge, 'tx/s'),
      'ledger.keys.10k': figure(
        [small + samples * BLOCK_TRANSACTIONS * KEYS_PER_TRANSACTION],
        'keys',
      ),
      'ledger.keys.1m': figure([chain.height * BLOCK_TRANSACTIONS * KEYS_PER_TRANSACTION], 'keys'),
      'ledger.heap.10k': figure([heapSmall], 'MiB'),
      'ledger.heap.1m': figure([heapLarge], 'MiB'),
    };
    return createReport('ledger', figures, {
      'ledger.tps.ratio': ratio(
        { name: 'ledger.tps.1m', value: figures['ledger.tps.1m'].value },
        { name: 'ledger.tps.10k', value: figures['ledger.tps.10k'].value },
      ),
      'ledger.heap.ratio': ratio(
        { name: 'ledger.heap.1m', value: heapLarge },
        { name: 'ledger.heap.10k', value: heapSmall },
      ),
    });
  } finally {
    await database.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function growTo(chain: Chain, keys: number): Promise<void> {
  while (chain.height * BLOCK_TRANSACTIONS * KEYS_PER_TRANSACTION < keys) {
    await runBlock(chain);
    if (chain.height % 50 === 0)
      process.stderr.write(`${chain.height * BLOCK_TRANSACTIONS * KEYS_PER_TRANSACTION} keys …\n`);
  }
}
