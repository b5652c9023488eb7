/** A scripted chain whose validators change every few heights, one member at a time. */
import { expect, test } from 'vitest';
import { encode } from '@yilian/crypto/cbor';
import { toBase64Url, toHex } from '@yilian/crypto/bytes';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { Genesis } from '@yilian/consensus/application';
import { commitBody, encodeCertificate } from '@yilian/consensus/certificate';
import { genesisId } from '@yilian/consensus/genesis';
import { encodeSignedHeader, type Header, headerId, proposalBody } from '@yilian/consensus/header';
import {
  createValidatorSet,
  type ValidatorSet,
  validatorSetToCbor,
  validatorsToCbor,
} from '@yilian/consensus/validator-set';
import { genesis as ledgerGenesis } from '../../ledger/test/consortium.ts';
import { ProblemError, VerificationError } from '../src/failure.ts';
import { createHeaderStore, type HeaderStore } from '../src/header-store.ts';
import { createNetwork } from '../src/network.ts';
import { createNodePlatform } from '../src/platform/node-platform.ts';
import { createMemoryStorage, type Fetch, type Platform } from '../src/platform/platform.ts';

const CHAIN = 'changing';
const SECOND = 1_000_000_000n;
const EVERY = 3;
const LENGTH = 30;
const seedOf = (n: number): Uint8Array => new Uint8Array(32).fill(n + 1);
const basis = await createNodePlatform();
const START = BigInt(basis.nowMs()) * 1_000_000n - 60n * SECOND;

interface Members {
  readonly set: ValidatorSet;
  readonly seeds: ReadonlyMap<string, Uint8Array>;
}

/** Four members, from `first` on. */
function membersFrom(first: number, epoch: number): Members {
  const seeds = new Map<string, Uint8Array>();
  const validators = Array.from({ length: 4 }, (_, i) => {
    const seed = seedOf(first + i);
    const key = publicKey(seed);
    seeds.set(toHex(key), seed);
    return { key, power: 1n, leads: true };
  });
  return { set: createValidatorSet({ chainId: CHAIN, epoch, validators }), seeds };
}

const at = (height: number): Members => {
  const epoch = Math.floor((height - 1) / EVERY);
  return membersFrom(epoch, epoch);
};

interface Encoded {
  readonly header: Uint8Array;
  readonly certificate: Uint8Array;
}

function signed(header: Header, { set, seeds }: Members, signers: readonly number[]): Encoded {
  const blockId = headerId(header);
  const { height, timeNs } = header;
  const seedAt = (signer: number): Uint8Array =>
    seeds.get(toHex(set.validators[signer]?.key ?? seedOf(0))) ?? seedOf(0);
  const signatures = signers.map((signer) => {
    const body = commitBody({ chainId: CHAIN, epoch: set.epoch, view: 0, height, blockId, timeNs });
    return { signer, timeNs, signature: sign(seedAt(signer), body) };
  });
  const signature = sign(seedAt(0), proposalBody(CHAIN, blockId));
  return {
    header: encodeSignedHeader({ header, signature }),
    certificate: encodeCertificate({ height, view: 0, blockId, signatures }),
  };
}

const genesis: Genesis = {
  chainId: CHAIN,
  timeNs: START,
  validators: at(1).set.validators,
  appState: ledgerGenesis.appState,
};

function headerAt(height: number, previousId: Uint8Array, members: Members): Header {
  return {
    version: 1,
    chainId: CHAIN,
    height: BigInt(height),
    previousId,
    timeNs: START + BigInt(height) * SECOND,
    transactionsRoot: new Uint8Array(32),
    appHash: new Uint8Array(32).fill(height),
    parentCertificateHash: height === 1 ? null : new Uint8Array(32),
    validatorsHash: members.set.hash,
    nextValidatorsHash: at(height + 1).set.hash,
    proposer: members.set.validators[0]?.key ?? seedOf(0),
    count: 0,
    size: 0,
    difficulty: 0,
    puzzleNonce: null,
  };
}

const chain: Encoded[] = [];
for (let height = 1, previousId = genesisId(genesis); height <= LENGTH; height++) {
  const header = headerAt(height, previousId, at(height));
  chain.push(signed(header, at(height), [0, 1, 2]));
  previousId = headerId(header);
}

function encodedAt(height: number): Encoded {
  const found = chain[height - 1];
  if (found === undefined) throw new Error('no such height');
  return found;
}

interface Served {
  readonly store: HeaderStore;
  /** Paths that were asked for. */
  readonly asked: string[];
}

