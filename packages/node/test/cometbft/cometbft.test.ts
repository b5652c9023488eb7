/** The ledger under the real CometBFT: one validator, our ABCI server, transactions by RPC. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { Application } from '@yilian/consensus/application';
import { encodeBundle } from '@yilian/consensus/bundle';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { createLedger } from '@yilian/ledger/ledger';
import { verifyBlock } from '../../src/ordering/verify-block.ts';
import { createEngineStore, type EngineStore } from '../../src/cometbft/engine-store.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import { openLmdbStore } from '../../src/storage/lmdb-store.ts';
import { createCheckPool } from '../../src/verification/check-pool.ts';
import { createTransactionVerifier } from '../../src/verification/transaction-verifier.ts';
import { enrolPatient, keysOf, request } from '../engine/consortium.ts';
import { Engine, findCometbft, genesisOf, type RunningApplication, startApplication, until } from './network.ts';

const program = findCometbft();
if (program === undefined && process.env['CI'] === 'true')
  throw new Error('these tests need cometbft on the path: go install github.com/cometbft/cometbft/cmd/cometbft@v0.38.25');

const root = mkdtempSync(join(tmpdir(), 'yl-cbt-'));
const keys = keysOf('validator 0');
const genesis = genesisOf([{ keys, leads: true }]);
const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let made = 0;
interface Site {
  readonly directory: string;
  readonly socket: string;
  readonly engine: Engine;
}

function site(): Site {
  const directory = join(root, String(made));
  const socket = join(directory, 's', 'abci.sock');
  const engine = new Engine({
    program: program ?? '',
    home: join(directory, 'engine'),
    proxyApp: `unix://${socket}`,
    rpcPort: 27_100 + (process.pid % 500) * 20 + made,
    genesis,
    keys,
  });
  made += 1;
  cleanUps.push(() => engine.stop('SIGKILL'));
  return { directory, socket, engine };
}

async function start({ directory, socket }: Site): Promise<RunningApplication> {
  const store = openLmdbStore(join(directory, 'chain'));
  const running = await startApplication({ store, genesis, socket });
  return running;
}

/** The state of the same blocks of client transactions, executed without any engine. */
async function executeDirectly(store: EngineStore): Promise<Bytes> {
  const memory = createMemoryStore();
  const direct = createEngineStore(memory);
  const ledger: Application = createLedger({ reader: direct.state });
  const pool = createCheckPool({ workers: 0, onFailure: () => undefined });
  const verifier = createTransactionVerifier(ledger, pool);
  ledger.initChain(genesis);
  const tip = store.tip();
  for (let height = 1n; height <= (tip?.height ?? 0n); height++) {
    const stored = store.block(height);
    if (stored === undefined || tip === undefined) throw new Error(`block ${height} is missing`);
    const block = { ...stored, votes: [], misbehaviour: [] };
    const { verified } = await verifyBlock(verifier, block);
    const { outcomes } = ledger.finalizeBlock(block, verified);
    expect(store.outcomes(height)).toEqual(outcomes);
    const { writes } = ledger.commit();
    await direct.commitBlock({ block, hash: stored.hash, outcomes, writes, tip });
  }
  await pool.close();
  return ledger.info().appHash;
}

const countTxs = (store: EngineStore): number => {
  let count = 0;
  for (let height = 1n; height <= (store.tip()?.height ?? 0n); height++)
    count += store.block(height)?.txs.length ?? 0;
  return count;
};

describe.skipIf(program === undefined)('the ledger under CometBFT', () => {
  test('transactions alone and in bundles reach the state that direct execution reaches', async () => {
    const at = site();
    const running = await start(at);
    cleanUps.push(() => running.stop());
    at.engine.start();
    await at.engine.ready();
    const txs = Array.from({ length: 30 }, () => enrolPatient());
    expect(await at.engine.broadcast(txs[0] ?? new Uint8Array())).toMatchObject({ code: 0 });
    expect(await at.engine.broadcast(encodeBundle(txs.slice(1, 20)))).toMatchObject({ code: 0 });
    for (const tx of txs.slice(20)) expect((await at.engine.broadcast(tx)).code).toBe(0);
    await until(() => countTxs(running.store) === 30);
    const appHash = running.application.info().appHash;
    expect(toHex(await executeDirectly(running.store))).toBe(toHex(appHash));
    const height = running.store.tip()?.height ?? 0n;
    await until(async () => {
      const { sync_info } = (await at.engine.call('status')) as { sync_info: { latest_app_hash: string } };
      return sync_info.latest_app_hash.toLowerCase() === toHex(appHash);
    });
    expect(height).toBeGreaterThan(0n);
  });
});
