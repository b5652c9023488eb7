/** Snapshots beside the engine, without it: made while blocks go on, offered, refused, restored, begun anew. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Block } from '@yilian/consensus/application';
import type { Snapshot } from '@yilian/consensus/abci/common-messages';
import {
  advanceEngineTip,
  type EngineTip,
  genesisEngineTip,
} from '@yilian/consensus/abci/engine-tip';
import type { SnapshotExchange } from '@yilian/consensus/abci/snapshots';
import { genesisId } from '@yilian/consensus/genesis';
import type { Bytes } from '@yilian/crypto/bytes';
import { createLedger, type Ledger } from '@yilian/ledger/ledger';
import { afterAll, expect, test } from 'vitest';
import {
  createEngineChainStore,
  type EngineChainStore,
  STATE_SPACE,
} from '../../src/cometbft/engine-chain-store.ts';
import type { CommittedBlock } from '../../src/cometbft/application-driver.ts';
import { createSnapshotMaker } from '../../src/cometbft/snapshot-maker.ts';
import {
  describeSnapshot,
  type OfferedSnapshot,
  verifyOffer,
} from '../../src/cometbft/snapshot-metadata.ts';
import { createSnapshotExchange } from '../../src/cometbft/snapshot-restorer.ts';
import { openSnapshotShelf, type SnapshotShelf } from '../../src/cometbft/snapshot-shelf.ts';
import type { LogEvent } from '../../src/logging.ts';
import { openLmdbStore } from '../../src/storage/lmdb-store.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import { enrolPatient, genesis as pbftGenesis } from '../engine/consortium.ts';

const root = mkdtempSync(join(tmpdir(), 'yl-snapshots-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const genesis = { ...pbftGenesis, engine: 'cometbft' } as const;
let folders = 0;
const folder = (): string => join(root, String(folders++));

const EVERYTHING = { has: () => true };

interface Node {
  readonly chain: EngineChainStore;
  readonly ledger: Ledger;
  tip: EngineTip;
}

async function emptyNode(store = createMemoryStore()): Promise<Node> {
  const chain = createEngineChainStore(store);
  await chain.initialise(genesisId(genesis));
  const ledger = createLedger({ reader: chain.state, space: STATE_SPACE });
  const tip = genesisEngineTip(genesis, ledger.initChain(genesis));
  return { chain, ledger, tip };
}

async function runBlock(node: Node, txs: readonly Bytes[]): Promise<void> {
  const height = node.tip.height + 1n;
  const block = {
    height,
    timeNs: genesis.timeNs + height * 1_000_000_000n,
    proposer: new Uint8Array(32),
    txs,
    votes: [],
    misbehaviour: [],
  };
  const { outcomes, appHash, validatorUpdates } = node.ledger.finalizeBlock(block, EVERYTHING);
  node.tip = advanceEngineTip(node.tip, {
    timeNs: block.timeNs,
    appHash,
    validatorUpdates: validatorUpdates.map((each) => ({ ...each })),
  });
  const { writes } = node.ledger.commit();
  await node.chain.commitBlock({ ...executed(block), outcomes, tip: node.tip, writes });
}

/** What an engine tells of a block; nobody looks at its hashes here. */
function executed(
  block: Block,
): Pick<CommittedBlock, 'block' | 'engineTxs' | 'hash' | 'parentAppHash'> {
  const hash = new Uint8Array(32);
  return { block, engineTxs: block.txs, hash, parentAppHash: hash };
}

interface Source {
  readonly node: Node;
  readonly shelf: SnapshotShelf;
  readonly snapshot: Snapshot;
  readonly appHash: Bytes;
}

async function makeSource(): Promise<Source> {
  const node = await emptyNode(openLmdbStore(folder()));
  const shelf = openSnapshotShelf(folder());
  const maker = createSnapshotMaker({
    every: 3,
    open: () => node.chain.openSnapshot(),
    shelf,
    log: () => undefined,
  });
  let appHash: Bytes = new Uint8Array(0);
  for (let height = 1; height <= 5; height++) {
    // oxlint-disable-next-line no-await-in-loop -- block after block, while the snapshot is made
    await runBlock(
      node,
      Array.from({ length: 20 }, () => enrolPatient()),
    );
    maker.onCommitted(node.tip.height);
    if (height === 3) ({ appHash } = node.tip);
  }
  await maker.idle();
  const [snapshot] = shelf.list();
  if (snapshot === undefined) throw new Error('no snapshot');
  return { node, shelf, snapshot, appHash };
}

const source = await makeSource();
const { snapshot, appHash } = source;

function exchangeOn(node: Node, events: LogEvent[] = []): SnapshotExchange {
  return createSnapshotExchange({
    genesis,
    chain: node.chain,
    shelf: openSnapshotShelf(folder()),
    onRestored: (tip) => {
      node.tip = tip;
    },
    log: (event) => void events.push(event),
  });
}