/** A store over one node that serves the scripted chain, changed by `alter` where it gives bytes. */
function serve(alter: (path: string) => Uint8Array | null | undefined = () => undefined): Served {
  const asked: string[] = [];
  const answer = (path: string): Uint8Array | string | null => {
    const altered = alter(path);
    if (altered !== undefined) return altered;
    if (path === '/v1/anchor') {
      const { timeNs, validators, appState } = genesis;
      const document = encode([CHAIN, timeNs, validatorsToCbor(validators), appState]);
      return JSON.stringify({
        chainId: CHAIN,
        genesis: toBase64Url(document),
        genesisId: toHex(genesisId(genesis)),
        regulatorKey: toHex(publicKey(seedOf(200))),
      });
    }
    const [, what, which = ''] = /^\/v1\/(headers|validators)\/(\w+)$/.exec(path) ?? [];
    if (what === 'headers') {
      const { header, certificate } = encodedAt(Number(which));
      return encode([header, certificate]);
    }
    for (let height = 1; height <= LENGTH; height++)
      if (what === 'validators' && toHex(at(height).set.hash) === which)
        return encode(validatorSetToCbor(at(height).set));
    return null;
  };
  const fetch: Fetch = (url) => {
    const path = new URL(url).pathname;
    asked.push(path);
    const body = answer(path);
    if (body === null)
      return Promise.resolve(new Response(JSON.stringify({ code: 'notFound' }), { status: 404 }));
    return Promise.resolve(new Response(typeof body === 'string' ? body : body.slice()));
  };
  const platform: Platform = { ...basis, fetch, storage: createMemoryStorage() };
  const network = createNetwork({
    platform,
    retries: 0,
    anchor: {
      chainId: CHAIN,
      genesisId: genesisId(genesis),
      regulatorKey: publicKey(seedOf(200)),
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

const SOURCE = { node: 'one', route: 'getHeader' };

test('LC-2 header after header, the announced set is followed', async () => {
  const { store, asked } = serve();
  for (let height = 1; height <= LENGTH; height++) {
    const { header } = await store.verify(encodedAt(height), SOURCE);
    expect(header.height).toBe(BigInt(height));
  }
  expect(store.trustedHeight).toBe(BigInt(LENGTH));
  // Each set once.
  const sets = asked.filter((path) => path.includes('/validators/'));
  expect(new Set(sets).size).toBe(sets.length);
});

test('LC-3 a far header, none of whose validators were there at genesis, is reached over few', async () => {
  const { store, asked } = serve();
  await store.verify(encodedAt(LENGTH), SOURCE);
  expect(store.trustedHeight).toBe(BigInt(LENGTH));
  expect(asked.filter((path) => path.includes('/headers/')).length).toBeLessThan(LENGTH / 2);
});

test('LC-3 a far header signed by validators of whom nobody was trusted is refused', async () => {
  const strangers = membersFrom(100, 9);
  const forged = signed(headerAt(LENGTH, new Uint8Array(32), strangers), strangers, [0, 1, 2, 3]);
  const { store } = serve((path) =>
    path.endsWith(`/validators/${toHex(strangers.set.hash)}`)
      ? encode(validatorSetToCbor(strangers.set))
      : undefined,
  );
  await expect(store.verify(forged, SOURCE)).rejects.toBeInstanceOf(VerificationError);
  expect(store.trustedHeight).toBeLessThan(BigInt(LENGTH));
  // The true one is still believed.
  await store.verify(encodedAt(LENGTH), SOURCE);
});

test('LC-2 the next header under another set than the announced one is refused', async () => {
  const { store } = serve();
  await store.verify(encodedAt(1), SOURCE);
  const other = membersFrom(1, 1);
  const forged = signed(headerAt(2, new Uint8Array(32), other), other, [0, 1, 2]);
  await expect(store.verify(forged, SOURCE)).rejects.toMatchObject({ code: 'certificate' });
  expect(store.trustedHeight).toBe(1n);
});

test('a node that gives another set, or none, convinces nobody', async () => {
  const wrong = serve((path) =>
    path.includes('/validators/') ? encode(validatorSetToCbor(membersFrom(50, 1).set)) : undefined,
  );
  await expect(wrong.store.verify(encodedAt(EVERY + 1), SOURCE)).rejects.toMatchObject({
    code: 'certificate',
  });
  const garbage = serve((path) =>
    path.includes('/validators/') ? Uint8Array.of(0xff) : undefined,
  );
  await expect(garbage.store.verify(encodedAt(EVERY + 1), SOURCE)).rejects.toMatchObject({
    code: 'certificate',
  });
  const none = serve((path) => (path.includes('/validators/') ? null : undefined));
  await expect(none.store.verify(encodedAt(EVERY + 1), SOURCE)).rejects.toBeInstanceOf(
    ProblemError,
  );
});

test('an older header under a set that was never trusted is refused; one that was, is believed', async () => {
  const { store } = serve();
  await store.verify(encodedAt(1), SOURCE);
  await store.verify(encodedAt(LENGTH), SOURCE);
  await store.verify(encodedAt(2), SOURCE);
  const strangers = membersFrom(100, 9);
  const forged = signed(headerAt(5, new Uint8Array(32), strangers), strangers, [0, 1, 2, 3]);
  await expect(store.verify(forged, SOURCE)).rejects.toMatchObject({ code: 'certificate' });
});
