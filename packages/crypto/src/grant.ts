/**
 * Grants of threshold conditional proxy re-encryption: what the patient (or an agent holding D_ℓ) makes,
 * what each node checks once, what the grantee checks. The re-encryption itself is in
 * proxy-re-encryption.ts, whose header has the theory and the notation of both files.
 *
 * f(z) = 1/d + Σ f_j z^j · V_0 = P^{1/d}, V_j = P^{f_j} · D_{i,ℓ} = D_ℓ^{f(i)}
 *
 * QJ name: `createGrant` is RKGen.
 */
import { type Brand } from './brand.ts';
import { type Bytes, CodecError, concatBytes, equalBytes, type RandomBytes } from './bytes.ts';
import { type Cbor, decode, encode } from './cbor.ts';
import { bindChain, bindSuite, type ChainContext, type SuiteContext } from './context.ts';
import {
  type Curve,
  type G1,
  G1_BYTES,
  type G2,
  G2_BYTES,
  PointError,
  randomScalar,
  type Scalar,
} from './curve.ts';
import { DOMAIN_TAGS } from './domain-tags.ts';
import { Fields } from './fields.ts';
import { hkdf, sha256 } from './hash.ts';
import { GRANT_ID_BYTES, type GrantId, toGrantId } from './ids.ts';
import { checkDistinct, type Label, labelFromCbor, labelItems, labelPoint } from './label.ts';
import {
  checkIndices,
  evaluateCommitments,
  evaluatePolynomial,
  INDEX_MAX,
  randomPolynomial,
  ThresholdError,
} from './threshold.ts';

/** Labels (and so tags) of one grant at most. */
export const GRANT_LABELS_MAX = 16;
const RECORD_ID_BYTES = 32;
const RECORDS_MAX = 10_000;
const TOKENS_MAX = 4096;
const LABEL_COUNT = { min: 0, max: GRANT_LABELS_MAX };
const INDEX_COUNT = { min: 0, max: INDEX_MAX };

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

/** A label with the key that opens it; `tagNumber` is m, the first free index of its tags. */
export interface GrantedLabel {
  readonly label: Label;
  readonly conditionalKey: G2;
  readonly tagNumber: number;
}

/** What goes to node i, sealed with `nodeInfo`: salt, body and one share per label. */
export interface NodeShare {
  readonly index: number;
  readonly salt: Bytes;
  readonly body: GrantBody;
  /** D_{i,ℓ} in the order of the body's points. */
  readonly keys: readonly G2[];
}

/** What goes to B, sealed with `granteeInfo`. */
export interface GranteeShare {
  readonly salt: Bytes;
  readonly body: GrantBody;
  /** d */
  readonly blinding: Scalar;
  /** P, which B compares with the patient's certificate. */
  readonly patientKey: G1;
  readonly labels: readonly Label[];
  /** Encoded search tokens (searchable-encryption.ts), each still sealed to its search node. */
  readonly searchTokens: readonly Bytes[];
}

export interface NewGrant {
  readonly body: GrantBody;
  readonly bodyHash: Bytes;
  readonly salt: Bytes;
  /** One per node, in the order given. */
  readonly nodeShares: readonly NodeShare[];
  readonly granteeShare: GranteeShare;
  /** Ed25519 seeds, one per label: every tag key signs the grant, any may narrow or revoke it. */
  readonly tagSeeds: readonly Bytes[];
  /** Seals her own copy of the body. */
  readonly copyKey: Bytes;
}

/** The Ed25519 seed of the m-th tag of a label, from D_ℓ. 32 bytes. */
export function deriveTagSeed(input: {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly conditionalKey: G2;
  readonly tagNumber: number;
}): Bytes {
  const { curve, context, conditionalKey, tagNumber } = input;
  const info = bindChain(DOMAIN_TAGS.grantTag, context, tagNumber);
  return hkdf({ ikm: curve.encodeG2(conditionalKey), info, length: 32 });
}

/** HKDF(D_ℓ1, ["salt", grantId]). 32 bytes. */
export function deriveGrantSalt(
  curve: Curve,
  context: SuiteContext,
  conditionalKey: G2,
  grantId: GrantId,
): Bytes {
  const info = bindSuite(DOMAIN_TAGS.grantSalt, context, grantId);
  return hkdf({ ikm: curve.encodeG2(conditionalKey), info, length: 32 });
}

