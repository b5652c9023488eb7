import { describe } from 'vitest';
import type { NodeReport } from '../src/contracts/consent/node-report.ts';
import { REQUEST_LENGTH } from '../src/contracts/consent/request-access.ts';
import { encodeTransaction, paddedRequestAccess } from '../src/transaction-codec.ts';
import type { TransactionBody } from '../src/transaction.ts';
import { toGrantId } from '@yilian/crypto/ids';
import {
  CHAIN_ID,
  START,
  acknowledgementTxs,
  bytesOf,
  departments,
  doctors,
  grantBody,
  grantTx,
  hospitals,
  introduce,
  nodes,
  person,
  pointsOf,
  regulator,
  signed,
  signerOf,
  tagSigner,
  tx,
} from './consortium.ts';
import { type RuleRow, runRuleTable } from './rule-table.ts';

const DAY = 86_400;
const doctorB = doctors['hospital-b'];
const stranger = signerOf('stranger');
const secondNode = person('node-2@hospital-a', 'node', 'hospital-a', 'operator-e');
const sameOperator = person('node@clinic', 'node', 'clinic', 'operator-a');
introduce(stranger, secondNode.signer, sameOperator.signer);

const { grantId } = grantBody('g');
const unknownGrant = toGrantId(bytesOf('unknown', 16));

const granted = [grantTx('g')];
const active = [granted, acknowledgementTxs('g')];

function enrolled(member: typeof secondNode): Uint8Array {
  return tx(regulator.signer, { type: 'enrolMember', kind: 'member', member: member.member });
}

function suspended(id: typeof doctorB.id): Uint8Array {
  return tx(regulator.signer, {
    type: 'suspendMember',
    target: { kind: 'member', id },
    status: 'suspended',
  });
}

function request(sender = doctorB.signer): Uint8Array {
  const padded = paddedRequestAccess({
    chainId: CHAIN_ID,
    commitment: bytesOf('request'),
    sender: sender.key,
    nonce: bytesOf('request-nonce', 16),
    expiryHeight: 1_000,
  });
  return encodeTransaction(signed(padded));
}

const requestAccessRows: readonly RuleRow[] = [
  { rule: 'RQ-1', why: 'a doctor asks', transaction: () => request(), expected: 'ok' },
  {
    rule: 'RQ-1',
    why: 'a department asks',
    transaction: () => request(departments['hospital-b'].signer),
    expected: 'ok',
  },
  {
    rule: 'RQ-1',
    why: 'a node does not ask',
    transaction: () => request(nodes['hospital-b'].signer),
    expected: 'roleNotAllowed',
  },
  {
    rule: 'RQ-1',
    why: 'nobody unknown asks',
    transaction: () => request(stranger),
    expected: 'senderUnknown',
  },
  {
    rule: 'RQ-2',
    why: 'a shorter request is refused',
    transaction: () =>
      tx(doctorB.signer, {
        type: 'requestAccess',
        commitment: bytesOf('request'),
        padding: new Uint8Array(8),
      }),
    expected: 'wrongLength',
  },
  {
    rule: 'RQ-2',
    why: 'padding carries no message',
    transaction: () => {
      const zero = paddedRequestAccess({
        chainId: CHAIN_ID,
        commitment: bytesOf('request'),
        sender: doctorB.signer.key,
        nonce: bytesOf('request-nonce', 16),
        expiryHeight: 1_000,
      });
      const padding = Uint8Array.from(zero.body.padding).fill(1);
      const bytes = encodeTransaction(signed({ ...zero, body: { ...zero.body, padding } }));
      if (bytes.length !== REQUEST_LENGTH) throw new Error('the length should not give it away');
      return bytes;
    },
    expected: 'wrongLength',
  },
];

const threeOf = (...members: readonly { readonly id: typeof doctorB.id }[]) =>
  members.map(({ id }, i) => ({ index: i + 1, node: id }));

const [h1, h2, h3] = [nodes['hospital-a'], nodes['hospital-c'], nodes['hospital-d']];

