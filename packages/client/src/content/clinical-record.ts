/**
 * What one visit, or one summary document, becomes before it is sealed: sections by FHIR class, the
 * moment whose month its labels and search keys carry, and its keywords.
 */
import type { Keyword } from '@yilian/crypto/keyword';
import { type Month, monthOfTime } from '@yilian/crypto/period';
import type { FhirResource } from './fhir-bundle.ts';
import type { JsonObject } from './json.ts';

/** All resources of one FHIR class of the visit, as one FHIR collection that any reader opens. */
export interface RecordSection {
  /** The class; also the section's path in the record and the name of its class label. */
  readonly path: string;
  readonly resources: readonly JsonObject[];
  /** UTF-8 JSON of a Bundle of type `collection`. */
  readonly content: Uint8Array;
}

export type RecordKind = 'visit' | 'summary' | 'document';
export type CareSetting = 'ambulatory' | 'emergency' | 'inpatient' | 'other';

export interface ClinicalRecord {
  readonly kind: RecordKind;
  readonly setting: CareSetting;
  /** Milliseconds since 1970; of the admission, for a document of its date. */
  readonly admissionTimeMs: number;
  /** In UTC. A result that arrives months later stays under the admission's month (R10). */
  readonly month: Month;
  /** For people who hold the plaintext: never leaves the sealed part. */
  readonly title: string;
  /** As the source names it; undefined when it does not. */
  readonly organisation: string | undefined;
  readonly sections: readonly RecordSection[];
  /** `code|snomed#230690007`, `text|卒中`, `class|Observation`: most telling first, distinct, at most as many as the splitter was told. */
  readonly keywords: readonly Keyword[];
}

/** Classes that carry care: each becomes a class label. The others travel in the record without one. */
export const CLINICAL_CLASSES: ReadonlySet<string> = new Set([
  'AllergyIntolerance',
  'CarePlan',
  'Condition',
  'DiagnosticReport',
  'DocumentReference',
  'Goal',
  'ImagingStudy',
  'Immunization',
  'MedicationAdministration',
  'MedicationRequest',
  'MedicationStatement',
  'Observation',
  'Procedure',
  'ServiceRequest',
]);

/** The clinical classes of a record, in the order of its sections. */
export function clinicalClassesOf(record: ClinicalRecord): readonly string[] {
  return record.sections
    .map((section) => section.path)
    .filter((path) => CLINICAL_CLASSES.has(path));
}

/** Sections in order of class name, so that one visit always gives the same bytes. */
export function makeSections(resources: readonly FhirResource[]): readonly RecordSection[] {
  const byClass = new Map<string, FhirResource[]>();
  for (const resource of resources) {
    const group = byClass.get(resource.resourceType);
    if (group === undefined) byClass.set(resource.resourceType, [resource]);
    else group.push(resource);
  }
  return [...byClass.keys()].sort().map((path) => {
    const members = byClass.get(path) ?? [];
    const collection = {
      resourceType: 'Bundle',
      type: 'collection',
      entry: members.map(({ address, body }) => ({ fullUrl: address, resource: body })),
    };
    return {
      path,
      resources: members.map(({ body }) => body),
      content: new TextEncoder().encode(JSON.stringify(collection)),
    };
  });
}

export function monthOf(admissionTimeMs: number): Month {
  return monthOfTime(admissionTimeMs);
}
