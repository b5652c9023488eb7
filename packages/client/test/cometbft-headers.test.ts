/** The recorded CometBFT chain behind one node, as a client meets it. */
import { toBase64Url, toHex } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import { publicKey } from '@yilian/crypto/signature';
import type { Genesis } from '@yilian/consensus/application';
import { encodeGenesisDocument, genesisId } from '@yilian/consensus/genesis';
import { encodeCommit } from '@yilian/consensus/light/cometbft/commit';
import { encodeCometHeader } from '@yilian/consensus/light/cometbft/header';
import { encodeLightValidators } from '@yilian/consensus/light/light-engines';
import { createValidatorSet } from '@yilian/consensus/validator-set';
import { expect, test } from 'vitest';
import {
  blockAt,
  blocks,
  type CometBlock,
  genesis as recorded,
  recommit,
  seedOf,
} from '../../consensus/test/comet-chain.ts';
import { genesis as ledgerGenesis } from '../../ledger/test/consortium.ts';
import { createHeaderStore, type HeaderStore } from '../src/header-store.ts';
import { createNetwork } from '../src/network.ts';
import { createNodePlatform } from '../src/platform/node-platform.ts';
import { createMemoryStorage, type Fetch, type Storage } from '../src/platform/platform.ts';

const TOP = blocks.length;
const NOW_MS = Number(blockAt(TOP).header.timeNs / 1_000_000n) + 1_000;
const DAY_MS = 86_400_000;
const basis = await createNodePlatform();
const genesis: Genesis = { ...recorded, appState: ledgerGenesis.appState };
const REGULATOR = publicKey(seedOf('regulator'));
const SOURCE = { node: 'one', route: 'getHeader' };

const encodedOf = ({ header, commit }: CometBlock) => ({
  header: encodeCometHeader(header),
  certificate: encodeCommit(commit),
});

interface Serving {
  /** Bytes instead of the true ones, or null for what the node does not have. */
  readonly alter?: (path: string) => Uint8Array | null | undefined;
  readonly document?: Genesis;
  readonly storage?: Storage;
  readonly nowMs?: number;
}

function serve(options: Serving = {}): { readonly store: HeaderStore; readonly asked: string[] } {
  const { alter = () => undefined, document = genesis, nowMs = NOW_MS } = options;
  const asked: string[] = [];
  const answer = (path: string): Uint8Array | string | null => {
    const altered = alter(path);
    if (altered !== undefined) return altered;
    if (path === '/v1/anchor')
      return JSON.stringify({
        chainId: genesis.chainId,
        genesis: toBase64Url(encodeGenesisDocument(document)),
        genesisId: toHex(genesisId(document)),
        regulatorKey: toHex(REGULATOR),
      });
    const [, what, which = ''] = /^\/v1\/(headers|validators)\/(\w+)$/.exec(path) ?? [];
    if (what === 'headers') {
      const { header, certificate } = encodedOf(blockAt(Number(which)));
      return encode([header, certificate]);
    }
    const holder = blocks.find(({ validators }) => toHex(validators.hash) === which);
    return holder === undefined ? null : encodeLightValidators(holder.validators);
  };
  const fetch: Fetch = (url) => {
    const path = new URL(url).pathname;
    asked.push(path);
    const body = answer(path);
    if (body === null)
      return Promise.resolve(new Response(JSON.stringify({ code: 'notFound' }), { status: 404 }));
    return Promise.resolve(new Response(typeof body === 'string' ? body : body.slice()));
  };
  const storage = options.storage ?? createMemoryStorage();
  const network = createNetwork({
    platform: { ...basis, fetch, storage, nowMs: () => nowMs },
    retries: 0,
    anchor: {
      chainId: genesis.chainId,
      genesisId: genesisId(genesis),
      regulatorKey: REGULATOR,
    },
    nodes: [
      {
        name: 'one',
        memberId: new Uint8Array(32) as never,
        url: 'http://127.0.0.1:1',
        institution: 'one',
        operator: 'one',
        isRegulator: false,
        store: null,
        hospitalKey: null,
      },
    ],
  });
  return { store: createHeaderStore(network), asked };
}

