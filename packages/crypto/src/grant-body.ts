/** The text of a grant, which each of its readers gets sealed, and its one encoding. */
import type { Bytes } from './bytes.ts';
import { CodecError } from './bytes.ts';
import { type Cbor, decode, encode } from './cbor.ts';
import { bindSuite, type SuiteContext } from './context.ts';
import { type Curve, type G1, G1_BYTES, type G2, G2_BYTES } from './curve.ts';
import { DOMAIN_TAGS } from './domain-tags.ts';
import { type Counts, Fields } from './fields.ts';
import { sha256 } from './hash.ts';
import { type GrantId, toGrantId } from './ids.ts';
import { checkIndices, INDEX_MAX, ThresholdError } from './threshold.ts';

/** Labels (and so tags) of one grant at most. */
export const GRANT_LABELS_MAX = 16;
/** Counts are bounded before any point is parsed: each costs a subgroup check. */
export const GRANT_LABEL_COUNT: Counts = { min: 0, max: GRANT_LABELS_MAX };
const INDEX_COUNT: Counts = { min: 0, max: INDEX_MAX };
const RECORDS_MAX = 10_000;
const RECORD_ID_BYTES = 32;

/** The sealed text of a grant: [grantId, B, [V_j], [[i, node]], from, to, [Q_ℓ], records or null, purpose]. */
export interface GrantBody {
  readonly grantId: GrantId;
  /** Member id of B. */
  readonly grantee: Bytes;
  /** V_0 … V_{t−1}; their number is the threshold. */
  readonly commitments: readonly G1[];
  /** Node i and its member id. */
  readonly nodes: readonly { readonly index: number; readonly node: Bytes }[];
  /** Block time in milliseconds; 0 means from inclusion. */
  readonly fromMs: number;
  /** Block time in milliseconds, exclusive. */
  readonly toMs: number;
  /** Q_ℓ in the order of the labels. */
  readonly points: readonly G2[];
  /** The only records that may be opened, or all under the labels. */
  readonly records: 'all' | readonly Bytes[];
  readonly purpose: string;
}

/** @throws ThresholdError, CodecError */
export function checkGrantBody(body: GrantBody): void {
  checkIndices(body.nodes.map(({ index }) => index));
  const threshold = body.commitments.length;
  if (threshold < 1 || threshold > body.nodes.length)
    throw new ThresholdError('threshold', 'the threshold lies between 1 and the number of nodes');
  if (body.points.length < 1 || body.points.length > GRANT_LABELS_MAX)
    throw new CodecError('malformed', `a grant has 1 to ${GRANT_LABELS_MAX} labels`);
  if (body.records !== 'all' && body.records.length > RECORDS_MAX)
    throw new CodecError('tooLarge', `a grant names at most ${RECORDS_MAX} records`);
  for (const time of [body.fromMs, body.toMs])
    if (!Number.isSafeInteger(time) || time < 0)
      throw new CodecError('malformed', 'times are milliseconds since 1970');
}

/** Canonical CBOR of the body. */
export function encodeGrantBody(curve: Curve, body: GrantBody): Bytes {
  return encode(grantBodyItems(curve, body));
}

/** The items of a body, for what holds one. */
export function grantBodyItems(curve: Curve, body: GrantBody): Cbor {
  return [
    body.grantId,
    body.grantee,
    body.commitments.map((point) => curve.encodeG1(point)),
    body.nodes.map(({ index, node }) => [index, node]),
    body.fromMs,
    body.toMs,
    body.points.map((point) => curve.encodeG2(point)),
    body.records === 'all' ? null : body.records,
    body.purpose,
  ];
}

/** SHA-256 over [salt, body]: what the chain shows of the body. */
export function hashGrantBody(
  curve: Curve,
  context: SuiteContext,
  salt: Bytes,
  body: GrantBody,
): Bytes {
  return sha256(bindSuite(DOMAIN_TAGS.grantBody, context, salt, grantBodyItems(curve, body)));
}

/** @throws CodecError, PointError, ThresholdError */
export function decodeGrantBody(curve: Curve, bytes: Bytes): GrantBody {
  return grantBodyFromCbor(curve, decode(bytes));
}

/** @throws CodecError, PointError, ThresholdError */
export function grantBodyFromCbor(curve: Curve, value: Cbor): GrantBody {
  const fields = Fields.of(value, 9);
  const body: GrantBody = {
    grantId: toGrantId(fields.bytes()),
    grantee: fields.bytes(),
    commitments: fields.list(INDEX_COUNT, (list) => curve.parseG1(list.bytes(G1_BYTES))),
    nodes: fields.list(INDEX_COUNT, (list) => {
      const entry = list.nested(2);
      return { index: entry.whole(), node: entry.bytes() };
    }),
    fromMs: fields.whole(),
    toMs: fields.whole(),
    points: fields.list(GRANT_LABEL_COUNT, (list) => curve.parseG2(list.bytes(G2_BYTES))),
    records:
      fields.orNull((own) =>
        own.list({ min: 0, max: RECORDS_MAX }, (list) => list.bytes(RECORD_ID_BYTES)),
      ) ?? 'all',
    purpose: fields.text(),
  };
  checkGrantBody(body);
  return body;
}
