import { describe } from 'vitest';
import { toPatientCommitment } from '../src/ids.ts';
import type { TransactionBody } from '../src/transaction.ts';
import {
  START,
  bytesOf,
  doctors,
  hospitals,
  introduce,
  nodes,
  person,
  regulator,
  signerOf,
  stores,
  tx,
} from './consortium.ts';
import { type RuleRow, runRuleTable } from './rule-table.ts';

const newcomer = person('newcomer', 'doctor', 'hospital-a', 'operator-a');
const stranger = signerOf('stranger');
const rotated = signerOf('rotated');
introduce(newcomer.signer, stranger, rotated);

const doctor = doctors['hospital-a'];
const node = nodes['hospital-a'];
const commitment = toPatientCommitment(bytesOf('patient-commitment'));
const today = Math.floor(START / 86_400);

const enrol: TransactionBody = { type: 'enrolMember', kind: 'member', member: newcomer.member };
const enrolPatient: TransactionBody = { type: 'enrolMember', kind: 'patient', commitment };

function suspend(id = doctor.id, status: 'active' | 'suspended' = 'suspended'): TransactionBody {
  return { type: 'suspendMember', target: { kind: 'member', id }, status };
}

function suspendPatient(status: 'active' | 'suspended'): TransactionBody {
  return { type: 'suspendMember', target: { kind: 'patient', commitment }, status };
}

function rotate(newKey = rotated.key, member = doctor.id): TransactionBody {
  return {
    type: 'rotateKey',
    member,
    newKey,
    newHpkeKey: bytesOf('new-hpke'),
    newCertificateHash: bytesOf('new-certificate'),
  };
}

function publish(day: number): TransactionBody {
  return { type: 'publishNodeKey', hpkeKey: bytesOf(`day:${day}`), day };
}

function verdict(of = node.id, found: 'badShare' | 'cleared' = 'badShare'): TransactionBody {
  return { type: 'recordVerdict', node: of, evidenceHash: bytesOf('evidence'), verdict: found };
}

const enrolMemberRows: readonly RuleRow[] = [
  {
    rule: 'EM-1',
    why: 'the regulator admits a doctor who co-signs',
    transaction: () => tx(regulator.signer, enrol),
    expected: 'ok',
  },
  {
    rule: 'EM-1',
    why: 'a hospital admits nobody',
    transaction: () => tx(hospitals['hospital-a'].signer, enrol),
    expected: 'roleNotAllowed',
  },
  {
    rule: 'EM-1',
    why: 'an unknown key admits nobody',
    transaction: () => tx(stranger, enrol),
    expected: 'senderUnknown',
  },
  {
    rule: 'EM-2',
    why: 'a second regulator is not admitted',
    transaction: () =>
      tx(regulator.signer, {
        type: 'enrolMember',
        kind: 'member',
        member: { ...newcomer.member, role: 'regulator' },
      }),
    expected: 'roleReserved',
  },
  {
    rule: 'EM-3',
    why: 'a key that a member has is not admitted again',
    transaction: () =>
      tx(regulator.signer, { type: 'enrolMember', kind: 'member', member: doctor.member }),
    expected: 'keyUsed',
  },
  {
    rule: 'EM-3',
    why: 'a retired key is not admitted again',
    before: [[tx(doctor.signer, rotate())]],
    transaction: () =>
      tx(regulator.signer, { type: 'enrolMember', kind: 'member', member: doctor.member }),
    expected: 'keyUsed',
  },
  {
    rule: 'EM-4',
    why: 'a patient is admitted by commitment',
    transaction: () => tx(regulator.signer, enrolPatient),
    expected: 'ok',
  },
  {
    rule: 'EM-4',
    why: 'the same commitment is not admitted twice',
    before: [[tx(regulator.signer, enrolPatient)]],
    transaction: () => tx(regulator.signer, enrolPatient),
    expected: 'patientExists',
  },
];

const suspendMemberRows: readonly RuleRow[] = [
  {
    rule: 'SM-1',
    why: 'the regulator suspends a doctor',
    transaction: () => tx(regulator.signer, suspend()),
    expected: 'ok',
  },
  {
    rule: 'SM-1',
    why: 'a doctor suspends nobody',
    transaction: () => tx(doctor.signer, suspend()),
    expected: 'roleNotAllowed',
  },
  {
    rule: 'PK-1',
    why: 'who is suspended sends nothing more',
    before: [[tx(regulator.signer, suspend(node.id))]],
    transaction: () => tx(node.signer, publish(today)),
    expected: 'senderSuspended',
  },
  {
    rule: 'SM-2',
    why: 'nobody unknown is suspended',
    transaction: () => tx(regulator.signer, suspend(newcomer.id)),
    expected: 'memberUnknown',
  },
  {
    rule: 'SM-2',
    why: 'no unknown patient is suspended',
    transaction: () => tx(regulator.signer, suspendPatient('suspended')),
    expected: 'patientUnknown',
  },
  {
    rule: 'SM-3',
    why: 'the regulator does not suspend itself',
    transaction: () => tx(regulator.signer, suspend(regulator.id)),
    expected: 'roleReserved',
  },
  {
    rule: 'SM-4',
    why: 'an active member is not reinstated',
    transaction: () => tx(regulator.signer, suspend(doctor.id, 'active')),
    expected: 'statusUnchanged',
  },
  {
    rule: 'SM-4',
    why: 'a patient is suspended once',
    before: [
      [tx(regulator.signer, enrolPatient)],
      [tx(regulator.signer, suspendPatient('suspended'))],
    ],
    transaction: () => tx(regulator.signer, suspendPatient('suspended')),
    expected: 'statusUnchanged',
  },
  {
    rule: 'SM-4',
    why: 'a suspended patient is reinstated',
    before: [
      [tx(regulator.signer, enrolPatient)],
      [tx(regulator.signer, suspendPatient('suspended'))],
    ],
    transaction: () => tx(regulator.signer, suspendPatient('active')),
    expected: 'ok',
  },
];