/** HKDF(D_ℓ1, ["copy", grantId]): the key of the patient's copy of the body. 32 bytes. */
export function deriveCopyKey(
  curve: Curve,
  context: SuiteContext,
  conditionalKey: G2,
  grantId: GrantId,
): Bytes {
  const info = bindSuite(DOMAIN_TAGS.grantCopyKey, context, grantId);
  return hkdf({ ikm: curve.encodeG2(conditionalKey), info, length: 32 });
}

/** HKDF(salt, [grantId, nonce]): seals [recordId, label, purpose] of one access. 32 bytes. */
export function deriveAccessKey(
  context: SuiteContext,
  salt: Bytes,
  grantId: GrantId,
  nonce: Bytes,
): Bytes {
  return hkdf({
    ikm: salt,
    info: bindSuite(DOMAIN_TAGS.accessKey, context, grantId, nonce),
    length: 32,
  });
}

/** HPKE info of node i's blob. */
export function nodeInfo(
  context: SuiteContext,
  grantId: GrantId,
  index: number,
  bodyHash: Bytes,
): Bytes {
  return bindSuite(DOMAIN_TAGS.grantNodeInfo, context, grantId, index, bodyHash);
}

/** HPKE info of B's blob. */
export function granteeInfo(
  context: SuiteContext,
  grantId: GrantId,
  grantee: Bytes,
  bodyHash: Bytes,
): Bytes {
  return bindSuite(DOMAIN_TAGS.grantGranteeInfo, context, grantId, grantee, bodyHash);
}

/** Canonical CBOR of the body. */
export function encodeGrantBody(curve: Curve, body: GrantBody): Bytes {
  return encode(bodyItems(curve, body));
}

function bodyItems(curve: Curve, body: GrantBody): Cbor {
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
  return sha256(bindSuite(DOMAIN_TAGS.grantBody, context, salt, bodyItems(curve, body)));
}

