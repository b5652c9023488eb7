/**
 * What follows from K_patient and a, and from nothing else: visits, labels, keys of labels, keywords,
 * trapdoors. A fresh device with the recovery kit computes the same values.
 */
import { type Bytes, utf8 } from '@yilian/crypto/bytes';
import { deriveConditionalKey, secretPackageKey, secretSlotKey } from '@yilian/crypto/capsule';
import type { ChainContext, SuiteContext } from '@yilian/crypto/context';
import type { G1, G2, Scalar } from '@yilian/crypto/curve';
import {
  type BlindedKeyword,
  blindKeyword,
  deriveKeywordSecret,
  type Keyword,
} from '@yilian/crypto/keyword';
import { deriveOwnLabel, type Label, type LabelName } from '@yilian/crypto/label';
import { type Month, monthOfTime, parseMonth } from '@yilian/crypto/period';
import { patientKeyOf } from '@yilian/crypto/possession';
import {
  createVisitPackage,
  deriveVisit,
  identityTag,
  pseudonymOf,
  type Visit,
  type VisitPackage,
} from '@yilian/crypto/pseudonym';
import type { Pid } from '@yilian/crypto/ids';
import {
  deriveSymmetricTagKey,
  deriveTrapdoor,
  type TagKey,
  trapdoorTagKey,
} from '@yilian/crypto/searchable-encryption';
import type { PatientKeyring } from './keyring.ts';
import type { Platform } from './platform/platform.ts';

/** The bytes by which labels and keywords name a hospital: its institution id in UTF-8. */
export function hospitalIdOf(institution: string): Bytes {
  return utf8(institution);
}

export interface PatientSecrets {
  readonly context: ChainContext;
  /** P */
  readonly patientKey: G1;
  visit(hospital: string, number: number): Visit;
  /** PID of a visit under the certified identity. */
  pid(visit: Visit, identity: string): Pid;
  visitPackage(hospital: string, number: number, month: Month): VisitPackage;
  label(name: LabelName): Label;
  /** D_ℓ */
  conditionalKey(label: Label): G2;
  /** T of a keyword at one hospital in one month. */
  trapdoor(hospital: string, month: Month, keyword: Keyword): G2;
  /** T of a keyword that is blinded already. */
  trapdoorOf(keyword: BlindedKeyword): G2;
  /** K of a keyword in one epoch, to test tags on this device. */
  tagKey(input: {
    readonly hospital: string;
    readonly month: Month;
    readonly keyword: Keyword;
    /** A, or null in mode `sym`. */
    readonly epochPoint: G1 | null;
  }): TagKey;
  /** K_ℓ of a record, by a. */
  slotKey(context: SuiteContext, capsule: { readonly c: G1 }, label: Label): Bytes;
  /** Key of a visit package that a hospital sealed into a record. */
  packageKey(context: SuiteContext, capsule: { readonly c: G1 }): Bytes;
  /** Runs `use` with a; the scalar is wiped afterwards. */
  withScalar<T>(use: (scalar: Scalar) => T): T;
}

export function createPatientSecrets(platform: Platform, keyring: PatientKeyring): PatientSecrets {
  const { curve, randomBytes } = platform;
  const context = { chainId: keyring.chainId };
  const { patientSecret } = keyring;

  const withScalar = <T>(use: (scalar: Scalar) => T): T => {
    const scalar = curve.parseScalar(keyring.scalar);
    try {
      return use(scalar);
    } finally {
      curve.wipeScalar(scalar);
    }
  };
  const patientKey = withScalar((scalar) => patientKeyOf(curve, scalar));
  const blind = (hospital: string, month: Month, keyword: Keyword): BlindedKeyword => {
    const hospitalId = hospitalIdOf(hospital);
    const secret = deriveKeywordSecret({ context, patientSecret, hospitalId, month });
    return blindKeyword(context, secret, keyword);
  };
  const trapdoorOf = (keyword: BlindedKeyword): G2 =>
    withScalar((patientScalar) =>
      deriveTrapdoor({ curve, context, patientScalar, keyword, randomBytes }),
    );
  const trapdoor = (hospital: string, month: Month, keyword: Keyword): G2 =>
    trapdoorOf(blind(hospital, month, keyword));

  return {
    context,
    patientKey,
    withScalar,
    visit: (hospital, number) =>
      deriveVisit({ context, patientSecret, hospitalId: hospitalIdOf(hospital), number }),
    pid: (visit, identity) =>
      pseudonymOf(visit.visitKey, identityTag(context, identity, visit.beta)),
    visitPackage: (hospital, number, month) =>
      withScalar((patientScalar) =>
        createVisitPackage({
          curve,
          context,
          patientSecret,
          patientScalar,
          patientKey,
          hospitalId: hospitalIdOf(hospital),
          number,
          month,
          randomBytes,
        }),
      ),
    label: (name) => deriveOwnLabel(context, patientSecret, name),
    conditionalKey: (label) =>
      withScalar((patientScalar) =>
        deriveConditionalKey({ curve, context, patientScalar, label, randomBytes }),
      ),
    trapdoor,
    trapdoorOf,
    tagKey: ({ hospital, month, keyword, epochPoint }) =>
      epochPoint === null
        ? deriveSymmetricTagKey(context, blind(hospital, month, keyword))
        : trapdoorTagKey({
            curve,
            context,
            epochPoint,
            trapdoor: trapdoor(hospital, month, keyword),
          }),
    slotKey: (suiteContext, capsule, label) =>
      withScalar((patientScalar) =>
        secretSlotKey({
          curve,
          context: suiteContext,
          patientScalar,
          patientKey,
          capsule,
          label,
          randomBytes,
        }),
      ),
    packageKey: (suiteContext, capsule) =>
      withScalar((patientScalar) =>
        secretPackageKey({ curve, context: suiteContext, patientScalar, capsule, randomBytes }),
      ),
  };
}

/** The month of this moment on this device. */
export function currentMonth(platform: Platform): Month {
  return monthOfTime(platform.nowMs());
}

/** `count` months before `month`, latest first, `month` itself included. */
export function monthsBackFrom(month: Month, count: number): readonly Month[] {
  const year = Number(month.slice(0, 4));
  const index = year * 12 + Number(month.slice(5)) - 1;
  return Array.from({ length: count }, (_, back) => {
    const at = index - back;
    const y = String(Math.floor(at / 12)).padStart(4, '0');
    return parseMonth(`${y}-${String((at % 12) + 1).padStart(2, '0')}`);
  });
}

/** The curve-independent part of a label's name as people read it. */
export function describeLabel(label: LabelName): string {
  switch (label.kind) {
    case 'visit':
      return `visit ${label.period}`;
    case 'class':
      return `${label.resourceType} ${label.period}`;
    case 'section':
      return `section ${label.path} ${label.period}`;
    case 'summary':
      return `summary ${label.period}`;
  }
}
