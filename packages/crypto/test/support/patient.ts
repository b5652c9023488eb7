import type { Bytes, RandomBytes } from '../../src/bytes.ts';
import { deriveConditionalKey, encapsulate, type Encapsulation } from '../../src/capsule.ts';
import type { SuiteContext } from '../../src/context.ts';
import { type Curve, type G1, randomScalar, type Scalar } from '../../src/curve.ts';
import { createGrant, type NewGrant } from '../../src/grant.ts';
import { type KeyShare, verifyNodeShare } from '../../src/key-share.ts';
import { deriveOwnLabel, type Label, type LabelName } from '../../src/label.ts';
import { type Month, parseMonth } from '../../src/period.ts';
import { patientKeyOf } from '../../src/possession.ts';
import {
  type Access,
  reEncrypt,
  type ReEncryptedShare,
  type ShareClaim,
} from '../../src/proxy-re-encryption.ts';
import { present } from './error-code.ts';
import { randomBytes } from './randomness.ts';

export const chain: SuiteContext = { chainId: 'yilian-test', suite: 'intl' };
export const november: Month = parseMonth('2026-11');
export const october: Month = parseMonth('2026-10');

/** A person with both of her secrets. */
export interface Patient {
  readonly scalar: Scalar;
  readonly key: G1;
  readonly secret: Bytes;
}

export function createPatient(curve: Curve, coins: RandomBytes = randomBytes): Patient {
  const scalar = randomScalar(curve, coins);
  return { scalar, key: patientKeyOf(curve, scalar), secret: coins(32) };
}

export function createLabel(patient: Patient, name: LabelName): Label {
  return deriveOwnLabel(chain, patient.secret, name);
}

export function visitLabel(patient: Patient, visitKey: Bytes = randomBytes(32)): Label {
  return createLabel(patient, {
    kind: 'visit',
    visitKey,
    hospitalId: Uint8Array.of(1, 2, 3),
    period: november,
  });
}

export function sealRecord(
  curve: Curve,
  patient: Patient,
  labels: readonly Label[],
  coins: RandomBytes = randomBytes,
): Encapsulation {
  return encapsulate({
    curve,
    context: chain,
    patientKey: patient.key,
    labels,
    randomBytes: coins,
  });
}

export function grantLabels(
  curve: Curve,
  patient: Patient,
  labels: readonly Label[],
  options: {
    readonly threshold?: number;
    readonly nodes?: number;
    readonly coins?: RandomBytes;
    readonly context?: SuiteContext;
  } = {},
): NewGrant {
  const { threshold = 2, nodes = 3, coins = randomBytes, context = chain } = options;
  return createGrant({
    curve,
    context,
    patientKey: patient.key,
    labels: labels.map((label) => ({
      label,
      tagNumber: 0,
      conditionalKey: deriveConditionalKey({
        curve,
        context,
        patientScalar: patient.scalar,
        label,
        randomBytes: coins,
      }),
    })),
    grantee: Uint8Array.of(9),
    nodes: Array.from({ length: nodes }, (_, i) => ({ index: i + 1, node: Uint8Array.of(i + 1) })),
    threshold,
    fromMs: 0,
    toMs: 1_800_000_000_000,
    records: 'all',
    purpose: 'treatment',
    randomBytes: coins,
  });
}

/** The verified share of node `index`. */
export function shareOfNode(curve: Curve, grant: NewGrant, index: number): KeyShare {
  const share = present(grant.nodeShares.find((candidate) => candidate.index === index));
  return present(verifyNodeShare({ curve, share, randomBytes }));
}

export function accessTo(grant: NewGrant, record: Encapsulation, number = 0): Access {
  return { grantId: grant.body.grantId, number, recordId: record.recordId };
}

/** An honest answer of node `index`, as the claim that the doctor verifies. */
export function answer(input: {
  readonly curve: Curve;
  readonly grant: NewGrant;
  readonly record: Encapsulation;
  readonly index: number;
  readonly labelPosition?: number;
  readonly number?: number;
}): ShareClaim {
  const { curve, grant, record, index, labelPosition = 0, number = 0 } = input;
  const keyShare = shareOfNode(curve, grant, index);
  const labelKey = present(keyShare.keys[labelPosition]);
  const access = accessTo(grant, record, number);
  const capsule = record.capsule.c;
  const share: ReEncryptedShare = reEncrypt({
    curve,
    context: chain,
    keyShare,
    labelKey,
    capsule,
    access,
    randomBytes,
  });
  const { verificationKey } = keyShare;
  return { access, index, point: labelKey.point, verificationKey, capsule, share };
}
