import { toHex } from '@yilian/crypto/bytes';
import { publicKey, sign, verifySignature } from '@yilian/crypto/signature';
import { expect, test } from 'vitest';
import type { Certificate } from '../src/certificate.ts';
import { commitBody } from '../src/certificate.ts';
import { genesisId } from '../src/genesis.ts';
import { type Header, headerId } from '../src/header.ts';
import {
  decodePbftLightBlock,
  encodePbftLightBlock,
  pbftLightBlock,
  type PbftLightBlock,
  pbftLightHeader,
} from '../src/light/pbft-light-engine.ts';
import { advanceTo, compareWitness } from '../src/light/light-client.ts';
import {
  decodeTrustedBlock,
  encodeTrustedBlock,
  type TrustAnchor,
  trustCheckpoint,
  trustCheckpointBody,
  type TrustedBlock,
  trustGenesis,
} from '../src/light/trust.ts';
import { verifyHeadersBelow, verifyLightBlock } from '../src/light/verify-header.ts';
import type { ValidatorSet } from '../src/validator-set.ts';
import { createValidatorSet } from '../src/validator-set.ts';
import type { Genesis } from '../src/application.ts';

const CHAIN = 'light';
const SECOND = 1_000_000_000n;
const START = 1_700_000_000n * SECOND;
const seedOf = (n: number): Uint8Array => new Uint8Array(32).fill(n + 1);
const REGULATOR = seedOf(200);

/** Members first … first+3, real Ed25519 keys. */
function setOf(
  first: number,
  epoch: number,
): { readonly set: ValidatorSet; readonly seeds: readonly Uint8Array[] } {
  const members = Array.from({ length: 4 }, (_, i) => ({
    seed: seedOf(first + i),
    key: publicKey(seedOf(first + i)),
  }));
  const set = createValidatorSet({
    chainId: CHAIN,
    epoch,
    validators: members.map(({ key }) => ({ key, power: 1n, leads: true })),
  });
  const byKey = new Map(members.map(({ key, seed }) => [toHex(key), seed]));
  const seeds = set.validators.map(({ key }) => byKey.get(toHex(key)) ?? seedOf(0));
  return { set, seeds };
}

function certify(
  header: Header,
  { set, seeds }: ReturnType<typeof setOf>,
  signers = [0, 1, 2],
): Certificate {
  const blockId = headerId(header);
  const { height } = header;
  const signatures = signers.map((signer) => {
    const timeNs = header.timeNs + SECOND;
    const body = commitBody({ chainId: CHAIN, epoch: set.epoch, view: 0, height, blockId, timeNs });
    return { signer, timeNs, signature: sign(seeds[signer] ?? seedOf(0), body) };
  });
  return { height, view: 0, blockId, signatures };
}

/** A chain whose set moves on by one member every `every` heights. */
function createChain(
  length: number,
  every: number,
): {
  readonly genesis: Genesis;
  readonly anchor: TrustAnchor;
  readonly blocks: readonly PbftLightBlock[];
} {
  const first = setOf(0, 0);
  const genesis: Genesis = {
    chainId: CHAIN,
    timeNs: START,
    validators: first.set.validators,
    appState: new Uint8Array(),
  };
  const at = (height: number): ReturnType<typeof setOf> => {
    const epoch = Math.floor((height - 1) / every);
    return setOf(epoch, epoch);
  };
  const blocks: PbftLightBlock[] = [];
  let previousId = genesisId(genesis);
  for (let height = 1; height <= length; height++) {
    const current = at(height);
    const header: Header = {
      version: 1,
      chainId: CHAIN,
      height: BigInt(height),
      previousId,
      timeNs: START + BigInt(height - 1) * SECOND,
      transactionsRoot: new Uint8Array(32),
      appHash: new Uint8Array(32).fill(height),
      parentCertificateHash: height === 1 ? null : new Uint8Array(32),
      validatorsHash: current.set.hash,
      nextValidatorsHash: at(height + 1).set.hash,
      proposer: current.set.validators[0]?.key ?? seedOf(0),
      count: 0,
      size: 0,
      difficulty: 0,
      puzzleNonce: null,
    };
    previousId = headerId(header);
    const certificate = certify(header, current);
    blocks.push({ header, signature: new Uint8Array(64), certificate, validators: current.set });
  }
  const anchor = {
    chainId: CHAIN,
    genesisId: genesisId(genesis),
    regulatorKey: publicKey(REGULATOR),
  };
  return { genesis, anchor, blocks };
}

