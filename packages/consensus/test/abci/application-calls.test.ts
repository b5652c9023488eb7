/** What requests mean to an application, and its answers to the engine. Rules AB-1 … AB-6. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bytes, utf8 } from '@yilian/crypto/bytes';
import type { Genesis, ValidatorUpdate } from '../../src/application.ts';
import {
  assertAbciVersion,
  isBareInfo,
  assertGenesis,
  encodeAppState,
  frameProposal,
  toApplicationBlock,
  toCheckTxResponse,
  toFinalizeResponse,
  toInfoResponse,
  toInitChainResponse,
  toQueryResponse,
} from '../../src/abci/application-calls.ts';
import {
  decodeEngineTip,
  encodeEngineTip,
  type EngineTip,
  genesisEngineTip,
  powerChanges,
} from '../../src/abci/engine-tip.ts';
import type { InitChainRequest } from '../../src/abci/requests.ts';
import { encodeBundle, flatten } from '../../src/bundle.ts';
import { addressOf, createValidatorSet, updateValidatorSet } from '../../src/validator-set.ts';

const key = (n: number): Bytes => new Uint8Array(32).fill(n);
const hash = new Uint8Array(32).fill(9);
const genesis: Genesis = {
  chainId: 'calls',
  timeNs: 1_700_000_000_000_000_001n,
  validators: [1, 2, 3, 4].map((n) => ({ key: key(n), power: BigInt(n), leads: n !== 4 })),
  appState: Uint8Array.of(1, 2, 3),
};
const tip: EngineTip = genesisEngineTip(genesis, { appHash: hash, validators: [] });
const tx = (n: number, length = 10): Bytes => new Uint8Array(length).fill(n);
const NO_COMMIT = { round: 0, votes: [] };
const blockOf = (
  changes: Partial<Parameters<typeof toApplicationBlock>[0]> = {},
): Parameters<typeof toApplicationBlock>[0] => ({
  height: 1n,
  timeNs: genesis.timeNs,
  txs: [],
  misbehaviour: [],
  proposerAddress: addressOf(key(1)),
  ...changes,
});

describe('AB-1 the version of ABCI', () => {
  test.each(['2.0.0', '2.0.1', '2.0.17'])('%s is spoken', (version) => {
    expect(() => assertAbciVersion(version)).not.toThrow();
  });

  test.each(['', '1.0.0', '2.1.0', '3.0.0', '0.17.0', '2.0', '2.0.0-rc1', '12.0.0'])(
    '%s is refused',
    (version) => {
      expect(() => assertAbciVersion(version)).toThrow(
        expect.objectContaining({ code: 'abciVersion' }),
      );
    },
  );
});

test('AB-1 only who names nothing of itself is a tool that looks', () => {
  const bare = { version: '', blockVersion: 0n, p2pVersion: 0n, abciVersion: '' };
  expect(isBareInfo(bare)).toBe(true);
  // Tendermint 0.34 and before named itself, and no version of ABCI.
  expect(isBareInfo({ ...bare, version: '0.34.24', blockVersion: 11n })).toBe(false);
  for (const change of [{ blockVersion: 11n }, { p2pVersion: 8n }, { abciVersion: '2.0.0' }])
    expect(isBareInfo({ ...bare, ...change })).toBe(false);
});

describe('AB-2 the genesis', () => {
  const document = Uint8Array.of(0xff, 0xfe, 0xfd, 0x00);
  const own = { genesis, document };
  const good: InitChainRequest = {
    timeNs: genesis.timeNs,
    chainId: genesis.chainId,
    consensusParams: undefined,
    // In another order: CometBFT sorts by power.
    validators: [4, 3, 2, 1].map((n) => ({
      publicKey: { type: 'ed25519', key: key(n) },
      power: BigInt(n),
    })),
    appStateBytes: utf8('"__79AA"'),
    initialHeight: 1n,
  };

  test('its own is taken; app_state is JSON text of the document', () => {
    expect(encodeAppState(document)).toBe('"__79AA"');
    expect(JSON.parse(encodeAppState(document))).toBe('__79AA');
    expect(() => assertGenesis(good, own)).not.toThrow();
  });

  const [first, ...rest] = good.validators;
  if (first === undefined) throw new Error('there are four');
  const different: readonly (readonly [string, Partial<InitChainRequest>])[] = [
    ['chain id', { chainId: 'calls2' }],
    ['time', { timeNs: genesis.timeNs + 1n }],
    ['first height', { initialHeight: 2n }],
    ['document', { appStateBytes: utf8('"__79AQ"') }],
    ['document, without quotes', { appStateBytes: utf8('__79AA') }],
    ['document, missing', { appStateBytes: new Uint8Array(0) }],
    ['set: one less', { validators: rest }],
    ['set: one more', { validators: [...good.validators, { ...first, power: 1n }] }],
    ['set: one twice', { validators: [first, first, ...rest.slice(1)] }],
    ['power', { validators: [{ ...first, power: 5n }, ...rest] }],
    [
      'kind of key',
      { validators: [{ ...first, publicKey: { type: 'secp256k1', key: key(4) } }, ...rest] },
    ],
    ['unknown key', { validators: [{ ...first, publicKey: { type: 'unknown' } }, ...rest] }],
  ];
  test.each(different)('one with another %s is refused', (_, change) => {
    expect(() => assertGenesis({ ...good, ...change }, own)).toThrow(
      expect.objectContaining({ code: 'genesis' }),
    );
  });

  test('InitChain names the validators with their keys', () => {
    const { validators, appHash } = toInitChainResponse({
      appHash: hash,
      validators: genesis.validators,
    });
    expect(appHash).toEqual(hash);
    expect(validators[2]).toEqual({ publicKey: { type: 'ed25519', key: key(3) }, power: 3n });
  });
});

describe('blocks', () => {
  test('AB-3 the application sees the flattened list', () => {
    const txs = [tx(1), encodeBundle([tx(2), tx(3)]), encodeBundle([tx(4)]).slice(0, -1)];
    const { block, framings } = toApplicationBlock(blockOf({ txs }), NO_COMMIT, tip);
    expect(block.txs).toEqual([tx(1), tx(2), tx(3)]);
    expect(framings.map(({ ok }) => ok)).toEqual([true, true, false]);
  });

  test('AB-5 AB-6 the proposer is named by address and known from the set of the height', () => {
    const [leader, follower] = [1, 4].map((n) =>
      toApplicationBlock(blockOf({ proposerAddress: addressOf(key(n)) }), NO_COMMIT, tip),
    );
    expect(leader?.block.proposer).toEqual(key(1));
    expect(leader?.proposerLeads).toBe(true);
    expect(follower?.block.proposer).toEqual(key(4));
    expect(follower?.proposerLeads).toBe(false);
  });

  test.each([
    ['an address nobody has', { proposerAddress: addressOf(key(7)) }, 'proposerUnknown'],
    ['no address', { proposerAddress: new Uint8Array(0) }, 'proposerUnknown'],
    ['the height below', { height: 0n }, 'wrongHeight'],
    ['a height above', { height: 2n }, 'wrongHeight'],
  ] as const)('AB-6 %s ends the session', (_, change, code) => {
    expect(() => toApplicationBlock(blockOf(change), NO_COMMIT, tip)).toThrow(
      expect.objectContaining({ code }),
    );
  });

  test('only a vote for the block counts as signed', () => {
    const flags = ['commit', 'nil', 'absent', 'unknown'] as const;
    const votes = flags.map((blockIdFlag, n) => ({
      blockIdFlag,
      validator: { address: addressOf(key(n)), power: 1n },
    }));
    const { block } = toApplicationBlock(blockOf(), { round: 0, votes }, tip);
    expect(block.votes.map(({ signed }) => signed)).toEqual([true, false, false, false]);
    expect(block.votes[0]?.address).toEqual(addressOf(key(0)));
  });

  test('misbehaviour keeps kind, address and height', () => {
    const validator = { address: addressOf(key(2)), power: 2n };
    const misbehaviour = [
      { type: 'duplicateVote' as const, validator, height: 5n, timeNs: 1n, totalVotingPower: 10n },
    ];
    const { block } = toApplicationBlock(blockOf({ misbehaviour }), NO_COMMIT, tip);
    expect(block.misbehaviour).toEqual([
      { kind: 'duplicateVote', address: addressOf(key(2)), height: 5n },
    ]);
  });
});

describe('proposals', () => {
  test('what was chosen is proposed, in its order, within the size, and frames that are whole keep their bytes', () => {
    const group = fc.array(fc.nat(255), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(group, fc.boolean()), { maxLength: 8 }),
        fc.infiniteStream(fc.boolean()),
        fc.nat(600),
        (groups, take, bytesMax) => {
          const engineTxs = groups.flatMap(([numbers, framed]) => {
            const txs = numbers.map((n) => tx(n));
            return framed ? [encodeBundle(txs)] : txs;
          });
          const all = flatten(engineTxs).txs;
          const chosen = all.filter(() => take.next().value === true);
          const roomy = frameProposal({ engineTxs, chosen, bytesMax: 1_000_000n });
          expect(flatten(roomy).txs).toEqual(chosen);
          expect(flatten(roomy).framings.every(({ ok }) => ok)).toBe(true);
          const everything = frameProposal({ engineTxs, chosen: all, bytesMax: 1_000_000n });
          expect(everything).toEqual(engineTxs);
          const tight = frameProposal({ engineTxs, chosen, bytesMax: BigInt(bytesMax) });
          // As CometBFT counts: each with a tag and a length before it.
          const size = tight.reduce(
            (sum, each) => sum + each.length + (each.length < 128 ? 2 : 3),
            0,
          );
          expect(size).toBeLessThanOrEqual(bytesMax);
        },
      ),
    );
  });

  test('what the application puts in by itself comes last', () => {
    const engineTxs = [encodeBundle([tx(1), tx(2)])];
    const framed = frameProposal({ engineTxs, chosen: [tx(2), tx(8)], bytesMax: 1_000n });
    expect(framed).toEqual([tx(2), tx(8)]);
  });
});

describe('AB-4 results', () => {
  const finalized = { outcomes: [], appHash: hash, validatorUpdates: [] };

  test('one per engine transaction: 0, or 1 for a broken bundle, and nothing else in it', () => {
    const understood = toApplicationBlock(
      blockOf({ txs: [tx(1), encodeBundle([tx(2)]).slice(0, -1), encodeBundle([tx(3), tx(4)])] }),
      NO_COMMIT,
      tip,
    );
    const outcomes = [
      { ok: true as const },
      { ok: false as const, rejection: { code: 'duplicate' } },
      { ok: true as const },
    ];
    const { response } = toFinalizeResponse(understood, { ...finalized, outcomes }, tip);
    expect(response.txResults.map(({ code }) => code)).toEqual([0, 1, 0]);
    for (const { data, gasUsed, gasWanted, events } of response.txResults)
      expect([data.length, gasUsed, gasWanted, events.length]).toEqual([0, 0n, 0n, 0]);
    expect(response.appHash).toEqual(hash);
  });

  test('a refused transaction has its code and its index; a query its code', () => {
    expect(toCheckTxResponse(undefined).code).toBe(0);
    expect(toCheckTxResponse({ code: 'duplicate', index: 3 })).toMatchObject({
      code: 1,
      log: 'duplicate',
      data: Uint8Array.of(3),
    });
    const asked = { data: Uint8Array.of(1) };
    expect(toQueryResponse(asked, { ok: false, code: 'pathUnknown' })).toMatchObject({
      code: 1,
      log: 'pathUnknown',
    });
    expect(toQueryResponse(asked, { ok: true, height: 4n, value: tx(1) })).toMatchObject({
      code: 0,
      height: 4n,
      value: tx(1),
      key: asked.data,
    });
  });

  test('before the first block there is no app hash to compare', () => {
    const info = { height: 0n, appHash: hash, appVersion: 1n };
    expect(toInfoResponse(info, 'x').lastBlockAppHash.length).toBe(0);
    expect(toInfoResponse({ ...info, height: 1n }, 'x').lastBlockAppHash).toEqual(hash);
  });
});

describe('validators two heights on', () => {
  const finalize = (from: EngineTip, validatorUpdates: readonly ValidatorUpdate[]) =>
    toFinalizeResponse(
      toApplicationBlock(blockOf({ height: from.height + 1n }), NO_COMMIT, from),
      { outcomes: [], appHash: hash, validatorUpdates },
      from,
    );

  test('an update of H acts at H+2: the engine hears it, the sets move one by one', () => {
    const { response, tip: one } = finalize(tip, [{ key: key(5), power: 7n, leads: true }]);
    expect(response.validatorUpdates).toEqual([
      { publicKey: { type: 'ed25519', key: key(5) }, power: 7n },
    ]);
    expect(
      [one.lastValidators, one.validators, one.nextValidators].map((set) => set.epoch),
    ).toEqual([0, 0, 1]);
    const { response: silent, tip: two } = finalize(one, []);
    expect(silent.validatorUpdates).toEqual([]);
    expect(
      [two.lastValidators, two.validators, two.nextValidators].map((set) => set.epoch),
    ).toEqual([0, 1, 1]);
    const by5 = blockOf({ height: 3n, proposerAddress: addressOf(key(5)) });
    expect(toApplicationBlock(by5, NO_COMMIT, two).block.proposer).toEqual(key(5));
    const tooEarly = blockOf({ height: 2n, proposerAddress: addressOf(key(5)) });
    expect(() => toApplicationBlock(tooEarly, NO_COMMIT, one)).toThrow(
      expect.objectContaining({ code: 'proposerUnknown' }),
    );
  });

  test('what would stop CometBFT for good is never said', () => {
    const fatal: readonly (readonly ValidatorUpdate[])[] = [
      [{ key: key(8), power: 0n, leads: true }],
      [1, 2, 3, 4].map((n) => ({ key: key(n), power: 0n, leads: true })),
      [{ key: key(1), power: 1n << 62n, leads: true }],
      [{ key: key(1).slice(1), power: 1n, leads: true }],
    ];
    for (const updates of fatal) {
      const { response, tip: after } = finalize(tip, updates);
      expect(response.validatorUpdates).toEqual([]);
      expect(after.nextValidators.hash).toEqual(tip.nextValidators.hash);
    }
    const twice = finalize(tip, [
      { key: key(1), power: 5n, leads: true },
      { key: key(1), power: 6n, leads: true },
    ]);
    expect(twice.response.validatorUpdates.map(({ power }) => power)).toEqual([6n]);
    const leadsOnly = finalize(tip, [{ key: key(4), power: 4n, leads: true }]);
    expect(leadsOnly.response.validatorUpdates).toEqual([]);
    expect(leadsOnly.tip.nextValidators.validators.every(({ leads }) => leads)).toBe(true);
  });

  test('the changes told turn the one set into the other', () => {
    const update = fc.record({
      key: fc.integer({ min: 1, max: 8 }).map(key),
      power: fc.bigInt({ min: 0n, max: 5n }),
      leads: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(update, { maxLength: 8 }), (updates) => {
        const from = tip.validators;
        const to = updateValidatorSet(from, updates);
        const powers = new Map(from.validators.map((each) => [each.key[0], each.power]));
        for (const { key: changed, power } of powerChanges(from, to)) {
          if (power === 0n) expect(powers.delete(changed[0])).toBe(true);
          else powers.set(changed[0], power);
        }
        const expected = new Map(to.validators.map((each) => [each.key[0], each.power]));
        expect(powers).toEqual(expected);
      }),
    );
  });

  test('the tip survives a restart', () => {
    const { tip: next } = finalize(tip, [{ key: key(5), power: 7n, leads: false }]);
    expect(decodeEngineTip(encodeEngineTip(next))).toEqual(next);
    expect(() => decodeEngineTip(encodeEngineTip(next).slice(0, -1))).toThrow();
    expect(createValidatorSet(next.validators).hash).toEqual(tip.validators.hash);
  });
});
