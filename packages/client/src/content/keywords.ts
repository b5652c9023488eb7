/**
 * Keywords of a record: what a doctor or the patient would type. `code|snomed#230690007` for
 * terminology codes,
 * `class|` for FHIR classes, `text|` for words in Chinese and English.
 *
 * Both sides must find the same words without talking to each other, so the rules here use no
 * dictionary of the machine (`Intl.Segmenter` differs between ICU versions): English by letters,
 * Chinese as whole runs plus the known terms inside them.
 */
import type { Keyword } from '@yilian/crypto/keyword';
import { CLINICAL_CLASSES } from './clinical-record.ts';
import { CHINESE_TERMS, TERMS_BY_CODE } from './clinical-terms.ts';
import type { FhirResource } from './fhir-bundle.ts';
import { type JsonObject, objectsAt, textAt } from './json.ts';

/** Coding systems whose codes are worth searching for, and the short names a person can type. */
const CODE_SYSTEMS: ReadonlyMap<string, string> = new Map([
  ['http://snomed.info/sct', 'snomed'],
  ['http://loinc.org', 'loinc'],
  ['http://www.nlm.nih.gov/research/umls/rxnorm', 'rxnorm'],
  ['http://hl7.org/fhir/sid/icd-10', 'icd10'],
  ['http://hl7.org/fhir/sid/icd-10-cm', 'icd10'],
  ['http://id.who.int/icd/release/11/mms', 'icd11'],
  ['http://hl7.org/fhir/sid/cvx', 'cvx'],
]);

/** Classes from the most telling to the least: what is cut when a record has too many keywords. */
const CLASS_RANK: readonly string[] = [
  'Condition',
  'Procedure',
  'ImagingStudy',
  'MedicationRequest',
  'MedicationStatement',
  'AllergyIntolerance',
  'DiagnosticReport',
  'Encounter',
  'Immunization',
  'CarePlan',
  'Observation',
];

const CODE_NAMES = ['code', 'medicationCodeableConcept', 'vaccineCode', 'procedureCode'] as const;

const STOP_WORDS: ReadonlySet<string> = new Set([
  'and',
  'the',
  'for',
  'with',
  'without',
  'not',
  'due',
  'per',
  'unspecified',
  'disorder',
  'finding',
  'procedure',
  'situation',
  'product',
  'panel',
  'oral',
  'tablet',
  'capsule',
  'encounter',
  'history',
]);

function rankOf(resource: FhirResource): number {
  const rank = CLASS_RANK.indexOf(resource.resourceType);
  return rank < 0 ? CLASS_RANK.length : rank;
}

function conceptsOf(resource: FhirResource): readonly JsonObject[] {
  const named = CODE_NAMES.flatMap((name) => objectsAt(resource.body, name));
  const encounter =
    resource.resourceType === 'Encounter' ? objectsAt(resource.body, 'reasonCode') : [];
  return [...named, ...encounter];
}

/** A CodeableConcept in words: its own text, else the first display of its codes. */
export function displayOf(concept: JsonObject | undefined): string | undefined {
  if (concept === undefined) return undefined;
  return (
    textAt(concept, 'text') ??
    objectsAt(concept, 'coding')
      .map((coding) => textAt(coding, 'display'))
      .find((text) => text !== undefined)
  );
}

/** Words of a text: English words of three letters and more, Chinese runs and the known terms in them. */
export function wordsOf(text: string): readonly string[] {
  const words = new Set<string>();
  const plain = text.normalize('NFKC').toLowerCase();
  for (const [word] of plain.matchAll(/[a-z][a-z0-9]{2,31}/g))
    if (!STOP_WORDS.has(word)) words.add(word);
  for (const [run] of plain.matchAll(/\p{Script=Han}{2,64}/gu)) {
    if (run.length <= 8) words.add(run);
    for (const term of CHINESE_TERMS) if (run.includes(term)) words.add(term);
  }
  return [...words];
}

/**
 * Distinct keywords, at most `keywordsMax`: a third of the room at most for classes, then codes and
 * words in turns from the most telling resource to the least.
 */
export function deriveKeywords(
  resources: readonly FhirResource[],
  keywordsMax: number,
): readonly Keyword[] {
  const ranked = [...resources].sort((left, right) => rankOf(left) - rankOf(right));
  const codes = new Set<string>();
  const words = new Set<string>();
  const classes = new Set<string>();
  for (const resource of ranked) {
    if (CLINICAL_CLASSES.has(resource.resourceType)) classes.add(resource.resourceType);
    for (const concept of conceptsOf(resource)) {
      for (const coding of objectsAt(concept, 'coding')) {
        const system = CODE_SYSTEMS.get(textAt(coding, 'system') ?? '');
        const code = textAt(coding, 'code');
        if (code === undefined || system === undefined) continue;
        codes.add(`${system}#${code}`);
        for (const term of TERMS_BY_CODE.get(`${system}#${code}`) ?? []) words.add(term);
      }
      for (const word of wordsOf(displayOf(concept) ?? '')) words.add(word);
    }
    for (const note of objectsAt(resource.body, 'note'))
      for (const word of wordsOf(textAt(note, 'text') ?? '')) words.add(word);
    for (const word of wordsOf(textAt(resource.body, 'conclusion') ?? '')) words.add(word);
  }
  const classShare = [...classes]
    .slice(0, Math.floor(keywordsMax / 3))
    .map((text): Keyword => ({ type: 'class', text }));
  const rest = interleave(
    [...codes].map((text): Keyword => ({ type: 'code', text })),
    [...words].map((text): Keyword => ({ type: 'text', text })),
  );
  return [...rest.slice(0, keywordsMax - classShare.length), ...classShare];
}

function interleave(left: readonly Keyword[], right: readonly Keyword[]): readonly Keyword[] {
  const merged: Keyword[] = [];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [first, second] = [left[i], right[i]];
    if (first !== undefined) merged.push(first);
    if (second !== undefined) merged.push(second);
  }
  return merged;
}