const grantAccessRows: readonly RuleRow[] = [
  { rule: 'GA-1', why: 'a 2-of-3 grant', transaction: () => grantTx('g'), expected: 'ok' },
  {
    rule: 'GA-1',
    why: 'a grant id is used once',
    before: [granted],
    transaction: () => grantTx('h', { grantId }),
    expected: 'grantExists',
  },
  {
    rule: 'GA-2',
    why: 'a tag does not come twice',
    transaction: () => {
      const { key } = tagSigner('g');
      return grantTx('g', { tags: [key, key] });
    },
    expected: 'tagRepeated',
  },
  {
    rule: 'GA-2',
    why: 'a sender that is no tag grants nothing',
    transaction: () => tx(hospitals['hospital-a'].signer, grantBody('g')),
    expected: 'notATag',
  },
  {
    rule: 'GA-3',
    why: 'R1 a tag that was used is refused for another grant',
    before: [granted],
    transaction: () => grantTx('h', { tags: [tagSigner('h').key, tagSigner('g', 1).key] }),
    expected: 'tagUsed',
  },
  {
    rule: 'GA-3',
    why: 'F6 the same tags and V under a new id do not bring an ended grant back',
    before: [granted, [tx(tagSigner('g'), { type: 'revokeAccess', grantId })]],
    transaction: () => grantTx('g', { grantId: unknownGrant }),
    expected: 'tagUsed',
  },
  {
    rule: 'GA-4',
    why: 'a department may be named',
    transaction: () => grantTx('g', { grantee: departments['hospital-b'].id }),
    expected: 'ok',
  },
  {
    rule: 'GA-4',
    why: 'a node may not be the grantee',
    transaction: () => grantTx('g', { grantee: nodes['hospital-b'].id }),
    expected: 'granteeNotAllowed',
  },
  {
    rule: 'GA-4',
    why: 'nobody unknown may be the grantee',
    transaction: () => grantTx('g', { grantee: secondNode.id }),
    expected: 'granteeNotAllowed',
  },
  {
    rule: 'GA-4',
    why: 'a suspended doctor may not be the grantee',
    before: [[suspended(doctorB.id)]],
    transaction: () => grantTx('g'),
    expected: 'granteeNotAllowed',
  },
  {
    rule: 'GA-5',
    why: 'F14 no holder has the index 0',
    transaction: () =>
      grantTx('g', { holders: [h1, h2, h3].map(({ id }, i) => ({ index: i, node: id })) }),
    expected: 'holderIndex',
  },
  {
    rule: 'GA-5',
    why: 'F14 no index comes twice',
    transaction: () =>
      grantTx('g', { holders: [h1, h2, h3].map(({ id }) => ({ index: 1, node: id })) }),
    expected: 'holderIndex',
  },
  {
    rule: 'GA-6',
    why: 'a hospital key holds no share',
    transaction: () => grantTx('g', { holders: threeOf(h1, h2, hospitals['hospital-d']) }),
    expected: 'holderNotAllowed',
  },
  {
    rule: 'GA-6',
    why: 'a suspended node holds no share',
    before: [[suspended(h3.id)]],
    transaction: () => grantTx('g'),
    expected: 'holderNotAllowed',
  },
  {
    rule: 'GA-7',
    why: 'F14 one node does not hold two shares',
    transaction: () => grantTx('g', { holders: threeOf(h1, h1, h3) }),
    expected: 'operatorRepeated',
  },
  {
    rule: 'GA-7',
    why: 'R4 two nodes of one operator are refused',
    before: [[enrolled(sameOperator)]],
    transaction: () => grantTx('g', { holders: threeOf(h1, sameOperator, h3) }),
    expected: 'operatorRepeated',
  },
  {
    rule: 'GA-8',
    why: "F14 R4 a node of the grantee's institution is refused",
    transaction: () => grantTx('g', { holders: threeOf(h1, nodes['hospital-b'], h3) }),
    expected: 'holderOfGrantee',
  },
  {
    rule: 'GA-9',
    why: 'F14 t = 1 = f is refused',
    transaction: () => grantTx('g', { commitments: pointsOf('one', 1) }),
    expected: 'threshold',
  },
  {
    rule: 'GA-9',
    why: 'F14 t = n is refused: one node may be down',
    transaction: () => grantTx('g', { commitments: pointsOf('three', 3) }),
    expected: 'threshold',
  },
  {
    rule: 'GA-9',
    why: 'F14 two holders are too few for any t',
    transaction: () =>
      grantTx('g', { holders: threeOf(h1, h2), blobHashes: [bytesOf('1'), bytesOf('2')] }),
    expected: 'threshold',
  },
  {
    rule: 'GA-11',
    why: 'every holder has a blob',
    transaction: () => grantTx('g', { blobHashes: [bytesOf('1'), bytesOf('2')] }),
    expected: 'blobCount',
  },
  {
    rule: 'GA-12',
    why: 'a period in the past is refused',
    transaction: () => grantTx('g', { to: START }),
    expected: 'periodOver',
  },
  {
    rule: 'GA-12',
    why: 'a period ends after it begins',
    transaction: () => grantTx('g', { from: START + DAY, to: START + DAY }),
    expected: 'periodOver',
  },
  {
    rule: 'GA-13',
    why: '100 days are allowed',
    transaction: () => grantTx('g', { from: START + DAY, to: START + 101 * DAY }),
    expected: 'ok',
  },
  {
    rule: 'GA-13',
    why: 'a second more is not',
    transaction: () => grantTx('g', { from: START + DAY, to: START + 101 * DAY + 1 }),
    expected: 'periodTooLong',
  },
  {
    rule: 'GA-13',
    why: 'nor from inclusion on',
    transaction: () => grantTx('g', { from: 0, to: START + 101 * DAY }),
    expected: 'periodTooLong',
  },
];