test('LC-2 the genesis document names the engine, and its headers are followed one by one', async () => {
  const { store, asked } = serve();
  for (let height = 1; height <= TOP; height++) {
    const { header } = await store.verify(encodedOf(blockAt(height)), SOURCE);
    expect(header.appHash).toEqual(blockAt(height).header.appHash);
  }
  expect(store.trustedHeight).toBe(BigInt(TOP));
  const sets = asked.filter((path) => path.includes('/validators/'));
  expect(sets.length).toBeGreaterThanOrEqual(4);
  expect(new Set(sets).size).toBe(sets.length);
});

test('LC-3 a far header is reached over few, and trust is kept between runs', async () => {
  const storage = createMemoryStorage();
  const { store, asked } = serve({ storage });
  await store.verify(encodedOf(blockAt(TOP)), SOURCE);
  const headers = asked.filter((path) => path.includes('/headers/'));
  expect(headers.length).toBeGreaterThan(0);
  expect(headers.length).toBeLessThan(TOP / 2);
  await store.save();
  // Kept trust in a set that genesis does not name begins at genesis again, and comes as far.
  const again = serve({ storage });
  await again.store.verify(encodedOf(blockAt(TOP)), SOURCE);
  expect(again.store.trustedHeight).toBe(BigInt(TOP));
});

const stranger = recommit(blockAt(4), {
  seeds: blockAt(4).validators.validators.map(() => seedOf(9)),
});

test.each<[string, { readonly header: Uint8Array; readonly certificate: Uint8Array }, string]>([
  ['committed by strangers', encodedOf(stranger), 'certificate'],
  ['of another chain', encodedOf(recommit(blockAt(4), { header: { chainId: 'other' } })), 'chain'],
  [
    'with the commit of another height',
    { ...encodedOf(blockAt(4)), certificate: encodeCommit(blockAt(5).commit) },
    'certificate',
  ],
  [
    'with something else as its commit',
    { ...encodedOf(blockAt(4)), certificate: encode([4n, 0, new Uint8Array(32), []]) },
    'malformed',
  ],
  ['in another form', { header: encode([1, 2]), certificate: encode([1, 2]) }, 'malformed'],
])('LC-2 a header %s is refused', async (_, encoded, code) => {
  const { store } = serve();
  await store.verify(encodedOf(blockAt(3)), SOURCE);
  await expect(store.verify(encoded, SOURCE)).rejects.toMatchObject({ code });
  await store.verify(encodedOf(blockAt(4)), SOURCE);
});

test('LC-4 two headers of one height that the validators themselves committed are a fork', async () => {
  const { store } = serve();
  await store.verify(encodedOf(blockAt(4)), SOURCE);
  const forked = recommit(blockAt(4), { header: { appHash: new Uint8Array(32) } });
  await expect(store.verify(encodedOf(forked), SOURCE)).rejects.toMatchObject({ code: 'chain' });
});

test('LC-5 headers are not believed after the trusting period', async () => {
  const { store } = serve({ nowMs: NOW_MS + 15 * DAY_MS });
  await expect(store.verify(encodedOf(blockAt(1)), SOURCE)).rejects.toMatchObject({
    code: 'trustExpired',
  });
});

test('a node that names another engine, or gives a set of the other one, convinces nobody', async () => {
  const { engine: _, ...pbft } = genesis;
  const other = serve({ document: pbft });
  await expect(other.store.verify(encodedOf(blockAt(1)), SOURCE)).rejects.toMatchObject({
    code: 'chain',
  });
  const { chainId, validators } = genesis;
  const set = createValidatorSet({ chainId, epoch: 0, validators });
  const mixed = serve({
    alter: (path) => (path.includes('/validators/') ? encodeLightValidators(set) : undefined),
  });
  await expect(mixed.store.verify(encodedOf(blockAt(TOP)), SOURCE)).rejects.toMatchObject({
    code: 'certificate',
  });
});
