import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bytes, concatBytes, equalBytes, toHex } from '../src/bytes.ts';
import { deriveConditionalKey, deriveSlotKey, type Encapsulation } from '../src/capsule.ts';
import type { SuiteContext } from '../src/context.ts';
import { type Curve, type G1, type G2, randomScalar } from '../src/curve.ts';
import { createGrant, type NewGrant, verifyGranteeShare } from '../src/grant.ts';
import {
  decodeGranteeShare,
  decodeNodeShare,
  encodeGranteeShare,
  encodeNodeShare,
  type NodeShare,
} from '../src/grant-share.ts';
import { decodeGrantBody, encodeGrantBody, hashGrantBody } from '../src/grant-body.ts';
import {
  deriveAccessKey,
  deriveCopyKey,
  deriveGrantSalt,
  deriveTagSeed,
  granteeInfo,
  nodeInfo,
} from '../src/grant-keys.ts';
import {
  encodeKeyShare,
  findLabelKey,
  restoreKeyShare,
  verifyNodeShare,
} from '../src/key-share.ts';
import type { Label } from '../src/label.ts';
import {
  combineShares,
  encodeShare,
  findBadShares,
  parseShare,
  reEncrypt,
  SHARE_BYTES,
  type ShareClaim,
  verifyShare,
} from '../src/proxy-re-encryption.ts';
import { evaluateCommitments, evaluatePolynomial, lagrangeCoefficients } from '../src/threshold.ts';
import { curves, fast } from './support/curves.ts';
import { codeOf, present } from './support/error-code.ts';
import {
  accessTo,
  answer,
  chain,
  createLabel,
  createPatient,
  grantLabels,
  november,
  type Patient,
  sealRecord,
  shareOfNode,
  visitLabel,
} from './support/patient.ts';
import { randomBytes, seededRandom } from './support/randomness.ts';

const otherChain: SuiteContext = { chainId: 'another', suite: 'intl' };

/** The slot key that the grantee computes from these answers. */
function openWith(input: {
  readonly curve: Curve;
  readonly patient: Patient;
  readonly grant: NewGrant;
  readonly record: Encapsulation;
  readonly label: Label;
  readonly claims: readonly ShareClaim[];
}): Bytes {
  const { curve, patient, grant, record, label, claims } = input;
  const secret = combineShares({ curve, blinding: grant.granteeShare.blinding, shares: claims });
  const { recordId } = record;
  return deriveSlotKey({ curve, context: chain, recordId, patientKey: patient.key, label, secret });
}

function scene(
  curve: Curve,
  threshold = 2,
  nodes = 3,
): {
  readonly patient: Patient;
  readonly label: Label;
  readonly record: Encapsulation;
  readonly grant: NewGrant;
} {
  const patient = createPatient(curve);
  const label = visitLabel(patient);
  const record = sealRecord(curve, patient, [label]);
  return {
    patient,
    label,
    record,
    grant: grantLabels(curve, patient, [label], { threshold, nodes }),
  };
}

describe.each(curves)('threshold re-encryption on $backend', (curve) => {
  test('any two of three nodes open for the grantee', () => {
    const { patient, label, record, grant } = scene(curve);
    expect(verifyGranteeShare(curve, chain, grant.granteeShare)).toBe(true);
    const answers = [1, 2, 3].map((index) => answer({ curve, grant, record, index }));
    for (const claim of answers) {
      const parsed = parseShare(curve, encodeShare(curve, claim.share));
      expect(verifyShare(curve, chain, { ...claim, share: parsed })).toBe(true);
    }
    for (const pair of [
      [0, 1],
      [0, 2],
      [1, 2],
      [2, 1],
    ]) {
      const claims = pair.map((position) => present(answers[position]));
      const key = openWith({ curve, patient, grant, record, label, claims });
      expect(key).toEqual(record.slotKeys[0]);
    }
  });
});

const curve = fast;

