import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { parseListAnswer, parseLogAnswer, parseStateAnswer } from '../src/answers.ts';
import { getValidatorChange, isApproved } from '../src/contracts/governance/validator-change.ts';
import {
  type ValidatorEntry,
  getValidators,
  hasEnoughLeaders,
  isQuorumOf,
  isSpreadOverOperators,
  keepsTwoThirds,
  parseGovernedValidators,
  totalPower,
  validatorAddress,
} from '../src/contracts/governance/validators.ts';
import { Fields } from '@yilian/crypto/fields';
import { createLedger } from '../src/ledger.ts';
import type { Misbehaviour, Validator } from '../src/ledger-port.ts';
import { parseLogLeaf } from '../src/log-leaf.ts';
import { getSettings } from '../src/settings.ts';
import { State, stateKeys } from '../src/state.ts';
import { Overlay, readerStore } from '../src/store.ts';
import {
  Chain,
  genesis,
  hospitals,
  introduce,
  regulator,
  signerOf,
  tx,
  verifyAll,
} from './consortium.ts';
import { approval, changeTo, consensusSigner, five, four, validator } from './governance.ts';
import { MemoryDisk } from './memory-disk.ts';

function stateOf(chain: Chain): State {
  return new State(new Overlay(readerStore(chain.disk)));
}

/** One block; what it tells the engine. */
function step(
  chain: Chain,
  txs: readonly Bytes[],
  misbehaviour: readonly Misbehaviour[] = [],
): readonly Validator[] {
  chain.time += 1;
  const block = { ...chain.block(txs), misbehaviour };
  const { outcomes, validatorUpdates } = chain.ledger.finalizeBlock(
    block,
    verifyAll(chain.ledger, txs),
  );
  expect(outcomes.filter(({ ok }) => !ok)).toEqual([]);
  chain.disk.write(chain.ledger.commit().writes);
  chain.disk.flush();
  return validatorUpdates;
}

function propose(chain: Chain, change: ReturnType<typeof changeTo>): void {
  expect(step(chain, [tx(regulator.signer, change)])).toEqual([]);
}

function approve(chain: Chain, letters: string, change = changeTo(five)): readonly Validator[] {
  return step(
    chain,
    Array.from(letters).map((each) => tx(consensusSigner(each), approval(change))),
  );
}

test('the genesis seeds the set in force with what ordering and ledger know', () => {
  const chain = new Chain();
  chain.run();
  const { epoch, mode, validators } = getValidators(stateOf(chain));
  expect({ epoch, mode }).toEqual({ epoch: 0, mode: 'equal' });
  expect(validators).toEqual(changeTo(four).validators);
});

test('a genesis with unequal powers is in mode stake', () => {
  const disk = new MemoryDisk();
  const ledger = createLedger({ reader: disk });
  const validators = genesis.validators.map((each, i) => ({ ...each, power: i === 0 ? 2n : 3n }));
  ledger.initChain({ ...genesis, validators });
  const answer = ledger.query({
    path: 'state',
    key: stateKeys.validators(),
    height: 0n,
    prove: true,
  });
  const value = answer.ok ? parseStateAnswer(answer.value).value : null;
  expect(value === null ? undefined : parseGovernedValidators(value).mode).toBe('stake');
});

test.each([
  [
    'nobody’s validator',
    [...genesis.validators, { key: signerOf('x').key, power: 1n, leads: true }],
  ],
  ['no power', genesis.validators.map((each) => ({ ...each, power: 0n }))],
  ['too much power', genesis.validators.map((each) => ({ ...each, power: 1n << 40n }))],
])('a genesis with %s does not begin', (_, validators) => {
  const ledger = createLedger({ reader: new MemoryDisk() });
  expect(() => ledger.initChain({ ...genesis, validators })).toThrow();
});

test('AV-5 the engine hears of a change with the approval that completes it, and not before', () => {
  const chain = new Chain();
  propose(chain, changeTo(five));
  expect(approve(chain, 'ab')).toEqual([]);
  expect(approve(chain, 'e')).toEqual([]);
  expect(getValidators(stateOf(chain)).epoch).toBe(0);
  expect(approve(chain, 'c')).toEqual([
    { ...genesis.validators[0], key: consensusSigner('e').key },
  ]);
  const state = stateOf(chain);
  expect(getValidators(state)).toEqual({
    epoch: 1,
    mode: 'equal',
    validators: changeTo(five).validators,
  });
  expect(getValidatorChange(state)).toBeUndefined();
});

test('AV-5 three of four hospitals are more than two thirds, without the one that joins', () => {
  const chain = new Chain();
  propose(chain, changeTo(five));
  expect(approve(chain, 'abcd')).toEqual([]);
  expect(getValidators(stateOf(chain)).epoch).toBe(0);
});

