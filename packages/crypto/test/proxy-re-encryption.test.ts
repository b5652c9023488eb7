import { describe, expect, test } from 'vitest';
import { deriveConditionalKey, deriveSlotKey, encapsulate, verifyCapsule } from '../src/capsule.ts';
import { createGrant, verifyGranteeShare, verifyNodeShare } from '../src/grant.ts';
import { deriveOwnLabel } from '../src/label.ts';
import { parseMonth } from '../src/period.ts';
import { combineShares, encodeShare, parseShare, reEncrypt, verifyShare } from '../src/proxy-re-encryption.ts';
import { randomScalar } from '../src/curve.ts';
import { curves } from './support/curves.ts';
import { randomBytes } from './support/randomness.ts';

const context = { chainId: 'test', suite: 'intl' } as const;
describe.each(curves)('$backend', (curve) => {
  test('two of three nodes open for the grantee', () => {
    const a = randomScalar(curve, randomBytes);
    const P = curve.multiplyG1(curve.g1, a);
    const label = deriveOwnLabel(context, randomBytes(32), { kind: 'visit', visitKey: randomBytes(32), hospitalId: randomBytes(32), period: parseMonth('2026-11') });
    const enc = encapsulate({ curve, context, patientKey: P, labels: [label], randomBytes });
    const txc = randomBytes(32);
    const proof = enc.prove(txc);
    expect(verifyCapsule({ curve, context, capsule: enc.capsule, proof, txc })).toBe(true);
    const D = deriveConditionalKey({ curve, context, patientScalar: a, label, randomBytes });
    const grant = createGrant({ curve, context, patientKey: P, labels: [{ label, conditionalKey: D, tagNumber: 0 }], grantee: randomBytes(32), nodes: [1, 2, 3].map((index) => ({ index, node: randomBytes(32) })), threshold: 2, fromMs: 0, toMs: 1e9, records: 'all', purpose: 'treatment', randomBytes });
    expect(verifyGranteeShare(curve, context, grant.granteeShare)).toBe(true);
    const access = { grantId: grant.body.grantId, number: 0, recordId: enc.recordId };
    const shares = grant.nodeShares.slice(1).map((ns) => {
      const ks = verifyNodeShare({ curve, share: ns, randomBytes });
      if (!ks) throw new Error('node check');
      const lk = ks.keys[0]; if (!lk) throw new Error();
      const share = parseShare(curve, encodeShare(curve, reEncrypt({ curve, context, keyShare: ks, labelKey: lk, capsule: enc.capsule.c, access, randomBytes })));
      expect(verifyShare(curve, context, { access, index: ks.index, point: lk.point, verificationKey: ks.verificationKey, capsule: enc.capsule.c, share })).toBe(true);
      return { index: ks.index, share };
    });
    const secret = combineShares({ curve, blinding: grant.granteeShare.blinding, shares });
    expect(deriveSlotKey({ curve, context, recordId: enc.recordId, patientKey: P, label, secret })).toEqual(enc.slotKeys[0]);
  });
});
