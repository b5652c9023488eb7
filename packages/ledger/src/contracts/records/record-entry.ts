/** The body that `issueRecord` and `amendRecord` share, and its codec. */
import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import type { Suite } from '@yilian/crypto/context';
import { Fields } from '@yilian/crypto/fields';
import { type MemberId, toMemberId } from '../../ids.ts';
import { type Pid, toPid } from '@yilian/crypto/ids';

/** `package`: the header carries a visit package sealed to P. `custodial`: written under a custodial key. */
export const RECORD_MARKS = ['package', 'custodial'] as const;
export type RecordMark = (typeof RECORD_MARKS)[number];

export const SUITES: readonly Suite[] = ['intl', 'paper'];

export const TAG_LENGTH = 24;
const TAGS_MAX = 64;

/** Compressed G1 points of 48 bytes and the 64-byte proof (c ‖ z) that they share an exponent. */
export interface CapsuleFields {
  readonly c: Bytes;
  readonly cBar: Bytes;
  readonly proof: Bytes;
}

/** Keyword tags: `pk` under the hospital's epoch key A (48 bytes, Schnorr proof 64), `sym` without. */
export type IndexFields =
  | {
      readonly mode: 'pk';
      /** Day number; one (institution, epoch) has one A. */
      readonly epoch: number;
      readonly a: Bytes;
      readonly proof: Bytes;
      /** 24 bytes each, padded with random ones to a fixed count. */
      readonly tags: readonly Bytes[];
    }
  | { readonly mode: 'sym'; readonly tags: readonly Bytes[] };

/** A store keeps header and ciphertext: Ed25519 over [tag, chainId, headerHash, digest, length]. */
export interface Attestation {
  readonly store: MemberId;
  /** The store's current key: `inspect` is stateless, the contract compares it with state. */
  readonly key: Bytes;
  readonly signature: Bytes;
}

/** The doctor: Ed25519 over [tag, chainId, pid, sectionRoot, authorKey, time] (R8). */
export interface Authorship {
  readonly author: MemberId;
  readonly key: Bytes;
  readonly sectionRoot: Bytes;
  /** Seconds since 1970. */
  readonly time: number;
  readonly signature: Bytes;
}

export interface RecordEntry {
  /** Of the record; the capsule and epoch proofs are bound to it. */
  readonly suite: Suite;
  readonly pid: Pid;
  /** The visit's Ed25519 key. */
  readonly visitKey: Bytes;
  /** h, 32 bytes: hides the identity, and makes the PID follow from the visit key. */
  readonly identityTag: Bytes;
  /** The visit key's signature over [tag, chainId, pid, institution]: nobody squats on a PID. */
  readonly visitAuthorisation: Bytes;
  /** The sender's institution, as in the visit authorisation. */
  readonly institution: string;
  /** Position within the PID: 0, 1, 2 … */
  readonly number: number;
  readonly headerHash: Bytes;
  readonly digest: Bytes;
  /** Bytes of header and ciphertext. */
  readonly length: number;
  readonly capsule: CapsuleFields;
  readonly index: IndexFields;
  readonly attestations: readonly Attestation[];
  /** Null only in group-signed records, where it lies inside the encrypted header. */
  readonly authorship: Authorship | null;
  /** In the order of `RECORD_MARKS`, none twice. */
  readonly marks: readonly RecordMark[];
}

export function indexItems(index: IndexFields): Cbor[] {
  return index.mode === 'pk'
    ? ['pk', index.epoch, index.a, index.proof, [...index.tags]]
    : ['sym', [...index.tags]];
}

export function recordEntryItems(entry: RecordEntry): Cbor[] {
  const { authorship } = entry;
  return [
    ...contextItems(entry),
    entry.capsule.proof,
    entry.visitAuthorisation,
    entry.attestations.map((each) => [each.store, each.key, each.signature]),
    authorship === null ? null : authorship.signature,
  ];
}

/** What the capsule proof is bound to: everything but the proof and the inner signatures. */
export type RecordStatement = Omit<
  RecordEntry,
  'capsule' | 'visitAuthorisation' | 'attestations' | 'authorship'
> & {
  readonly capsule: Pick<CapsuleFields, 'c' | 'cBar'>;
  readonly authorship: Omit<Authorship, 'signature'> | null;
};

export function contextItems(entry: RecordStatement): Cbor[] {
  const { authorship } = entry;
  return [
    entry.suite,
    entry.pid,
    entry.visitKey,
    entry.identityTag,
    entry.institution,
    entry.number,
    entry.headerHash,
    entry.digest,
    entry.length,
    [entry.capsule.c, entry.capsule.cBar],
    indexItems(entry.index),
    authorship === null
      ? null
      : [authorship.author, authorship.key, authorship.sectionRoot, authorship.time],
    [...entry.marks],
  ];
}

export const RECORD_ENTRY_ITEMS = 17;

export function readIndex(value: Cbor): IndexFields {
  const fields = new Fields(value, { min: 2, max: 5 });
  const readTags = (): readonly Bytes[] =>
    fields.list({ min: 1, max: TAGS_MAX }, (items) => items.bytes(TAG_LENGTH));
  const mode = fields.oneOf(['pk', 'sym']);
  if (mode === 'sym') {
    Fields.of(value, 2);
    return { mode, tags: readTags() };
  }
  Fields.of(value, 5);
  return {
    mode,
    epoch: fields.whole(0xffffff),
    a: fields.bytes(48),
    proof: fields.bytes(64),
    tags: readTags(),
  };
}

/** Reads the `RECORD_ENTRY_ITEMS` items. @throws CodecError */
export function readRecordEntry(fields: Fields): RecordEntry {
  const suite = fields.oneOf(SUITES);
  const pid = toPid(fields.bytes(20));
  const visitKey = fields.bytes(32);
  const identityTag = fields.bytes(32);
  const institution = fields.name();
  const number = fields.whole(0xffff);
  const headerHash = fields.bytes(32);
  const digest = fields.bytes(32);
  const length = fields.whole();
  const points = fields.nested(2);
  const c = points.bytes(48);
  const cBar = points.bytes(48);
  const index = readIndex(fields.any());
  const statement = fields.orNull((own) => {
    const author = own.nested(4);
    return {
      author: toMemberId(author.bytes(32)),
      key: author.bytes(32),
      sectionRoot: author.bytes(32),
      time: author.whole(),
    };
  });
  const marks = fields.list({ min: 0, max: RECORD_MARKS.length }, (items) =>
    items.oneOf(RECORD_MARKS),
  );
  const proof = fields.bytes(64);
  const visitAuthorisation = fields.bytes(64);
  const attestations = fields.list({ min: 1, max: 8 }, (items) => {
    const each = items.nested(3);
    return { store: toMemberId(each.bytes(32)), key: each.bytes(32), signature: each.bytes(64) };
  });
  const authorship =
    statement === null ? fields.nothing() : { ...statement, signature: fields.bytes(64) };
  return {
    suite,
    pid,
    visitKey,
    identityTag,
    visitAuthorisation,
    institution,
    number,
    headerHash,
    digest,
    length,
    capsule: { c, cBar, proof },
    index,
    attestations,
    authorship,
    marks,
  };
}