async function chunkAt(index: number, of: Source = source): Promise<Bytes> {
  const bytes = await of.shelf.chunk(of.snapshot.height, of.snapshot.format, index);
  if (bytes === undefined) throw new Error('no chunk');
  return bytes;
}

/** Everything from chunk `from` on; what the last answer was. */
async function feed(exchange: SnapshotExchange, from = 0): Promise<string> {
  let result = '';
  for (let index = from; index < snapshot.chunks; index++) {
    // oxlint-disable-next-line no-await-in-loop -- in order
    const bytes = await chunkAt(index);
    // oxlint-disable-next-line no-await-in-loop -- in order
    ({ result } = await exchange.applyChunk({ index, bytes, sender: 'peer' }));
  }
  return result;
}

test('is of the height at which it was begun, though blocks went on', () => {
  expect(snapshot.height).toBe(3n);
  expect(source.node.tip.height).toBe(5n);
  expect(verifyOffer(snapshot, { genesis, appHash }).ok).toBe(true);
});

test('restored on another disk, it goes on with the same app hashes, and blocks begin after it', async () => {
  const node = await emptyNode(openLmdbStore(folder()));
  const exchange = exchangeOn(node);
  expect(await exchange.offerSnapshot(snapshot, appHash)).toBe('accept');
  expect(await feed(exchange)).toBe('accept');
  expect(node.ledger.info()).toEqual({ height: 3n, appHash, appVersion: 1n });
  expect(node.chain.isRestoring()).toBe(false);
  expect(node.chain.validatorsAt(3n)).toEqual(node.tip.lastValidators);
  for (const height of [4n, 5n]) {
    const block = source.node.chain.block(height);
    // oxlint-disable-next-line no-await-in-loop -- block after block
    await runBlock(node, block?.txs ?? []);
  }
  expect(node.tip).toEqual(source.node.tip);
  expect(node.chain.firstBody()).toBe(4n);
});

test('offered again after a crash it goes on where it was, and another one begins anew', async () => {
  const store = createMemoryStore();
  const node = await emptyNode(store);
  const first = exchangeOn(node);
  await first.offerSnapshot(snapshot, appHash);
  await first.applyChunk({ index: 0, bytes: await chunkAt(0), sender: 'peer' });
  expect(node.chain.isRestoring()).toBe(true);

  const other = await makeSource();
  const again = exchangeOn(node);
  expect(await again.offerSnapshot(snapshot, appHash)).toBe('accept');
  // What is there already is taken as it comes.
  const known = await again.applyChunk({ index: 0, bytes: new Uint8Array(0), sender: 'peer' });
  expect(known.result).toBe('accept');
  expect(await again.offerSnapshot(other.snapshot, other.appHash)).toBe('accept');
  const foreign = await again.applyChunk({ index: 0, bytes: await chunkAt(0), sender: 'liar' });
  expect(foreign).toEqual({ result: 'retry', refetchChunks: [0], rejectSenders: ['liar'] });
  expect(await again.offerSnapshot(snapshot, appHash)).toBe('accept');
  expect(await feed(again)).toBe('accept');
  expect(node.ledger.info().appHash).toEqual(appHash);
  // Once more, since the engine died before it knew: nothing to be done.
  const third = exchangeOn(node);
  expect(await third.offerSnapshot(snapshot, appHash)).toBe('accept');
  expect(await feed(third)).toBe('accept');
  expect(node.chain.tip()?.height).toBe(3n);
});

test('a forged chunk is fetched anew from somebody else, and its sender is heard no more', async () => {
  const events: LogEvent[] = [];
  const node = await emptyNode();
  const exchange = exchangeOn(node, events);
  await exchange.offerSnapshot(snapshot, appHash);
  const forged = await chunkAt(0);
  forged[forged.length >> 1] = (forged[forged.length >> 1] ?? 0) ^ 1;
  const answer = await exchange.applyChunk({ index: 0, bytes: forged, sender: 'liar' });
  expect(answer).toEqual({ result: 'retry', refetchChunks: [0], rejectSenders: ['liar'] });
  expect(events.at(-1)).toMatchObject({ event: 'chunkRefused', index: 0, sender: 'liar' });
  expect(await feed(exchange)).toBe('accept');
});

test('a chunk before its turn, or without an offer, is not taken', async () => {
  const exchange = exchangeOn(await emptyNode());
  const bytes = await chunkAt(1);
  expect((await exchange.applyChunk({ index: 1, bytes, sender: 'peer' })).result).toBe('abort');
  await exchange.offerSnapshot(snapshot, appHash);
  const early = await exchange.applyChunk({ index: 1, bytes, sender: 'peer' });
  expect(early.result).toBe('retrySnapshot');
});

