/**
 * A snapshot of a million keys: how long one takes to make while blocks are committed, how much those wait for
 * it, and how long another node needs to verify and restore it. Without the network between them (CometBFT's
 * gossip carries the chunks, 5 s of looking around come first).
 *
 * Commits come at a fixed pace, as from an engine; the time of one counts from when it was due until it is
 * durable, so that a busy event loop shows.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import {
  advanceEngineTip,
  type EngineTip,
  genesisEngineTip,
} from '@yilian/consensus/abci/engine-tip';
import type { Genesis } from '@yilian/consensus/application';
import { genesisId } from '@yilian/consensus/genesis';
import { useNativeSha256 } from '@yilian/crypto/hash';
import { createLedger, type Ledger } from '@yilian/ledger/ledger';
import {
  createEngineChainStore,
  type EngineChainStore,
  STATE_SPACE,
} from '@yilian/node/cometbft/engine-chain-store';
import { createSnapshotMaker } from '@yilian/node/cometbft/snapshot-maker';
import { createSnapshotExchange } from '@yilian/node/cometbft/snapshot-restorer';
import { openSnapshotShelf } from '@yilian/node/cometbft/snapshot-shelf';
import { openLmdbStore } from '@yilian/node/storage/lmdb-store';
import { sha256 } from '@yilian/node/verification/sha256';
import type { BenchOptions } from './bench-options.ts';
import {
  ALL_HOLD,
  appState,
  CHAIN_ID,
  issueRecord,
  KEYS_PER_TRANSACTION,
  START_SECONDS,
} from './record-blocks.ts';
import { createReport, type Figure, figure, type Ratio, ratio, type Report } from './report.ts';

const GROWTH_TRANSACTIONS = 1_000;
const PACED_TRANSACTIONS = 100;
const PACE_MS = 150;
/** Commits of one kind in a row. */
const STRETCH = 40;

const key = new Uint8Array(createHash('sha256').update('bench validator').digest());
const genesis: Genesis = {
  chainId: CHAIN_ID,
  timeNs: BigInt(START_SECONDS) * 1_000_000_000n,
  validators: [{ key, power: 1n, leads: true }],
  appState: appState([key]),
  engine: 'cometbft',
};

interface Chain {
  readonly store: EngineChainStore;
  readonly ledger: Ledger;
  tip: EngineTip;
}

async function openChain(directory: string): Promise<Chain> {
  const store = createEngineChainStore(openLmdbStore(directory));
  await store.initialise(genesisId(genesis));
  const ledger = createLedger({ reader: store.state, hash: sha256, space: STATE_SPACE });
  return { store, ledger, tip: genesisEngineTip(genesis, ledger.initChain(genesis)) };
}

/** Of the blocks so far: what headers would carry. */
const appHashes = new Map<bigint, Uint8Array>();

async function runBlock(chain: Chain, txs: readonly Uint8Array[]): Promise<void> {
  const height = chain.tip.height + 1n;
  const timeNs = genesis.timeNs + height * 1_000_000_000n;
  const block = {
    height,
    timeNs,
    proposer: new Uint8Array(32),
    txs,
    votes: [],
    misbehaviour: [],
  };
  const { outcomes, appHash } = chain.ledger.finalizeBlock(block, ALL_HOLD);
  const tip = advanceEngineTip(chain.tip, { timeNs, appHash, validatorUpdates: [] });
  const { writes } = chain.ledger.commit();
  await chain.store.commitBlock({
    block,
    engineTxs: txs,
    hash: new Uint8Array(32),
    parentAppHash: chain.tip.appHash,
    outcomes,
    tip,
    writes,
  });
  chain.tip = tip;
  appHashes.set(height, appHash);
}

/** Milliseconds from when each commit was due. */
async function pacedCommits(
  chain: Chain,
  count: number,
  onCommitted: (height: bigint) => void,
): Promise<readonly number[]> {
  const samples: number[] = [];
  let dueMs = performance.now() + PACE_MS;
  for (let made = 0; made < count; made++) {
    const txs = Array.from({ length: PACED_TRANSACTIONS }, () =>
      issueRecord(Number(chain.tip.height) + 1),
    );
    await pause(Math.max(0, dueMs - performance.now()));
    await runBlock(chain, txs);
    samples.push(performance.now() - dueMs);
    onCommitted(chain.tip.height);
    dueMs = Math.max(dueMs + PACE_MS, performance.now());
  }
  return samples;
}

