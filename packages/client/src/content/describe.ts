/** One line per resource for people: what it is, and what was found. Never used for anything signed. */
import { displayOf } from './keywords.ts';
import { type JsonObject, objectAt, objectsAt, textAt } from './json.ts';

export interface ResourceLine {
  readonly resourceType: string;
  readonly title: string;
  /** Value, conclusion, dose or status; '' when there is none. */
  readonly detail: string;
  /** As the source writes it; '' when there is none. */
  readonly time: string;
}

const CONCEPT_NAMES = [
  'code',
  'medicationCodeableConcept',
  'vaccineCode',
  'type',
  'category',
] as const;
const TIME_NAMES = [
  'effectiveDateTime',
  'onsetDateTime',
  'performedDateTime',
  'occurrenceDateTime',
  'authoredOn',
  'started',
  'issued',
  'date',
] as const;

function quantityText(quantity: JsonObject): string {
  const value = quantity['value'];
  if (typeof value !== 'number') return '';
  return `${Number(value.toFixed(2))} ${textAt(quantity, 'unit') ?? textAt(quantity, 'code') ?? ''}`.trim();
}

function valueText(body: JsonObject): string {
  const quantity = quantityText(objectAt(body, 'valueQuantity'));
  if (quantity !== '') return quantity;
  const text = textAt(body, 'valueString') ?? displayOf(objectAt(body, 'valueCodeableConcept'));
  if (text !== undefined) return text;
  const integer = body['valueInteger'];
  return typeof integer === 'number' ? String(integer) : '';
}

function detailOf(body: JsonObject): string {
  const own = valueText(body);
  if (own !== '') return own;
  const components = objectsAt(body, 'component').map(
    (part) => `${displayOf(objectAt(part, 'code')) ?? '?'} ${valueText(part)}`,
  );
  if (components.length > 0) return components.join('; ');
  const dose = objectsAt(body, 'dosageInstruction')
    .map((dosage) => textAt(dosage, 'text'))
    .find((text) => text !== undefined);
  return (
    textAt(body, 'conclusion') ??
    dose ??
    textAt(body, 'description') ??
    textAt(body, 'status') ??
    ''
  );
}

function titleOf(body: JsonObject): string {
  for (const name of CONCEPT_NAMES) {
    const text = displayOf(objectsAt(body, name)[0]);
    if (text !== undefined) return text;
  }
  return textAt(body, 'title') ?? textAt(body, 'description') ?? textAt(body, 'name') ?? '';
}

export function describeResource(body: JsonObject): ResourceLine {
  const time = TIME_NAMES.map((name) => textAt(body, name)).find((text) => text !== undefined);
  return {
    resourceType: textAt(body, 'resourceType') ?? '',
    title: titleOf(body),
    detail: detailOf(body),
    time: time ?? textAt(objectAt(body, 'period'), 'start') ?? '',
  };
}