describe('who can open', () => {
  test('three of five open, in any choice and order, and more than three too', () => {
    const { patient, label, record, grant } = scene(curve, 3, 5);
    const answers = [1, 2, 3, 4, 5].map((index) => answer({ curve, grant, record, index }));
    for (const choice of [
      [0, 1, 2],
      [4, 2, 0],
      [1, 3, 4],
      [0, 1, 2, 3],
      [4, 3, 2, 1, 0],
    ]) {
      const claims = choice.map((position) => present(answers[position]));
      const key = openWith({ curve, patient, grant, record, label, claims });
      expect(key).toEqual(record.slotKeys[0]);
    }
  });

  test('the grantee with t − 1 nodes gets nothing', () => {
    const { patient, label, record, grant } = scene(curve, 3, 5);
    const answers = [1, 2, 3, 4, 5].map((index) => answer({ curve, grant, record, index }));
    for (const choice of [[0, 1], [3, 4], [2]]) {
      const claims = choice.map((position) => present(answers[position]));
      const key = openWith({ curve, patient, grant, record, label, claims });
      expect(key).not.toEqual(record.slotKeys[0]);
    }
  });

  test('all nodes together without d get nothing, with every exponent they know', () => {
    const { patient, label, record, grant } = scene(curve, 2, 3);
    const claims = [1, 2, 3].map((index) => answer({ curve, grant, record, index }));
    const one = curve.scalarFromInteger(1n);
    const { recordId } = record;
    // Without d: the value is e(C, D)^{1/d}.
    const withoutD = combineShares({ curve, blinding: one, shares: claims });
    const patientKey = patient.key;
    expect(
      deriveSlotKey({ curve, context: chain, recordId, patientKey, label, secret: withoutD }),
    ).not.toEqual(record.slotKeys[0]);
    // Their interpolated key D^{1/d} is not D, and does not pair like it.
    const shares = grant.nodeShares.slice(0, 2);
    const coefficients = lagrangeCoefficients(curve, [1, 2]);
    const interpolated = curve.sumG2(
      shares.map((share, i) => ({
        point: present(share.keys[0]),
        scalar: present(coefficients[i]),
      })),
    );
    const conditionalKey = deriveConditionalKey({
      curve,
      context: chain,
      patientScalar: patient.scalar,
      label,
      randomBytes,
    });
    expect(curve.equalG2(interpolated, conditionalKey)).toBe(false);
    const unblinded = curve.multiplyG2(interpolated, grant.granteeShare.blinding);
    expect(curve.equalG2(unblinded, conditionalKey)).toBe(true);
  });

  test('doctor and t nodes get D of the granted label only: another label stays closed', () => {
    const patient = createPatient(curve);
    const [granted, other] = [visitLabel(patient), visitLabel(patient)];
    const record = sealRecord(curve, patient, [other]);
    const grant = grantLabels(curve, patient, [granted]);
    const claims = [1, 2].map((index) => answer({ curve, grant, record, index }));
    for (const label of [granted, other])
      expect(openWith({ curve, patient, grant, record, label, claims })).not.toEqual(
        record.slotKeys[0],
      );
  });

  test('a record under two labels opens by each of them, one grant taking both', () => {
    const patient = createPatient(curve);
    const labels = [
      visitLabel(patient),
      createLabel(patient, {
        kind: 'class',
        resourceType: 'Observation',
        hospitalId: Uint8Array.of(1, 2, 3),
        period: november,
      }),
    ];
    const record = sealRecord(curve, patient, labels);
    const grant = grantLabels(curve, patient, labels);
    for (const [labelPosition, label] of labels.entries()) {
      const claims = [1, 3].map((index) => answer({ curve, grant, record, index, labelPosition }));
      const key = openWith({ curve, patient, grant, record, label, claims });
      expect(key).toEqual(record.slotKeys[labelPosition]);
    }
  });

  test('another patient’s record under a label of the same text stays closed', () => {
    const { grant, label } = scene(curve);
    const stranger = createPatient(curve);
    const record = sealRecord(curve, stranger, [label]);
    const claims = [1, 2].map((index) => answer({ curve, grant, record, index }));
    const key = openWith({ curve, patient: stranger, grant, record, label, claims });
    expect(key).not.toEqual(record.slotKeys[0]);
  });

  test('F18 an agent who holds only D grants like the patient; his shares for another label fail', () => {
    const patient = createPatient(curve);
    const [label, other] = [visitLabel(patient), visitLabel(patient)];
    const record = sealRecord(curve, patient, [label]);
    const conditionalKey = deriveConditionalKey({
      curve,
      context: chain,
      patientScalar: patient.scalar,
      label,
      randomBytes,
    });
    const asAgent = (granted: Label): NewGrant =>
      createGrant({
        curve,
        context: chain,
        patientKey: patient.key,
        labels: [{ label: granted, conditionalKey, tagNumber: 3 }],
        grantee: Uint8Array.of(9),
        nodes: [1, 2, 3].map((index) => ({ index, node: Uint8Array.of(index) })),
        threshold: 2,
        fromMs: 0,
        toMs: 1,
        records: 'all',
        purpose: 'family',
        randomBytes,
      });
    const grant = asAgent(label);
    const claims = [2, 3].map((index) => answer({ curve, grant, record, index }));
    expect(openWith({ curve, patient, grant, record, label, claims })).toEqual(record.slotKeys[0]);
    for (const share of asAgent(other).nodeShares)
      expect(verifyNodeShare({ curve, share, randomBytes })).toBeUndefined();
  });
});

describe('R1 grants are found and ended from a alone', () => {
  test('R1 tags of a label follow from D by number, and from nothing else', () => {
    const patient = createPatient(curve);
    const label = visitLabel(patient);
    const scalar = patient.scalar;
    const keyOf = (context: SuiteContext, of: Label): G2 =>
      deriveConditionalKey({ curve, context, patientScalar: scalar, label: of, randomBytes });
    const seed = (conditionalKey: G2, tagNumber: number, context = chain): string =>
      toHex(deriveTagSeed({ curve, context, conditionalKey, tagNumber }));
    const grant = grantLabels(curve, patient, [label]);
    const own = keyOf(chain, label);
    expect(toHex(present(grant.tagSeeds[0]))).toBe(seed(own, 0));
    const others = [
      seed(own, 1),
      seed(keyOf(chain, visitLabel(patient)), 0),
      seed(own, 0, otherChain),
    ];
    expect(new Set([seed(own, 0), ...others]).size).toBe(4);
    // A past grantee knows salt, body, d, P and ℓ: none of them, hashed the same way, gives the seed.
    expect(others).not.toContain(seed(curve.hashToG2('YILIAN-TEST', grant.salt), 0));
  });

  test('R1 salt and copy key follow from D and the grant id: recovery reads her own grants', () => {
    const patient = createPatient(curve);
    const label = visitLabel(patient);
    const grant = grantLabels(curve, patient, [label]);
    const conditionalKey = deriveConditionalKey({
      curve,
      context: chain,
      patientScalar: patient.scalar,
      label,
      randomBytes,
    });
    const { grantId } = grant.body;
    expect(deriveGrantSalt(curve, chain, conditionalKey, grantId)).toEqual(grant.salt);
    expect(deriveCopyKey(curve, chain, conditionalKey, grantId)).toEqual(grant.copyKey);
    expect(grant.copyKey).not.toEqual(grant.salt);
  });
});

