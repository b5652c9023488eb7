/** The real ledger behind our server, driven by a scripted CometBFT: call grammar, admission, order, ends. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { encodeAppState } from '@yilian/consensus/abci/application-calls';
import { genesisEngineTip } from '@yilian/consensus/abci/engine-tip';
import type { FinalizeBlockRequest, InitChainRequest } from '@yilian/consensus/abci/requests';
import type { FinalizeBlockResponse } from '@yilian/consensus/abci/responses';
import type { Application } from '@yilian/consensus/application';
import { encodeBundle, flatten } from '@yilian/consensus/bundle';
import { addressOf } from '@yilian/consensus/validator-set';
import { type Bytes, toHex, utf8 } from '@yilian/crypto/bytes';
import { createLedger } from '@yilian/ledger/ledger';
import { encodeGenesisDocument } from '@yilian/consensus/genesis';
import { verifyBlock } from '../../src/ordering/verify-block.ts';
import type { KeyValueStore } from '../../src/storage/key-value-store.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import { createEngineChainStore, STATE_SPACE } from '../../src/cometbft/engine-chain-store.ts';
import { createCheckPool } from '../../src/verification/check-pool.ts';
import { createTransactionVerifier } from '../../src/verification/transaction-verifier.ts';
import { enrolPatient, keysOf, request } from '../engine/consortium.ts';
import { genesisOf, type RunningApplication, startApplication, until } from './network.ts';
import { ScriptedEngine } from './scripted-engine.ts';

const root = mkdtempSync(join(tmpdir(), 'yl-driver-'));
let made = 0;
const cleanUps: (() => void | Promise<void>)[] = [];
const cleanUp = async (): Promise<void> => {
  for (const each of cleanUps.splice(0).toReversed()) await each();
};
afterEach(cleanUp);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const names = [0, 1, 2, 3].map((i) => keysOf(`validator ${i}`));
const genesis = genesisOf(names.map((keys, i) => ({ keys, leads: i < 3 })));
const addresses = names.map(({ key }) => addressOf(key));
const initChain: InitChainRequest = {
  timeNs: genesis.timeNs,
  chainId: genesis.chainId,
  consensusParams: undefined,
  validators: genesis.validators.map(({ key, power }) => ({
    publicKey: { type: 'ed25519', key },
    power,
  })),
  appStateBytes: utf8(encodeAppState(encodeGenesisDocument(genesis))),
  initialHeight: 1n,
};
const INFO = { version: '0.38.25', blockVersion: 11n, p2pVersion: 8n, abciVersion: '2.0.0' };
const NO_COMMIT = { round: 0, votes: [] };

function blockOf(height: bigint, txs: readonly Bytes[], proposer = 0): FinalizeBlockRequest {
  const hash = createHash('sha256').update(String(height));
  for (const tx of txs) hash.update(tx);
  return {
    height,
    timeNs: genesis.timeNs + height * 1_000_000_000n,
    txs,
    misbehaviour: [],
    nextValidatorsHash: new Uint8Array(32),
    proposerAddress: addresses[proposer] ?? new Uint8Array(20),
    decidedLastCommit: NO_COMMIT,
    hash: new Uint8Array(hash.digest()),
  };
}

/** A store whose writes wait until they are let through, or fail. */
class SlowStore {
  readonly under: KeyValueStore = createMemoryStore();
  gate: Promise<void> = Promise.resolve();
  /** Writes that were asked for. */
  begun = 0;
  readonly store: KeyValueStore = {
    get: (key) => this.under.get(key),
    range: (options) => this.under.range(options),
    count: () => this.under.count(),
    openSnapshot: () => this.under.openSnapshot(),
    close: () => this.under.close(),
    write: async (batch) => {
      this.begun += 1;
      await this.gate;
      await this.under.write(batch);
    },
  };
}

class Site {
  readonly store: KeyValueStore;
  readonly socket: string;
  application!: RunningApplication;
  engine!: ScriptedEngine;

