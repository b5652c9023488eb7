/**
 * Search over encrypted records by keyword (QJ-4, LM): public-key encryption with keyword search, with
 * blinded keywords and with one random exponent per hospital and epoch.
 *
 * Sources: Boneh–Di Crescenzo–Ostrovsky–Persiano 2004 (PEKS, §3.1; trapdoor = identity key of the
 * keyword); Baek–Safavi-Naini–Susilo 2008 §5 (one exponent for many keywords); Huang–Li 2017 (keywords
 * blinded against guessing). Ours: one exponent per hospital and epoch, and tags as AES values.
 *
 * Notation: P = g1^a · w̃ blinded keyword (keyword.ts) · A = g1^ρ epoch key · T = H_kw(w̃)^a trapdoor ·
 * K = KDF(e(P^ρ, H_kw(w̃)), [A]) = KDF(e(A, T), [A]) tag key · rid = recordId[0..16) ·
 * tag = AES_K(rid)[0..8) ‖ LK ⊕ AES_K(rid ⊕ 1), 24 bytes · LK 16-byte secret that unseals the location.
 *
 * Promises: a search node needs A and T only, never P (F7); one pairing tests a whole epoch, then AES runs
 * over its record ids; a trapdoor finds its own month and hospital only; before a trapdoor is given, tags
 * of one keyword in two records are unrelated; the location stays sealed until a match (R5).
 * Does not promise: hiding which records matched, that a token was seen before, or which epochs it was
 * tried on; hiding the keyword from the hospital that wrote it and holds κ. False matches: 2^−64 per tag.
 *
 * Mode `sym`: K = HKDF(w̃) and the token is K. No A, which would cluster a day's records of a hospital;
 * no public key, so a token of one month is needed per hospital exactly as in mode `pk`.
 *
 * Leaves the papers: P is not in the key derivation (it would force P on the search node); separation
 * between patients comes from κ inside w̃ and from the proof of possession. The suite is in none of these
 * derivations: an epoch serves records of every suite.
 *
 * QJ names: IndexGen = `deriveTagKey` + `createIndexTags`, TokenGen = `deriveTrapdoor`,
 * Query = `trapdoorTagKey` + `searchEpoch`.
 */
import { type Brand } from './brand.ts';
import {
  type Bytes,
  CodecError,
  compareBytes,
  concatBytes,
  equalBytes,
  type RandomBytes,
  toHex,
} from './bytes.ts';
import { decode, encode } from './cbor.ts';
import { bindChain, bindSuite, type ChainContext, type SuiteContext } from './context.ts';
import {
  type Curve,
  type G1,
  type G2,
  multiplySecretG2,
  type PreparedG2,
  randomScalar,
  type Scalar,
} from './curve.ts';
import { DOMAIN_TAGS } from './domain-tags.ts';
import { Fields } from './fields.ts';
import { type GrantId, toGrantId } from './ids.ts';
import { hkdf } from './hash.ts';
import type { BlindedKeyword } from './keyword.ts';
import { type Month, parseMonth } from './period.ts';
import type { PossessedKey } from './possession.ts';
import type { Primitives } from './primitives.ts';
import { type ExponentProof, proveExponent, type Statement, verifyExponent } from './proof.ts';

/** AES-256 on independent 16-byte blocks. */
export type BlockCipher = Primitives['encryptBlocks'];

/** K: 32 bytes; whoever holds it can test one keyword on one epoch (or, in mode `sym`, one month). */
export type TagKey = Brand<Bytes, 'TagKey'>;

export const TAG_BYTES = 24;
export const LOCATION_SECRET_BYTES = 16;
const MARK_BYTES = 8;
const BLOCK_BYTES = 16;

/** A hospital's public key for one epoch. */
export interface EpochKey {
  readonly hospitalId: Bytes;
  /** e.g. a day, `2026-11-21` */
  readonly epoch: string;
  /** A */
  readonly point: G1;
  readonly proof: ExponentProof;
}

