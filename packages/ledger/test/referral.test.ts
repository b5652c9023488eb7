import { describe, expect, test } from 'vitest';
import { parseGrant } from '../src/contracts/consent/grant.ts';
import { parseStateAnswer, verifyStateAnswer } from '../src/answers.ts';
import { stateKeys } from '../src/state.ts';
import {
  Chain,
  acknowledgementTxs,
  bytesOf,
  doctors,
  grantBody,
  grantTx,
  person,
  introduce,
  recordTx,
  regulator,
  tagSigner,
  tx,
  visit,
} from './consortium.ts';

describe('a referral on the ledger', () => {
  test('goes from enrolment over issue and grant to a numbered access, and ends with revocation', () => {
    const chain = new Chain();
    const clinician = person('new-doctor', 'doctor', 'hospital-a', 'operator-a');
    introduce(clinician.signer);
    const enrol = tx(regulator.signer, {
      type: 'enrolMember',
      kind: 'member',
      member: clinician.member,
    });
    expect(chain.codes(enrol)).toEqual(['ok']);

    const stroke = visit('stroke', 'hospital-a');
    expect(
      chain.codes(
        recordTx({ visit: stroke, name: 'ct', author: clinician }),
        recordTx({ visit: stroke, name: 'labs', number: 1 }),
      ),
    ).toEqual(['ok', 'ok']);

    const { grantId } = grantBody('g1');
    const access = (n: number): Uint8Array =>
      tx(doctors['hospital-b'].signer, {
        type: 'recordAccess',
        grantId,
        accessNonce: bytesOf(`access:${n}`, 16),
        sealed: bytesOf(`sealed:${n}`, 200),
      });
    expect(chain.codes(grantTx('g1'), access(0))).toEqual(['ok', 'grantPending']);
    expect(chain.codes(...acknowledgementTxs('g1'), access(1), access(2))).toEqual([
      'ok',
      'ok',
      'ok',
      'ok',
    ]);
    expect(
      chain.codes(tx(tagSigner('g1', 1), { type: 'revokeAccess', grantId }), access(3)),
    ).toEqual(['ok', 'grantRevoked']);

    const keyHash = stateKeys.grant(grantId);
    const result = chain.ledger.query({ path: 'state', key: keyHash, height: 0n, prove: true });
    if (!result.ok) throw new Error(result.code);
    const answer = parseStateAnswer(result.value);
    expect(verifyStateAnswer(chain.ledger.info().appHash, keyHash, answer)).toBe(true);
    const grant = parseGrant(answer.value ?? new Uint8Array());
    expect(grant.accesses).toBe(2);
    expect(grant.revoked).toBe(true);
  });
});
