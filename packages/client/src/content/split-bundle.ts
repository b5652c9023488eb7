/**
 * From a bundle to records: one per Encounter, or one for a whole document.
 *
 * Where a resource belongs, in this order: the Encounter it names; the visit of what refers to it or
 * of what it refers to (a Goal through its CarePlan, an ExplanationOfBenefit through its Claim); the
 * last visit that began before its own time; the last visit. People, places and devices are copied
 * into every visit that refers to them. So no resource of the source is lost, and each clinical one
 * lies in exactly one record.
 */
import {
  type ClinicalRecord,
  type CareSetting,
  makeSections,
  monthOf,
  type RecordKind,
} from './clinical-record.ts';
import { ContentError } from './content-error.ts';
import { type FhirBundle, type FhirResource, ReferenceIndex } from './fhir-bundle.ts';
import { parseFhirTime } from './fhir-time.ts';
import { objectAt, objectsAt, textAt } from './json.ts';
import { deriveKeywords, displayOf } from './keywords.ts';

export interface SplitOptions {
  /** Keywords per record; the index pads tags to a fixed number, so more than that would be cut. */
  readonly keywordsMax: number;
}

const DEFAULT_OPTIONS: SplitOptions = { keywordsMax: 24 };

const SHARED_CLASSES: ReadonlySet<string> = new Set([
  'Coverage',
  'Device',
  'Endpoint',
  'Location',
  'Medication',
  'Organization',
  'Patient',
  'Practitioner',
  'PractitionerRole',
  'RelatedPerson',
  'Substance',
]);

/** LOINC "Patient summary Document": the type of an International Patient Summary. */
const PATIENT_SUMMARY = '60591-5';

const TIME_NAMES = [
  'effectiveDateTime',
  'performedDateTime',
  'occurrenceDateTime',
  'onsetDateTime',
  'authoredOn',
  'started',
  'recordedDate',
  'recorded',
  'issued',
  'date',
  'created',
  'startDate',
] as const;
const PERIOD_NAMES = ['effectivePeriod', 'performedPeriod', 'billablePeriod', 'period'] as const;

/** When the thing described happened, by the first of FHIR's many names for it. */
function timeOf(resource: FhirResource): number | undefined {
  for (const name of PERIOD_NAMES) {
    const time = parseFhirTime(textAt(objectAt(resource.body, name), 'start'));
    if (time !== undefined) return time;
  }
  for (const name of TIME_NAMES) {
    const time = parseFhirTime(textAt(resource.body, name));
    if (time !== undefined) return time;
  }
  return undefined;
}

/** HL7 v3 ActCode, as `Encounter.class` uses it. */
const SETTINGS: ReadonlyMap<string, CareSetting> = new Map([
  ['AMB', 'ambulatory'],
  ['VR', 'ambulatory'],
  ['HH', 'ambulatory'],
  ['EMER', 'emergency'],
  ['IMP', 'inpatient'],
  ['ACUTE', 'inpatient'],
  ['NONAC', 'inpatient'],
  ['OBSENC', 'inpatient'],
]);

function settingOf(encounter: FhirResource): CareSetting {
  return SETTINGS.get(textAt(objectAt(encounter.body, 'class'), 'code') ?? '') ?? 'other';
}

/** The Encounter a resource names itself: R4's `encounter`, STU3's `context`, or the only one it mentions. */
function ownEncounter(resource: FhirResource, index: ReferenceIndex): FhirResource | undefined {
  const named =
    index.referenceAt(resource.body, 'encounter') ??
    index.referenceAt(resource.body, 'context') ??
    index.referenceAt(objectAt(resource.body, 'context'), 'encounter');
  if (named?.resourceType === 'Encounter') return named;
  const mentioned = index
    .referencesOf(resource.body)
    .filter((target) => target.resourceType === 'Encounter');
  return mentioned.length === 1 ? mentioned[0] : undefined;
}

interface Visit {
  readonly encounter: FhirResource;
  readonly startMs: number;
}

function visitsOf(bundle: FhirBundle): readonly Visit[] {
  const visits: Visit[] = [];
  for (const encounter of bundle.resources) {
    if (encounter.resourceType !== 'Encounter') continue;
    const startMs = timeOf(encounter);
    if (startMs === undefined)
      throw new ContentError('noTime', 'an Encounter of the bundle has no time');
    visits.push({ encounter, startMs });
  }
  return visits.sort((left, right) => left.startMs - right.startMs);
}

/** Address → visit for everything that is not shared. */
function placeResources(
  bundle: FhirBundle,
  visits: readonly Visit[],
  index: ReferenceIndex,
): ReadonlyMap<FhirResource, Visit> {
  const byEncounter = new Map(visits.map((visit) => [visit.encounter, visit]));
  const placed = new Map<FhirResource, Visit>();
  const waiting = new Set<FhirResource>();
  for (const resource of bundle.resources) {
    if (SHARED_CLASSES.has(resource.resourceType)) continue;
    const encounter =
      resource.resourceType === 'Encounter' ? resource : ownEncounter(resource, index);
    const visit = encounter === undefined ? undefined : byEncounter.get(encounter);
    if (visit === undefined) waiting.add(resource);
    else placed.set(resource, visit);
  }
  for (let before = -1; before !== waiting.size && waiting.size > 0;) {
    before = waiting.size;
    const found = new Map<FhirResource, Visit>();
    for (const resource of waiting) {
      const target = index.referencesOf(resource.body).find((candidate) => placed.has(candidate));
      const visit = target === undefined ? undefined : placed.get(target);
      if (visit !== undefined) found.set(resource, visit);
    }
    for (const [resource, visit] of placed)
      for (const target of index.referencesOf(resource.body))
        if (waiting.has(target) && !found.has(target)) found.set(target, visit);
    for (const [resource, visit] of found) {
      placed.set(resource, visit);
      waiting.delete(resource);
    }
  }
  for (const resource of waiting) {
    const time = timeOf(resource);
    const visit =
      (time === undefined ? undefined : visits.findLast(({ startMs }) => startMs <= time)) ??
      visits.at(time === undefined ? -1 : 0);
    if (visit !== undefined) placed.set(resource, visit);
  }
  return placed;
}