/** ρ: lives in the hospital's index service and is erased at the end of the epoch. */
export interface EpochSecret {
  readonly key: EpochKey;
  readonly exponent: Scalar;
}

function epochStatement(
  curve: Curve,
  context: ChainContext,
  key: Omit<EpochKey, 'proof'>,
): Statement {
  return {
    tag: DOMAIN_TAGS.epochProof,
    context,
    suite: null,
    before: [curve.encodeG1(key.point), key.hospitalId, key.epoch],
    after: [],
  };
}

/** A fresh epoch key with its Schnorr proof over [hospital, epoch]. */
export function createEpochKey(input: {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly hospitalId: Bytes;
  readonly epoch: string;
  readonly randomBytes: RandomBytes;
}): EpochSecret {
  const { curve, context, hospitalId, epoch, randomBytes } = input;
  const exponent = randomScalar(curve, randomBytes);
  const point = curve.multiplyG1(curve.g1, exponent);
  const statement = epochStatement(curve, context, { hospitalId, epoch, point });
  const bases = [curve.g1];
  const proof = proveExponent({ curve, statement, bases, secret: exponent, randomBytes });
  return { key: { hospitalId, epoch, point, proof }, exponent };
}

/** Without it, A could be the C of a capsule, and a tested trapdoor would help to open a record (F10). */
export function verifyEpochKey(curve: Curve, context: ChainContext, key: EpochKey): boolean {
  const statement = epochStatement(curve, context, key);
  const terms = [{ base: curve.g1, image: key.point }];
  return verifyExponent({ curve, statement, terms, proof: key.proof });
}

/**
 * P^ρ, which the index service hands to the doctor's client: only for a key whose possession was shown to
 * this hospital. @throws Error for a key shown to another hospital
 */
export function shareEpochSecret(curve: Curve, secret: EpochSecret, patient: PossessedKey): G1 {
  if (!equalBytes(patient.hospitalId, secret.key.hospitalId))
    throw new Error('possession was shown to another hospital');
  return curve.multiplyG1(patient.patientKey, secret.exponent);
}

function keywordPoint(curve: Curve, context: ChainContext, keyword: BlindedKeyword): G2 {
  const message = bindChain(DOMAIN_TAGS.keywordPoint, context, keyword);
  return curve.hashToG2(DOMAIN_TAGS.keywordPoint, message);
}

function tagKeyFrom(curve: Curve, context: ChainContext, epochPoint: G1, secret: Bytes): TagKey {
  const info = bindChain(DOMAIN_TAGS.tagKey, context, curve.encodeG1(epochPoint));
  const key = hkdf({ ikm: secret, info, length: 32 });
  secret.fill(0);
  return key as TagKey;
}

/** The writer's K, from (A, P^ρ). */
export function deriveTagKey(input: {
  readonly curve: Curve;
  readonly context: ChainContext;
  /** A */
  readonly epochPoint: G1;
  /** P^ρ */
  readonly sharedPoint: G1;
  readonly keyword: BlindedKeyword;
}): TagKey {
  const { curve, context, epochPoint, sharedPoint, keyword } = input;
  const g2 = keywordPoint(curve, context, keyword);
  return tagKeyFrom(curve, context, epochPoint, curve.pairingBytes([{ g1: sharedPoint, g2 }]));
}

/** The patient's T = H_kw(w̃)^a. */
export function deriveTrapdoor(input: {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly patientScalar: Scalar;
  readonly keyword: BlindedKeyword;
  readonly randomBytes: RandomBytes;
}): G2 {
  const { curve, context, patientScalar, keyword, randomBytes } = input;
  const point = keywordPoint(curve, context, keyword);
  return multiplySecretG2(curve, point, patientScalar, randomBytes);
}

/** The search node's K, from A and T. `trapdoor` prepared once saves a tenth per epoch. */
export function trapdoorTagKey(input: {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly epochPoint: G1;
  readonly trapdoor: G2 | PreparedG2;
}): TagKey {
  const { curve, context, epochPoint, trapdoor } = input;
  const secret = curve.pairingBytes([{ g1: epochPoint, g2: trapdoor }]);
  return tagKeyFrom(curve, context, epochPoint, secret);
}