function narrow(to: number, narrowingHash: Uint8Array | null = null): TransactionBody {
  return { type: 'narrowGrant', grantId, to, narrowingHash };
}

const END = grantBody('g').to;

const narrowGrantRows: readonly RuleRow[] = [
  {
    rule: 'NG-1',
    why: 'nothing unknown is narrowed',
    transaction: () => tx(tagSigner('g'), narrow(END)),
    expected: 'grantUnknown',
  },
  {
    rule: 'NG-2',
    why: 'any tag shortens',
    before: [granted],
    transaction: () => tx(tagSigner('g', 1), narrow(END - DAY)),
    expected: 'ok',
  },
  {
    rule: 'NG-2',
    why: 'the grantee narrows nothing',
    before: [granted],
    transaction: () => tx(doctorB.signer, narrow(END - DAY)),
    expected: 'notATag',
  },
  {
    rule: 'NG-3',
    why: 'not after revocation',
    before: [granted, [tx(tagSigner('g'), { type: 'revokeAccess', grantId })]],
    transaction: () => tx(tagSigner('g'), narrow(END - DAY)),
    expected: 'grantRevoked',
  },
  {
    rule: 'NG-3',
    why: 'not after expiry',
    before: [granted],
    wait: 31 * DAY,
    transaction: () => tx(tagSigner('g'), narrow(END - DAY)),
    expected: 'grantExpired',
  },
  {
    rule: 'NG-4',
    why: 'never later',
    before: [granted],
    transaction: () => tx(tagSigner('g'), narrow(END + 1)),
    expected: 'periodWidened',
  },
  {
    rule: 'NG-5',
    why: 'sixteen documents are enough',
    before: [
      granted,
      Array.from({ length: 16 }, (_, i) => tx(tagSigner('g'), narrow(END, bytesOf(`${i}`)))),
    ],
    transaction: () => tx(tagSigner('g'), narrow(END, bytesOf('one more'))),
    expected: 'narrowingsFull',
  },
];

const revoke: TransactionBody = { type: 'revokeAccess', grantId };

const revokeAccessRows: readonly RuleRow[] = [
  {
    rule: 'RA-1',
    why: 'nothing unknown is revoked',
    transaction: () => tx(tagSigner('g'), revoke),
    expected: 'grantUnknown',
  },
  {
    rule: 'RA-2',
    why: 'any tag revokes',
    before: [granted],
    transaction: () => tx(tagSigner('g', 1), revoke),
    expected: 'ok',
  },
  {
    rule: 'RA-2',
    why: 'a tag of another grant does not',
    before: [granted, [grantTx('h')]],
    transaction: () => tx(tagSigner('h'), revoke),
    expected: 'notATag',
  },
  {
    rule: 'RA-2',
    why: 'the regulator does not',
    before: [granted],
    transaction: () => tx(regulator.signer, revoke),
    expected: 'notATag',
  },
  {
    rule: 'RA-3',
    why: 'once',
    before: [granted, [tx(tagSigner('g'), revoke)]],
    transaction: () => tx(tagSigner('g'), revoke),
    expected: 'grantRevoked',
  },
  {
    rule: 'RA-3',
    why: 'also after expiry',
    before: [granted],
    wait: 31 * DAY,
    transaction: () => tx(tagSigner('g'), revoke),
    expected: 'ok',
  },
];

function access(id = grantId): TransactionBody {
  return {
    type: 'recordAccess',
    grantId: id,
    accessNonce: bytesOf('access', 16),
    sealed: bytesOf('sealed', 128),
  };
}

const rotated = signerOf('rotated-b');
introduce(rotated);
const rotateB: TransactionBody = {
  type: 'rotateKey',
  member: doctorB.id,
  newKey: rotated.key,
  newHpkeKey: bytesOf('hpke'),
  newCertificateHash: bytesOf('certificate'),
};

