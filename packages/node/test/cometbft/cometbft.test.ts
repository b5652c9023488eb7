/** The ledger under the real CometBFT: one validator, our ABCI server, transactions by RPC. */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { Application } from '@yilian/consensus/application';
import { encodeBundle } from '@yilian/consensus/bundle';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { createLedger } from '@yilian/ledger/ledger';
import { encodeGenesisDocument } from '@yilian/consensus/genesis';
import { verifyBlock } from '../../src/ordering/verify-block.ts';
import {
  createEngineChainStore,
  type EngineChainStore,
  STATE_SPACE,
} from '../../src/cometbft/engine-chain-store.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import { openLmdbStore } from '../../src/storage/lmdb-store.ts';
import { createCheckPool } from '../../src/verification/check-pool.ts';
import { createTransactionVerifier } from '../../src/verification/transaction-verifier.ts';
import { enrolPatient, keysOf, request } from '../engine/consortium.ts';
import {
  Engine,
  findCometbft,
  genesisOf,
  type RunningApplication,
  startApplication,
  until,
} from './network.ts';

const program = findCometbft();
if (program === undefined && process.env['CI'] === 'true')
  throw new Error(
    'these tests need cometbft on the path: go install github.com/cometbft/cometbft/cmd/cometbft@v0.38.25',
  );

const root = mkdtempSync(join(tmpdir(), 'yl-cbt-'));
const keys = keysOf('validator 0');
const genesis = genesisOf([{ keys, leads: true }]);
const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
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
async function executeDirectly(store: EngineChainStore): Promise<Bytes> {
  const memory = createMemoryStore();
  const direct = createEngineChainStore(memory);
  const ledger: Application = createLedger({ reader: direct.state, space: STATE_SPACE });
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
    expect(store.block(height)?.outcomes).toEqual(outcomes);
    const { writes } = ledger.commit();
    await direct.commitBlock({ ...stored, hash: stored.blockId, block, outcomes, writes, tip });
  }
  await pool.close();
  return ledger.info().appHash;
}

const countTxs = (store: EngineChainStore): number => {
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
      const { sync_info } = (await at.engine.call('status')) as {
        sync_info: { latest_app_hash: string };
      };
      return sync_info.latest_app_hash.toLowerCase() === toHex(appHash);
    });
    expect(height).toBeGreaterThan(0n);
  });

  test('a refused transaction is told why, and the index within its bundle', async () => {
    const at = site();
    const running = await start(at);
    cleanUps.push(() => running.stop());
    at.engine.start();
    await at.engine.ready();
    const good = enrolPatient();
    const spoiled = enrolPatient();
    spoiled[spoiled.length - 1] = (spoiled.at(-1) ?? 0) ^ 1;
    const refused = await at.engine.broadcast(encodeBundle([good, spoiled]));
    expect(refused).toMatchObject({ code: 1, log: 'signatureInvalid' });
    expect(refused.data).toBe('01');
    expect((await at.engine.broadcast(good)).code).toBe(0);
    await until(() => countTxs(running.store) === 1);
    expect(await at.engine.broadcast(encodeBundle([good]))).toMatchObject({
      code: 1,
      log: 'duplicate',
    });
    const malformed = encodeBundle([request()]).slice(0, -1);
    expect(await at.engine.broadcast(malformed)).toMatchObject({ code: 1, log: 'malformedBundle' });
  });

  test('application and engine stop and start again, together and the engine alone', async () => {
    const at = site();
    const first = await start(at);
    at.engine.start();
    await at.engine.ready();
    for (let i = 0; i < 3; i++) await at.engine.broadcast(enrolPatient());
    await until(() => countTxs(first.store) === 3);
    await at.engine.stop();
    const { height } = first.application.info();
    at.engine.start();
    await at.engine.ready();
    await at.engine.broadcast(enrolPatient());
    await until(() => countTxs(first.store) === 4);
    await at.engine.stop();
    await first.stop();
    const second = await start(at);
    cleanUps.push(() => second.stop());
    expect(second.application.info().height).toBeGreaterThan(height);
    at.engine.start();
    await at.engine.ready();
    await at.engine.broadcast(enrolPatient());
    await until(() => countTxs(second.store) === 5);
    expect(toHex(await executeDirectly(second.store))).toBe(
      toHex(second.application.info().appHash),
    );
  });

  test('the engine stops when the application closes, and the application serves the next one', async () => {
    const at = site();
    const first = await start(at);
    at.engine.start();
    await at.engine.ready();
    expect(first.server.connections()).toBe(4);
    await first.stop();
    await at.engine.endWithin(5_000);
    expect(first.server.connections()).toBe(0);
  });

  test('AB-2 an engine with the genesis of another chain is told so and stops', async () => {
    const at = site();
    const store = openLmdbStore(join(at.directory, 'chain'));
    const other = { ...genesis, timeNs: genesis.timeNs + 1n };
    const running = await startApplication({ store, genesis: other, socket: at.socket });
    cleanUps.push(() => running.stop());
    at.engine.start();
    await running.failure;
    await at.engine.endWithin(5_000);
    expect(await running.failure).toMatchObject({ code: 'genesis' });
    expect(at.engine.output).toContain('genesis time');
    expect(running.application.info().height).toBe(0n);
  });

  test('killed with SIGKILL again and again, no final transaction is lost and the state is that of the blocks', async () => {
    const at = site();
    const directory = join(at.directory, 'chain');
    const document = Buffer.from(encodeGenesisDocument(genesis)).toString('base64');
    const script = new URL('application-process.mjs', import.meta.url);
    let final = 0;
    for (let life = 0; life < 5; life++) {
      const child = fork(script, [directory, at.socket, document], {
        execArgv: [],
        env: { ...process.env, NODE_OPTIONS: '' },
      });
      const gone = new Promise((resolve) => {
        child.once('exit', resolve);
      });
      cleanUps.push(async () => void child.kill('SIGKILL'));
      const told = { final: 0 };
      child.on('message', ({ kind, count }: { kind: string; count?: number }) => {
        if (kind === 'final') told.final += count ?? 0;
      });
      await new Promise<void>((resolve) => {
        child.on('message', ({ kind }: { kind: string }) => kind === 'listening' && resolve());
      });
      at.engine.start();
      await at.engine.ready();
      for (let i = 0; told.final < 8 && i < 2_000; i++) {
        const tx = i % 2 === 0 ? enrolPatient() : encodeBundle([enrolPatient(), enrolPatient()]);
        await at.engine.broadcast(tx).catch(() => undefined);
      }
      child.kill('SIGKILL');
      await gone;
      await at.engine.endWithin(2_000);
      final += told.final;
    }
    const store = createEngineChainStore(openLmdbStore(directory));
    expect(countTxs(store)).toBeGreaterThanOrEqual(final);
    const ledger = createLedger({ reader: store.state, space: STATE_SPACE });
    expect(toHex(await executeDirectly(store))).toBe(toHex(ledger.info().appHash));
    await store.close();
  });
});
