import { equalBytes, toHex } from '@yilian/crypto/bytes';
import { publicKey, sign, verifySignature } from '@yilian/crypto/signature';
import { expect, test } from 'vitest';
import { voteSignBytes } from '../src/light/cometbft/commit.ts';
import { cometHeaderHash } from '../src/light/cometbft/header.ts';
import { createCometValidatorSet } from '../src/light/cometbft/validator-set.ts';
import { advanceTo, compareWitness } from '../src/light/light-client.ts';
import {
  decodeTrustedBlock,
  encodeTrustedBlock,
  trustCheckpointBody,
  type TrustedBlock,
  trustGenesis,
} from '../src/light/trust.ts';
import {
  decodeTrustCheckpoint,
  encodeTrustCheckpoint,
  renewTrust,
} from '../src/light/trust-checkpoint.ts';
import { verifyHeadersBelow, verifyLightBlock } from '../src/light/verify-header.ts';
import { createValidatorSet } from '../src/validator-set.ts';
import {
  anchor,
  blockAt,
  blocks,
  type CometBlock,
  genesis,
  lightBlock,
  recommit,
  recording,
  REGULATOR,
  seedOf,
  seedOfAddress,
} from './comet-chain.ts';
import { signWithTorsion } from '../../crypto/test/ed25519-cases.ts';

const DAY = 86_400_000_000_000n;
const TOP = blocks.length;
const NOW = blockAt(TOP).header.timeNs + 1_000_000_000n;

function must<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('missing');
  return value;
}

const beginning = must(trustGenesis(anchor, genesis));
const check = (from: TrustedBlock, block: CometBlock, nowNs = NOW): string => {
  const verdict = verifyLightBlock({
    trusted: from,
    block: lightBlock(block),
    nowNs,
    verifySignature,
  });
  return verdict.ok ? 'ok' : verdict.code;
};
const trust = (from: TrustedBlock, height: number): TrustedBlock => {
  const block = lightBlock(blockAt(height));
  const verdict = verifyLightBlock({ trusted: from, block, nowNs: NOW, verifySignature });
  if (!verdict.ok) throw new Error(verdict.code);
  return verdict.trusted;
};
const first = trust(beginning, 1);
const third = trust(trust(first, 2), 3);

/** The first height whose set differs from that of the height before. */
const changed = blocks.findIndex(
  ({ validators }) => !equalBytes(validators.hash, blockAt(1).validators.hash),
);

test('LC-1 trust in a CometBFT chain begins with its genesis document, and with no other', () => {
  expect(beginning.validators).toMatchObject({ engine: 'cometbft', totalPower: 4n });
  const { engine: _, ...pbft } = genesis;
  expect(trustGenesis(anchor, pbft)).toBeNull();
  expect(trustGenesis(anchor, { ...genesis, timeNs: 1n })).toBeNull();
});

test('LC-2 a real CometBFT chain is followed header by header through every change of its set', () => {
  let point = beginning;
  for (let height = 1; height <= TOP; height++) point = trust(point, height);
  expect(point.height).toBe(BigInt(TOP));
  expect(point.validators.validators).toHaveLength(1);
  const sets = new Set(blocks.map(({ validators }) => toHex(validators.hash)));
  expect(sets.size).toBeGreaterThanOrEqual(5);
});

test('the recording has what it is for: absent votes, a second round, unequal power', () => {
  const entries = blocks.flatMap(({ commit }) => commit.entries);
  expect(entries.some(({ kind }) => kind === 'absent')).toBe(true);
  expect(blocks.some(({ commit }) => commit.round > 0)).toBe(true);
  const powers = blocks.flatMap(({ validators }) => validators.validators);
  expect(powers.some(({ power }) => power === 3n)).toBe(true);
});