function checkBodyShape(body: GrantBody): void {
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

/**
 * A new grant. Everything secret in it comes from `randomBytes`: two grants, retries included, share no
 * coefficient. The rules on who may be a node and how large t must be are the ledger's.
 * @throws ThresholdError, LabelError, CodecError, PointError
 */
export function createGrant(input: {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly patientKey: G1;
  readonly labels: readonly GrantedLabel[];
  readonly grantee: Bytes;
  readonly nodes: readonly { readonly index: number; readonly node: Bytes }[];
  readonly threshold: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly records: 'all' | readonly Bytes[];
  readonly purpose: string;
  readonly searchTokens?: readonly Bytes[];
  readonly randomBytes: RandomBytes;
}): NewGrant {
  const { curve, context, patientKey, labels, nodes, threshold, randomBytes } = input;
  checkDistinct(labels.map(({ label }) => label));
  const [firstLabel] = labels;
  if (firstLabel === undefined) throw new CodecError('malformed', 'a grant has a label');
  if (!Number.isSafeInteger(threshold) || threshold < 1 || threshold > nodes.length)
    throw new ThresholdError('threshold', 'the threshold lies between 1 and the number of nodes');
  checkIndices(nodes.map(({ index }) => index));
  if (curve.isIdentityG1(patientKey))
    throw new PointError('infinity', 'the patient key is the identity');

  const grantId = toGrantId(randomBytes(GRANT_ID_BYTES));
  const blinding = randomScalar(curve, randomBytes);
  const constant = curve.invertScalar(blinding);
  const coefficients = randomPolynomial(curve, constant, threshold, randomBytes);
  const commitments = coefficients.map((scalar) => curve.multiplyG1(patientKey, scalar));
  const points = labels.map(({ label }) => labelPoint(curve, context, label));
  const body: GrantBody = {
    grantId,
    grantee: input.grantee,
    commitments,
    nodes,
    fromMs: input.fromMs,
    toMs: input.toMs,
    points,
    records: input.records,
    purpose: input.purpose,
  };
  checkBodyShape(body);
  const salt = deriveGrantSalt(curve, context, firstLabel.conditionalKey, grantId);
  const nodeShares = nodes.map(({ index }) => {
    const value = evaluatePolynomial(curve, coefficients, index);
    if (curve.isZero(value)) throw new Error('a share of zero: the random source is broken');
    const keys = labels.map(({ conditionalKey }) => curve.multiplyG2(conditionalKey, value));
    curve.wipeScalar(value);
    return { index, salt, body, keys };
  });
  for (const coefficient of coefficients) curve.wipeScalar(coefficient);
  return {
    body,
    bodyHash: hashGrantBody(curve, context, salt, body),
    salt,
    nodeShares,
    granteeShare: {
      salt,
      body,
      blinding,
      patientKey,
      labels: labels.map(({ label }) => label),
      searchTokens: input.searchTokens ?? [],
    },
    tagSeeds: labels.map(({ conditionalKey, tagNumber }) =>
      deriveTagSeed({ curve, context, conditionalKey, tagNumber }),
    ),
    copyKey: deriveCopyKey(curve, context, firstLabel.conditionalKey, grantId),
  };
}

/** A node's share after `verifyNodeShare`: the only form that `reEncrypt` takes. */
export type KeyShare = Brand<
  {
    readonly grantId: GrantId;
    readonly index: number;
    /** V(i) */
    readonly verificationKey: G1;
    /** Q_ℓ and D_{i,ℓ} */
    readonly keys: readonly { readonly point: G2; readonly key: G2 }[];
  },
  'VerifiedKeyShare'
>;

/**
 * The node's check, once per grant: e(V(i), Q_ℓ) = e(g1, D_{i,ℓ}) for every label, as one equation with
 * random 128-bit weights chosen after the share is fixed. Returns nothing when a share is wrong.
 */
export function verifyNodeShare(input: {
  readonly curve: Curve;
  readonly share: NodeShare;
  readonly randomBytes: RandomBytes;
}): KeyShare | undefined {
  const { curve, share, randomBytes } = input;
  const { index, body, keys } = share;
  if (!body.nodes.some((node) => node.index === index)) return undefined;
  if (keys.length !== body.points.length) return undefined;
  if (body.commitments.length === 0) return undefined;
  if (body.commitments.some((point) => curve.isIdentityG1(point))) return undefined;
  const verificationKey = evaluateCommitments(curve, body.commitments, index);
  if (curve.isIdentityG1(verificationKey)) return undefined;
  const pairs: { point: G2; key: G2 }[] = [];
  for (const [position, key] of keys.entries()) {
    const point = body.points[position];
    if (point === undefined || curve.isIdentityG2(point) || curve.isIdentityG2(key))
      return undefined;
    pairs.push({ point, key });
  }
  const { point, key } = weighPairs(curve, pairs, randomBytes);
  const sound = curve.pairingsEqual(
    [{ g1: verificationKey, g2: point }],
    [{ g1: curve.g1, g2: key }],
  );
  if (!sound) return undefined;
  return { grantId: body.grantId, index, verificationKey, keys: pairs } as unknown as KeyShare;
}

function weighPairs(
  curve: Curve,
  pairs: readonly { readonly point: G2; readonly key: G2 }[],
  randomBytes: RandomBytes,
): { readonly point: G2; readonly key: G2 } {
  const [first, ...rest] = pairs;
  if (first === undefined) throw new Error('a grant has a label');
  if (rest.length === 0) return first;
  // A fixed weight of 1 for the first loses nothing: the other weights are fresh.
  const weights = rest.map(() => curve.reduceToScalar(randomBytes(16)));
  const weigh = (points: readonly G2[]): G2 =>
    curve.sumG2(
      points.map((point, i) => ({ point, scalar: weights[i] ?? curve.scalarFromInteger(0n) })),
    );
  return {
    point: curve.addG2(first.point, weigh(rest.map((pair) => pair.point))),
    key: curve.addG2(first.key, weigh(rest.map((pair) => pair.key))),
  };
}

/** B's check: V_0^d = P, and the labels are those of the body. P is compared with the certificate by the caller. */
export function verifyGranteeShare(
  curve: Curve,
  context: ChainContext,
  share: GranteeShare,
): boolean {
  const [constant] = share.body.commitments;
  if (constant === undefined || curve.isIdentityG1(share.patientKey)) return false;
  if (share.labels.length !== share.body.points.length) return false;
  const labelled = share.labels.every((label, position) => {
    const point = share.body.points[position];
    return point !== undefined && curve.equalG2(labelPoint(curve, context, label), point);
  });
  return labelled && curve.equalG1(curve.multiplyG1(constant, share.blinding), share.patientKey);
}

/** Canonical CBOR of [i, salt, body, [D_{i,ℓ}]]. */
export function encodeNodeShare(curve: Curve, share: NodeShare): Bytes {
  return encode([
    share.index,
    share.salt,
    bodyItems(curve, share.body),
    share.keys.map((key) => curve.encodeG2(key)),
  ]);
}

/** @throws CodecError, PointError, ThresholdError */
export function decodeNodeShare(curve: Curve, bytes: Bytes): NodeShare {
  const fields = Fields.of(decode(bytes), 4);
  return {
    index: fields.whole(),
    salt: fields.bytes(32),
    body: readBody(curve, fields.any()),
    keys: fields.list(LABEL_COUNT, (list) => curve.parseG2(list.bytes(G2_BYTES))),
  };
}

/** Canonical CBOR of [salt, body, d, P, [ℓ], [token]]. */
export function encodeGranteeShare(curve: Curve, share: GranteeShare): Bytes {
  return encode([
    share.salt,
    bodyItems(curve, share.body),
    curve.encodeScalar(share.blinding),
    curve.encodeG1(share.patientKey),
    share.labels.map((label) => labelItems(label)),
    share.searchTokens,
  ]);
}

/** @throws CodecError, PointError, ThresholdError, LabelError */
export function decodeGranteeShare(curve: Curve, bytes: Bytes): GranteeShare {
  const fields = Fields.of(decode(bytes), 6);
  return {
    salt: fields.bytes(32),
    body: readBody(curve, fields.any()),
    blinding: curve.parseScalar(fields.bytes()),
    patientKey: curve.parseG1(fields.bytes(G1_BYTES)),
    labels: fields.list(LABEL_COUNT, (list) => labelFromCbor(list.any())),
    searchTokens: fields.list({ min: 0, max: TOKENS_MAX }, (list) => list.bytes()),
  };
}

/** @throws CodecError, PointError, ThresholdError */
export function decodeGrantBody(curve: Curve, bytes: Bytes): GrantBody {
  return readBody(curve, decode(bytes));
}

/** Counts are bounded before any point is parsed: each costs a subgroup check. */
function readBody(curve: Curve, value: Cbor): GrantBody {
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
    points: fields.list(LABEL_COUNT, (list) => curve.parseG2(list.bytes(G2_BYTES))),
    records:
      fields.orNull((own) =>
        own.list({ min: 0, max: RECORDS_MAX }, (list) => list.bytes(RECORD_ID_BYTES)),
      ) ?? 'all',
    purpose: fields.text(),
  };
  checkBodyShape(body);
  return body;
}