const chain = createChain(24, 4);
const NOW = START + 30n * SECOND;

function must<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('missing');
  return value;
}

const trusted = must(trustGenesis(chain.anchor, chain.genesis));
const at = (height: number): PbftLightBlock => must(chain.blocks[height - 1]);
const check = (from: TrustedBlock, block: PbftLightBlock, nowNs = NOW): string => {
  const verdict = verifyLightBlock({
    trusted: from,
    block: pbftLightBlock(block),
    nowNs,
    verifySignature,
  });
  return verdict.ok ? 'ok' : verdict.code;
};
const trust = (from: TrustedBlock, block: PbftLightBlock): TrustedBlock => {
  const verdict = verifyLightBlock({
    trusted: from,
    block: pbftLightBlock(block),
    nowNs: NOW,
    verifySignature,
  });
  if (!verdict.ok) throw new Error(verdict.code);
  return verdict.trusted;
};
const first = trust(trusted, at(1));

test('LC-1 trust begins with the genesis document that the anchor names, and with no other', () => {
  expect(trusted.height).toBe(0n);
  expect(trustGenesis(chain.anchor, { ...chain.genesis, timeNs: START + 1n })).toBeNull();
  expect(
    trustGenesis({ ...chain.anchor, genesisId: new Uint8Array(32) }, chain.genesis),
  ).toBeNull();
  expect(trustGenesis({ ...chain.anchor, chainId: 'other' }, chain.genesis)).toBeNull();
});

test('LC-2 header by header, every change of members is followed', () => {
  let point = trusted;
  for (const block of chain.blocks) point = trust(point, block);
  expect(point.height).toBe(24n);
  expect(point.appHash).toEqual(new Uint8Array(32).fill(24));
  expect(point.validators).toMatchObject({ epoch: 5 });
});

test.each<[string, (block: PbftLightBlock) => PbftLightBlock, string]>([
  ['of another chain', (b) => ({ ...b, header: { ...b.header, chainId: 'x' } }), 'wrongChain'],
  [
    'of an unknown version',
    (b) => ({ ...b, header: { ...b.header, version: 2 } }),
    'versionUnknown',
  ],
  [
    'on another parent',
    (b) => ({ ...b, header: { ...b.header, previousId: new Uint8Array(32) } }),
    'wrongPrevious',
  ],
  [
    'with an altered app hash',
    (b) => ({ ...b, header: { ...b.header, appHash: new Uint8Array(32) } }),
    'certificateInvalid',
  ],
  ['with a foreign set', (b) => ({ ...b, validators: setOf(50, 0).set }), 'validatorsDiffer'],
  [
    'whose header names a set that was not announced',
    (b) => {
      const other = setOf(50, 0);
      const header = { ...b.header, validatorsHash: other.set.hash };
      return { ...b, header, validators: other.set, certificate: certify(header, other) };
    },
    'validatorsDiffer',
  ],
  [
    'without its time growing',
    (b) => ({ ...b, header: { ...b.header, timeNs: START } }),
    'timeNotGrowing',
  ],
  [
    'from the future',
    (b) => ({ ...b, header: { ...b.header, timeNs: NOW + 3_600n * SECOND } }),
    'fromTheFuture',
  ],
  [
    'signed by half of the power',
    (b) => ({ ...b, certificate: certify(b.header, setOf(0, 0), [0, 1]) }),
    'certificateInvalid',
  ],
  [
    'with one signer counted three times',
    (b) => ({ ...b, certificate: certify(b.header, setOf(0, 0), [0, 0, 0]) }),
    'certificateInvalid',
  ],
  [
    'signed for another epoch',
    (b) => ({ ...b, certificate: certify(b.header, { ...setOf(0, 0), set: setOf(0, 3).set }) }),
    'certificateInvalid',
  ],
])('LC-2 a header %s is refused', (_, change, expected) => {
  expect(check(first, change(at(2)))).toBe(expected);
});

test('LC-3 a jump holds when more than a third of the trusted power signed', () => {
  expect(check(first, at(4))).toBe('ok'); // same members
  expect(check(first, at(8))).toBe('ok'); // three of four remain
  expect(check(first, at(24))).toBe('notEnoughOverlap'); // none remains
});

test('LC-3 a jump onto a set that its header does not name is refused', () => {
  expect(check(first, { ...at(8), validators: at(4).validators })).toBe('validatorsDiffer');
});