const fourth = blockAt(4);
const withEntries = (
  block: CometBlock,
  change: (entries: CometBlock['commit']['entries']) => CometBlock['commit']['entries'],
): CometBlock => ({ ...block, commit: { ...block.commit, entries: change(block.commit.entries) } });
const flipped = (bytes: Uint8Array): Uint8Array => {
  const copy = bytes.slice();
  copy[0] = (copy[0] ?? 0) ^ 1;
  return copy;
};
const otherSet = createCometValidatorSet(
  [7, 8, 9].map((index) => ({ key: publicKey(seedOf(index)), power: 1n })),
);
const otherSeeds = otherSet.validators.map(({ key }) =>
  must([7, 8, 9].map(seedOf).find((seed) => equalBytes(publicKey(seed), key))),
);

test.each<[string, CometBlock, string]>([
  ['of another chain', recommit(fourth, { header: { chainId: 'other' } }), 'wrongChain'],
  ['signed for another chain', recommit(fourth, { chainId: 'other' }), 'certificateInvalid'],
  [
    'of an unknown block protocol',
    recommit(fourth, { header: { blockVersion: 12n } }),
    'versionUnknown',
  ],
  [
    'whose app hash was altered',
    { ...fourth, header: { ...fourth.header, appHash: flipped(fourth.header.appHash) } },
    'certificateInvalid',
  ],
  [
    'whose transactions were altered',
    { ...fourth, header: { ...fourth.header, dataHash: flipped(fourth.header.dataHash) } },
    'certificateInvalid',
  ],
  [
    'whose parts were altered',
    {
      ...fourth,
      commit: { ...fourth.commit, blockId: { ...fourth.commit.blockId, partsTotal: 2 } },
    },
    'certificateInvalid',
  ],
  [
    'with the commit of another round',
    { ...fourth, commit: { ...fourth.commit, round: 1 } },
    'certificateInvalid',
  ],
  [
    'with the commit of another height',
    { ...fourth, commit: blockAt(3).commit },
    'certificateInvalid',
  ],
  [
    'with the votes of another height',
    withEntries(fourth, () => blockAt(3).commit.entries),
    'certificateInvalid',
  ],
  [
    'on another block below',
    recommit(fourth, {
      header: { lastBlockId: { ...fourth.header.lastBlockId, hash: new Uint8Array(32) } },
    }),
    'wrongPrevious',
  ],
  [
    'on nothing',
    recommit(fourth, {
      header: {
        lastBlockId: { hash: new Uint8Array(), partsTotal: 0, partsHash: new Uint8Array() },
      },
    }),
    'wrongPrevious',
  ],
  [
    'whose time does not grow',
    recommit(fourth, { header: { timeNs: third.timeNs } }),
    'timeNotGrowing',
  ],
  [
    'from the future',
    recommit(fourth, { header: { timeNs: NOW + 61_000_000_000n } }),
    'fromTheFuture',
  ],
  ['with a foreign set', { ...fourth, validators: otherSet }, 'validatorsDiffer'],
  [
    'naming a set that was not announced',
    recommit(fourth, { validators: otherSet, seeds: otherSeeds }),
    'validatorsDiffer',
  ],
  [
    'with more power for one of its set',
    {
      ...fourth,
      validators: createCometValidatorSet(
        fourth.validators.validators.map(({ key, power }, index) => ({
          key,
          power: index === 0 ? power + 1n : power,
        })),
      ),
    },
    'validatorsDiffer',
  ],
  [
    'committed by half of the power',
    recommit(fourth, { kinds: ['commit', 'commit', 'absent', 'absent'] }),
    'certificateInvalid',
  ],
  [
    'where votes for nil would be needed to count',
    recommit(fourth, { kinds: ['commit', 'commit', 'nil', 'nil'] }),
    'certificateInvalid',
  ],
  [
    'where votes for nil are passed off as votes for it',
    withEntries(recommit(fourth, { kinds: ['commit', 'commit', 'nil', 'nil'] }), (entries) =>
      entries.map((entry) => (entry.kind === 'nil' ? { ...entry, kind: 'commit' } : entry)),
    ),
    'certificateInvalid',
  ],
  [
    'where votes for it are passed off as another validator’s',
    withEntries(fourth, ([a, b]) => [a, b, a, b].map(must)),
    'certificateInvalid',
  ],
  [
    'with one signature under three addresses',
    withEntries(fourth, (entries) => {
      const [one] = entries;
      if (one === undefined || one.kind === 'absent') throw new Error('missing');
      return entries.map((entry) => ({ ...one, ...entry, signature: one.signature }) as typeof one);
    }),
    'certificateInvalid',
  ],
  [
    'whose votes are swapped',
    withEntries(fourth, (entries) => entries.toReversed()),
    'certificateInvalid',
  ],
  [
    'with one vote too many',
    withEntries(fourth, (entries) => [...entries, must(entries[0])]),
    'certificateInvalid',
  ],
  [
    'with one vote too few',
    withEntries(fourth, (entries) => entries.slice(0, 3)),
    'certificateInvalid',
  ],
  [
    'whose signatures are of strangers',
    recommit(fourth, { seeds: [7, 8, 9, 10].map(seedOf) }),
    'certificateInvalid',
  ],
])('LC-2 a CometBFT header %s is refused', (_, block, code) => {
  expect(check(third, fourth)).toBe('ok');
  expect(check(third, block)).toBe(code);
});

