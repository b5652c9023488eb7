/**
 * The linkage test (F1, F4, QJ-3): whoever holds the whole chain, and even P, every PID and every record
 * id, finds none of them in a grant or an access, nor anything that can be computed from them; and a
 * hospital finds nothing of a record it did not write with what a visit package of hers contains.
 *
 * A test by search cannot show that no function links them; it shows that none of the functions this
 * code base has (every domain tag, alone and with the public grant id; hash, HMAC, HKDF, RIPEMD; as
 * bytes and as seed of a key) does. A planted value shows that the search would find one.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { concatBytes, utf8 } from '@yilian/crypto/bytes';
import { bindChain, bindSuite, type ChainContext } from '@yilian/crypto/context';
import type { Curve } from '@yilian/crypto/curve';
import { DOMAIN_TAGS, type DomainTag } from '@yilian/crypto/domain-tags';
import { hkdf, hmacSha256, ripemd160, sha256 } from '@yilian/crypto/hash';
import { blindKeyword, type Keyword } from '@yilian/crypto/keyword';
import {
  deriveLabel,
  encodeLabel,
  type Label,
  type LabelName,
  labelPoint,
} from '@yilian/crypto/label';
import { quarterOfMonth } from '@yilian/crypto/period';
import type { VisitPackage } from '@yilian/crypto/pseudonym';
import { deriveSymmetricTagKey } from '@yilian/crypto/searchable-encryption';
import { ByteWindows } from '../byte-windows.ts';

/** Something that must not be recognisable, and what to call it when it is. */
export interface Trace {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const TAGS: readonly DomainTag[] = Object.values(DOMAIN_TAGS);
/** RFC 8410 head of an Ed25519 private key in PKCS #8. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

function keyOfSeed(seed: Uint8Array): Uint8Array {
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(12);
}

/** Everything an outsider can make of one value with the functions of this code base. */
function* derivationsOf(
  context: ChainContext,
  value: Uint8Array,
  companions: readonly Uint8Array[],
): Generator<Uint8Array> {
  yield sha256(value);
  yield sha256(sha256(value));
  yield ripemd160(sha256(value));
  for (const tag of TAGS) {
    const bound = [
      bindChain(tag, context, value),
      bindSuite(tag, { ...context, suite: 'intl' }, value),
      bindSuite(tag, { ...context, suite: 'paper' }, value),
      concatBytes(utf8(tag), value),
      ...companions.flatMap((companion) => [
        bindChain(tag, context, companion, value),
        bindChain(tag, context, value, companion),
        bindSuite(tag, { ...context, suite: 'intl' }, companion, value),
      ]),
    ];
    for (const message of bound) yield sha256(message);
    yield hmacSha256(value, bindChain(tag, context));
    for (let m = 0; m < 2; m++)
      yield hkdf({ ikm: value, info: bindChain(tag, context, m), length: 32 });
    for (const companion of companions)
      yield hkdf({
        ikm: value,
        info: bindSuite(tag, { ...context, suite: 'intl' }, companion),
        length: 32,
      });
  }
}

/** The first few derivations as seeds of signing keys: how a grant's tag keys would be made (R1). */
function* keysFrom(context: ChainContext, value: Uint8Array): Generator<Uint8Array> {
  yield keyOfSeed(sha256(value));
  for (let m = 0; m < 3; m++)
    yield keyOfSeed(
      hkdf({ ikm: value, info: bindChain(DOMAIN_TAGS.grantTag, context, m), length: 32 }),
    );
}

/** Names of the traces of which the bytes, a derivation or a derived key stand in `haystack`. */
export function findTraces(input: {
  readonly context: ChainContext;
  readonly haystack: ByteWindows;
  readonly traces: readonly Trace[];
  /** Public values that may be hashed together with a trace, e.g. grant ids. */
  readonly companions: readonly Uint8Array[];
}): readonly string[] {
  const { context, haystack, companions } = input;
  const found: string[] = [];
  for (const { name, bytes } of input.traces) {
    if (haystack.has(bytes)) found.push(name);
    for (const derived of derivationsOf(context, bytes, companions))
      if (haystack.has(derived)) found.push(`a hash of ${name}`);
    for (const key of keysFrom(context, bytes))
      if (haystack.has(key)) found.push(`a key made of ${name}`);
  }
  return found;
}

/** A record that the owner of a visit package did not write. */
export interface ForeignRecord {
  readonly visitKey: Uint8Array;
  readonly classes: readonly string[];
  readonly keywords: readonly Keyword[];
}

function labelNamesFor(own: VisitPackage, foreign: ForeignRecord): readonly LabelName[] {
  const { hospitalId, month: period } = own;
  return [
    { kind: 'visit', visitKey: foreign.visitKey, hospitalId, period },
    { kind: 'visit', visitKey: own.visitKey, hospitalId, period },
    ...foreign.classes.map((resourceType): LabelName => ({
      kind: 'class',
      resourceType,
      hospitalId,
      period,
    })),
    { kind: 'summary', hospitalId, period: quarterOfMonth(period) },
  ];
}

/** What a hospital can make of its own package about a record of another hospital. */
export function tracesFromPackage(
  curve: Curve,
  context: ChainContext,
  own: VisitPackage,
  foreign: ForeignRecord,
): readonly Trace[] {
  const labels: Label[] = labelNamesFor(own, foreign).map((name) =>
    deriveLabel(context, name.kind === 'summary' ? own.quarterRoot : own.monthRoot, name),
  );
  return [
    ...labels.flatMap((label) => [
      { name: `β of a ${label.kind} label`, bytes: label.beta },
      { name: `a ${label.kind} label`, bytes: encodeLabel(label) },
      {
        name: `the point of a ${label.kind} label`,
        bytes: curve.encodeG2(labelPoint(curve, context, label)),
      },
    ]),
    { name: 'κ', bytes: own.keywordSecret },
    { name: 'a label root', bytes: own.monthRoot },
    { name: 'a label root', bytes: own.quarterRoot },
    { name: 'β of a visit', bytes: own.beta },
  ];
}

/** Keys with which the package's κ could search the other record, were it the same patient's κ there. */
export function searchKeysFromPackage(
  context: ChainContext,
  own: VisitPackage,
  foreign: ForeignRecord,
): readonly Uint8Array[] {
  return foreign.keywords.map((keyword) =>
    deriveSymmetricTagKey(context, blindKeyword(context, own.keywordSecret, keyword)),
  );
}