  constructor(store: KeyValueStore = createMemoryStore()) {
    this.store = store;
    this.socket = join(root, String(made++), 'abci.sock');
  }

  async start(options: Partial<Parameters<typeof startApplication>[0]> = {}): Promise<this> {
    const { store, socket } = this;
    this.application = await startApplication({ store, genesis, socket, ...options });
    cleanUps.push(() => this.application.stop());
    this.connect();
    return this;
  }

  connect(): void {
    this.engine = new ScriptedEngine(this.socket);
    const { engine } = this;
    cleanUps.push(() => engine.close());
  }

  /** Handshake: Info, and InitChain where there is nothing yet. */
  async begin(): Promise<bigint> {
    const { lastBlockHeight } = await this.engine.query.call('info', INFO);
    if (lastBlockHeight === 0n) await this.engine.consensus.call('initChain', initChain);
    return lastBlockHeight;
  }

  async propose(block: FinalizeBlockRequest): Promise<'accept' | 'reject'> {
    const { decidedLastCommit, ...rest } = block;
    const { status } = await this.engine.consensus.call('processProposal', {
      ...rest,
      proposedLastCommit: decidedLastCommit,
    });
    return status;
  }

  async prepare(height: bigint, txs: readonly Bytes[], proposer = 0): Promise<readonly Bytes[]> {
    const { decidedLastCommit: _, hash: __, ...rest } = blockOf(height, txs, proposer);
    const prepared = await this.engine.consensus.call('prepareProposal', {
      ...rest,
      maxTxBytes: 1_000_000n,
      localLastCommit: NO_COMMIT,
    });
    return prepared.txs;
  }

  async decide(block: FinalizeBlockRequest): Promise<FinalizeBlockResponse> {
    const response = await this.engine.consensus.call('finalizeBlock', block);
    await this.engine.consensus.call('commit', {});
    return response;
  }

  async check(tx: Bytes, type: 'new' | 'recheck' = 'new'): Promise<string> {
    const { code, log, data } = await this.engine.mempool.call('checkTx', { tx, type });
    return code === 0 ? 'ok' : `${log}@${data[0] ?? '-'}`;
  }
}

const begun = async (
  options: Partial<Parameters<typeof startApplication>[0]> = {},
): Promise<Site> => {
  const site = await new Site().start(options);
  await site.begin();
  return site;
};

/** App hash after these heights of client transactions, without engine and frames. */
async function directAppHash(heights: readonly (readonly Bytes[])[]): Promise<string> {
  const store = createEngineChainStore(createMemoryStore());
  const ledger: Application = createLedger({ reader: store.state, space: STATE_SPACE });
  const pool = createCheckPool({ workers: 0, onFailure: () => undefined });
  const verifier = createTransactionVerifier(ledger, pool);
  ledger.initChain(genesis);
  for (const [i, txs] of heights.entries()) {
    const { height, timeNs, hash } = blockOf(BigInt(i + 1), txs);
    const proposer = names[0]?.key ?? new Uint8Array(32);
    const block = { height, timeNs, proposer, txs, votes: [], misbehaviour: [] };
    const { verified } = await verifyBlock(verifier, block);
    const { outcomes } = ledger.finalizeBlock(block, verified);
    const { writes } = ledger.commit();
    const tip = { ...emptyTip(), height };
    const parentAppHash = new Uint8Array(32);
    await store.commitBlock({ block, engineTxs: txs, hash, parentAppHash, outcomes, writes, tip });
  }
  await pool.close();
  return toHex(ledger.info().appHash);
}

function emptyTip(): Parameters<
  ReturnType<typeof createEngineChainStore>['commitBlock']
>[0]['tip'] {
  const application = createLedger({ reader: { get: () => undefined } });
  const { appHash } = application.initChain(genesis);
  return genesisEngineTip(genesis, { appHash, validators: genesis.validators });
}

const appHashOf = ({ application }: Site): string => toHex(application.application.info().appHash);