test('LC-2 the first header must stand on nothing and carry the genesis set', () => {
  const one = blockAt(1);
  expect(check(beginning, one)).toBe('ok');
  const lastBlockId = fourth.header.lastBlockId;
  expect(check(beginning, recommit(one, { header: { lastBlockId } }))).toBe('wrongPrevious');
  expect(check(beginning, recommit(one, { validators: otherSet, seeds: otherSeeds }))).toBe(
    'validatorsDiffer',
  );
  const earlier = { timeNs: genesis.timeNs - 1n };
  expect(check(beginning, recommit(one, { header: earlier }))).toBe('timeNotGrowing');
});

test('a signature that does not hold counts for nothing and spoils nothing', () => {
  const spoil = (count: number): CometBlock =>
    withEntries(fourth, (entries) =>
      entries.map((entry, index) =>
        entry.kind !== 'absent' && index < count
          ? { ...entry, signature: flipped(entry.signature) }
          : entry,
      ),
    );
  expect(check(third, spoil(1))).toBe('ok');
  expect(check(third, spoil(2))).toBe('certificateInvalid');
});

/** The same votes, of some signers in the form that only CometBFT's own rule takes. */
function oddly(block: CometBlock, isOdd: (position: number) => boolean): CometBlock {
  const { header, commit } = block;
  return withEntries(block, (entries) =>
    entries.map((entry, position) => {
      if (entry.kind === 'absent' || !isOdd(position)) return entry;
      const message = voteSignBytes(header.chainId, commit, entry);
      const signature = signWithTorsion(seedOfAddress(entry.address), message);
      const { key: publicKey } = must(block.validators.validators[position]);
      expect(verifySignature({ publicKey, message, signature })).toBe(false);
      return { ...entry, signature };
    }),
  );
}

const allFour = recommit(fourth);
const threeOfFour = recommit(fourth, { kinds: ['commit', 'commit', 'commit', 'absent'] });

test('a vote that only ZIP-215 takes is passed over where the others suffice', () => {
  let checked = 0;
  const verdict = verifyLightBlock({
    trusted: third,
    block: lightBlock(oddly(allFour, (position) => position === 0)),
    nowNs: NOW,
    verifySignature: (claim) => {
      checked++;
      return verifySignature(claim);
    },
  });
  expect(verdict.ok).toBe(true);
  expect(checked).toBe(4);
});

test('one validator with odd signatures stops nobody: where the rest is short, the rule is the engine’s', () => {
  for (const odd of [0, 1, 2])
    expect(
      check(
        third,
        oddly(threeOfFour, (position) => position === odd),
      ),
    ).toBe('ok');
  expect(
    check(
      third,
      oddly(threeOfFour, () => true),
    ),
  ).toBe('ok');
});

