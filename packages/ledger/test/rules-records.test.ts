import { describe, expect, test } from 'vitest';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { toRecordId } from '@yilian/crypto/ids';
import { parseStateAnswer } from '../src/answers.ts';
import {
  type StorageFinding,
  parseCopyFindings,
} from '../src/contracts/records/storage-finding.ts';
import type { MemberId } from '../src/ids.ts';
import { stateKeys } from '../src/state.ts';
import type { TransactionBody } from '../src/transaction.ts';
import {
  Chain,
  type Person,
  bytesOf,
  doctors,
  epochKeyOf,
  hospitals,
  introduce,
  nodes,
  person,
  recordIdOf,
  recordTransaction,
  recordTx,
  regulator,
  signerOf,
  stores,
  tx,
  visit,
} from './consortium.ts';
import { type RuleRow, runRuleTable } from './rule-table.ts';

const stroke = visit('stroke', 'hospital-a');
const other = visit('other', 'hospital-a');
const stranger = signerOf('stranger');
const rotated = signerOf('rotated-doctor');
const sameOperator = person('store-3', 'store', 'store-three', 'operator-one');
introduce(stranger, rotated, sameOperator.signer);

const doctor = doctors['hospital-a'];
const first = { visit: stroke, name: 'ct' } as const;
const firstId = recordIdOf(first);
const issueFirst = (): Uint8Array => recordTx(first);

const rotateDoctor: TransactionBody = {
  type: 'rotateKey',
  member: doctor.id,
  newKey: rotated.key,
  newHpkeKey: bytesOf('hpke'),
  newCertificateHash: bytesOf('certificate'),
};

function suspend(id: typeof doctor.id): TransactionBody {
  return { type: 'suspendMember', target: { kind: 'member', id }, status: 'suspended' };
}