const rotateKeyRows: readonly RuleRow[] = [
  {
    rule: 'RK-1',
    why: 'nobody unknown gets another key',
    transaction: () => tx(regulator.signer, rotate(rotated.key, newcomer.id)),
    expected: 'memberUnknown',
  },
  {
    rule: 'RK-2',
    why: 'a member replaces his own key',
    transaction: () => tx(doctor.signer, rotate()),
    expected: 'ok',
  },
  {
    rule: 'RK-2',
    why: 'the regulator replaces a lost key',
    transaction: () => tx(regulator.signer, rotate()),
    expected: 'ok',
  },
  {
    rule: 'RK-2',
    why: 'another doctor does not',
    transaction: () => tx(doctors['hospital-b'].signer, rotate()),
    expected: 'notTheMember',
  },
  {
    rule: 'RK-2',
    why: 'the retired key does not',
    before: [[tx(doctor.signer, rotate())]],
    transaction: () => tx(doctor.signer, rotate(stranger.key)),
    expected: 'notTheMember',
  },
  {
    rule: 'RK-2',
    why: 'a suspended member does not',
    before: [[tx(regulator.signer, suspend())]],
    transaction: () => tx(doctor.signer, rotate()),
    expected: 'senderSuspended',
  },
  {
    rule: 'RK-3',
    why: 'a key in use by another is not taken over',
    transaction: () => tx(doctor.signer, rotate(doctors['hospital-b'].signer.key)),
    expected: 'keyUsed',
  },
];

const publishNodeKeyRows: readonly RuleRow[] = [
  {
    rule: 'PK-1',
    why: 'a node publishes the key of the day',
    transaction: () => tx(node.signer, publish(today)),
    expected: 'ok',
  },
  {
    rule: 'PK-1',
    why: 'a store publishes none',
    transaction: () => tx(stores[0].signer, publish(today)),
    expected: 'roleNotAllowed',
  },
  {
    rule: 'PK-2',
    why: 'not for yesterday',
    transaction: () => tx(node.signer, publish(today - 1)),
    expected: 'dayOutOfRange',
  },
  {
    rule: 'PK-2',
    why: 'not for the day after tomorrow',
    transaction: () => tx(node.signer, publish(today + 2)),
    expected: 'dayOutOfRange',
  },
  {
    rule: 'PK-3',
    why: 'tomorrow after today',
    before: [[tx(node.signer, publish(today))]],
    transaction: () => tx(node.signer, publish(today + 1)),
    expected: 'ok',
  },
  {
    rule: 'PK-3',
    why: 'not today after tomorrow',
    before: [[tx(node.signer, publish(today + 1))]],
    transaction: () => tx(node.signer, publish(today)),
    expected: 'dayPublished',
  },
];

const recordVerdictRows: readonly RuleRow[] = [
  {
    rule: 'RV-1',
    why: 'the regulator finds against a node',
    transaction: () => tx(regulator.signer, verdict()),
    expected: 'ok',
  },
  {
    rule: 'RV-1',
    why: 'a node finds against nobody',
    transaction: () => tx(node.signer, verdict()),
    expected: 'roleNotAllowed',
  },
  {
    rule: 'RV-2',
    why: 'nobody unknown is judged',
    transaction: () => tx(regulator.signer, verdict(newcomer.id)),
    expected: 'memberUnknown',
  },
  {
    rule: 'RV-2',
    why: 'a doctor has no shares to falsify',
    transaction: () => tx(regulator.signer, verdict(doctor.id)),
    expected: 'notANode',
  },
  {
    rule: 'RV-3',
    why: 'the same verdict is not given twice',
    before: [[tx(regulator.signer, verdict())]],
    transaction: () => tx(regulator.signer, verdict()),
    expected: 'evidenceKnown',
  },
  {
    rule: 'RV-3',
    why: 'a node is cleared afterwards',
    before: [[tx(regulator.signer, verdict())]],
    transaction: () => tx(regulator.signer, verdict(node.id, 'cleared')),
    expected: 'ok',
  },
];

describe('enrolMember', () => runRuleTable(enrolMemberRows));
describe('suspendMember', () => runRuleTable(suspendMemberRows));
describe('rotateKey', () => runRuleTable(rotateKeyRows));
describe('publishNodeKey', () => runRuleTable(publishNodeKeyRows));
describe('recordVerdict', () => runRuleTable(recordVerdictRows));