const recordAccessRows: readonly RuleRow[] = [
  {
    rule: 'AC-1',
    why: 'nothing unknown is opened',
    transaction: () => tx(doctorB.signer, access(unknownGrant)),
    expected: 'grantUnknown',
  },
  {
    rule: 'AC-2',
    why: 'another doctor opens nothing',
    before: active,
    transaction: () => tx(doctors['hospital-c'].signer, access()),
    expected: 'notTheGrantee',
  },
  {
    rule: 'AC-2',
    why: 'a suspended grantee opens nothing',
    before: [...active, [suspended(doctorB.id)]],
    transaction: () => tx(doctorB.signer, access()),
    expected: 'senderSuspended',
  },
  {
    rule: 'AC-2',
    why: 'the grantee opens with a rotated key',
    before: [...active, [tx(doctorB.signer, rotateB)]],
    transaction: () => tx(rotated, access()),
    expected: 'ok',
  },
  {
    rule: 'AC-2',
    why: 'and no more with the old one',
    before: [...active, [tx(doctorB.signer, rotateB)]],
    transaction: () => tx(doctorB.signer, access()),
    expected: 'notTheGrantee',
  },
  {
    rule: 'AC-3',
    why: 'not after revocation',
    before: [...active, [tx(tagSigner('g'), revoke)]],
    transaction: () => tx(doctorB.signer, access()),
    expected: 'grantRevoked',
  },
  {
    rule: 'AC-4',
    why: 'not after expiry by block time',
    before: active,
    wait: 30 * DAY,
    transaction: () => tx(doctorB.signer, access()),
    expected: 'grantExpired',
  },
  {
    rule: 'AC-4',
    why: 'not after the end was moved earlier',
    before: [...active, [tx(tagSigner('g'), narrow(START + DAY))]],
    wait: DAY,
    transaction: () => tx(doctorB.signer, access()),
    expected: 'grantExpired',
  },
  {
    rule: 'AC-4',
    why: 'not before it begins',
    before: [[grantTx('g', { from: START + DAY })], acknowledgementTxs('g')],
    transaction: () => tx(doctorB.signer, access()),
    expected: 'grantNotStarted',
  },
  {
    rule: 'AC-5',
    why: 'not with one acknowledgement of two',
    before: [granted, acknowledgementTxs('g', 1)],
    transaction: () => tx(doctorB.signer, access()),
    expected: 'grantPending',
  },
  {
    rule: 'AC-6',
    why: 'an access in time is numbered',
    before: active,
    transaction: () => tx(doctorB.signer, access()),
    expected: 'ok',
  },
];

function report(items: Partial<NodeReport>): TransactionBody {
  const none = { acknowledgements: [], releases: [], erasures: [], losses: [] };
  return { type: 'nodeReport', ...none, ...items };
}