test('an odd signature under another key, over another block or changed afterwards counts nothing', () => {
  const odd = oddly(threeOfFour, (position) => position === 0);
  const [first_, ...rest] = odd.commit.entries;
  if (first_ === undefined || first_.kind === 'absent') throw new Error('it voted');
  const spoilt = (signature: Uint8Array): CometBlock =>
    withEntries(odd, () => [{ ...first_, signature }, ...rest]);
  const message = voteSignBytes(odd.header.chainId, odd.commit, first_);
  expect(check(third, spoilt(signWithTorsion(seedOf('stranger'), message)))).toBe(
    'certificateInvalid',
  );
  const otherwise = voteSignBytes('another', odd.commit, first_);
  expect(check(third, spoilt(signWithTorsion(seedOfAddress(first_.address), otherwise)))).toBe(
    'certificateInvalid',
  );
  expect(check(third, spoilt(flipped(first_.signature)))).toBe('certificateInvalid');
  expect(check(third, spoilt(new Uint8Array(64)))).toBe('certificateInvalid');
});

test('LC-3 odd signatures count for the overlap, too, and only of those who made them', () => {
  const odd = oddly(recommit(blockAt(changed + 3)), () => true);
  expect(check(first, odd)).toBe('ok');
});

test('no more signatures are checked than are needed, and none without a quorum', () => {
  const count = (block: CometBlock): number => {
    let checked = 0;
    verifyLightBlock({
      trusted: third,
      block: lightBlock(block),
      nowNs: NOW,
      verifySignature: (claim) => {
        checked++;
        return verifySignature(claim);
      },
    });
    return checked;
  };
  expect(count(fourth)).toBe(3);
  expect(count(recommit(fourth, { kinds: ['commit', 'nil', 'absent', 'commit'] }))).toBe(0);
});

test('LC-3 a jump over a change holds where more than a third of the trusted power signed', () => {
  expect(changed).toBeGreaterThan(0);
  expect(check(first, blockAt(changed + 3))).toBe('ok');
  // One of the first four is left: a quarter of the power that is trusted.
  expect(check(first, blockAt(TOP))).toBe('notEnoughOverlap');
});

test('LC-3 exactly a third of the trusted power is too little', () => {
  const members = [0, 1, 2].map((index) => ({ key: publicKey(seedOf(index)), power: 1n }));
  const validators = createCometValidatorSet(members);
  const trusted = { ...first, validators, nextValidatorsHash: validators.hash };
  const [one] = members;
  const alone = createCometValidatorSet([must(one)]);
  const block = recommit(blockAt(9), { validators: alone });
  expect(check(trusted, block)).toBe('notEnoughOverlap');
  const pair = createCometValidatorSet(members.slice(0, 2));
  expect(check(trusted, recommit(blockAt(9), { validators: pair }))).toBe('ok');
});

test('LC-3 overlap is counted in signatures that hold, not in those that are claimed', () => {
  // The new set gives an old member too little power to be needed, and its signature is false.
  const old = blockAt(1).validators.validators.map(({ key }) => ({ key, power: 1n }));
  const stranger = { key: publicKey(seedOf(7)), power: 1_000n };
  const validators = createCometValidatorSet([...old, stranger]);
  const seeds = validators.validators.map(() => seedOf(7));
  const block = recommit(blockAt(9), { validators, seeds });
  expect(check(first, block)).toBe('notEnoughOverlap');
});

test('LC-3 a jump onto a set that its header does not name is refused', () => {
  expect(check(first, { ...blockAt(9), validators: blockAt(TOP).validators })).toBe(
    'validatorsDiffer',
  );
});