describe('F1 grants do not show whose they are', () => {
  test('F1 for any other patient there are coins that give the same body and the same shares', () => {
    // V_j = P^{f_j} and D_i = Q^{a f(i)}: with f′ = f·a/a′ and d′ = d·a′/a, the view is that of a′.
    const [first, second] = [createPatient(curve), createPatient(curve)];
    const label = visitLabel(first);
    const drawn: Bytes[] = [];
    const recording = (length: number): Bytes => {
      const bytes = randomBytes(length);
      drawn.push(bytes);
      return bytes;
    };
    const conditionalKeyOf = (patient: Patient): G2 =>
      deriveConditionalKey({
        curve,
        context: chain,
        patientScalar: patient.scalar,
        label,
        randomBytes,
      });
    const make = (patient: Patient, coins: typeof randomBytes): NewGrant =>
      createGrant({
        curve,
        context: chain,
        patientKey: patient.key,
        labels: [{ label, conditionalKey: conditionalKeyOf(patient), tagNumber: 0 }],
        grantee: Uint8Array.of(9),
        nodes: [1, 2, 3].map((index) => ({ index, node: Uint8Array.of(index) })),
        threshold: 3,
        fromMs: 0,
        toMs: 1,
        records: 'all',
        purpose: 'treatment',
        randomBytes: coins,
      });
    const original = make(first, recording);
    const [grantId, d, ...coefficients] = drawn;
    const ratio = curve.multiplyScalars(first.scalar, curve.invertScalar(second.scalar));
    const widen = (scalar: ReturnType<typeof curve.reduceToScalar>): Bytes =>
      concatBytes(new Uint8Array(16), curve.encodeScalar(scalar));
    const replay = [
      present(grantId),
      widen(curve.multiplyScalars(curve.reduceToScalar(present(d)), curve.invertScalar(ratio))),
      ...coefficients.map((f) => widen(curve.multiplyScalars(curve.reduceToScalar(f), ratio))),
    ];
    const twin = make(second, () => present(replay.shift()));
    expect(replay).toHaveLength(0);
    expect(encodeGrantBody(curve, twin.body)).toEqual(encodeGrantBody(curve, original.body));
    for (const [position, share] of original.nodeShares.entries())
      expect(
        present(twin.nodeShares[position]).keys.map((key) => toHex(curve.encodeG2(key))),
      ).toEqual(share.keys.map((key) => toHex(curve.encodeG2(key))));
    // And still only the right d goes with the right patient.
    expect(verifyGranteeShare(curve, chain, twin.granteeShare)).toBe(true);
    expect(verifyGranteeShare(curve, chain, { ...twin.granteeShare, patientKey: first.key })).toBe(
      false,
    );
  });

  test('F1 nothing that a node is sent contains P', () => {
    const { patient, grant } = scene(curve);
    const key = toHex(curve.encodeG1(patient.key));
    for (const share of grant.nodeShares) {
      expect(toHex(encodeNodeShare(curve, share))).not.toContain(key);
      const stored = encodeKeyShare(curve, shareOfNode(curve, grant, share.index));
      expect(toHex(stored)).not.toContain(key);
    }
    expect(toHex(encodeGranteeShare(curve, grant.granteeShare))).toContain(key);
  });
});

describe('F6 a grant is bound to its body', () => {
  test('F6 HPKE infos differ with grant, index, grantee, body and chain', () => {
    const [first, second] = [scene(curve).grant, scene(curve).grant];
    const infos = [
      nodeInfo(chain, first.body.grantId, 1, first.bodyHash),
      nodeInfo(chain, first.body.grantId, 2, first.bodyHash),
      nodeInfo(chain, second.body.grantId, 1, first.bodyHash),
      nodeInfo(chain, first.body.grantId, 1, second.bodyHash),
      nodeInfo(otherChain, first.body.grantId, 1, first.bodyHash),
      granteeInfo(chain, first.body.grantId, Uint8Array.of(1), first.bodyHash),
      granteeInfo(chain, first.body.grantId, Uint8Array.of(2), first.bodyHash),
    ].map((info) => toHex(info));
    expect(new Set(infos).size).toBe(infos.length);
  });

  test('F6 the body hash moves with every field and with the salt', () => {
    const { grant } = scene(curve);
    const { body, salt } = grant;
    const otherBody = scene(curve).grant.body;
    const variants = [
      body,
      { ...body, grantId: otherBody.grantId },
      { ...body, grantee: Uint8Array.of(8) },
      { ...body, commitments: otherBody.commitments },
      { ...body, nodes: body.nodes.slice(0, 2) },
      { ...body, fromMs: 1 },
      { ...body, toMs: body.toMs + 1 },
      { ...body, points: otherBody.points },
      { ...body, records: [randomBytes(32)] },
      { ...body, records: [] },
      { ...body, purpose: 'research' },
    ].map((variant) => toHex(hashGrantBody(curve, chain, salt, variant)));
    variants.push(toHex(hashGrantBody(curve, chain, randomBytes(32), body)));
    variants.push(toHex(hashGrantBody(curve, otherChain, salt, body)));
    expect(new Set(variants).size).toBe(variants.length);
    expect(toHex(grant.bodyHash)).toBe(variants[0]);
  });

  test('F6 shares of an old grant under the commitments of a new one fail the node check', () => {
    const { patient, label, grant } = scene(curve);
    const fresh = grantLabels(curve, patient, [label]);
    for (const [position, share] of grant.nodeShares.entries()) {
      const moved: NodeShare = { ...present(fresh.nodeShares[position]), keys: share.keys };
      expect(verifyNodeShare({ curve, share: moved, randomBytes })).toBeUndefined();
    }
  });

  test('access keys differ with grant, nonce and salt', () => {
    const { grant } = scene(curve);
    const { salt } = grant;
    const { grantId } = grant.body;
    const other = scene(curve).grant;
    const nonce = randomBytes(16);
    const keys = [
      deriveAccessKey(chain, salt, grantId, nonce),
      deriveAccessKey(chain, salt, grantId, randomBytes(16)),
      deriveAccessKey(chain, salt, other.body.grantId, nonce),
      deriveAccessKey(chain, other.salt, grantId, nonce),
      deriveAccessKey(otherChain, salt, grantId, nonce),
    ].map((key) => toHex(key));
    expect(new Set(keys).size).toBe(5);
  });
});