const nodeReportRows: readonly RuleRow[] = [
  {
    rule: 'NR-1',
    why: 'a doctor reports nothing',
    before: [granted],
    transaction: () => tx(doctorB.signer, report({ acknowledgements: [{ grantId, index: 1 }] })),
    expected: 'roleNotAllowed',
  },
  {
    rule: 'NR-3',
    why: 'an empty report is refused',
    transaction: () => tx(h1.signer, report({})),
    expected: 'reportEmpty',
  },
  {
    rule: 'NR-4',
    why: 'of an unknown grant',
    transaction: () =>
      tx(h1.signer, report({ acknowledgements: [{ grantId: unknownGrant, index: 1 }] })),
    expected: 'grantUnknown',
  },
  {
    rule: 'NR-4',
    why: 'of a share that another node holds',
    before: [granted],
    transaction: () =>
      tx(nodes['hospital-b'].signer, report({ acknowledgements: [{ grantId, index: 1 }] })),
    expected: 'notAHolder',
  },
  {
    rule: 'NR-5',
    why: "under another holder's index",
    before: [granted],
    transaction: () => tx(h1.signer, report({ acknowledgements: [{ grantId, index: 2 }] })),
    expected: 'notAHolder',
  },
  {
    rule: 'NR-5',
    why: 'a second acknowledgement',
    before: active,
    transaction: () => tx(h1.signer, report({ acknowledgements: [{ grantId, index: 1 }] })),
    expected: 'alreadyReported',
  },
  {
    rule: 'NR-5',
    why: 'an acknowledgement after revocation',
    before: [granted, [tx(tagSigner('g'), revoke)]],
    transaction: () => tx(h1.signer, report({ acknowledgements: [{ grantId, index: 1 }] })),
    expected: 'grantRevoked',
  },
  {
    rule: 'NR-5',
    why: 'an acknowledgement after expiry',
    before: [granted],
    wait: 31 * DAY,
    transaction: () => tx(h1.signer, report({ acknowledgements: [{ grantId, index: 1 }] })),
    expected: 'grantExpired',
  },
  {
    rule: 'NR-6',
    why: 'a release of a recorded access',
    before: [...active, [tx(doctorB.signer, access())]],
    transaction: () => tx(h1.signer, report({ releases: [{ grantId, number: 1 }] })),
    expected: 'ok',
  },
  {
    rule: 'NR-6',
    why: 'a release without an access',
    before: active,
    transaction: () => tx(h1.signer, report({ releases: [{ grantId, number: 1 }] })),
    expected: 'numberUnknown',
  },
  {
    rule: 'NR-6',
    why: 'a release of number 0',
    before: [...active, [tx(doctorB.signer, access())]],
    transaction: () => tx(h1.signer, report({ releases: [{ grantId, number: 0 }] })),
    expected: 'numberUnknown',
  },
  {
    rule: 'NR-7',
    why: 'an erasure while the grant runs',
    before: active,
    transaction: () => tx(h1.signer, report({ erasures: [grantId] })),
    expected: 'grantNotEnded',
  },
  {
    rule: 'NR-7',
    why: 'an erasure after expiry',
    before: active,
    wait: 31 * DAY,
    transaction: () => tx(h1.signer, report({ erasures: [grantId] })),
    expected: 'ok',
  },
  {
    rule: 'NR-7',
    why: 'a second erasure',
    before: [
      ...active,
      [tx(tagSigner('g'), revoke)],
      [tx(h1.signer, report({ erasures: [grantId] }))],
    ],
    transaction: () => tx(h1.signer, report({ erasures: [grantId] })),
    expected: 'alreadyReported',
  },
  {
    rule: 'NR-7',
    why: 'a loss',
    before: active,
    transaction: () => tx(h1.signer, report({ losses: [grantId] })),
    expected: 'ok',
  },
  {
    rule: 'NR-7',
    why: 'a second loss',
    before: [...active, [tx(h1.signer, report({ losses: [grantId] }))]],
    transaction: () => tx(h1.signer, report({ losses: [grantId] })),
    expected: 'alreadyReported',
  },
  {
    rule: 'NR-8',
    why: 'one item that no longer holds does not spoil the rest',
    before: [granted],
    transaction: () =>
      tx(
        h1.signer,
        report({
          acknowledgements: [{ grantId, index: 1 }],
          erasures: [unknownGrant],
        }),
      ),
    expected: 'ok',
  },
];

const erased: TransactionBody = { type: 'acknowledgeErasure', grantId };

const acknowledgeErasureRows: readonly RuleRow[] = [
  {
    rule: 'AE-1',
    why: 'of nothing unknown',
    transaction: () => tx(doctorB.signer, erased),
    expected: 'grantUnknown',
  },
  {
    rule: 'AE-2',
    why: 'by nobody but the grantee',
    before: [granted, [tx(tagSigner('g'), revoke)]],
    transaction: () => tx(doctors['hospital-c'].signer, erased),
    expected: 'notTheGrantee',
  },
  {
    rule: 'AE-3',
    why: 'not while the grant runs',
    before: active,
    transaction: () => tx(doctorB.signer, erased),
    expected: 'grantNotEnded',
  },
  {
    rule: 'AE-3',
    why: 'after revocation',
    before: [granted, [tx(tagSigner('g'), revoke)]],
    transaction: () => tx(doctorB.signer, erased),
    expected: 'ok',
  },
  {
    rule: 'AE-4',
    why: 'once',
    before: [granted, [tx(tagSigner('g'), revoke)], [tx(doctorB.signer, erased)]],
    transaction: () => tx(doctorB.signer, erased),
    expected: 'alreadyReported',
  },
];

describe('requestAccess', () => runRuleTable(requestAccessRows));
describe('grantAccess', () => runRuleTable(grantAccessRows));
describe('narrowGrant', () => runRuleTable(narrowGrantRows));
describe('revokeAccess', () => runRuleTable(revokeAccessRows));
describe('recordAccess', () => runRuleTable(recordAccessRows));
describe('nodeReport', () => runRuleTable(nodeReportRows));
describe('acknowledgeErasure', () => runRuleTable(acknowledgeErasureRows));