describe('call grammar', () => {
  /** What an engine may do within a height, before it decides. */
  const act = fc.constantFrom('round', 'check', 'recheck', 'query', 'echo', 'snapshots', 'info');
  const height = fc.record({
    acts: fc.array(act, { maxLength: 5 }),
    /** Sizes of the frames; 0 is a transaction alone. */
    frames: fc.array(fc.nat(4), { maxLength: 4 }),
    isSeen: fc.boolean(),
    spoiled: fc.boolean(),
    after: fc.constantFrom('go on', 'engine restarts', 'both restart', 'engine dies before commit'),
  });

  test('any legal order of calls, any frames and any restarts give the state of direct execution', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(height, { minLength: 1, maxLength: 4 }), async (heights) => {
        const site = await begun();
        const executed: (readonly Bytes[])[] = [];
        let next = 1n;
        for (const { acts, frames, isSeen, spoiled, after } of heights) {
          const txs = frames.map((size) =>
            size === 0
              ? enrolPatient()
              : encodeBundle(Array.from({ length: size }, () => enrolPatient())),
          );
          for (const each of acts) {
            const { query, snapshot, mempool } = site.engine;
            if (each === 'round') {
              const prepared = await site.prepare(next, txs);
              expect(prepared).toEqual(txs);
              expect(await site.propose(blockOf(next, prepared))).toBe('accept');
            } else if (each === 'check' || each === 'recheck')
              for (const tx of txs)
                void mempool.send('checkTx', { tx, type: each === 'check' ? 'new' : 'recheck' });
            else if (each === 'query')
              void query.send('query', {
                path: 'transaction',
                data: new Uint8Array(32),
                height: 0n,
                prove: false,
              });
            else if (each === 'echo') void query.send('echo', { message: 'x' });
            else if (each === 'info') void query.send('info', INFO);
            else expect(await snapshot.call('listSnapshots', {})).toEqual({ snapshots: [] });
          }
          const decided = spoiled ? [...txs, encodeBundle([request()]).slice(0, -1)] : txs;
          const block = blockOf(next, decided);
          if (isSeen) expect(await site.propose(block)).toBe(spoiled ? 'reject' : 'accept');
          if (after === 'engine dies before commit') {
            await site.engine.consensus.call('finalizeBlock', block);
            site.engine.close();
            site.connect();
            expect(await site.begin()).toBe(next - 1n);
          }
          const { txResults, appHash } = await site.decide(block);
          expect(txResults.map(({ code }) => code)).toEqual([
            ...txs.map(() => 0),
            ...(spoiled ? [1] : []),
          ]);
          executed.push(flatten(decided).txs);
          if (after === 'engine restarts') {
            site.engine.close();
            site.connect();
          } else if (after === 'both restart') {
            await site.application.server.close();
            await site.application.driver.stop();
            await site.start();
          }
          const info = await site.engine.query.call('info', INFO);
          expect(info).toMatchObject({ lastBlockHeight: next, lastBlockAppHash: appHash });
          next += 1n;
        }
        for (const connection of site.engine.connections) {
          await connection.send('flush', {});
          expect(connection.error).toBeUndefined();
        }
        expect(appHashOf(site)).toBe(await directAppHash(executed));
        await cleanUp();
      }),
      { numRuns: 15 },
    );
  });

  test.each([
    ['a commit without a block', (site: Site) => site.engine.consensus.call('commit', {})],
    ['a height left out', (site: Site) => site.decide(blockOf(2n, []))],
    [
      'another block of the height before its commit',
      async (site: Site) => {
        await site.engine.consensus.call('finalizeBlock', blockOf(1n, []));
        await site.engine.consensus.call('finalizeBlock', blockOf(1n, [enrolPatient()]));
      },
    ],
    ['a block of nobody', (site: Site) => site.decide(blockOf(1n, [], 9))],
    [
      'a genesis after a block',
      async (site: Site) => {
        await site.decide(blockOf(1n, []));
        await site.engine.consensus.call('initChain', initChain);
      },
    ],
  ] as const)('%s ends the session', async (_, offend) => {
    const site = await begun();
    await expect(offend(site)).rejects.toThrow(/exception/);
    expect((await site.application.failure).message).not.toBe('');
    await until(() => site.application.server.connections() === 0);
  });

  test('a block before the genesis ends the session', async () => {
    const site = await new Site().start();
    await expect(site.decide(blockOf(1n, []))).rejects.toThrow(/before the genesis/);
  });
});