describe('the node’s check', () => {
  const { patient, label, grant } = scene(curve);
  const share = present(grant.nodeShares[0]);
  const check = (wrong: NodeShare): boolean =>
    verifyNodeShare({ curve, share: wrong, randomBytes }) !== undefined;
  const random2 = (): G2 => curve.hashToG2('YILIAN-TEST', randomBytes(8));
  const identity1: G1 = curve.multiplyG1(curve.g1, curve.scalarFromInteger(0n));

  test('accepts every honest share, one label or several, and stores it', () => {
    for (const labels of [[label], [label, visitLabel(patient), visitLabel(patient)]]) {
      const many = grantLabels(curve, patient, labels, { threshold: 3, nodes: 5 });
      for (const honest of many.nodeShares) {
        const wire = decodeNodeShare(curve, encodeNodeShare(curve, honest));
        const verified = present(verifyNodeShare({ curve, share: wire, randomBytes }));
        const restored = restoreKeyShare(curve, encodeKeyShare(curve, verified));
        expect(encodeKeyShare(curve, restored)).toEqual(encodeKeyShare(curve, verified));
        expect(verified.keys).toHaveLength(labels.length);
        const point = curve.encodeG2(present(verified.keys[0]).point);
        expect(findLabelKey(curve, verified, point)).toBe(verified.keys[0]);
        expect(findLabelKey(curve, verified, randomBytes(96))).toBeUndefined();
      }
    }
  });

  test('refuses the share of another index, of no index, and too few or too many keys', () => {
    expect(check(share)).toBe(true);
    expect(check({ ...share, index: 2 })).toBe(false);
    expect(check({ ...share, index: 0 })).toBe(false);
    expect(check({ ...share, index: 4 })).toBe(false);
    expect(check({ ...share, keys: [] })).toBe(false);
    expect(check({ ...share, keys: [...share.keys, ...share.keys] })).toBe(false);
  });

  test('F14 refuses a true share of an index that the body does not name, 0 above all', () => {
    const [first, second] = [1, 2].map((index) => ({
      point: present(present(grant.nodeShares[index - 1]).keys[0]),
      index,
    }));
    // t shares interpolate the share of any index x: Lagrange with 1 and 2 gives (2 − x), (x − 1).
    const shareAt = (x: number): NodeShare => ({
      ...share,
      index: x,
      keys: [
        curve.sumG2([
          { point: present(first).point, scalar: curve.scalarFromInteger(BigInt(2 - x)) },
          { point: present(second).point, scalar: curve.scalarFromInteger(BigInt(x - 1)) },
        ]),
      ],
    });
    expect(check(shareAt(3))).toBe(true);
    for (const index of [0, 4]) {
      const extrapolated = shareAt(index);
      const nodes = [...share.body.nodes, { index, node: Uint8Array.of(index) }];
      expect(check(extrapolated)).toBe(false);
      // It is a true share: only the list of nodes, which the ledger checks, keeps it out.
      expect(check({ ...extrapolated, body: { ...share.body, nodes } })).toBe(true);
    }
  });

  test('F14 refuses wrong commitments: identity, swapped, one too few or too many', () => {
    const [v0, v1] = grant.body.commitments;
    const commitmentSets = [
      [identity1, present(v1)],
      [present(v0), identity1],
      [present(v1), present(v0)],
      [present(v0)],
      [present(v0), present(v1), present(v1)],
      [identity1],
      [],
    ];
    // Node 2's share: V(1) is symmetric in V_0 and V_1.
    const second = present(grant.nodeShares[1]);
    for (const commitments of commitmentSets)
      expect(check({ ...second, body: { ...second.body, commitments } })).toBe(false);
  });

  test('F14 refuses V(i) = O', () => {
    // V_0 = V_1^{-1} makes V(1) = O; a share D = O would then satisfy the bare equation.
    const [, v1] = grant.body.commitments;
    const commitments = [curve.negateG1(present(v1)), present(v1)];
    expect(curve.isIdentityG1(evaluateCommitments(curve, commitments, 1))).toBe(true);
    const zero = curve.scalarFromInteger(0n);
    const keys = share.keys.map((key) => curve.multiplyG2(key, zero));
    expect(check({ ...share, keys, body: { ...share.body, commitments } })).toBe(false);
  });

  test('refuses one wrong key among several, also two errors that cancel in a plain sum', () => {
    const labels = [label, visitLabel(patient), visitLabel(patient)];
    const many = grantLabels(curve, patient, labels);
    const honest = present(many.nodeShares[1]);
    const [k0, k1, k2] = [0, 1, 2].map((position) => present(honest.keys[position]));
    const error = random2();
    const plus = (key: G2 | undefined): G2 => curve.addG2(present(key), error);
    const minus = (key: G2 | undefined): G2 => curve.addG2(present(key), curve.negateG2(error));
    for (const keys of [
      [plus(k0), k1, k2],
      [k0, k1, plus(k2)],
      [plus(k0), minus(k1), k2],
      [k0, plus(k1), minus(k2)],
      [k1, k0, k2],
    ])
      expect(check({ ...honest, keys: keys.map((key) => present(key)) })).toBe(false);
    expect(check(honest)).toBe(true);
  });
});