const issueRecordRows: readonly RuleRow[] = [
  { rule: 'IR-1', why: 'a hospital issues', transaction: issueFirst, expected: 'ok' },
  {
    rule: 'IR-1',
    why: 'a doctor issues nothing by himself',
    transaction: () => recordTx({ ...first, sender: doctor.signer }),
    expected: 'roleNotAllowed',
  },
  {
    rule: 'IR-1',
    why: 'a suspended hospital issues nothing',
    before: [[tx(regulator.signer, suspend(hospitals['hospital-a'].id))]],
    transaction: issueFirst,
    expected: 'senderSuspended',
  },
  {
    rule: 'IR-2',
    why: 'a hospital does not issue in the name of another',
    transaction: () => recordTx({ ...first, sender: hospitals['hospital-b'].signer }),
    expected: 'notTheInstitution',
  },
  {
    rule: 'IR-3',
    why: 'F2 the same capsule with another body is refused',
    before: [[issueFirst()]],
    transaction: () => recordTx({ ...first, number: 1 }),
    expected: 'recordExists',
  },
  {
    rule: 'IR-3',
    why: 'F2 the same C under another suite is the same record',
    before: [[issueFirst()]],
    transaction: () => recordTx({ ...first, number: 1, statement: { suite: 'paper' } }),
    expected: 'recordExists',
  },
  {
    rule: 'IR-3',
    why: 'F2 a generator of random bytes that repeats has its second record refused',
    before: [[issueFirst()]],
    transaction: () => recordTx({ visit: other, name: 'ct' }),
    expected: 'recordExists',
  },
  {
    rule: 'IR-4',
    why: 'numbers begin with 0',
    transaction: () => recordTx({ ...first, number: 1 }),
    expected: 'numberNotNext',
  },
  {
    rule: 'IR-4',
    why: 'a number is not used twice',
    before: [[issueFirst()]],
    transaction: () => recordTx({ visit: stroke, name: 'labs', number: 0 }),
    expected: 'numberNotNext',
  },
  {
    rule: 'IR-4',
    why: 'a number is not skipped',
    before: [[issueFirst()]],
    transaction: () => recordTx({ visit: stroke, name: 'labs', number: 2 }),
    expected: 'numberNotNext',
  },
  {
    rule: 'IR-4',
    why: 'the next number follows',
    before: [[issueFirst()]],
    transaction: () => recordTx({ visit: stroke, name: 'labs', number: 1 }),
    expected: 'ok',
  },
  {
    rule: 'IR-5',
    why: 'another visit key does not write under this PID',
    before: [[issueFirst()]],
    transaction: () => recordTx({ visit: { ...other, pid: stroke.pid }, name: 'labs', number: 1 }),
    expected: 'notTheVisit',
  },
  {
    rule: 'IR-5',
    why: 'another hospital does not write under this PID, even authorised',
    before: [[issueFirst()]],
    transaction: () =>
      recordTx({ visit: { ...stroke, institution: 'hospital-b' }, name: 'labs', number: 1 }),
    expected: 'notTheVisit',
  },
  {
    rule: 'IR-6',
    why: 'no author (group mode) is not open yet',
    transaction: () => recordTx({ ...first, statement: { authorship: null } }),
    expected: 'authorMissing',
  },
  {
    rule: 'IR-6',
    why: 'a doctor of another hospital is not the author',
    transaction: () => recordTx({ ...first, author: doctors['hospital-b'] }),
    expected: 'authorNotAllowed',
  },
  {
    rule: 'IR-6',
    why: 'a node is not an author',
    transaction: () => recordTx({ ...first, author: nodes['hospital-a'] }),
    expected: 'authorNotAllowed',
  },
  {
    rule: 'IR-6',
    why: 'a suspended doctor is not the author',
    before: [[tx(regulator.signer, suspend(doctor.id))]],
    transaction: issueFirst,
    expected: 'authorNotAllowed',
  },
  {
    rule: 'IR-6',
    why: 'a retired key of the doctor does not sign',
    before: [[tx(doctor.signer, rotateDoctor)]],
    transaction: issueFirst,
    expected: 'authorNotAllowed',
  },
  {
    rule: 'IR-7',
    why: 'a doctor attests no storage',
    transaction: () => recordTx({ ...first, stores: [stores[0], doctor] }),
    expected: 'attestationNotAllowed',
  },
  {
    rule: 'IR-7',
    why: 'one store does not attest twice',
    transaction: () => recordTx({ ...first, stores: [stores[0], stores[0]] }),
    expected: 'attestationNotAllowed',
  },
  {
    rule: 'IR-7',
    why: 'a store that is not enrolled does not attest',
    transaction: () => recordTx({ ...first, stores: [stores[0], sameOperator] }),
    expected: 'attestationNotAllowed',
  },
  {
    rule: 'IR-8',
    why: 'one store is not enough',
    transaction: () => recordTx({ ...first, stores: [stores[0]] }),
    expected: 'attestationsTooFew',
  },
  {
    rule: 'IR-8',
    why: 'R4 two stores of one operator are not enough',
    before: [
      [
        tx(regulator.signer, {
          type: 'enrolMember',
          kind: 'member',
          member: sameOperator.member,
        }),
      ],
    ],
    transaction: () => recordTx({ ...first, stores: [stores[0], sameOperator] }),
    expected: 'attestationsTooFew',
  },
  {
    rule: 'IR-9',
    why: 'a second A in one epoch is refused',
    before: [[issueFirst()]],
    transaction: () => {
      const today = recordTransaction({ visit: stroke, name: 'labs', number: 1 }).body.index;
      if (today.mode !== 'pk') throw new Error('expected pk tags');
      const a = epochKeyOf('hospital-a', today.epoch, 'second');
      return recordTx({
        visit: stroke,
        name: 'labs',
        number: 1,
        statement: { index: { ...today, ...a } },
      });
    },
    expected: 'epochKeyDiffers',
  },
  {
    rule: 'IR-9',
    why: 'symmetric tags need no A',
    transaction: () =>
      recordTx({
        ...first,
        statement: { index: { mode: 'sym', tags: [bytesOf('tag', 24)] } },
      }),
    expected: 'ok',
  },
  {
    rule: 'IR-10',
    why: 'a mark does not come twice',
    transaction: () => recordTx({ ...first, statement: { marks: ['package', 'package'] } }),
    expected: 'marksRepeated',
  },
  {
    rule: 'IR-10',
    why: 'marks have one order',
    transaction: () => recordTx({ ...first, statement: { marks: ['custodial', 'package'] } }),
    expected: 'marksRepeated',
  },
  {
    rule: 'IR-11',
    why: 'A8 a PID seen in the mempool is not taken by another hospital with a visit key of its own',
    transaction: () =>
      recordTx({ visit: { ...other, institution: 'hospital-b', pid: stroke.pid }, name: 'squat' }),
    expected: 'notTheVisit',
  },
  {
    rule: 'IR-11',
    why: 'A8 the h of one visit does not make the PID of another key',
    transaction: () =>
      recordTx({
        visit: { ...other, pid: stroke.pid, identityTag: stroke.identityTag },
        name: 'h',
      }),
    expected: 'notTheVisit',
  },
];