function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Figures and ratios, to be taken into a larger report. */
export async function measureStateSync(options: BenchOptions): Promise<{
  readonly figures: Readonly<Record<string, Figure>>;
  readonly ratios: Readonly<Record<string, Ratio>>;
}> {
  useNativeSha256(sha256);
  const directory = mkdtempSync(join(tmpdir(), 'yilian-bench-state-sync-'));
  const source = await openChain(join(directory, 'source'));
  const target = await openChain(join(directory, 'target'));
  try {
    const keys = options.quick ? 30_000 : 1_000_000;
    while (Number(source.tip.height) * GROWTH_TRANSACTIONS * KEYS_PER_TRANSACTION < keys) {
      const height = Number(source.tip.height) + 1;
      await runBlock(
        source,
        Array.from({ length: GROWTH_TRANSACTIONS }, () => issueRecord(height)),
      );
    }
    const madeSeconds: number[] = [];
    const shelf = openSnapshotShelf(join(directory, 'snapshots'));
    const maker = createSnapshotMaker({
      every: 1,
      open: () => source.store.openSnapshot(),
      shelf,
      log: ({ event, ms }) => {
        if (event === 'snapshotMade' && typeof ms === 'number') madeSeconds.push(ms / 1_000);
      },
    });
    const alone: number[] = [];
    const beside: number[] = [];
    const stretches = options.quick ? 1 : 8;
    let isBusy = false;
    const beBusy = (height: bigint): void => {
      if (isBusy) return;
      isBusy = true;
      maker.onCommitted(height);
      void maker.idle().then(() => {
        isBusy = false;
      });
    };
    for (let stretch = 0; stretch < stretches; stretch++) {
      alone.push(...(await pacedCommits(source, STRETCH, () => undefined)));
      beBusy(source.tip.height);
      beside.push(...(await pacedCommits(source, STRETCH, beBusy)));
      await maker.idle();
    }
    await maker.stop();

    const [snapshot] = shelf.list();
    if (snapshot === undefined) throw new Error('no snapshot was made');
    const started = performance.now();
    let restoredAt: EngineTip | undefined;
    const exchange = createSnapshotExchange({
      genesis,
      chain: target.store,
      shelf: openSnapshotShelf(join(directory, 'none')),
      onRestored: (tip) => {
        restoredAt = tip;
      },
      log: () => undefined,
    });
    const appHash = appHashes.get(snapshot.height);
    if (appHash === undefined) throw new Error('a height without a block');
    await exchange.offerSnapshot(snapshot, appHash);
    let bytes = 0;
    for (let index = 0; index < snapshot.chunks; index++) {
      const chunk = await shelf.chunk(snapshot.height, snapshot.format, index);
      if (chunk === undefined) throw new Error('a chunk is missing');
      bytes += chunk.length;
      const { result } = await exchange.applyChunk({ index, bytes: chunk, sender: 'bench' });
      if (result !== 'accept') throw new Error(`chunk ${index}: ${result}`);
    }
    const restoreSeconds = (performance.now() - started) / 1_000;
    if (restoredAt?.height !== snapshot.height) throw new Error('it was not restored');
    const p99 = { alone: percentile(alone, 0.99), beside: percentile(beside, 0.99) };
    return {
      figures: {
        'statesync.1m.seconds': figure([restoreSeconds], 's'),
        'statesync.1m.mib': figure([bytes / 2 ** 20], 'MiB'),
        'snapshot.1m.seconds': figure(madeSeconds, 's'),
        'snapshot.commit.alone.p99': figure([p99.alone], 'ms'),
        'snapshot.commit.beside.p99': figure([p99.beside], 'ms'),
        'snapshot.commit.alone.p50': figure([percentile(alone, 0.5)], 'ms'),
        'snapshot.commit.beside.p50': figure([percentile(beside, 0.5)], 'ms'),
      },
      ratios: {
        'snapshot.p99.ratio': ratio(
          { name: 'snapshot.commit.beside.p99', value: p99.beside },
          { name: 'snapshot.commit.alone.p99', value: p99.alone },
        ),
      },
    };
  } finally {
    await source.store.close();
    await target.store.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

export async function benchStateSync(options: BenchOptions): Promise<Report> {
  const { figures, ratios } = await measureStateSync(options);
  return createReport('statesync', figures, ratios);
}