test('AB-1 another major version of ABCI is refused with a clear word, in the log too', async () => {
  const site = await new Site().start();
  await expect(
    site.engine.query.call('info', { ...INFO, version: '1.0.1', abciVersion: '2.1.0' }),
  ).rejects.toThrow('exception: the engine speaks ABCI 2.1.0');
  expect(await site.application.failure).toMatchObject({ code: 'abciVersion' });
  const line = site.application.events.find(({ event }) => event === 'abciFailed');
  expect(line).toMatchObject({ level: 'error', reason: expect.stringContaining('CometBFT v0.38') });
});

test('AB-5 a validator that does not lead proposes nothing, and anything else from it is rejected', async () => {
  const site = await begun();
  const tx = enrolPatient();
  expect(await site.prepare(1n, [tx], 3)).toEqual([]);
  expect(await site.prepare(1n, [tx], 2)).toEqual([tx]);
  expect(await site.propose(blockOf(1n, [], 3))).toBe('accept');
  expect(await site.propose(blockOf(1n, [tx], 3))).toBe('reject');
  expect(await site.propose(blockOf(1n, [tx], 2))).toBe('accept');
  // Decided by others all the same: then it counts.
  const { txResults } = await site.decide(blockOf(1n, [tx], 3));
  expect(txResults.map(({ code }) => code)).toEqual([0]);
});

test('a proposal leaves out what no longer holds, also from within a bundle, and others accept it', async () => {
  const site = await begun();
  const [a, b, c] = [enrolPatient(), enrolPatient(), enrolPatient()];
  await site.decide(blockOf(1n, [a]));
  const bundle = encodeBundle([a, b, c]);
  expect(await site.propose(blockOf(2n, [bundle]))).toBe('reject');
  const prepared = await site.prepare(2n, [bundle, encodeBundle([a]), a]);
  expect(prepared).toEqual([encodeBundle([b, c])]);
  expect(await site.propose(blockOf(2n, prepared))).toBe('accept');
});

test('a proposal with a bad signature, a broken bundle or a bundle within a bundle is rejected', async () => {
  const site = await begun();
  const spoiled = enrolPatient();
  spoiled[spoiled.length - 1] = (spoiled.at(-1) ?? 0) ^ 1;
  for (const tx of [spoiled, encodeBundle([spoiled]), encodeBundle([enrolPatient()]).slice(0, -1)])
    expect(await site.propose(blockOf(1n, [tx]))).toBe('reject');
});