/** How a node keeps a verified share: [grantId, i, V(i), [[Q_ℓ, D_{i,ℓ}]]]. To be encrypted at rest. */
export function encodeKeyShare(curve: Curve, share: KeyShare): Bytes {
  return encode([
    share.grantId,
    share.index,
    curve.encodeG1(share.verificationKey),
    share.keys.map(({ point, key }) => concatBytes(curve.encodeG2(point), curve.encodeG2(key))),
  ]);
}

/**
 * A share that this node verified and stored before. Only for bytes out of the node's own authenticated
 * store: encodings are checked, the pairing equation is not.
 * @throws CodecError, PointError
 */
export function restoreKeyShare(curve: Curve, bytes: Bytes): KeyShare {
  const fields = Fields.of(decode(bytes), 4);
  const share = {
    grantId: toGrantId(fields.bytes()),
    index: fields.whole(),
    verificationKey: curve.parseG1(fields.bytes(G1_BYTES)),
    keys: fields.list(LABEL_COUNT, (list) => {
      const pair = list.bytes(2 * G2_BYTES);
      return {
        point: curve.parseG2(pair.subarray(0, G2_BYTES)),
        key: curve.parseG2(pair.subarray(G2_BYTES)),
      };
    }),
  };
  return share as unknown as KeyShare;
}

/** The share of one label, found by the bytes of its point. */
export function findLabelKey(
  curve: Curve,
  share: KeyShare,
  point: Bytes,
): { readonly point: G2; readonly key: G2 } | undefined {
  return share.keys.find((candidate) => equalBytes(curve.encodeG2(candidate.point), point));
}