describe('F18 the grantee’s check', () => {
  const { patient, grant } = scene(curve);
  const share = grant.granteeShare;
  const check = (changed: Partial<typeof share>): boolean =>
    verifyGranteeShare(curve, chain, { ...share, ...changed });

  test('F18 a wrong d, P or label is refused before use', () => {
    expect(check({})).toBe(true);
    expect(check({ blinding: randomScalar(curve, randomBytes) })).toBe(false);
    expect(check({ blinding: curve.scalarFromInteger(0n) })).toBe(false);
    expect(check({ patientKey: createPatient(curve).key })).toBe(false);
    expect(check({ patientKey: curve.multiplyG1(patient.key, curve.scalarFromInteger(0n)) })).toBe(
      false,
    );
    expect(check({ labels: [visitLabel(patient)] })).toBe(false);
    expect(check({ labels: [] })).toBe(false);
    expect(verifyGranteeShare(curve, otherChain, share)).toBe(false);
  });

  test('it survives encoding, and foreign bytes are refused', () => {
    const wire = encodeGranteeShare(curve, share);
    const decoded = decodeGranteeShare(curve, wire);
    expect(encodeGranteeShare(curve, decoded)).toEqual(wire);
    expect(verifyGranteeShare(curve, chain, decoded)).toBe(true);
    expect(codeOf(() => decodeGranteeShare(curve, wire.subarray(1)))).toBe('malformed');
    expect(codeOf(() => decodeGranteeShare(curve, concatBytes(wire, Uint8Array.of(0))))).toBe(
      'malformed',
    );
    expect(codeOf(() => decodeNodeShare(curve, wire))).toBe('malformed');
    const zeroD = { ...share, blinding: curve.scalarFromInteger(0n) };
    expect(codeOf(() => decodeGranteeShare(curve, encodeGranteeShare(curve, zeroD)))).toBe(
      'scalar',
    );
    const identity = curve.multiplyG1(curve.g1, curve.scalarFromInteger(0n));
    const wrongBody = { ...share.body, commitments: [identity, identity] };
    const wrong = encodeGrantBody(curve, wrongBody);
    expect(codeOf(() => decodeGrantBody(curve, wrong))).toBe('infinity');
  });
});

/** D_i of a grant with one label. */
const point = (grant: NewGrant, index: number): G2 =>
  present(present(grant.nodeShares[index - 1]).keys[0]);