describe('admission', () => {
  test('AD-1 a bundle is admitted whole or not at all, and says which item fails', async () => {
    const site = await begun();
    const [a, b, c] = [enrolPatient(), enrolPatient(), enrolPatient()];
    expect(await site.check(a)).toBe('ok');
    expect(await site.check(encodeBundle([b, a, c]))).toBe('duplicate@1');
    expect(await site.check(encodeBundle([c, b, c]))).toBe('duplicate@2');
    expect(await site.check(encodeBundle([b, Uint8Array.of(1), c]))).toMatch(/@1$/);
    expect(await site.check(encodeBundle([b]).slice(0, -1))).toBe('malformedBundle@0');
    expect(await site.check(new Uint8Array(0))).toMatch(/@0$/);
  });

  test('AD-2 the rest of a refused bundle is admitted when it comes again, once', async () => {
    const site = await begun();
    const [a, b, c] = [enrolPatient(), enrolPatient(), enrolPatient()];
    expect(await site.check(a)).toBe('ok');
    expect(await site.check(encodeBundle([b, c, a]))).toBe('duplicate@2');
    expect(await site.check(encodeBundle([b, c]))).toBe('ok');
    expect(await site.check(encodeBundle([b, c]))).toBe('duplicate@0');
    expect(await site.check(c)).toBe('duplicate@0');
  });

  test('AD-2 what was admitted ahead is admitted with its bundle, also behind a commit', async () => {
    const site = await begun();
    const { driver } = site.application;
    const [a, b] = [enrolPatient(), enrolPatient()];
    expect(await driver.checkAhead(a)).toBeUndefined();
    expect(await driver.checkAhead(b)).toBeUndefined();
    expect(await driver.checkAhead(encodeBundle([a]))).toEqual({ code: 'malformed' });
    expect(await site.check(encodeBundle([a, b]))).toBe('ok');
    expect(await driver.checkAhead(a)).toEqual({ code: 'duplicate' });
    const c = enrolPatient();
    expect(await driver.checkAhead(c)).toBeUndefined();
    await site.decide(blockOf(1n, [encodeBundle([a, b])]));
    expect(await site.check(encodeBundle([c]))).toBe('ok');
    expect(await site.check(encodeBundle([a]))).toBe('duplicate@0');
  });

  test('AD-3 a bundle that waits stays as long as one item is good', async () => {
    const site = await begun();
    const [a, b] = [enrolPatient(), enrolPatient()];
    const bundle = encodeBundle([a, b]);
    expect(await site.check(bundle)).toBe('ok');
    await site.decide(blockOf(1n, [a]));
    expect(await site.check(bundle, 'recheck')).toBe('ok');
    await site.decide(blockOf(2n, [b]));
    expect(await site.check(bundle, 'recheck')).toBe('duplicate@0');
  });

  /** A chain whose commit of height 1 is on its way to the disk: nothing of the mempool is looked at. */
  const held = async (
    options: Partial<Parameters<typeof startApplication>[0]> = {},
  ): Promise<{ readonly site: Site; readonly release: () => Promise<void> }> => {
    const slow = new SlowStore();
    const site = await new Site(slow.store).start(options);
    await site.begin();
    let release: () => void = () => undefined;
    slow.gate = new Promise((resolve) => {
      release = resolve;
    });
    const before = slow.begun;
    const decided = site.decide(blockOf(1n, []));
    await until(() => slow.begun > before);
    return {
      site,
      release: async () => {
        release();
        await decided;
      },
    };
  };

  test('AD-4 overload is refused at once and does not stall the chain: blocks go first', async () => {
    const calls: string[] = [];
    const { site, release } = await held({
      pendingMax: 300,
      wrap: (ledger) => ({
        ...ledger,
        checkTransaction: (...input) => {
          calls.push('check');
          return ledger.checkTransaction(...input);
        },
        finalizeBlock: (...input) => {
          calls.push('finalize');
          return ledger.finalizeBlock(...input);
        },
      }),
    });
    const { mempool, consensus } = site.engine;
    const { driver } = site.application;
    const bundles = Array.from({ length: 40 }, () =>
      encodeBundle(Array.from({ length: 10 }, () => enrolPatient())),
    );
    const block = blockOf(2n, [encodeBundle(Array.from({ length: 20 }, () => enrolPatient()))]);
    const answers = bundles.map((tx) => mempool.send('checkTx', { tx, type: 'new' }));
    const flushed = mempool.send('flush', {});
    await until(() => driver.pendingChecks() === 300);
    const finalized = consensus.send('finalizeBlock', block);
    await release();
    await finalized;
    expect(calls.slice(0, 2)).toEqual(['finalize', 'finalize']);
    // As CometBFT does: the mempool is flushed before Commit.
    await flushed;
    await consensus.call('commit', {});
    const logs = (await Promise.all(answers)).map(({ code, log }) => (code === 0 ? 'ok' : log));
    expect(logs).toEqual(bundles.map((_, i) => (i < 30 ? 'ok' : 'mempoolFull')));
    expect(driver.pendingChecks()).toBe(0);
    expect(calls.filter((call) => call === 'check').length).toBe(300);
    // What waits already is never refused for want of room.
    const rechecks = bundles
      .slice(0, 35)
      .map((tx) => mempool.send('checkTx', { tx, type: 'recheck' }));
    const codes = (await Promise.all(rechecks)).map(({ code }) => code);
    expect(codes).toEqual(codes.map(() => 0));
  });

  test('AD-3 a recheck, for which the next proposal waits, goes before all that is new', async () => {
    const modes: string[] = [];
    const { site, release } = await held({
      wrap: (ledger) => ({
        ...ledger,
        checkTransaction: (tx, mode, verified) => {
          modes.push(mode);
          return ledger.checkTransaction(tx, mode, verified);
        },
      }),
    });
    const { mempool } = site.engine;
    const ask = (type: 'new' | 'recheck', tx: Bytes): Promise<{ readonly code: number }> =>
      mempool.send('checkTx', { tx, type });
    const fresh = Array.from({ length: 80 }, () => ask('new', enrolPatient()));
    const bundle = encodeBundle(Array.from({ length: 20 }, () => enrolPatient()));
    const again = ask('recheck', bundle);
    await until(() => site.application.driver.pendingChecks() === 100);
    await release();
    expect((await Promise.all([again, ...fresh])).every(({ code }) => code === 0)).toBe(true);
    // One good item is enough to stay.
    expect(modes).toEqual(['recheck', ...fresh.map(() => 'new')]);
  });

  test('AD-2 an engine that connects anew gets admitted what the one before took with it', async () => {
    const site = await begun();
    const [a, b] = [enrolPatient(), enrolPatient()];
    const bundle = encodeBundle([a, b]);
    expect(await site.check(bundle)).toBe('ok');
    expect(await site.check(bundle)).toBe('duplicate@0');
    site.connect();
    await site.begin();
    expect(await site.check(bundle)).toBe('ok');
    expect(await site.check(bundle)).toBe('duplicate@0');
    await site.decide(blockOf(1n, [bundle]));
    site.connect();
    await site.begin();
    expect(await site.check(bundle)).toBe('duplicate@0');
  });

  test('what waits when the application stops is refused, and what comes then', async () => {
    const { site, release } = await held();
    const { driver } = site.application;
    const answers = Array.from({ length: 200 }, () =>
      site.engine.mempool.send('checkTx', { tx: enrolPatient(), type: 'new' }),
    );
    await until(() => driver.pendingChecks() === 200);
    const stopped = driver.stop();
    await release();
    await stopped;
    const logs = (await Promise.all(answers)).map(({ log }) => log);
    expect(new Set(logs)).toEqual(new Set(['unavailable']));
    expect(await site.check(enrolPatient())).toBe('unavailable@0');
  });
});

