/**
 * Labels: the conditions under which a record can be opened (the "type" of Tang 2008, the identity of
 * Boneh–Franklin 2001). Each patient is the key authority of her own labels.
 *
 * label ℓ = [kind, name, hospitalId, period, β], its point Q_ℓ = H_lab([chainId, …ℓ]) in G2.
 *
 * | kind    | name              | period  |
 * | visit   | visit key         | month   |
 * | class   | FHIR type         | month   |
 * | section | [visit key, path] | month   |
 * | summary | ''                | quarter |
 *
 * Promises: no label exists without hospital and period (so no label can become a master key, F3);
 * without β nobody recognises Q_ℓ, and β of one hospital says nothing about another's (F4).
 * Does not promise: hiding ℓ from those to whom it is granted, or Q_ℓ from the nodes that serve it.
 *
 * β = HKDF(root, [kind, name])[0..16), root = HKDF(K_patient, [hospitalId, period]). These derivations
 * leave the suite out: a label names a condition, and records of two suites may share one.
 */
import { type Bytes, CodecError, toHex } from './bytes.ts';
import { type Cbor, decode, encode } from './cbor.ts';
import { bindChain, type ChainContext } from './context.ts';
import type { Curve, G2 } from './curve.ts';
import { DOMAIN_TAGS } from './domain-tags.ts';
import { Fields } from './fields.ts';
import { hkdf } from './hash.ts';
import { type Month, parseMonth, parseQuarter, type Quarter } from './period.ts';

export const BETA_BYTES = 16;
export const ROOT_BYTES = 32;
const VISIT_KEY_BYTES = 32;
const HOSPITAL_ID_BYTES_MAX = 64;
const NAME_LENGTH_MAX = 512;

/** What a label says, before β makes it unrecognisable. */
export type LabelName =
  | {
      readonly kind: 'visit';
      /** Ed25519 key of the visit, 32 bytes. */
      readonly visitKey: Bytes;
      readonly hospitalId: Bytes;
      readonly period: Month;
    }
  | {
      readonly kind: 'class';
      /** FHIR resource type. */
      readonly resourceType: string;
      readonly hospitalId: Bytes;
      readonly period: Month;
    }
  | {
      readonly kind: 'section';
      readonly visitKey: Bytes;
      readonly path: string;
      readonly hospitalId: Bytes;
      readonly period: Month;
    }
  | { readonly kind: 'summary'; readonly hospitalId: Bytes; readonly period: Quarter };

export type LabelKind = LabelName['kind'];

/** A complete label. `period` is the admission's month, or the summary's quarter. */
export type Label = LabelName & {
  /** 16 bytes. */
  readonly beta: Bytes;
};

/** A label or a set of labels breaks a rule of this file. */
export class LabelError extends Error {
  readonly code: 'malformed' | 'noHospital' | 'noPeriod' | 'duplicate' | 'empty';

  constructor(code: LabelError['code'], message: string) {
    super(message);
    this.name = 'LabelError';
    this.code = code;
  }
}

function nameOf(label: LabelName): Cbor {
  if (label.kind === 'visit') return label.visitKey;
  if (label.kind === 'class') return label.resourceType;
  if (label.kind === 'section') return [label.visitKey, label.path];
  return '';
}

/** Callers hold typed labels, but labels also come out of forms and JSON: the rules are checked here. */
function checkLabelName(label: LabelName): void {
  const hospitalId: unknown = label.hospitalId;
  if (!(hospitalId instanceof Uint8Array) || hospitalId.length === 0)
    throw new LabelError('noHospital', 'a label names a hospital');
  if (hospitalId.length > HOSPITAL_ID_BYTES_MAX)
    throw new LabelError('malformed', 'the hospital id is too long');
  const period: unknown = label.period;
  if (typeof period !== 'string' || period === '')
    throw new LabelError('noPeriod', 'a label names a period');
  try {
    if (label.kind === 'summary') parseQuarter(period);
    else parseMonth(period);
  } catch {
    throw new LabelError('noPeriod', 'the period is a month, for a summary a quarter');
  }
  switch (label.kind) {
    case 'visit':
      checkVisitKey(label.visitKey);
      return;
    case 'class':
      checkText(label.resourceType);
      return;
    case 'section':
      checkVisitKey(label.visitKey);
      checkText(label.path);
      return;
    case 'summary':
      return;
  }
}

function checkVisitKey(visitKey: Bytes): void {
  if (visitKey.length !== VISIT_KEY_BYTES)
    throw new LabelError('malformed', `a visit key has ${VISIT_KEY_BYTES} bytes`);
}

