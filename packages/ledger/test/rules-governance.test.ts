import { describe } from 'vitest';
import type { Bytes } from '@yilian/crypto/bytes';
import type { ChangeValidators } from '../src/contracts/governance/change-validators.ts';
import { type ValidatorEntry, type ValidatorMode } from '../src/contracts/governance/validators.ts';
import { CHANGE_SECONDS } from '../src/contracts/governance/validator-change.ts';
import { hospitals, introduce, nodes, regulator, signerOf, tx } from './consortium.ts';
import { approval, changeTo, consensusSigner, five, four, validator } from './governance.ts';
import { type RuleRow, runRuleTable } from './rule-table.ts';

const stranger = signerOf('stranger');
introduce(stranger);

function propose(validators: readonly ValidatorEntry[], mode: ValidatorMode = 'equal'): Bytes {
  return tx(regulator.signer, changeTo(validators, { mode }));
}

function approve(letter: string, change: ChangeValidators = changeTo(five)): Bytes {
  return tx(consensusSigner(letter), approval(change));
}

function stakes(...powers: readonly number[]): readonly ValidatorEntry[] {
  return four.map((each, i) => ({ ...each, power: powers[i] ?? 1 }));
}

function replaced(changes: Partial<ValidatorEntry>): readonly ValidatorEntry[] {
  return four.map((each, i) => (i === 0 ? { ...each, ...changes } : each));
}

const changeRows: readonly RuleRow[] = [
  {
    rule: 'CV-1',
    why: 'the regulator puts a fifth hospital to the vote',
    transaction: () => propose(five),
    expected: 'ok',
  },
  {
    rule: 'CV-1',
    why: 'a hospital does not',
    transaction: () => tx(hospitals['hospital-a'].signer, changeTo(five)),
    expected: 'roleNotAllowed',
  },
  {
    rule: 'CV-1',
    why: 'a validator does not',
    transaction: () => tx(consensusSigner('a'), changeTo(five)),
    expected: 'senderUnknown',
  },
  {
    rule: 'CV-2',
    why: 'a change of another epoch is not put to the vote',
    transaction: () => tx(regulator.signer, changeTo(five, { epoch: 1 })),
    expected: 'epochPassed',
  },
  {
    rule: 'CV-2',
    why: 'a change that acted is not put to the vote again',
    before: [[propose(five)], ['a', 'b', 'c', 'e'].map((each) => approve(each))],
    transaction: () => propose(five),
    expected: 'epochPassed',
  },
  {
    rule: 'CV-3',
    why: 'another order of the same keys is refused',
    transaction: () =>
      tx(regulator.signer, {
        ...changeTo(five),
        validators: changeTo(five).validators.toReversed(),
      }),
    expected: 'validatorsUnordered',
  },
  {
    rule: 'CV-3',
    why: 'a key that is named twice does not vote twice',
    transaction: () => propose([...four, validator('a')]),
    expected: 'validatorsUnordered',
  },
  {
    rule: 'CV-4',
    why: 'in mode equal nobody has more than one vote',
    transaction: () => propose(stakes(2, 1, 1, 1)),
    expected: 'powerNotAllowed',
  },
  {
    rule: 'CV-4',
    why: 'a validator without power is none',
    transaction: () => propose([...four, validator('e', { power: 0 })], 'stake'),
    expected: 'powerNotAllowed',
  },
  {
    rule: 'CV-4',
    why: 'in mode stake powers differ',
    transaction: () => propose(stakes(5, 4, 4, 4), 'stake'),
    expected: 'ok',
  },
  {
    rule: 'CV-5',
    why: 'two of four lead',
    transaction: () => propose(four.map((each, i) => ({ ...each, leads: i < 2 }))),
    expected: 'ok',
  },
  {
    rule: 'CV-5',
    why: 'one of four may be the one that is down',
    transaction: () => propose(four.map((each, i) => ({ ...each, leads: i === 0 }))),
    expected: 'leadersTooFew',
  },
  {
    rule: 'CV-5',
    why: 'somebody leads',
    transaction: () => propose(four.map((each) => ({ ...each, leads: false }))),
    expected: 'leadersTooFew',
  },
  {
    rule: 'CV-6',
    why: 'an operator of two hospitals out of five could stop the chain',
    transaction: () => propose([...four, validator('e', { operator: 'operator-a' })]),
    expected: 'operatorTooStrong',
  },
  {
    rule: 'CV-6',
    why: 'a third of the stake is too much for one',
    transaction: () => propose(stakes(6, 4, 4, 4), 'stake'),
    expected: 'operatorTooStrong',
  },
  {
    rule: 'CV-6',
    why: 'three hospitals are too few',
    transaction: () => propose(four.slice(0, 3)),
    expected: 'operatorTooStrong',
  },
  {
    rule: 'CV-7',
    why: 'a hospital takes over the key of another',
    transaction: () => propose(replaced({ institution: 'hospital-b' })),
    expected: 'keyUsed',
  },
  {
    rule: 'CV-7',
    why: 'a key that once was of another hospital is not taken over',
    before: [
      [propose(five)],
      ['a', 'b', 'c', 'e'].map((each) => approve(each)),
      [tx(regulator.signer, changeTo(four, { epoch: 1 }))],
      ['a', 'b', 'c', 'd'].map((each) => approve(each, changeTo(four, { epoch: 1 }))),
    ],
    transaction: () =>
      tx(
        regulator.signer,
        changeTo([...four, validator('e', { institution: 'hospital-f' })], { epoch: 2 }),
      ),
    expected: 'keyUsed',
  },
  {
    rule: 'CV-7',
    why: 'a hospital comes back with its key',
    before: [
      [propose(five)],
      ['a', 'b', 'c', 'e'].map((each) => approve(each)),
      [tx(regulator.signer, changeTo(four, { epoch: 1 }))],
      ['a', 'b', 'c', 'd'].map((each) => approve(each, changeTo(four, { epoch: 1 }))),
    ],
    transaction: () => tx(regulator.signer, changeTo(five, { epoch: 2 })),
    expected: 'ok',
  },
  {
    rule: 'CV-7',
    why: 'the key of a member, which the regulator could replace, is refused',
    transaction: () => propose([...four, validator('e', { key: nodes['hospital-a'].signer.key })]),
    expected: 'keyUsed',
  },
  {
    rule: 'CV-8',
    why: 'one of four is replaced',
    transaction: () => propose([...four.slice(0, 3), validator('e')]),
    expected: 'ok',
  },
  {
    rule: 'CV-8',
    why: 'two of four are not',
    transaction: () => propose([...four.slice(0, 2), validator('e'), validator('f')]),
    expected: 'changeTooLarge',
  },
  {
    rule: 'CV-8',
    why: 'two who join four could be silent: exactly two thirds are not enough',
    transaction: () => propose([...five, validator('f')]),
    expected: 'changeTooLarge',
  },
  {
    rule: 'CV-9',
    why: 'nothing changes',
    transaction: () => propose(four),
    expected: 'validatorsUnchanged',
  },
  {
    rule: 'CV-9',
    why: 'who leads changes',
    transaction: () => propose(four.map((each) => ({ ...each, leads: true }))),
    expected: 'ok',
  },
];

