/**
 * Digests of everything that has one form on the wire, in the tree or in the log: one transaction of each
 * type, the roots of a chain that runs some of them, and the answers to questions about it. Keys and
 * nonces come from names, so the same bytes come out of every run. To write the file again after a
 * deliberate change of format (which needs a decision record):
 *   YILIAN_WRITE_VECTORS=1 npx vitest run packages/ledger/test/format-vectors.test.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import { expect, test } from 'vitest';
import { CONTRACTS } from '../src/contracts.ts';
import { stateKeys } from '../src/state.ts';
import {
  encodeTransaction,
  paddedRequestAccess,
  parseTransaction,
} from '../src/transaction-codec.ts';
import type { TransactionBody } from '../src/transaction.ts';
import { toPatientCommitment } from '../src/ids.ts';
import {
  CHAIN_ID,
  Chain,
  START,
  acknowledgementTxs,
  bytesOf,
  departments,
  doctors,
  genesis,
  grantBody,
  grantTx,
  hospitals,
  introduce,
  nodes,
  person,
  recordIdOf,
  recordTx,
  regulator,
  signed,
  signerOf,
  stores,
  tagSigner,
  tx,
  visit,
} from './consortium.ts';
import { approval, changeTo, consensusSigner, five } from './governance.ts';

const file = new URL('vectors/formats.json', import.meta.url);
const stroke = visit('stroke', 'hospital-a');
const { grantId } = grantBody('g');
const renewed = signerOf('renewed');
const auditor = person('node@store-two', 'node', 'store-two', 'operator-two');
introduce(renewed, auditor.signer);
const firstRecord = { visit: stroke, name: 'ct' } as const;
const record = recordIdOf(firstRecord);
const correction = { visit: stroke, name: 'ct, corrected', number: 1, amends: record } as const;
const amended = recordIdOf(correction);
const [acknowledged = new Uint8Array(0), acknowledgedToo = new Uint8Array(0)] =
  acknowledgementTxs('g');

const transactions: Readonly<Record<TransactionBody['type'], Bytes>> = {
  enrolMember: tx(regulator.signer, {
    type: 'enrolMember',
    kind: 'patient',
    commitment: toPatientCommitment(bytesOf('p')),
  }),
  suspendMember: tx(regulator.signer, {
    type: 'suspendMember',
    target: { kind: 'member', id: doctors['hospital-d'].id },
    status: 'suspended',
  }),
  rotateKey: tx(doctors['hospital-c'].signer, {
    type: 'rotateKey',
    member: doctors['hospital-c'].id,
    newKey: renewed.key,
    newHpkeKey: bytesOf('new hpke'),
    newCertificateHash: bytesOf('new certificate'),
  }),
  publishNodeKey: tx(nodes['hospital-a'].signer, {
    type: 'publishNodeKey',
    hpkeKey: bytesOf('k'),
    day: Math.floor(START / 86_400),
  }),
  recordVerdict: tx(regulator.signer, {
    type: 'recordVerdict',
    node: nodes['hospital-d'].id,
    evidenceHash: bytesOf('evidence'),
    verdict: 'badShare',
  }),
  issueRecord: recordTx(firstRecord),
  amendRecord: recordTx(correction),
  acknowledgeRecord: tx(stroke.signer, { type: 'acknowledgeRecord', record }),
  objectRecord: tx(stroke.signer, { type: 'objectRecord', record: amended, reason: 'unreadable' }),
  reportStorage: tx(auditor.signer, {
    type: 'reportStorage',
    record,
    store: stores[0].id,
    finding: 'missing',
  }),
  requestAccess: encodeTransaction(
    signed(
      paddedRequestAccess({
        chainId: CHAIN_ID,
        sender: departments['hospital-b'].signer.key,
        nonce: bytesOf('nonce:request', 16),
        expiryHeight: 1_000,
        commitment: bytesOf('commitment'),
      }),
    ),
  ),
  grantAccess: grantTx('g'),
  narrowGrant: tx(tagSigner('g'), { type: 'narrowGrant', grantId, to: START, narrowingHash: null }),
  revokeAccess: tx(tagSigner('g', 1), { type: 'revokeAccess', grantId }),
  recordAccess: tx(doctors['hospital-b'].signer, {
    type: 'recordAccess',
    grantId,
    accessNonce: bytesOf('n', 16),
    sealed: bytesOf('s', 64),
  }),
  nodeReport: acknowledged,
  acknowledgeErasure: tx(doctors['hospital-b'].signer, { type: 'acknowledgeErasure', grantId }),
  changeValidators: tx(regulator.signer, changeTo(five)),
  approveValidators: tx(consensusSigner('a'), approval(changeTo(five))),
};

const enrolAuditor = tx(regulator.signer, {
  type: 'enrolMember',
  kind: 'member',
  member: auditor.member,
});
const furtherApprovals = ['b', 'c', 'e'].map((each) =>
  tx(consensusSigner(each), approval(changeTo(five))),
);

function idOf(bytes: Bytes): string {
  const parsed = parseTransaction(bytes);
  if (!parsed.ok) throw new Error(parsed.rejection.code);
  return toHex(parsed.transaction.id);
}

/** Runs them block by block; what each block came to, and what the node says of it all. */
function compute(): unknown {
  const chain = new Chain();
  const blocks = [
    [enrolAuditor, transactions.enrolMember, transactions.issueRecord, transactions.grantAccess],
    [acknowledged, acknowledgedToo, transactions.publishNodeKey, transactions.rotateKey],
    [transactions.recordAccess, transactions.amendRecord, transactions.requestAccess],
    [transactions.objectRecord, transactions.reportStorage, transactions.acknowledgeRecord],
    [transactions.narrowGrant, transactions.revokeAccess, transactions.acknowledgeErasure],
    [transactions.suspendMember, transactions.recordVerdict],
    [transactions.changeValidators, transactions.approveValidators, ...furtherApprovals],
  ].map((txs) => ({ outcomes: chain.codes(...txs), appHash: toHex(chain.ledger.info().appHash) }));
  const answer = (path: string, key: Bytes): string => {
    const result = chain.ledger.query({ path, key, height: 0n, prove: true });
    return result.ok ? toHex(sha256(result.value)) : result.code;
  };
  return {
    genesis: toHex(sha256(genesis.appState)),
    recordId: toHex(record),
    memberId: toHex(hospitals['hospital-a'].id),
    transactions: Object.fromEntries(
      Object.entries(transactions).map(([type, bytes]) => [
        type,
        { id: idOf(bytes), sha256: toHex(sha256(bytes)) },
      ]),
    ),
    blocks,
    answers: {
      status: answer('status', new Uint8Array(0)),
      member: answer('state', stateKeys.member(hospitals['hospital-a'].id)),
      record: answer('state', stateKeys.record(record)),
      storage: answer('state', stateKeys.storage(record, stores[0].id)),
      grant: answer('state', stateKeys.grant(grantId)),
      validators: answer('state', stateKeys.validators()),
      nothing: answer('state', bytesOf('nothing')),
    },
  };
}

if (process.env['YILIAN_WRITE_VECTORS'] === '1')
  writeFileSync(file, `${JSON.stringify(compute(), null, 2)}\n`);

test('ids, encodings, app hashes and answers are those on file', () => {
  expect(compute()).toEqual(JSON.parse(readFileSync(file, 'utf8')));
});

test('no type of transaction is left out', () => {
  expect(Object.keys(transactions).sort()).toEqual(Object.keys(CONTRACTS).sort());
});