test('LC-3 bisection reaches the far end of a real chain over fewer headers than lie between', async () => {
  const asked: bigint[] = [];
  const result = await advanceTo({
    trusted: first,
    target: lightBlock(blockAt(TOP)),
    fetch: async (height) => {
      asked.push(height);
      return lightBlock(blockAt(Number(height)));
    },
    nowNs: NOW,
    verifySignature,
  });
  expect(result).toMatchObject({ ok: true, trusted: { height: BigInt(TOP) } });
  expect(asked.length).toBeGreaterThan(0);
  expect(asked.length).toBeLessThan(TOP / 2);
});

test('LC-4 a stale header and a fork by the validators themselves are refused, with evidence', () => {
  const far = trust(first, 9);
  expect(check(far, blockAt(8))).toBe('stale');
  const forked = recommit(blockAt(9), { header: { appHash: new Uint8Array(32).fill(9) } });
  expect(check(trust(first, 8), forked)).toBe('ok');
  expect(check(far, forked)).toBe('forked');
  const [home, witness] = [lightBlock(blockAt(9)), lightBlock(forked)];
  expect(compareWitness(home, witness)).toEqual({ height: 9n, first: home, second: witness });
  expect(compareWitness(home, lightBlock(blockAt(9)))).toBe('agree');
  expect(compareWitness(home, lightBlock(blockAt(8)))).toBe('otherHeight');
});

test('LC-5 old trust has expired, and a checkpoint of the regulator begins it anew', () => {
  const later = NOW + 15n * DAY;
  expect(check(third, fourth, later)).toBe('trustExpired');
  const { header, validators } = blockAt(20);
  const content = {
    chainId: anchor.chainId,
    genesisId: anchor.genesisId,
    height: header.height,
    blockId: cometHeaderHash(header),
    timeNs: header.timeNs,
    validators,
    nextValidatorsHash: header.nextValidatorsHash,
  };
  const checkpoint = { ...content, signature: sign(REGULATOR, trustCheckpointBody(content)) };
  const judge = (encoded: Uint8Array): string => {
    const verdict = renewTrust({
      anchor,
      checkpoint: decodeTrustCheckpoint(encoded),
      trusted: third,
      nowNs: NOW,
      verifySignature,
    });
    return verdict.ok ? check(verdict.trusted, blockAt(21)) : verdict.code;
  };
  expect(judge(encodeTrustCheckpoint(checkpoint))).toBe('ok');
  expect(judge(encodeTrustCheckpoint({ ...checkpoint, height: 21n }))).toBe('signatureInvalid');
  expect(judge(encodeTrustCheckpoint({ ...checkpoint, validators: otherSet }))).toBe(
    'signatureInvalid',
  );
  const pbft = createValidatorSet({
    chainId: anchor.chainId,
    epoch: 0,
    validators: genesis.validators,
  });
  const body = trustCheckpointBody({ ...content, validators: pbft });
  const mixed = { ...content, validators: pbft, signature: sign(REGULATOR, body) };
  expect(judge(encodeTrustCheckpoint(mixed))).toBe('wrongChain');
});

test('LC-6 headers below a trusted one follow by hashes alone, down to the first', () => {
  const below = blocks
    .slice(0, 9)
    .map((block) => lightBlock(block).header)
    .toReversed();
  const top = lightBlock(blockAt(10)).header;
  expect(verifyHeadersBelow(top, below)).toBe(true);
  expect(verifyHeadersBelow(top, below.slice(1))).toBe(false);
  const altered = recommit(blockAt(9), { header: { appVersion: 7n } });
  expect(verifyHeadersBelow(top, [lightBlock(altered).header])).toBe(false);
  const [one] = below.slice(-1);
  expect(verifyHeadersBelow(must(one), [must(one)])).toBe(false);
});

test('trusted points of a CometBFT chain survive their encoding', () => {
  for (const point of [beginning, third])
    expect(decodeTrustedBlock(encodeTrustedBlock(point))).toEqual(point);
  expect(recording.chainId).toBe(third.chainId);
});