const approvalRows: readonly RuleRow[] = [
  {
    rule: 'AV-1',
    why: 'a validator approves',
    before: [[propose(five)]],
    transaction: () => approve('a'),
    expected: 'ok',
  },
  {
    rule: 'AV-1',
    why: 'there is nothing to approve',
    transaction: () => approve('a'),
    expected: 'changeUnknown',
  },
  {
    rule: 'AV-1',
    why: 'an approval is of no other change',
    before: [[propose(five)], [propose(four.map((each) => ({ ...each, leads: true })))]],
    transaction: () => approve('a'),
    expected: 'changeUnknown',
  },
  {
    rule: 'AV-1',
    why: 'a change that acted takes no further approval',
    before: [[propose(five)], ['a', 'b', 'c', 'e'].map((each) => approve(each))],
    transaction: () => approve('d'),
    expected: 'changeUnknown',
  },
  {
    rule: 'AV-2',
    why: 'a week later it is still to be approved',
    before: [[propose(five)]],
    wait: CHANGE_SECONDS - 1,
    transaction: () => approve('a'),
    expected: 'ok',
  },
  {
    rule: 'AV-2',
    why: 'and then no more',
    before: [[propose(five)]],
    wait: CHANGE_SECONDS,
    transaction: () => approve('a'),
    expected: 'changeLapsed',
  },
  {
    rule: 'AV-3',
    why: 'one that joins approves',
    before: [[propose(five)]],
    transaction: () => approve('e'),
    expected: 'ok',
  },
  {
    rule: 'AV-3',
    why: 'a hospital does not approve with a key that the regulator could replace',
    before: [[propose(five)]],
    transaction: () => tx(hospitals['hospital-a'].signer, approval(changeTo(five))),
    expected: 'notAValidator',
  },
  {
    rule: 'AV-3',
    why: 'the regulator does not approve',
    before: [[propose(five)]],
    transaction: () => tx(regulator.signer, approval(changeTo(five))),
    expected: 'notAValidator',
  },
  {
    rule: 'AV-3',
    why: 'nobody unknown approves',
    before: [[propose(five)]],
    transaction: () => tx(stranger, approval(changeTo(five))),
    expected: 'notAValidator',
  },
  {
    rule: 'AV-4',
    why: 'nobody approves twice',
    before: [[propose(five)], [approve('a')]],
    transaction: () => approve('a'),
    expected: 'alreadyApproved',
  },
  {
    rule: 'AV-4',
    why: 'the same change put to the vote again is approved again',
    before: [[propose(five)], [approve('a')], [propose(five)]],
    transaction: () => approve('a'),
    expected: 'ok',
  },
];

describe('changeValidators', () => runRuleTable(changeRows));
describe('approveValidators', () => runRuleTable(approvalRows));