const amendRecordRows: readonly RuleRow[] = [
  {
    rule: 'AR-1',
    why: 'nothing unknown is amended',
    transaction: () => recordTx({ ...first, amends: toRecordId(bytesOf('nothing')) }),
    expected: 'recordUnknown',
  },
  {
    rule: 'AR-2',
    why: 'a record of another PID is not amended',
    before: [[issueFirst()]],
    transaction: () => recordTx({ visit: other, name: 'labs', amends: firstId }),
    expected: 'amendsAnother',
  },
  {
    rule: 'AR-3',
    why: 'a new version is a record of its own',
    before: [[issueFirst()]],
    transaction: () => recordTx({ visit: stroke, name: 'ct-2', number: 1, amends: firstId }),
    expected: 'ok',
  },
  {
    rule: 'AR-3',
    why: 'a new version needs a capsule of its own',
    before: [[issueFirst()]],
    transaction: () => recordTx({ visit: stroke, name: 'ct', number: 1, amends: firstId }),
    expected: 'recordExists',
  },
];

const acknowledge: TransactionBody = { type: 'acknowledgeRecord', record: firstId };
const object: TransactionBody = { type: 'objectRecord', record: firstId, reason: 'wrongKey' };

const answerRows: readonly RuleRow[] = [
  {
    rule: 'AK-1',
    why: 'nothing unknown is acknowledged',
    transaction: () => tx(stroke.signer, acknowledge),
    expected: 'recordUnknown',
  },
  {
    rule: 'AK-2',
    why: 'the visit key acknowledges',
    before: [[issueFirst()]],
    transaction: () => tx(stroke.signer, acknowledge),
    expected: 'ok',
  },
  {
    rule: 'AK-2',
    why: 'the hospital does not acknowledge for her',
    before: [[issueFirst()]],
    transaction: () => tx(hospitals['hospital-a'].signer, acknowledge),
    expected: 'notTheVisit',
  },
  {
    rule: 'AK-3',
    why: 'once',
    before: [[issueFirst()], [tx(stroke.signer, acknowledge)]],
    transaction: () => tx(stroke.signer, acknowledge),
    expected: 'alreadyAnswered',
  },
  {
    rule: 'OB-1',
    why: 'to nothing unknown is objected',
    transaction: () => tx(stroke.signer, object),
    expected: 'recordUnknown',
  },
  {
    rule: 'OB-2',
    why: 'a stranger does not object',
    before: [[issueFirst()]],
    transaction: () => tx(stranger, object),
    expected: 'notTheVisit',
  },
  {
    rule: 'OB-3',
    why: 'she may change her mind',
    before: [[issueFirst()], [tx(stroke.signer, acknowledge)]],
    transaction: () => tx(stroke.signer, object),
    expected: 'ok',
  },
  {
    rule: 'OB-3',
    why: 'once',
    before: [[issueFirst()], [tx(stroke.signer, object)]],
    transaction: () => tx(stroke.signer, object),
    expected: 'alreadyAnswered',
  },
];

/** The node of whoever runs a store: in the genesis of these tests stores have none. */
const auditors = [
  person('node@store-one', 'node', 'store-one', 'operator-one'),
  person('node@store-two', 'node', 'store-two', 'operator-two'),
] as const;
const otherOperator = person('node-3', 'node', 'store-one', 'operator-three');
introduce(...auditors.map(({ signer }) => signer), otherOperator.signer);
const enrolAuditors = [...auditors, otherOperator].map(({ signer, member }) => {
  introduce(signer);
  return tx(regulator.signer, { type: 'enrolMember', kind: 'member', member });
});
const audited = [issueFirst(), ...enrolAuditors];
const DAY = 86_400;

function report(
  auditor: Person,
  finding: StorageFinding = 'missing',
  store: MemberId = stores[0].id,
): Bytes {
  return tx(auditor.signer, { type: 'reportStorage', record: firstId, store, finding });
}