/** Mode `sym`: K = HKDF(w̃), for writer, token and search node alike. */
export function deriveSymmetricTagKey(context: ChainContext, keyword: BlindedKeyword): TagKey {
  const info = bindChain(DOMAIN_TAGS.symmetricTagKey, context);
  return hkdf({ ikm: keyword, info, length: 32 }) as TagKey;
}

function flipLastBit(prefix: Bytes): Bytes {
  const flipped = prefix.slice();
  flipped[BLOCK_BYTES - 1] = (flipped[BLOCK_BYTES - 1] ?? 0) ^ 1;
  return flipped;
}

function recordPrefix(recordId: Bytes): Bytes {
  if (recordId.length < BLOCK_BYTES) throw new CodecError('malformed', 'a record id is too short');
  return recordId.subarray(0, BLOCK_BYTES);
}

function xor16(left: Bytes, right: Bytes): Bytes {
  return left.map((byte, i) => byte ^ (right[i] ?? 0));
}

/**
 * Exactly `count` tags for one record: one per distinct key, the rest random bytes, in sorted order (which
 * says nothing, as all of them look random).
 * @throws CodecError `tooLarge` for more distinct keys than tags
 */
export function createIndexTags(input: {
  readonly tagKeys: readonly TagKey[];
  readonly recordId: Bytes;
  /** LK */
  readonly locationSecret: Bytes;
  readonly count: number;
  readonly encryptBlocks: BlockCipher;
  readonly randomBytes: RandomBytes;
}): readonly Bytes[] {
  const { tagKeys, recordId, locationSecret, count, encryptBlocks, randomBytes } = input;
  if (locationSecret.length !== LOCATION_SECRET_BYTES)
    throw new CodecError('malformed', `LK has ${LOCATION_SECRET_BYTES} bytes`);
  const prefix = recordPrefix(recordId);
  const blocks = concatBytes(prefix, flipLastBit(prefix));
  const distinct = new Map(tagKeys.map((key) => [toHex(key), key]));
  if (distinct.size > count)
    throw new CodecError('tooLarge', `a record has at most ${count} distinct keywords`);
  const tags = [...distinct.values()].map((key) => {
    const encrypted = encryptBlocks(key, blocks);
    return concatBytes(
      encrypted.subarray(0, MARK_BYTES),
      xor16(locationSecret, encrypted.subarray(BLOCK_BYTES, 2 * BLOCK_BYTES)),
    );
  });
  while (tags.length < count) tags.push(randomBytes(TAG_BYTES));
  return tags.sort(compareBytes);
}

/** The records of one epoch, packed for bulk work. */
export interface EpochIndex {
  /** 16 bytes per record. */
  readonly prefixes: Bytes;
  /** `tagsPerRecord` × 24 bytes per record. */
  readonly tags: Bytes;
  readonly tagsPerRecord: number;
}

/** @throws CodecError when records have different numbers of tags, or a tag another length */
export function packEpochIndex(
  records: readonly { readonly recordId: Bytes; readonly tags: readonly Bytes[] }[],
): EpochIndex {
  const tagsPerRecord = records[0]?.tags.length ?? 0;
  const prefixes = new Uint8Array(records.length * BLOCK_BYTES);
  const tags = new Uint8Array(records.length * tagsPerRecord * TAG_BYTES);
  for (const [position, record] of records.entries()) {
    if (record.tags.length !== tagsPerRecord)
      throw new CodecError('malformed', 'records of one index have equally many tags');
    prefixes.set(recordPrefix(record.recordId), position * BLOCK_BYTES);
    for (const [offset, tag] of record.tags.entries()) {
      if (tag.length !== TAG_BYTES)
        throw new CodecError('malformed', `a tag has ${TAG_BYTES} bytes`);
      tags.set(tag, (position * tagsPerRecord + offset) * TAG_BYTES);
    }
  }
  return { prefixes, tags, tagsPerRecord };
}

