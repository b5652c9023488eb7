import { expect, test } from 'vitest';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { parseStateAnswer } from '../src/answers.ts';
import {
  type Grant,
  acknowledgementsOf,
  parseGrant,
  stageOf,
} from '../src/contracts/consent/grant.ts';
import { stateKeys } from '../src/state.ts';
import {
  Chain,
  START,
  acknowledgementTxs,
  bytesOf,
  doctors,
  grantBody,
  grantTx,
  nodes,
  recordIdOf,
  recordTx,
  regulator,
  tagSigner,
  tx,
  visit,
} from './consortium.ts';

function grantOf(chain: Chain, name: string): Grant {
  const key = stateKeys.grant(grantBody(name).grantId);
  const result = chain.ledger.query({ path: 'state', key, height: 0n, prove: true });
  if (!result.ok) throw new Error(result.code);
  return parseGrant(parseStateAnswer(result.value).value ?? new Uint8Array());
}

function accessTx(name: string): Bytes {
  return tx(doctors['hospital-b'].signer, {
    type: 'recordAccess',
    grantId: grantBody(name).grantId,
    accessNonce: bytesOf(`nonce:${name}`, 16),
    sealed: bytesOf(`sealed:${name}`, 90),
  });
}

test('R11 a verdict on a bad share names the node and a hash, no record and no label point', () => {
  const stroke = visit('stroke', 'hospital-a');
  const chain = new Chain();
  chain.run(recordTx({ visit: stroke, name: 'ct' }), grantTx('g'));
  const before = new Map(chain.disk.entries());
  const verdict = tx(regulator.signer, {
    type: 'recordVerdict',
    node: nodes['hospital-a'].id,
    evidenceHash: bytesOf('evidence with Q and record id'),
    verdict: 'badShare',
  });
  chain.run(verdict);
  const secrets = [recordIdOf({ visit: stroke, name: 'ct' }), stroke.pid, grantBody('g').grantId];
  const written = [...chain.disk.entries()]
    .filter(([key, value]) => before.get(key) !== value && !/^(6e|75|55)/.test(key))
    .map(([, value]) => toHex(value));
  for (const secret of secrets.map(toHex)) {
    expect(toHex(verdict)).not.toContain(secret);
    for (const value of written) expect(value).not.toContain(secret);
  }
});

test("R9 erasing one grant's shares leaves another grant of the same nodes active", () => {
  const chain = new Chain();
  chain.run(grantTx('g'), grantTx('h'));
  chain.run(...acknowledgementTxs('g'));
  chain.run(...acknowledgementTxs('h'));
  const { grantId } = grantBody('g');
  chain.run(tx(tagSigner('g'), { type: 'revokeAccess', grantId }));
  const erase = tx(nodes['hospital-a'].signer, {
    type: 'nodeReport',
    acknowledgements: [],
    releases: [],
    erasures: [grantId],
    losses: [],
  });
  expect(chain.codes(erase, accessTx('g'), accessTx('h'))).toEqual(['ok', 'grantRevoked', 'ok']);
  expect(grantOf(chain, 'g').holders.map(({ share }) => share)).toEqual(['erased', 'kept', 'kept']);
  expect(grantOf(chain, 'h').holders.every(({ share }) => share === 'kept')).toBe(true);
});

test('a grant passes through its stages by block time and reports', () => {
  const chain = new Chain();
  chain.run(grantTx('g', { from: START + 100, to: START + 200 }));
  const grant = grantOf(chain, 'g');
  expect(stageOf(grant, START + 99)).toBe('notStarted');
  expect(stageOf(grant, START + 100)).toBe('pending');
  expect(stageOf(grant, START + 200)).toBe('expired');
  chain.run(...acknowledgementTxs('g', 2));
  const acknowledged = grantOf(chain, 'g');
  expect(acknowledgementsOf(acknowledged)).toBe(2);
  expect(stageOf(acknowledged, START + 100)).toBe('active');
  expect(stageOf({ ...acknowledged, revoked: true }, START + 300)).toBe('revoked');
});

test('narrowings add up and are all proved', () => {
  const chain = new Chain();
  const { grantId, to } = grantBody('g');
  chain.run(grantTx('g'));
  const narrow = (name: string, i: number): Bytes =>
    tx(tagSigner('g', i), { type: 'narrowGrant', grantId, to, narrowingHash: bytesOf(name) });
  chain.run(narrow('one', 0), narrow('two', 1));
  expect(grantOf(chain, 'g').narrowings).toEqual([bytesOf('one'), bytesOf('two')]);
});