function checkText(text: string): void {
  if (text.length === 0 || text.length > NAME_LENGTH_MAX)
    throw new LabelError('malformed', `a label's name has 1 to ${NAME_LENGTH_MAX} characters`);
}

/** @throws LabelError */
export function checkLabel(label: Label): void {
  checkLabelName(label);
  if (label.beta.length !== BETA_BYTES)
    throw new LabelError('malformed', `β has ${BETA_BYTES} bytes`);
}

/** The items of a label in the order in which everything hashes them. @throws LabelError */
export function labelItems(label: Label): readonly Cbor[] {
  checkLabel(label);
  return [label.kind, nameOf(label), label.hospitalId, label.period, label.beta];
}

/** Canonical CBOR of [kind, name, hospitalId, period, β]. @throws LabelError */
export function encodeLabel(label: Label): Bytes {
  return encode(labelItems(label));
}

/** @throws CodecError, LabelError */
export function decodeLabel(bytes: Bytes): Label {
  return labelFromCbor(decode(bytes));
}

/** @throws CodecError, LabelError */
export function labelFromCbor(value: Cbor): Label {
  const fields = Fields.of(value, 5);
  const [kind, name] = [fields.any(), fields.any()];
  const label = assembleLabel(kind, name, {
    hospitalId: fields.bytes(),
    period: fields.text(),
    beta: fields.bytes(),
  });
  checkLabel(label);
  return label;
}

function assembleLabel(
  kind: Cbor,
  name: Cbor,
  rest: { readonly hospitalId: Bytes; readonly period: string; readonly beta: Bytes },
): Label {
  const { hospitalId, period, beta } = rest;
  if (kind === 'summary' && name === '')
    return { kind, hospitalId, period: parseQuarter(period), beta };
  if (kind === 'visit' && name instanceof Uint8Array)
    return { kind, visitKey: name, hospitalId, period: parseMonth(period), beta };
  if (kind === 'class' && typeof name === 'string')
    return { kind, resourceType: name, hospitalId, period: parseMonth(period), beta };
  if (kind === 'section') {
    const fields = Fields.of(name, 2);
    const [visitKey, path] = [fields.bytes(), fields.text()];
    return { kind, visitKey, path, hospitalId, period: parseMonth(period), beta };
  }
  throw new CodecError('malformed', 'kind and name of a label do not fit');
}

/** Refuses an empty or repeating set: two slots under one label would differ in nothing. @throws LabelError */
export function checkDistinct(labels: readonly Label[]): void {
  if (labels.length === 0) throw new LabelError('empty', 'at least one label is needed');
  const seen = new Set(labels.map((label) => toHex(encodeLabel(label))));
  if (seen.size !== labels.length) throw new LabelError('duplicate', 'a label is given twice');
}

/** From K_patient (32 bytes): the secret of one hospital and one month or quarter. 32 bytes. */
export function deriveLabelRoot(input: {
  readonly context: ChainContext;
  readonly patientSecret: Bytes;
  readonly hospitalId: Bytes;
  readonly period: Month | Quarter;
}): Bytes {
  const { context, patientSecret, hospitalId, period } = input;
  const info = bindChain(DOMAIN_TAGS.labelRoot, context, hospitalId, period);
  return hkdf({ ikm: patientSecret, info, length: ROOT_BYTES });
}

/** The complete label, from the root of its hospital and period. @throws LabelError */
export function deriveLabel(context: ChainContext, root: Bytes, name: LabelName): Label {
  checkLabelName(name);
  const info = bindChain(DOMAIN_TAGS.labelBeta, context, name.kind, nameOf(name));
  return { ...name, beta: hkdf({ ikm: root, info, length: BETA_BYTES }) };
}

/** The complete label, from K_patient. @throws LabelError */
export function deriveOwnLabel(
  context: ChainContext,
  patientSecret: Bytes,
  name: LabelName,
): Label {
  checkLabelName(name);
  const { hospitalId, period } = name;
  return deriveLabel(
    context,
    deriveLabelRoot({ context, patientSecret, hospitalId, period }),
    name,
  );
}

/** Q_ℓ = H_lab(ℓ). @throws LabelError */
export function labelPoint(curve: Curve, context: ChainContext, label: Label): G2 {
  const message = bindChain(DOMAIN_TAGS.labelPoint, context, ...labelItems(label));
  return curve.hashToG2(DOMAIN_TAGS.labelPoint, message);
}