const reportStorageRows: readonly RuleRow[] = [
  {
    rule: 'RS-1',
    why: 'a node reports what the audit of its own store found',
    before: [audited],
    transaction: () => report(auditors[0]),
    expected: 'ok',
  },
  {
    rule: 'RS-1',
    why: 'a doctor reports nothing',
    before: [audited],
    transaction: () =>
      tx(doctor.signer, {
        type: 'reportStorage',
        record: firstId,
        store: stores[0].id,
        finding: 'missing',
      }),
    expected: 'roleNotAllowed',
  },
  {
    rule: 'RS-1',
    why: 'a suspended node reports nothing',
    before: [audited, [tx(regulator.signer, suspend(auditors[1].id))]],
    transaction: () => report(auditors[1]),
    expected: 'senderSuspended',
  },
  {
    rule: 'RS-2',
    why: 'of nothing unknown',
    before: [enrolAuditors],
    transaction: () => report(auditors[0]),
    expected: 'recordUnknown',
  },
  {
    rule: 'RS-3',
    why: 'not of a store that never attested',
    before: [audited],
    transaction: () => report(auditors[0], 'missing', sameOperator.id),
    expected: 'storeNotNamed',
  },
  {
    rule: 'RS-4',
    why: 'the operator of the other copy reports',
    before: [audited],
    transaction: () => report(auditors[1]),
    expected: 'ok',
  },
  {
    rule: 'RS-4',
    why: 'a hospital without a copy cannot know and says nothing',
    before: [audited],
    transaction: () => report(nodes['hospital-c']),
    expected: 'auditorNotAllowed',
  },
  {
    rule: 'RS-4',
    why: 'the name of the institution without the operator is not enough',
    before: [audited],
    transaction: () => report(otherOperator),
    expected: 'auditorNotAllowed',
  },
  {
    rule: 'RS-5',
    why: 'not the same again',
    before: [audited, [report(auditors[0])]],
    wait: 2 * DAY,
    transaction: () => report(auditors[0]),
    expected: 'findingKnown',
  },
  {
    rule: 'RS-5',
    why: 'each auditor has a word of its own',
    before: [audited, [report(auditors[0])]],
    transaction: () => report(auditors[1]),
    expected: 'ok',
  },
  {
    rule: 'RS-5',
    why: 'another finding is news',
    before: [audited, [report(auditors[0])]],
    wait: DAY,
    transaction: () => report(auditors[0], 'altered'),
    expected: 'ok',
  },
  {
    rule: 'RS-6',
    why: 'a liar that takes its word back and says it again waits for a day',
    before: [audited, [report(auditors[1])], [report(auditors[1], 'restored')]],
    wait: DAY - 10,
    transaction: () => report(auditors[1]),
    expected: 'findingTooSoon',
  },
  {
    rule: 'RS-6',
    why: 'a second loss after a day is reported',
    before: [audited, [report(auditors[1])], [report(auditors[1], 'restored')]],
    wait: DAY,
    transaction: () => report(auditors[1]),
    expected: 'ok',
  },
  {
    rule: 'RS-7',
    why: 'after its own loss an auditor says that it is there again, at once',
    before: [audited, [report(auditors[1], 'altered')]],
    transaction: () => report(auditors[1], 'restored'),
    expected: 'ok',
  },
  {
    rule: 'RS-7',
    why: 'nothing is restored that nobody missed',
    before: [audited],
    transaction: () => report(auditors[0], 'restored'),
    expected: 'nothingToRestore',
  },
  {
    rule: 'RS-7',
    why: 'a store answers whoever says that it lost something',
    before: [audited, [report(auditors[1])]],
    transaction: () => report(auditors[0], 'restored'),
    expected: 'ok',
  },
  {
    rule: 'RS-7',
    why: 'it answers once',
    before: [audited, [report(auditors[1])], [report(auditors[0], 'restored')]],
    transaction: () => report(auditors[0], 'restored'),
    expected: 'nothingToRestore',
  },
  {
    rule: 'RS-7',
    why: 'nobody answers for another store',
    before: [audited, [report(auditors[0])]],
    transaction: () => report(auditors[1], 'restored'),
    expected: 'nothingToRestore',
  },
];

describe('issueRecord', () => runRuleTable(issueRecordRows));
describe('amendRecord', () => runRuleTable(amendRecordRows));
describe('acknowledgeRecord and objectRecord', () => runRuleTable(answerRows));
describe('reportStorage', () => runRuleTable(reportStorageRows));

test('RS-5 no word replaces another: of a store stands what it says and what others say of it', () => {
  const chain = new Chain();
  chain.codes(...audited);
  chain.codes(report(auditors[1], 'altered'));
  chain.codes(report(auditors[0], 'restored'));
  const result = chain.ledger.query({
    path: 'state',
    key: stateKeys.storage(firstId, stores[0].id),
    height: 0n,
    prove: true,
  });
  if (!result.ok) throw new Error(result.code);
  const { value } = parseStateAnswer(result.value);
  if (value === null) throw new Error('there are findings');
  expect(parseCopyFindings(value).map(({ auditor, finding }) => [toHex(auditor), finding])).toEqual(
    [
      [toHex(stores[1].id), 'altered'],
      [toHex(stores[0].id), 'restored'],
    ],
  );
});
