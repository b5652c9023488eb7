/**
 * What we are measured against: CometBFT's own kvstore, a Go process beside each of four validators, on the socket, with
 * the configuration that our nodes write. It keeps its state in memory and checks no signature.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openEngineHome, type EngineHome } from '@yilian/node/cometbft/engine-home';
import { type EngineProcess, startEngine } from '@yilian/node/cometbft/engine-process';
import { createEngineRpc, type EngineRpc, EngineRpcError } from '@yilian/node/cometbft/engine-rpc';
import { findEngine } from '@yilian/node/cometbft/find-engine';
import { type BenchNetwork, HEARTBEAT_MS, type NetworkSettings } from './bench-network.ts';
import { createGenesis, createValidators } from './bench-validators.ts';
import { findKvstore } from './find-kvstore.ts';

const TX_BYTES = 512;
const POLL_MS = 20;
const START_MS_MAX = 30_000;

interface Store {
  readonly home: EngineHome;
  readonly application: ChildProcess;
  readonly engine: EngineProcess;
  readonly rpc: EngineRpc;
}

/** `key=value`, unlike any before. */
function makeTx(): string {
  const key = randomBytes(16).toString('hex');
  return Buffer.from(`${key}=${'v'.repeat(TX_BYTES - key.length - 1)}`).toString('base64');
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + START_MS_MAX;
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error(`kvstore: ${what} took too long`);
    await pause(POLL_MS);
  }
}

async function startStore(
  program: Awaited<ReturnType<typeof findEngine>>,
  kvstore: string,
  home: EngineHome,
): Promise<Store> {
  home.prepare(false);
  const address = `unix://${home.applicationSocket}`;
  const application = spawn(kvstore, ['kvstore', '--address', address, '--log_level', 'error'], {
    stdio: 'ignore',
  });
  await until('its socket', () => existsSync(home.applicationSocket));
  const engine = startEngine(program, home.path);
  return { home, application, engine, rpc: createEngineRpc({ socketPath: home.rpcSocket }) };
}

async function stopStore({ home, application, engine, rpc }: Store): Promise<void> {
  rpc.close();
  await engine.stop();
  application.kill();
  home.release();
}

/** Transactions in the blocks from `from` on, as far as there are any: at most twenty blocks. */
async function countBlocks(
  rpc: EngineRpc,
  from: number,
): Promise<{ readonly next: number; readonly txs: number }> {
  const range = { minHeight: String(from), maxHeight: String(from + 19) };
  let result: unknown;
  try {
    result = await rpc.call('blockchain', range);
  } catch (error) {
    // There is no such block yet.
    if (error instanceof EngineRpcError && error.code === 'refused') return { next: from, txs: 0 };
    throw error;
  }
  const { block_metas: metas } = result as {
    readonly block_metas: readonly { readonly num_txs: string }[];
  };
  let txs = 0;
  for (const meta of metas) txs += Number(meta.num_txs);
  return { next: from + metas.length, txs };
}

class KvstoreNetwork implements BenchNetwork {
  readonly #stores: readonly Store[];
  readonly #home: string;
  #txs: readonly string[] = [];
  #next = 1;

  constructor(stores: readonly Store[], home: string) {
    this.#stores = stores;
    this.#home = home;
  }

  get pids(): BenchNetwork['pids'] {
    return {
      application: this.#stores.map(({ application }) => application.pid ?? 0),
      engine: this.#stores.map(({ engine }) => engine.pid ?? 0),
    };
  }

  async prepare(count: number): Promise<void> {
    this.#txs = Array.from({ length: count }, makeTx);
    await this.#countNew();
  }

  async drive(window: number): Promise<number> {
    const txs = this.#txs;
    const begun = performance.now();
    let sent = 0;
    let committed = 0;
    let failure: unknown;
    while (committed < txs.length) {
      for (; sent < txs.length && sent - committed < window; sent++)
        void this.#send(sent, txs[sent] ?? '').catch((error: unknown) => {
          failure ??= error;
        });
      await pause(POLL_MS);
      committed += await this.#countNew();
      if (failure !== undefined) throw failure;
    }
    return performance.now() - begun;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#stores.map(stopStore));
    rmSync(this.#home, { recursive: true, force: true });
  }

  async #send(index: number, tx: string): Promise<void> {
    const { rpc } = this.#at(index);
    const answer = await rpc.call('broadcast_tx_sync', { tx });
    const { code } = answer as { readonly code: number };
    if (code !== 0) throw new Error(`kvstore refused a transaction: code ${code}`);
  }

  #at(index: number): Store {
    const store = this.#stores[index % this.#stores.length];
    if (store === undefined) throw new Error('the network has no nodes');
    return store;
  }

  /** Transactions committed since the last call. */
  async #countNew(): Promise<number> {
    let txs = 0;
    for (;;) {
      const counted = await countBlocks(this.#at(0).rpc, this.#next);
      if (counted.next === this.#next) return txs;
      this.#next = counted.next;
      txs += counted.txs;
    }
  }
}

export async function startKvstoreNetwork(settings: NetworkSettings): Promise<BenchNetwork> {
  const folder = mkdtempSync(join(tmpdir(), 'yilian-bench-'));
  const program = await findEngine();
  const kvstore = findKvstore();
  const genesis = createGenesis();
  const stores: Store[] = [];
  try {
    for (const { name, ...validator } of await createValidators()) {
      const home = openEngineHome({
        path: join(folder, name),
        name,
        genesis,
        ...validator,
        blockIntervalMs: settings.blockIntervalMs,
        heartbeatMs: HEARTBEAT_MS,
      });
      stores.push(await startStore(program, kvstore, home));
    }
    for (const { rpc } of stores)
      await until('its start', () =>
        rpc.call('status', {}).then(
          () => true,
          () => false,
        ),
      );
    return new KvstoreNetwork(stores, folder);
  } catch (error) {
    await Promise.all(stores.map(stopStore));
    throw error;
  }
}