describe('commit and the disk', () => {
  test('Commit is answered, and the mempool and queries go on, only when the block is durable', async () => {
    const slow = new SlowStore();
    const site = await new Site(slow.store).start();
    await site.begin();
    await site.decide(blockOf(1n, []));
    let release: () => void = () => undefined;
    slow.gate = new Promise((resolve) => {
      release = resolve;
    });
    const tx = enrolPatient();
    await site.engine.consensus.call('finalizeBlock', blockOf(2n, [tx]));
    const answered: string[] = [];
    const note = (what: string) => (): void => void answered.push(what);
    const commit = site.engine.consensus.call('commit', {}).then(note('commit'));
    const checked = site.check(tx).then((outcome) => {
      answered.push('check');
      return outcome;
    });
    const info = site.engine.query.send('info', INFO).then(({ lastBlockHeight }) => {
      answered.push('info');
      return lastBlockHeight;
    });
    expect((await site.engine.snapshot.call('echo', { message: 'alive' })).message).toBe('alive');
    expect(answered).toEqual([]);
    release();
    await commit;
    expect(await checked).toBe('duplicate@0');
    expect(await info).toBe(2n);
  });

  test('a disk that refuses ends the session, and nothing of the block is kept', async () => {
    const slow = new SlowStore();
    const site = await new Site(slow.store).start();
    await site.begin();
    await site.decide(blockOf(1n, []));
    slow.gate = Promise.reject(new Error('no space left'));
    slow.gate.catch(() => undefined);
    await expect(site.decide(blockOf(2n, [enrolPatient()]))).rejects.toThrow('no space left');
    expect((await site.application.failure).message).toBe('no space left');
    const again = await new Site(slow.under).start();
    expect(await again.begin()).toBe(1n);
  });

  test('a database of another chain is not opened', async () => {
    const site = await begun();
    const store = createEngineChainStore(site.store);
    await expect(store.initialise(new Uint8Array(32).fill(1))).rejects.toMatchObject({
      code: 'wrongChain',
    });
  });

  test('blocks are kept without frames, with their outcomes; header and certificate follow', async () => {
    const site = await begun();
    const [a, b] = [enrolPatient(), enrolPatient()];
    const block = blockOf(1n, [encodeBundle([a, b]), a]);
    await site.decide(block);
    const { store } = site.application;
    expect(store.block(1n)).toMatchObject({ txs: [a, b, a], blockId: block.hash, height: 1n });
    expect(store.block(1n)?.outcomes).toEqual([
      { ok: true },
      { ok: true },
      { ok: false, rejection: { code: 'duplicate' } },
    ]);
    expect(store.header(1n)).toBeUndefined();
    const proof = { header: Uint8Array.of(1), certificate: Uint8Array.of(2) };
    await store.putHeader(1n, proof);
    expect(store.header(1n)).toEqual(proof);
    expect(store.block(2n)).toBeUndefined();
    expect(store.tip()).toEqual(site.application.driver.tip());
  });
});