test('AV-5 two thirds of the power now are not enough without two thirds of the power then', () => {
  const equal = changeTo(Array.from('abcdefg').map((each) => validator(each)));
  const stake = changeTo(
    Array.from('abcdefg').map((each) => validator(each, { power: each >= 'f' ? 5 : 3 })),
    { mode: 'stake' },
  );
  const approvedBy = (letters: string): boolean =>
    isApproved(equal, {
      ...stake,
      hash: new Uint8Array(32),
      until: 0,
      approvals: Array.from(letters).map((each) => consensusSigner(each).key),
    });
  // Five of seven now, 15 of 25 then.
  expect(approvedBy('abcde')).toBe(false);
  expect(approvedBy('abcdf')).toBe(true);
  expect(approvedBy('abfg')).toBe(false);
});

test('a validator that leaves is removed, and f follows from who is left', () => {
  const seven = [...five, validator('f'), validator('g')];
  const chain = new Chain();
  propose(chain, changeTo(five));
  approve(chain, 'abce');
  const six = changeTo(seven.slice(0, 6), { epoch: 1 });
  propose(chain, six);
  approve(chain, 'abcdf', six);
  const all = changeTo(seven, { epoch: 2 });
  propose(chain, all);
  approve(chain, 'abcdeg', all);
  expect(getValidators(stateOf(chain)).epoch).toBe(3);
  expect(getSettings(stateOf(chain)).faultsMax).toBe(2);
  const without = changeTo(
    seven.filter(({ institution }) => institution !== 'hospital-b'),
    { epoch: 3 },
  );
  propose(chain, without);
  expect(approve(chain, 'acdef', without)).toEqual([
    { key: consensusSigner('b').key, power: 0n, leads: true },
  ]);
  expect(getSettings(stateOf(chain)).faultsMax).toBe(1);
});

test('two changes that act in one block are told as one', () => {
  const chain = new Chain();
  const lead = changeTo(
    five.map((each) => ({ ...each, leads: true })),
    { epoch: 1 },
  );
  propose(chain, changeTo(five));
  const updates = step(chain, [
    ...Array.from('abce').map((each) => tx(consensusSigner(each), approval(changeTo(five)))),
    tx(regulator.signer, lead),
    ...Array.from('abce').map((each) => tx(consensusSigner(each), approval(lead))),
  ]);
  expect(getValidators(stateOf(chain)).epoch).toBe(2);
  expect(updates).toEqual(
    [
      { key: consensusSigner('d').key, power: 1n, leads: true },
      { key: consensusSigner('e').key, power: 1n, leads: true },
    ].sort((one, other) => (toHex(one.key) < toHex(other.key) ? -1 : 1)),
  );
});

test('the regulator alone, with new hospitals and new keys for old ones, changes nothing', () => {
  const chain = new Chain();
  const [puppet, other] = [signerOf('puppet'), signerOf('other puppet')];
  introduce(puppet, other);
  const { member, id } = hospitals['hospital-a'];
  const change = changeTo(five);
  step(chain, [
    tx(regulator.signer, {
      type: 'enrolMember',
      kind: 'member',
      member: { ...member, key: puppet.key },
    }),
    tx(regulator.signer, {
      type: 'rotateKey',
      member: id,
      newKey: other.key,
      newHpkeKey: member.hpkeKey,
      newCertificateHash: member.certificateHash,
    }),
    tx(regulator.signer, change),
  ]);
  for (const signer of [puppet, other, regulator.signer])
    expect(chain.codes(tx(signer, approval(change)))).toEqual(['notAValidator']);
  expect(getValidators(stateOf(chain)).epoch).toBe(0);
});

test('the hospitals together, without the regulator, change nothing', () => {
  const chain = new Chain();
  const change = changeTo(five);
  const codes = chain.codes(
    ...Array.from('abcde').map((each) => tx(consensusSigner(each), approval(change))),
  );
  expect(new Set(codes)).toEqual(new Set(['changeUnknown']));
});

function listOf(values: readonly number[]): readonly ValidatorEntry[] {
  return values.flatMap((power, i) =>
    power === 0 ? [] : [validator('abcdefghijkl'[i] ?? 'z', { power, leads: true })],
  );
}

/** Two sets over the same keys, near enough to one another that many are a legal step; 0: not there. */
const steps = fc
  .array(
    fc.tuple(fc.integer({ min: 0, max: 50 }), fc.integer({ min: -20, max: 20 }), fc.boolean()),
    { minLength: 3, maxLength: 9 },
  )
  .map((members) => ({
    before: listOf(members.map(([power]) => power)),
    after: listOf(members.map(([power, change]) => Math.max(0, power + change))),
    signers: members.flatMap(([, , signs], i) =>
      signs ? [consensusSigner('abcdefghijkl'[i] ?? 'z').key] : [],
    ),
  }))
  .filter(({ before, after }) => before.length > 0 && keepsTwoThirds(before, after));