test('a node with blocks of its own gives them up for nobody', async () => {
  const node = await emptyNode();
  await runBlock(node, [enrolPatient()]);
  expect(await exchangeOn(node).offerSnapshot(snapshot, appHash)).toBe('abort');
  expect(node.chain.tip()?.height).toBe(1n);
});

test('a forged offer is refused: format, hash, count, height, app hash, chain, time', async () => {
  const verdict = verifyOffer(snapshot, { genesis, appHash });
  if (!verdict.ok) throw new Error(verdict.code);
  const { manifest, timeNs } = verdict.value;
  const codeOf = (offered: Snapshot, hash = appHash): string => {
    const judged = verifyOffer(offered, { genesis, appHash: hash });
    return judged.ok ? 'ok' : judged.code;
  };
  const withManifest = (change: Partial<OfferedSnapshot['manifest']>): Snapshot =>
    describeSnapshot({ manifest: { ...manifest, ...change }, timeNs });
  expect(codeOf(withManifest({}))).toBe('ok');
  expect(codeOf({ ...snapshot, format: 2 })).toBe('wrongFormat');
  expect(codeOf({ ...snapshot, hash: new Uint8Array(32) })).toBe('wrongHash');
  expect(codeOf({ ...snapshot, metadata: snapshot.metadata.slice(1) })).toBe('wrongHash');
  expect(codeOf({ ...snapshot, chunks: snapshot.chunks + 1 })).toBe('wrongHash');
  expect(codeOf({ ...snapshot, height: 4n })).toBe('wrongHeight');
  expect(codeOf(snapshot, new Uint8Array(32))).toBe('wrongAppHash');
  expect(codeOf(withManifest({ chainId: 'other' }))).toBe('wrongChain');
  expect(codeOf(withManifest({ time: manifest.time + 1 }))).toBe('wrongTime');
  const exchange = exchangeOn(await emptyNode());
  expect(await exchange.offerSnapshot({ ...snapshot, format: 2 }, appHash)).toBe('rejectFormat');
  expect(await exchange.offerSnapshot(snapshot, new Uint8Array(32))).toBe('reject');
});

test('the shelf keeps the newest two, and nothing that a crash left half or short', async () => {
  const directory = folder();
  const shelf = openSnapshotShelf(directory);
  for (const height of [10n, 20n, 30n]) {
    const draft = shelf.begin(height);
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await draft.addChunk(Uint8Array.of(1, 2, 3));
    expect(shelf.list().some((each) => each.height === height)).toBe(false);
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await draft.finish({ ...snapshot, height, chunks: 1 });
  }
  expect(shelf.list().map(({ height }) => height)).toEqual([30n, 20n]);
  expect(readdirSync(directory).sort()).toEqual(['20', '30']);
  expect(await shelf.chunk(30n, 1, 0)).toEqual(Uint8Array.of(1, 2, 3));
  for (const [height, format, index] of [
    [10n, 1, 0],
    [30n, 2, 0],
    [30n, 1, 1],
  ] as const)
    // oxlint-disable-next-line no-await-in-loop -- three questions
    expect(await shelf.chunk(height, format, index)).toBeUndefined();
  await shelf.begin(40n).addChunk(Uint8Array.of(1));
  truncateSync(join(directory, '30', '0'), 1);
  mkdirSync(join(directory, '50'));
  writeFileSync(join(directory, '50', 'snapshot'), 'x');
  expect(
    openSnapshotShelf(directory)
      .list()
      .map(({ height }) => height),
  ).toEqual([20n]);
  expect(readdirSync(directory)).toEqual(['20']);
});

test('old bodies go a few with every block; state, and what was not asked to go, stay', async () => {
  const node = await emptyNode();
  const retain = async (retainHeight: bigint): Promise<void> => {
    const { height, timeNs } = node.tip;
    const proposer = new Uint8Array(32);
    const block = { height, timeNs, proposer, txs: [], votes: [], misbehaviour: [] };
    await node.chain.commitBlock(
      {
        ...executed(block),
        outcomes: [],
        tip: node.tip,
        writes: { puts: [], deletes: [] },
      },
      { retainHeight },
    );
  };
  // oxlint-disable-next-line no-await-in-loop -- block after block
  for (let height = 1; height <= 12; height++) await runBlock(node, [enrolPatient()]);
  expect(node.chain.firstBody()).toBe(1n);
  await retain(10n);
  expect(node.chain.firstBody()).toBe(5n);
  await retain(10n);
  await retain(10n);
  await retain(10n);
  expect(node.chain.firstBody()).toBe(10n);
  expect(node.chain.block(9n)).toBeUndefined();
  expect(node.chain.block(10n)?.txs.length).toBe(1);
  expect(node.ledger.info().height).toBe(12n);
});