/** The shared resources that `members` need, through any number of references. */
function closureOfShared(
  members: readonly FhirResource[],
  index: ReferenceIndex,
): readonly FhirResource[] {
  const needed = new Set<FhirResource>();
  const pending = [...members];
  for (let next = pending.pop(); next !== undefined; next = pending.pop())
    for (const target of index.referencesOf(next.body))
      if (SHARED_CLASSES.has(target.resourceType) && !needed.has(target)) {
        needed.add(target);
        pending.push(target);
      }
  return [...needed];
}

function organisationOf(
  resource: FhirResource,
  name: string,
  index: ReferenceIndex,
): string | undefined {
  const organisation = index.referenceAt(resource.body, name);
  return organisation === undefined ? undefined : textAt(organisation.body, 'name');
}

function makeRecord(input: {
  readonly kind: RecordKind;
  readonly setting: CareSetting;
  readonly admissionTimeMs: number;
  readonly title: string;
  readonly organisation: string | undefined;
  readonly resources: readonly FhirResource[];
  readonly keywordsMax: number;
}): ClinicalRecord {
  const { resources, keywordsMax, ...rest } = input;
  return {
    ...rest,
    month: monthOf(input.admissionTimeMs),
    sections: makeSections(resources),
    keywords: deriveKeywords(resources, keywordsMax),
  };
}

function splitByEncounter(
  bundle: FhirBundle,
  visits: readonly Visit[],
  options: SplitOptions,
): readonly ClinicalRecord[] {
  const index = new ReferenceIndex(bundle.resources);
  const placed = placeResources(bundle, visits, index);
  const members = new Map<Visit, FhirResource[]>(visits.map((visit) => [visit, []]));
  for (const resource of bundle.resources) {
    const visit = placed.get(resource);
    if (visit !== undefined) members.get(visit)?.push(resource);
  }
  const inUse = new Set<FhirResource>();
  const records = visits.map((visit) => {
    const own = members.get(visit) ?? [];
    const shared = closureOfShared(own, index);
    for (const resource of shared) inUse.add(resource);
    return { visit, resources: withPatient([...own, ...shared], bundle.patient) };
  });
  const spare = bundle.resources.filter(
    (resource) =>
      SHARED_CLASSES.has(resource.resourceType) &&
      !inUse.has(resource) &&
      resource !== bundle.patient,
  );
  records.at(-1)?.resources.push(...spare);
  return records.map(({ visit, resources }) =>
    makeRecord({
      kind: 'visit',
      setting: settingOf(visit.encounter),
      admissionTimeMs: visit.startMs,
      title: displayOf(objectsAt(visit.encounter.body, 'type')[0]) ?? 'Encounter',
      organisation: organisationOf(visit.encounter, 'serviceProvider', index),
      resources,
      keywordsMax: options.keywordsMax,
    }),
  );
}

function withPatient(resources: readonly FhirResource[], patient: FhirResource): FhirResource[] {
  return resources.includes(patient) ? [...resources] : [patient, ...resources];
}

function takeWhole(bundle: FhirBundle, options: SplitOptions): ClinicalRecord {
  const index = new ReferenceIndex(bundle.resources);
  const composition = bundle.resources.find((resource) => resource.resourceType === 'Composition');
  const times = bundle.resources
    .map((resource) => timeOf(resource))
    .filter((time) => time !== undefined);
  const latest = times.reduce<number | undefined>(
    (max, time) => (max === undefined || time > max ? time : max),
    undefined,
  );
  const admissionTimeMs =
    (composition === undefined ? undefined : timeOf(composition)) ??
    parseFhirTime(bundle.timestamp) ??
    latest;
  if (admissionTimeMs === undefined)
    throw new ContentError('noTime', 'nothing in the bundle has a time');
  const codes =
    composition === undefined ? [] : objectsAt(objectAt(composition.body, 'type'), 'coding');
  const isSummary = codes.some((coding) => textAt(coding, 'code') === PATIENT_SUMMARY);
  const title = composition === undefined ? undefined : textAt(composition.body, 'title');
  return makeRecord({
    kind: isSummary ? 'summary' : 'document',
    setting: 'other',
    admissionTimeMs,
    title: title ?? 'Document',
    organisation:
      composition === undefined ? undefined : organisationOf(composition, 'custodian', index),
    resources: bundle.resources,
    keywordsMax: options.keywordsMax,
  });
}

/**
 * In order of admission; never empty. A bundle with a Composition, or without any Encounter, is one record.
 * @throws ContentError `noTime`
 */
export function splitBundle(
  bundle: FhirBundle,
  options: SplitOptions = DEFAULT_OPTIONS,
): readonly ClinicalRecord[] {
  const hasComposition = bundle.resources.some(
    (resource) => resource.resourceType === 'Composition',
  );
  const visits = bundle.type === 'document' || hasComposition ? [] : visitsOf(bundle);
  return visits.length === 0
    ? [takeWhole(bundle, options)]
    : splitByEncounter(bundle, visits, options);
}