test('LC-3 bisection reaches the far end over fewer headers than lie between', async () => {
  const asked: bigint[] = [];
  const result = await advanceTo({
    trusted: first,
    target: pbftLightBlock(at(24)),
    fetch: async (height) => {
      asked.push(height);
      return pbftLightBlock(at(Number(height)));
    },
    nowNs: NOW,
    verifySignature,
  });
  expect(result).toMatchObject({ ok: true, trusted: { height: 24n } });
  expect(asked.length).toBeGreaterThan(0);
  expect(asked.length).toBeLessThan(12);
});

const jump = (between: PbftLightBlock | null): ReturnType<typeof advanceTo> =>
  advanceTo({
    trusted: first,
    target: pbftLightBlock(at(24)),
    fetch: async () => (between === null ? null : pbftLightBlock(between)),
    nowNs: NOW,
    verifySignature,
  });

test('LC-3 a node that has no header in between, or shows another, is refused', async () => {
  expect(await jump(null)).toMatchObject({
    ok: false,
    code: 'unavailable',
    height: 12n,
  });
  expect(await jump(at(3))).toMatchObject({ ok: false, code: 'wrongHeight' });
});

test('LC-4 a stale header and a forked one are refused, and a fork leaves evidence', () => {
  const far = trust(first, at(4));
  expect(check(far, at(3))).toBe('stale');
  const forkedHeader = { ...at(4).header, appHash: new Uint8Array(32).fill(99) };
  const forked = {
    ...at(4),
    header: forkedHeader,
    certificate: certify(forkedHeader, setOf(0, 0)),
  };
  expect(check(far, forked)).toBe('forked');
  expect(check(far, at(4))).toBe('ok');
  const [home, other] = [pbftLightBlock(at(4)), pbftLightBlock(forked)];
  expect(compareWitness(home, pbftLightBlock(at(4)))).toBe('agree');
  expect(compareWitness(home, pbftLightBlock(at(5)))).toBe('otherHeight');
  expect(compareWitness(home, other)).toEqual({ height: 4n, first: home, second: other });
});

test('LC-5 old trust has expired; a checkpoint of the regulator serves, and nobody else’s', () => {
  const later = NOW + 15n * 86_400n * SECOND;
  expect(check(first, at(2), later)).toBe('trustExpired');
  expect(check(trusted, at(1), later)).toBe('trustExpired');
  const { header, validators } = at(20);
  const content = {
    chainId: CHAIN,
    genesisId: chain.anchor.genesisId,
    height: header.height,
    blockId: headerId(header),
    timeNs: header.timeNs,
    validators,
    nextValidatorsHash: header.nextValidatorsHash,
  };
  const body = trustCheckpointBody(content);
  const genuine = { ...content, signature: sign(REGULATOR, body) };
  const point = must(trustCheckpoint(chain.anchor, genuine, verifySignature));
  expect(check(point, at(21))).toBe('ok');
  const forged = { ...content, signature: sign(seedOf(3), body) };
  expect(trustCheckpoint(chain.anchor, forged, verifySignature)).toBeNull();
  expect(trustCheckpoint(chain.anchor, { ...genuine, height: 19n }, verifySignature)).toBeNull();
  expect(
    trustCheckpoint(chain.anchor, { ...genuine, validators: setOf(60, 4).set }, verifySignature),
  ).toBeNull();
  expect(
    trustCheckpoint({ ...chain.anchor, genesisId: new Uint8Array(32) }, genuine, verifySignature),
  ).toBeNull();
});

test('LC-6 headers below a trusted one follow by hashes alone', () => {
  const below = chain.blocks
    .slice(0, 9)
    .map(({ header }) => pbftLightHeader(header))
    .toReversed();
  const top = pbftLightHeader(at(10).header);
  expect(verifyHeadersBelow(top, below)).toBe(true);
  expect(verifyHeadersBelow(top, below.slice(1))).toBe(false);
  expect(verifyHeadersBelow(top, [pbftLightHeader({ ...at(9).header, count: 5 })])).toBe(false);
});

test('light blocks and trusted points survive their encoding, and damaged ones do not', () => {
  const bytes = encodePbftLightBlock(at(5));
  expect(encodePbftLightBlock(decodePbftLightBlock(bytes))).toEqual(bytes);
  expect(() => decodePbftLightBlock(bytes.subarray(1))).toThrow();
  expect(decodeTrustedBlock(encodeTrustedBlock(first))).toEqual(first);
  expect(decodeTrustedBlock(encodeTrustedBlock(trusted))).toEqual(trusted);
});