test('whoever signs for a new set holds more than a third of the old one: a light client may skip it', () => {
  fc.assert(
    fc.property(steps, ({ before, after, signers }) => {
      if (!isQuorumOf(after, signers)) return;
      const trusted = before.filter(({ key }) => signers.some((each) => equalBytes(each, key)));
      expect(3 * totalPower(trusted)).toBeGreaterThan(totalPower(before));
    }),
    { numRuns: 300 },
  );
});

test('whoever stays decides though all who join are silent', () => {
  fc.assert(
    fc.property(steps, ({ before, after }) => {
      const staying = before.map(({ key }) => key);
      expect(isQuorumOf(after, staying)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('shares are compared exactly where a third is a hair away', () => {
  const list = (...values: readonly number[]): readonly ValidatorEntry[] => listOf(values);
  expect(keepsTwoThirds(list(1, 1, 1), list(1, 1))).toBe(false);
  expect(keepsTwoThirds(list(3, 3, 2 ** 32), list(3, 3, 2 ** 32))).toBe(true);
  expect(isSpreadOverOperators(list(2 ** 32, 2 ** 32, 2 ** 32, 1))).toBe(true);
  expect(isSpreadOverOperators(list(2 ** 32, 2 ** 32, 2 ** 32 - 1, 1))).toBe(false);
  expect(hasEnoughLeaders(list(1, 1, 1).map((each, i) => ({ ...each, leads: i === 0 })))).toBe(
    false,
  );
  expect(isQuorumOf(list(1, 1, 1), [consensusSigner('a').key, consensusSigner('b').key])).toBe(
    false,
  );
});

function offence(letter: string, kind: string, height: bigint): Misbehaviour {
  return { kind, address: validatorAddress(consensusSigner(letter).key), height };
}

function reported(chain: Chain): readonly unknown[] {
  const ask = (path: string, key: Bytes): Bytes => {
    const answer = chain.ledger.query({ path, key, height: 0n, prove: true });
    if (!answer.ok) throw new Error(answer.code);
    return answer.value;
  };
  const { items } = parseListAnswer(ask('misbehaviour', encode([0, 100])));
  return items.map((item) => {
    const position = Fields.of(decode(item), 1).whole();
    const { leaf } = parseLogAnswer(ask('log', encode([position])));
    const { height, index, outcome, facts } = parseLogLeaf(leaf);
    return { height, index, outcome, facts };
  });
}

test('misbehaviour that the engine proves stands in the log, once, under the institution’s name', () => {
  const chain = new Chain();
  const root = chain.ledger.info().appHash;
  step(chain, [], [offence('b', 'duplicateVote', 7n)]);
  expect(chain.ledger.info().appHash).not.toEqual(root);
  step(chain, [], [offence('b', 'lightClientAttack', 7n), offence('c', 'duplicateVote', 8n)]);
  const after = chain.ledger.info().appHash;
  step(chain, [], [offence('b', 'duplicateVote', 7n), offence('c', 'duplicateVote', 8n)]);
  expect(chain.ledger.info().appHash).toEqual(after);
  const common = { outcome: 'ok' };
  expect(reported(chain)).toEqual([
    { ...common, height: 1, index: 0, facts: [['misbehaviour', 'hospital-b', 'duplicateVote', 7]] },
    {
      ...common,
      height: 2,
      index: 0,
      facts: [['misbehaviour', 'hospital-b', 'lightClientAttack', 7]],
    },
    { ...common, height: 2, index: 1, facts: [['misbehaviour', 'hospital-c', 'duplicateVote', 8]] },
  ]);
});

test('it comes after the transactions of its block, and is asked for by position like them', () => {
  const chain = new Chain();
  step(chain, [tx(regulator.signer, changeTo(five))], [offence('a', 'duplicateVote', 1n)]);
  expect(reported(chain)).toEqual([
    {
      height: 1,
      index: 1,
      outcome: 'ok',
      facts: [['misbehaviour', 'hospital-a', 'duplicateVote', 1]],
    },
  ]);
});

test('evidence against a validator that has left is still its institution’s', () => {
  const chain = new Chain();
  propose(chain, changeTo(five));
  approve(chain, 'abce');
  const back = changeTo(four, { epoch: 1 });
  propose(chain, back);
  approve(chain, 'abcd', back);
  step(chain, [], [offence('e', 'duplicateVote', 4n)]);
  expect(reported(chain)).toHaveLength(1);
});

test('evidence against nobody of this chain, or of an unheard kind, does not break it', () => {
  const chain = new Chain();
  const root = chain.ledger.info().appHash;
  step(chain, [], [{ kind: 'duplicateVote', address: new Uint8Array(20), height: 3n }]);
  expect(chain.ledger.info().appHash).toEqual(root);
  step(chain, [], [offence('a', 'some\u0000thing', 3n), offence('a', 'other', 3n)]);
  expect(reported(chain)).toEqual([
    { height: 2, index: 0, outcome: 'ok', facts: [['misbehaviour', 'hospital-a', 'unknown', 3]] },
  ]);
});
