/**
 * A patient's visits as she can act on them: those whose values follow from K_patient, and those a
 * hospital drew for her. Both give labels, keywords, a signing key and a pseudonym.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import type { G1 } from '@yilian/crypto/curve';
import { blindKeyword, type Keyword } from '@yilian/crypto/keyword';
import { deriveLabel, type Label } from '@yilian/crypto/label';
import { type Month, parseMonth, quarterOfMonth } from '@yilian/crypto/period';
import { identityTag, pseudonymOf } from '@yilian/crypto/pseudonym';
import type { Pid } from '@yilian/crypto/ids';
import {
  deriveSymmetricTagKey,
  type TagKey,
  trapdoorTagKey,
} from '@yilian/crypto/searchable-encryption';
import { publicKey } from '@yilian/crypto/signature';
import type { PatientKeyring } from './keyring.ts';
import { hospitalIdOf, type PatientSecrets } from './patient-secrets.ts';
import type { Platform } from './platform/platform.ts';
import { decodeDrawnVisit, type DrawnVisit } from './visit-for-writing.ts';

/** What a label of a visit is for. */
export type VisitLabelName =
  | { readonly kind: 'visit' }
  | { readonly kind: 'class'; readonly resourceType: string }
  | { readonly kind: 'section'; readonly path: string }
  | { readonly kind: 'summary' };

export interface OwnVisit {
  readonly hospital: string;
  readonly month: Month;
  readonly pid: Pid;
  readonly visitKey: Bytes;
  /** Signs acknowledgements and objections. */
  readonly signingSeed: Bytes;
  readonly isDrawn: boolean;
  label(name: VisitLabelName): Label;
  /** K of a keyword under A (null: mode `sym`). */
  tagKey(keyword: Keyword, epochPoint: G1 | null): TagKey;
}

/** A visit derived from K_patient. */
export function derivedVisit(
  secrets: PatientSecrets,
  identity: string,
  note: { readonly hospital: string; readonly counter: number; readonly month: string },
): OwnVisit {
  const { hospital, counter } = note;
  const month = parseMonth(note.month);
  const visit = secrets.visit(hospital, counter);
  const hospitalId = hospitalIdOf(hospital);
  const { visitKey } = visit;
  return {
    hospital,
    month,
    pid: secrets.pid(visit, identity),
    visitKey,
    signingSeed: visit.signingSeed,
    isDrawn: false,
    label: (name) => {
      switch (name.kind) {
        case 'visit':
          return secrets.label({ kind: 'visit', visitKey, hospitalId, period: month });
        case 'class':
          return secrets.label({ ...name, hospitalId, period: month });
        case 'section':
          return secrets.label({ ...name, visitKey, hospitalId, period: month });
        case 'summary':
          return secrets.label({ kind: 'summary', hospitalId, period: quarterOfMonth(month) });
      }
    },
    tagKey: (keyword, epochPoint) => secrets.tagKey({ hospital, month, keyword, epochPoint }),
  };
}

/** A visit that a hospital drew. Trapdoors still need a: κ alone opens nothing. */
export function drawnOwnVisit(
  platform: Pick<Platform, 'curve'>,
  secrets: PatientSecrets,
  identity: string,
  drawn: DrawnVisit,
): OwnVisit {
  const { context } = secrets;
  const { hospital, month } = drawn;
  const hospitalId = hospitalIdOf(hospital);
  const visitKey = publicKey(drawn.signingSeed);
  return {
    hospital,
    month,
    pid: pseudonymOf(visitKey, identityTag(context, identity, drawn.beta)),
    visitKey,
    signingSeed: drawn.signingSeed,
    isDrawn: true,
    label: (name) => {
      switch (name.kind) {
        case 'visit':
          return deriveLabel(context, drawn.monthRoot, {
            kind: 'visit',
            visitKey,
            hospitalId,
            period: month,
          });
        case 'class':
          return deriveLabel(context, drawn.monthRoot, { ...name, hospitalId, period: month });
        case 'section':
          return deriveLabel(context, drawn.monthRoot, {
            ...name,
            visitKey,
            hospitalId,
            period: month,
          });
        case 'summary':
          return deriveLabel(context, drawn.quarterRoot, {
            kind: 'summary',
            hospitalId,
            period: quarterOfMonth(month),
          });
      }
    },
    tagKey: (keyword, epochPoint) => {
      const blinded = blindKeyword(context, drawn.keywordSecret, keyword);
      if (epochPoint === null) return deriveSymmetricTagKey(context, blinded);
      return trapdoorTagKey({
        curve: platform.curve,
        context,
        epochPoint,
        trapdoor: secrets.trapdoorOf(blinded),
      });
    },
  };
}

/** All visits that a keyring knows. */
export function ownVisits(
  platform: Pick<Platform, 'curve'>,
  secrets: PatientSecrets,
  keyring: PatientKeyring,
): readonly OwnVisit[] {
  const derived = keyring.visits.map((note) => derivedVisit(secrets, keyring.identity, note));
  const drawn = keyring.drawnVisits.flatMap((bytes) => {
    const visit = decodeDrawnVisit(bytes);
    return visit === null ? [] : [drawnOwnVisit(platform, secrets, keyring.identity, visit)];
  });
  return [...derived, ...drawn];
}