/** A record of the index that carries the keyword, and LK. */
export interface Match {
  /** Which record, in the order of packing. */
  readonly position: number;
  readonly locationSecret: Bytes;
}

function carriesMark(tags: Bytes, offset: number, marks: Bytes, mark: number): boolean {
  for (let i = 0; i < MARK_BYTES; i++) if (tags[offset + i] !== marks[mark + i]) return false;
  return true;
}

/** Query: all records of the index that carry the keyword of `tagKey`. */
export function searchEpoch(
  tagKey: TagKey,
  index: EpochIndex,
  encryptBlocks: BlockCipher,
): readonly Match[] {
  const { prefixes, tags, tagsPerRecord } = index;
  const marks = encryptBlocks(tagKey, prefixes);
  const matches: Match[] = [];
  const stride = tagsPerRecord * TAG_BYTES;
  for (let position = 0; position * BLOCK_BYTES < prefixes.length; position++) {
    const mark = position * BLOCK_BYTES;
    for (let offset = position * stride; offset < (position + 1) * stride; offset += TAG_BYTES) {
      if (!carriesMark(tags, offset, marks, mark)) continue;
      const prefix = prefixes.subarray(mark, mark + BLOCK_BYTES);
      const mask = encryptBlocks(tagKey, flipLastBit(prefix));
      const masked = tags.subarray(offset + MARK_BYTES, offset + TAG_BYTES);
      matches.push({ position, locationSecret: xor16(masked, mask) });
      break;
    }
  }
  return matches;
}

/** The AEAD key of a record's sealed location [stores, object key], from LK. 32 bytes. */
export function deriveLocationKey(
  context: SuiteContext,
  locationSecret: Bytes,
  recordId: Bytes,
): Bytes {
  const info = bindSuite(DOMAIN_TAGS.locationKey, context, recordId);
  return hkdf({ ikm: locationSecret, info, length: 32 });
}

/** The right to search one keyword at one hospital in one month, under one grant (R6). */
export type SearchToken = {
  readonly grantId: GrantId;
  readonly hospitalId: Bytes;
  readonly month: Month;
} & (
  | { readonly mode: 'pk'; readonly trapdoor: G2 }
  | { readonly mode: 'sym'; readonly tagKey: TagKey }
);

/** Canonical CBOR of [mode, grantId, hospitalId, month, T or K]: equally long within a mode. */
export function encodeSearchToken(curve: Curve, token: SearchToken): Bytes {
  const right = token.mode === 'pk' ? curve.encodeG2(token.trapdoor) : token.tagKey;
  return encode([token.mode, token.grantId, token.hospitalId, token.month, right]);
}

/** @throws CodecError, PointError */
export function decodeSearchToken(curve: Curve, bytes: Bytes): SearchToken {
  const fields = Fields.of(decode(bytes), 5);
  const mode = fields.oneOf(['pk', 'sym']);
  const scope = {
    grantId: toGrantId(fields.bytes()),
    hospitalId: fields.bytes(),
    month: parseMonth(fields.text()),
  };
  return mode === 'pk'
    ? { ...scope, mode, trapdoor: curve.parseG2(fields.bytes()) }
    : { ...scope, mode, tagKey: fields.bytes(32) as TagKey };
}

/** A token that finds nothing, to hide at how many hospitals and months she was. */
export function createDecoyToken(input: {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly grantId: GrantId;
  readonly hospitalId: Bytes;
  readonly month: Month;
  readonly mode: SearchToken['mode'];
  readonly randomBytes: RandomBytes;
}): SearchToken {
  const { curve, context, mode, randomBytes, grantId, hospitalId, month } = input;
  const scope = { grantId, hospitalId, month };
  const keyword = randomBytes(32) as BlindedKeyword;
  return mode === 'pk'
    ? { ...scope, mode, trapdoor: keywordPoint(curve, context, keyword) }
    : { ...scope, mode, tagKey: deriveSymmetricTagKey(context, keyword) };
}