describe('queries and snapshots', () => {
  test('a query is answered from the last block, or says why not', async () => {
    const site = await new Site().start();
    const ask = (path: string) =>
      site.engine.query.call('query', { path, data: new Uint8Array(32), height: 0n, prove: false });
    expect(await ask('transaction')).toMatchObject({ code: 1, log: 'heightUnknown' });
    await site.begin();
    await site.decide(blockOf(1n, [enrolPatient()]));
    expect((await ask('transaction')).code).toBe(1);
    expect((await ask('no/such/path')).code).toBe(1);
    expect((await ask('/p2p/filter/addr/1.2.3.4:5')).code).toBe(0);
  });

  test('without snapshots: none listed, none loaded, none taken', async () => {
    const { engine } = await begun();
    const { snapshot } = engine;
    expect(await snapshot.call('listSnapshots', {})).toEqual({ snapshots: [] });
    const chunk = await snapshot.call('loadSnapshotChunk', { height: 1n, format: 1, chunk: 0 });
    expect(chunk.chunk.length).toBe(0);
    const offered = {
      height: 5n,
      format: 1,
      chunks: 1,
      hash: new Uint8Array(32),
      metadata: new Uint8Array(0),
    };
    const appHash = new Uint8Array(32);
    const offer = await snapshot.call('offerSnapshot', { snapshot: offered, appHash });
    expect(offer.result).toBe('abort');
    expect((await snapshot.call('offerSnapshot', { snapshot: undefined, appHash })).result).toBe(
      'reject',
    );
    const applied = await snapshot.call('applySnapshotChunk', {
      index: 0,
      chunk: new Uint8Array(1),
      sender: 'x',
    });
    expect(applied.result).toBe('abort');
  });

  test('vote extensions are empty, and others are refused', async () => {
    const { engine } = await begun();
    const { decidedLastCommit, ...rest } = blockOf(1n, []);
    const vote = await engine.consensus.call('extendVote', {
      ...rest,
      proposedLastCommit: decidedLastCommit,
    });
    expect(vote.voteExtension.length).toBe(0);
    for (const [voteExtension, status] of [
      [new Uint8Array(0), 'accept'],
      [Uint8Array.of(1), 'reject'],
    ] as const)
      expect(
        await engine.consensus.call('verifyVoteExtension', {
          hash: rest.hash,
          validatorAddress: rest.proposerAddress,
          height: 1n,
          voteExtension,
        }),
      ).toEqual({ status });
  });
});