describe('F14 thresholds', () => {
  const patient = createPatient(curve);
  const label = visitLabel(patient);
  const grantWith = (
    threshold: number,
    indices: readonly number[],
    coins = randomBytes,
  ): NewGrant =>
    createGrant({
      curve,
      context: chain,
      patientKey: patient.key,
      labels: [
        {
          label,
          tagNumber: 0,
          conditionalKey: deriveConditionalKey({
            curve,
            context: chain,
            patientScalar: patient.scalar,
            label,
            randomBytes,
          }),
        },
      ],
      grantee: Uint8Array.of(9),
      nodes: indices.map((index) => ({ index, node: Uint8Array.of(index & 255) })),
      threshold,
      fromMs: 0,
      toMs: 1,
      records: 'all',
      purpose: 'x',
      randomBytes: coins,
    });

  test.each([
    ['t = 0', 0, [1, 2, 3], 'threshold'],
    ['t > n', 4, [1, 2, 3], 'threshold'],
    ['t = 1.5', 1.5, [1, 2, 3], 'threshold'],
    ['index 0', 2, [0, 1, 2], 'index'],
    ['a negative index', 2, [-1, 1, 2], 'index'],
    ['an index over 255', 2, [1, 2, 256], 'index'],
    ['a duplicate index', 2, [1, 1, 2], 'duplicateIndex'],
  ])('F14 a grant with %s throws', (_, threshold, indices, code) => {
    expect(codeOf(() => grantWith(threshold, indices))).toBe(code);
  });

  test('F14 (iii) retries share no coefficient: no commitment, d or id repeats', () => {
    const seen = new Set<string>();
    const grants = Array.from({ length: 60 }, () => grantWith(3, [1, 2, 3]));
    for (const grant of grants) {
      for (const point of grant.body.commitments) seen.add(toHex(curve.encodeG1(point)));
      seen.add(toHex(curve.encodeScalar(grant.granteeShare.blinding)));
      seen.add(toHex(grant.body.grantId));
    }
    expect(seen.size).toBe(60 * 5);
  });

  test('F14 (iii) the attack: seeded coins, only t changed, 1 + 2 corrupt nodes and the doctor get D', () => {
    // Why coefficients come from the CSPRNG: with repeated coins the shares of two grants lie on two
    // polynomials that differ in the last coefficient only, and three nodes, below both thresholds, win.
    const first = grantWith(2, [1, 2, 3, 4], seededRandom('retry'));
    const second = grantWith(3, [1, 2, 3, 4], seededRandom('retry'));
    const three = curve.subtractScalars(curve.scalarFromInteger(4n), curve.scalarFromInteger(1n));
    // (second − first)(1) = f_2·1: from node 1 in both, then first = second − f_2 z² at nodes 1 and 2.
    const f2 = curve.addG2(point(second, 1), curve.negateG2(point(first, 1)));
    const firstAtTwo = curve.addG2(
      point(second, 2),
      curve.negateG2(curve.multiplyG2(f2, curve.addScalars(three, curve.scalarFromInteger(1n)))),
    );
    const [l1, l2] = lagrangeCoefficients(curve, [1, 2]);
    const stolen = curve.multiplyG2(
      curve.sumG2([
        { point: point(first, 1), scalar: present(l1) },
        { point: firstAtTwo, scalar: present(l2) },
      ]),
      first.granteeShare.blinding,
    );
    const target = deriveConditionalKey({
      curve,
      context: chain,
      patientScalar: patient.scalar,
      label,
      randomBytes,
    });
    expect(curve.equalG2(stolen, target)).toBe(true);
    // With the coins that the product uses, the same arithmetic gives nothing.
    const [fresh1, fresh2] = [grantWith(2, [1, 2, 3, 4]), grantWith(3, [1, 2, 3, 4])];
    const f2Fresh = curve.addG2(point(fresh2, 1), curve.negateG2(point(fresh1, 1)));
    const guess = curve.multiplyG2(
      curve.sumG2([
        { point: point(fresh1, 1), scalar: present(l1) },
        {
          point: curve.addG2(
            point(fresh2, 2),
            curve.negateG2(curve.multiplyG2(f2Fresh, curve.scalarFromInteger(4n))),
          ),
          scalar: present(l2),
        },
      ]),
      fresh1.granteeShare.blinding,
    );
    expect(curve.equalG2(guess, target)).toBe(false);
  });

  test('F14 mixed shares of two grants open nothing', () => {
    const record = sealRecord(curve, patient, [label]);
    const [first, second] = [grantWith(2, [1, 2, 3]), grantWith(2, [1, 2, 3])];
    const claims = [
      answer({ curve, grant: first, record, index: 1 }),
      answer({ curve, grant: second, record, index: 2 }),
    ];
    for (const grant of [first, second])
      expect(openWith({ curve, patient, grant, record, label, claims })).not.toEqual(
        record.slotKeys[0],
      );
  });

  test('combining refuses index 0, a repeated index and no share', () => {
    const { record, grant } = scene(curve);
    const claim = answer({ curve, grant, record, index: 1 });
    const blinding = grant.granteeShare.blinding;
    const combine = (indices: readonly number[]): unknown =>
      combineShares({
        curve,
        blinding,
        shares: indices.map((index) => ({ index, share: claim.share })),
      });
    expect(codeOf(() => combine([]))).toBe('tooFew');
    expect(codeOf(() => combine([0, 1]))).toBe('index');
    expect(codeOf(() => combine([1, 1]))).toBe('duplicateIndex');
  });

  test('interpolation returns the constant for any polynomial and any t distinct indices', () => {
    fc.assert(
      fc.property(
        fc.array(fc.bigInt({ min: 1n, max: 1n << 250n }), { minLength: 1, maxLength: 6 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 255 }), { minLength: 6, maxLength: 6 }),
        (integers, indices) => {
          const coefficients = integers.map((value) => curve.scalarFromInteger(value));
          const chosen = indices.slice(0, coefficients.length);
          const lambdas = lagrangeCoefficients(curve, chosen);
          let sum = curve.scalarFromInteger(0n);
          for (const [position, index] of chosen.entries()) {
            const value = evaluatePolynomial(curve, coefficients, index);
            sum = curve.addScalars(sum, curve.multiplyScalars(value, present(lambdas[position])));
          }
          expect(curve.encodeScalar(sum)).toEqual(curve.encodeScalar(present(coefficients[0])));
          const commitments = coefficients.map((f) => curve.multiplyG1(curve.g1, f));
          const index = present(indices[5]);
          const committed = evaluateCommitments(curve, commitments, index);
          const direct = curve.multiplyG1(curve.g1, evaluatePolynomial(curve, coefficients, index));
          expect(curve.equalG1(committed, direct)).toBe(true);
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('F17 shares are verified, and only liars are blamed', () => {
  const { patient, label, record, grant } = scene(curve, 3, 5);
  const honest = [1, 2, 3, 4, 5].map((index) => answer({ curve, grant, record, index }));
  const claim = present(honest[0]);
  const accepts = (changed: Partial<ShareClaim>): boolean =>
    verifyShare(curve, chain, { ...claim, ...changed });
  const withShare = (changed: Partial<ShareClaim['share']>): boolean =>
    accepts({ share: { ...claim.share, ...changed } });
  const scaled1 = (point: G1): G1 => curve.multiplyG1(point, curve.scalarFromInteger(2n));
  const identity1 = curve.multiplyG1(curve.g1, curve.scalarFromInteger(0n));
  const identity2 = curve.multiplyG2(curve.g2, curve.scalarFromInteger(0n));

  test('F17 a wrong E, V′ or Ĉ is refused, identities too', () => {
    const { share } = claim;
    expect(accepts({})).toBe(true);
    for (const e of [
      curve.negateG2(share.e),
      curve.multiplyG2(share.e, curve.scalarFromInteger(2n)),
      present(honest[1]).share.e,
      curve.g2,
      identity2,
    ])
      expect(withShare({ e })).toBe(false);
    for (const point of [share.v, share.c])
      for (const wrong of [curve.negateG1(point), scaled1(point), curve.g1, identity1]) {
        expect(withShare(point === share.v ? { v: wrong } : { c: wrong })).toBe(false);
      }
    // u = 0: everything is the identity and the bare equations hold.
    expect(withShare({ e: identity2, v: identity1 })).toBe(false);
    expect(withShare({ e: identity2, v: identity1, c: identity1 })).toBe(false);
  });

  test('F17 scaling E and V′ alike, which keeps the pairing equation, is refused', () => {
    const two = curve.scalarFromInteger(2n);
    const { share } = claim;
    const e = curve.multiplyG2(share.e, two);
    const v = curve.multiplyG1(share.v, two);
    expect(curve.pairingsEqual([{ g1: v, g2: claim.point }], [{ g1: curve.g1, g2: e }])).toBe(true);
    expect(withShare({ e, v })).toBe(false);
  });

  test('F6 F17 a share for another access, record, grant, node, label or chain is refused', () => {
    const { access } = claim;
    const other = scene(curve);
    const elsewhere = accessTo(other.grant, other.record);
    expect(accepts({ access: { ...access, number: access.number + 1 } })).toBe(false);
    expect(accepts({ access: { ...access, recordId: elsewhere.recordId } })).toBe(false);
    expect(accepts({ access: { ...access, grantId: elsewhere.grantId } })).toBe(false);
    expect(accepts({ index: 2 })).toBe(false);
    expect(accepts({ verificationKey: present(honest[1]).verificationKey })).toBe(false);
    expect(accepts({ index: 2, verificationKey: present(honest[1]).verificationKey })).toBe(false);
    expect(accepts({ capsule: other.record.capsule.c })).toBe(false);
    expect(accepts({ capsule: identity1 })).toBe(false);
    expect(accepts({ point: present(other.grant.body.points[0]) })).toBe(false);
    expect(accepts({ point: identity2 })).toBe(false);
    expect(verifyShare(curve, otherChain, claim)).toBe(false);
    expect(verifyShare(curve, { ...chain, suite: 'paper' }, claim)).toBe(false);
  });

  test('F17 bytes of a share: other lengths, O, points outside the subgroup, GT bytes are refused', () => {
    const bytes = encodeShare(curve, claim.share);
    expect(bytes).toHaveLength(SHARE_BYTES);
    for (const length of [0, 255, 257, 512, 576])
      expect(codeOf(() => parseShare(curve, new Uint8Array(length)))).toBe('length');
    const replaced = (offset: number, part: Bytes): Bytes => {
      const copy = bytes.slice();
      copy.set(part, offset);
      return copy;
    };
    const infinity = concatBytes(Uint8Array.of(0xc0), new Uint8Array(95));
    expect(codeOf(() => parseShare(curve, replaced(0, infinity)))).toBe('infinity');
    expect(codeOf(() => parseShare(curve, replaced(96, infinity.subarray(0, 48))))).toBe(
      'infinity',
    );
    expect(codeOf(() => parseShare(curve, replaced(144, infinity.subarray(0, 48))))).toBe(
      'infinity',
    );
    const outside = concatBytes(Uint8Array.of(0x80), new Uint8Array(46), Uint8Array.of(4));
    for (const offset of [96, 144])
      expect(codeOf(() => parseShare(curve, replaced(offset, outside)))).toBe('notInGroup');
    expect(codeOf(() => parseShare(curve, replaced(192, new Uint8Array(32).fill(0xff))))).toBe(
      'scalar',
    );
    expect(codeOf(() => parseShare(curve, replaced(224, new Uint8Array(32))))).toBe('scalar');
  });

  test('F17 any changed byte of a share is refused or blamed', () => {
    const bytes = encodeShare(curve, claim.share);
    for (let offset = 0; offset < SHARE_BYTES; offset += 11) {
      const changed = bytes.slice();
      changed[offset] = (changed[offset] ?? 0) ^ 4;
      let accepted = true;
      try {
        accepted = accepts({ share: parseShare(curve, changed) });
      } catch {
        accepted = false;
      }
      expect(accepted).toBe(false);
    }
  });

  test('F17 t − 1 good and one bad: nothing opens, the bad one is named, another node helps', () => {
    const two = curve.scalarFromInteger(2n);
    const lie = {
      ...present(honest[1]).share,
      c: curve.multiplyG1(present(honest[1]).share.c, two),
    };
    const claims = [present(honest[0]), { ...present(honest[1]), share: lie }, present(honest[2])];
    const open = (chosen: readonly ShareClaim[]): Bytes =>
      openWith({ curve, patient, grant, record, label, claims: chosen });
    expect(equalBytes(open(claims), present(record.slotKeys[0]))).toBe(false);
    expect(findBadShares(curve, chain, claims)).toEqual([2]);
    const retry = [present(claims[0]), present(claims[2]), present(honest[4])];
    expect(findBadShares(curve, chain, retry)).toEqual([]);
    expect(open(retry)).toEqual(record.slotKeys[0]);
  });

  test('F17 a node that answers with a key of another grant is blamed', () => {
    const foreign = grantLabels(curve, patient, [label], { threshold: 3, nodes: 5 });
    const keyShare = shareOfNode(curve, foreign, 3);
    const right = present(honest[2]);
    const share = reEncrypt({
      curve,
      context: chain,
      keyShare,
      labelKey: present(keyShare.keys[0]),
      capsule: record.capsule.c,
      access: accessTo(foreign, record),
      randomBytes,
    });
    expect(findBadShares(curve, chain, [{ ...right, share }])).toEqual([3]);
  });

  test('F17 a node that proves its exponent truthfully over a wrong E is blamed: the pairing decides', () => {
    const keyShare = shareOfNode(curve, grant, 1);
    const { point } = present(keyShare.keys[0]);
    for (const key of [curve.g2, point, present(shareOfNode(curve, grant, 2).keys[0]).key]) {
      const share = reEncrypt({
        curve,
        context: chain,
        keyShare,
        labelKey: { point, key },
        capsule: record.capsule.c,
        access: claim.access,
        randomBytes,
      });
      expect(accepts({ share })).toBe(false);
    }
  });

  test('F17 a truthful proof over identities (Q = E = O) is refused', () => {
    const keyShare = shareOfNode(curve, grant, 1);
    const share = reEncrypt({
      curve,
      context: chain,
      keyShare,
      labelKey: { point: identity2, key: identity2 },
      capsule: record.capsule.c,
      access: claim.access,
      randomBytes,
    });
    expect(accepts({ share, point: identity2 })).toBe(false);
  });

  test('F17 honest shares are never blamed, whatever the coins, threshold and label', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 4 }), (seed, threshold) => {
        const owner = createPatient(curve, seededRandom(`${seed}-owner`));
        const sealedLabel = visitLabel(owner);
        const sealed = sealRecord(curve, owner, [sealedLabel], seededRandom(`${seed}-record`));
        const given = grantLabels(curve, owner, [sealedLabel], {
          threshold,
          nodes: 4,
          coins: seededRandom(`${seed}-grant`),
        });
        const claims = [1, 2, 3, 4].map((index) =>
          answer({ curve, grant: given, record: sealed, index, number: seed.length }),
        );
        expect(findBadShares(curve, chain, claims)).toEqual([]);
      }),
      { numRuns: 6 },
    );
  });

  test('two answers to one access share no point: nothing of D or u repeats', () => {
    const again = answer({ curve, grant, record, index: 1 });
    expect(curve.equalG2(again.share.e, claim.share.e)).toBe(false);
    expect(curve.equalG1(again.share.v, claim.share.v)).toBe(false);
    expect(curve.equalG1(again.share.c, claim.share.c)).toBe(false);
  });
});

describe('F2 what a node refuses to compute', () => {
  test('F2 an access that names R2 while the capsule is that of R1', () => {
    const { patient, label, record, grant } = scene(curve);
    const second = sealRecord(curve, patient, [label]);
    const keyShare = shareOfNode(curve, grant, 1);
    const labelKey = present(keyShare.keys[0]);
    const ask = (capsule: G1, access: ReturnType<typeof accessTo>): unknown =>
      reEncrypt({ curve, context: chain, keyShare, labelKey, capsule, access, randomBytes });
    expect(() => ask(record.capsule.c, accessTo(grant, second))).toThrow('another record');
    const otherGrant = grantLabels(curve, patient, [label]);
    expect(() => ask(record.capsule.c, accessTo(otherGrant, record))).toThrow('another grant');
    const identity = curve.multiplyG1(curve.g1, curve.scalarFromInteger(0n));
    expect(codeOf(() => ask(identity, accessTo(grant, record)))).toBe('infinity');
  });

  test('F2 (ii) the attack that the capsule proof stops: C^s, opened, gives the key of C', () => {
    // Run to show that nodes alone could not notice: they compute e(C, D) for any C they are asked.
    const { patient, label, record, grant } = scene(curve);
    const s = randomScalar(curve, randomBytes);
    const disguised = curve.multiplyG1(record.capsule.c, s);
    const claims = [1, 2].map((index) => {
      const keyShare = shareOfNode(curve, grant, index);
      const labelKey = present(keyShare.keys[0]);
      const inverse = curve.invertScalar(s);
      // The node would answer for C^s; the doctor takes the root of Ĉ.
      const u = randomScalar(curve, randomBytes);
      const e = curve.multiplyG2(labelKey.key, u);
      const c = curve.multiplyG1(curve.multiplyG1(disguised, curve.invertScalar(u)), inverse);
      const { share, ...rest } = answer({ curve, grant, record, index });
      return { ...rest, share: { ...share, e, c } };
    });
    expect(openWith({ curve, patient, grant, record, label, claims })).toEqual(record.slotKeys[0]);
  });
});
