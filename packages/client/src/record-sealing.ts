/**
 * A doctor's record, sealed to the patient (QJ-2; MDEnc, SignGen and IndexGen in QJ's words): envelope
 * with key slots, capsule with its proof, keyword tags, the doctor's signature, and attestations of two
 * stores. What comes out is an `issueRecord` or `amendRecord` for the institution to sign.
 */
import type { EpochKeyAnswer } from '@yilian/api/messages-institution';
import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import { encapsulate, type Encapsulation } from '@yilian/crypto/capsule';
import type { Cbor } from '@yilian/crypto/cbor';
import type { Suite, SuiteContext } from '@yilian/crypto/context';
import { encodeObjectHead } from '@yilian/crypto/envelope/object';
import {
  createRecordWriter,
  type SealedRecord,
  type SectionInput,
  type SlotRequest,
} from '@yilian/crypto/envelope/record-writer';
import type { HpkePublicKey } from '@yilian/crypto/hpke';
import { blindKeyword, type Keyword } from '@yilian/crypto/keyword';
import { deriveLabel, type Label } from '@yilian/crypto/label';
import { quarterOfMonth } from '@yilian/crypto/period';
import { encodeProof } from '@yilian/crypto/proof';
import {
  createIndexTags,
  deriveSymmetricTagKey,
  deriveTagKey,
  LOCATION_SECRET_BYTES,
  type TagKey,
} from '@yilian/crypto/searchable-encryption';
import { toHex } from '@yilian/crypto/bytes';
import { capsuleContext } from '@yilian/ledger/capsule-context';
import { authorSignatureMessage } from '@yilian/ledger/checks';
import type { IndexFields, RecordMark } from '@yilian/ledger/contracts/records/record-entry';
import type { AmendRecord } from '@yilian/ledger/contracts/records/amend-record';
import type { IssueRecord } from '@yilian/ledger/contracts/records/issue-record';
import { type MemberId } from '@yilian/ledger/ids';
import type { RecordId } from '@yilian/crypto/ids';
import type { Signer } from '@yilian/ledger/transaction-codec';
import type { UnsignedTransaction } from '@yilian/ledger/transaction';
import { hospitalIdOf } from './patient-secrets.ts';
import type { Platform, Spool } from './platform/platform.ts';
import { deriveObjectKey } from './record-location.ts';
import { packageTagKey, sealDrawnVisit, type VisitForWriting } from './visit-for-writing.ts';

/** Every record has so many tags, whatever it has keywords: their number says nothing. */
export const TAGS_PER_RECORD = 32;

const CHUNK_BYTES_SMALL = 65_536;
const CHUNK_BYTES_LARGE = 1_048_576;

/** What the doctor writes. */
export interface RecordDraft {
  readonly sections: readonly SectionInput[];
  /** Paths that get a class label of that name: a grant of the class opens this section only. */
  readonly classes: readonly string[];
  /** Paths that get a label of their own under the visit. */
  readonly separateSections?: readonly string[];
  /** A patient summary: also under the quarter's `summary` label. */
  readonly isSummary?: boolean;
  readonly keywords: readonly Keyword[];
  /** What the application says about the record: title and the like, sealed with the manifest. */
  readonly attributes?: Cbor;
  /** Large files (images): bigger chunks, fewer hashes. */
  readonly isLarge?: boolean;
  readonly suite?: Suite;
  readonly padding?: 'none' | 'buckets';
}

/** A sealed record before stores and institution have seen it. */
export interface SealedDraft {
  readonly recordId: RecordId;
  readonly sealed: SealedRecord;
  /** Header, chunk hashes and body: what stores keep. */
  readonly object: Blob;
  readonly objectKey: Bytes;
  readonly spool: Spool;
  readonly index: IndexFields;
  readonly encapsulation: Encapsulation;
  readonly context: SuiteContext;
  readonly visit: VisitForWriting;
}

/** The labels of a draft, with what each opens. */
export function labelsOfDraft(
  context: SuiteContext,
  visit: VisitForWriting,
  draft: Pick<RecordDraft, 'classes' | 'separateSections' | 'isSummary'>,
): readonly { readonly label: Label; readonly section: string | null }[] {
  const hospitalId = hospitalIdOf(visit.hospital);
  const { month: period, visitKey, monthRoot } = visit;
  const labels: { label: Label; section: string | null }[] = [
    {
      label: deriveLabel(context, monthRoot, { kind: 'visit', visitKey, hospitalId, period }),
      section: null,
    },
  ];
  for (const resourceType of draft.classes)
    labels.push({
      label: deriveLabel(context, monthRoot, { kind: 'class', resourceType, hospitalId, period }),
      section: resourceType,
    });
  for (const path of draft.separateSections ?? [])
    labels.push({
      label: deriveLabel(context, monthRoot, {
        kind: 'section',
        visitKey,
        path,
        hospitalId,
        period,
      }),
      section: path,
    });
  if (draft.isSummary === true)
    labels.push({
      label: deriveLabel(context, visit.quarterRoot, {
        kind: 'summary',
        hospitalId,
        period: quarterOfMonth(period),
      }),
      section: null,
    });
  return labels;
}

/**
 * Seals a draft. `epochKey` null: indexed in mode `sym`. The caller disposes of the spool, and erases
 * the encapsulation when it makes no proof.
 * @throws EnvelopeError, LabelError, CodecError
 */
export async function sealDraft(
  platform: Platform,
  input: {
    readonly chainId: string;
    readonly visit: VisitForWriting;
    readonly draft: RecordDraft;
    readonly author: HpkePublicKey;
    readonly epochKey: EpochKeyAnswer | null;
    readonly onProgress?: (bodyBytes: number) => void;
  },
): Promise<SealedDraft> {
  const { curve, primitives, randomBytes } = platform;
  const { visit, draft } = input;
  const context: SuiteContext = { chainId: input.chainId, suite: draft.suite ?? 'intl' };
  const labels = labelsOfDraft(context, visit, draft);
  const encapsulation = encapsulate({
    curve,
    context,
    patientKey: visit.patientKey,
    labels: labels.map(({ label }) => label),
    randomBytes,
  });
  const { recordId } = encapsulation;
  const spool = await platform.createSpool();
  try {
    let written = 0;
    const writer = createRecordWriter({
      context: {
        ...context,
        recordId,
        chunkBytes: draft.isLarge === true ? CHUNK_BYTES_LARGE : CHUNK_BYTES_SMALL,
      },
      primitives,
      randomBytes,
      ...(draft.padding === undefined ? {} : { padding: draft.padding }),
      sink: async (parts) => {
        for (const part of parts) {
          await spool.write(part);
          written += part.length;
        }
        input.onProgress?.(written);
      },
    });
    for (const section of draft.sections) await writer.writeSection(section);
    const patientSlots = labels.map(({ section }, position): SlotRequest => {
      const slotKey = encapsulation.slotKeys[position] ?? new Uint8Array(0);
      return section === null
        ? { slotKey, opens: 'record' }
        : { slotKey, opens: 'section', path: section };
    });
    const sealed = await writer.finish({
      patientSlots,
      author: input.author,
      attributes: draft.attributes ?? null,
      ...(visit.drawn === null
        ? {}
        : {
            package: sealDrawnVisit(context, recordId, encapsulation.packageKey, visit.drawn),
          }),
    });
    const locationSecret = randomBytes(LOCATION_SECRET_BYTES);
    const { packageKey } = encapsulation;
    const index = makeIndex(platform, context, {
      ...input,
      recordId,
      locationSecret,
      // Whoever can open the package finds its record by this tag, and nobody else.
      packageTagKey: visit.drawn === null ? null : packageTagKey(context, packageKey),
    });
    const head = encodeObjectHead(sealed);
    return {
      recordId,
      sealed,
      object: new Blob([head.slice(), await spool.body()]),
      objectKey: deriveObjectKey(context, locationSecret, recordId),
      spool,
      index,
      encapsulation,
      context,
      visit,
    };
  } catch (error) {
    encapsulation.erase();
    await spool.dispose();
    throw error;
  }
}

/** Keywords of a record: the doctor's, its classes, and its pseudonym (by which the patient finds it). */
function keywordsOf(visit: VisitForWriting, draft: RecordDraft): readonly Keyword[] {
  const own: Keyword[] = [
    { type: 'pid', text: toHex(visit.pid) },
    ...draft.classes.map((text): Keyword => ({ type: 'class', text })),
  ];
  return [...own, ...draft.keywords].slice(
    0,
    visit.drawn === null ? TAGS_PER_RECORD : TAGS_PER_RECORD - 1,
  );
}

function makeIndex(
  platform: Platform,
  context: SuiteContext,
  input: {
    readonly visit: VisitForWriting;
    readonly draft: RecordDraft;
    readonly epochKey: EpochKeyAnswer | null;
    readonly recordId: Bytes;
    readonly locationSecret: Bytes;
    readonly packageTagKey: TagKey | null;
  },
): IndexFields {
  const { curve, primitives, randomBytes } = platform;
  const { visit, draft, epochKey, recordId, locationSecret } = input;
  const blinded = keywordsOf(visit, draft).map((keyword) =>
    blindKeyword(context, visit.keywordSecret, keyword),
  );
  const points =
    epochKey === null
      ? null
      : {
          epochPoint: curve.parseG1(epochKey.epochKey),
          sharedPoint: curve.parseG1(epochKey.indexPoint),
        };
  const tagKeys = blinded.map((keyword) =>
    points === null
      ? deriveSymmetricTagKey(context, keyword)
      : deriveTagKey({ curve, context, ...points, keyword }),
  );
  if (input.packageTagKey !== null) tagKeys.push(input.packageTagKey);
  const tags = createIndexTags({
    tagKeys,
    recordId,
    locationSecret,
    count: TAGS_PER_RECORD,
    encryptBlocks: (key, blocks) => primitives.encryptBlocks(key, blocks),
    randomBytes,
  });
  for (const key of tagKeys) key.fill(0);
  return epochKey === null
    ? { mode: 'sym', tags }
    : { mode: 'pk', epoch: epochKey.epoch, a: epochKey.epochKey, proof: epochKey.proof, tags };
}

/** One store's word, with the key it signed by. */
export interface StoreAttestation {
  readonly store: MemberId;
  readonly key: Bytes;
  readonly signature: Bytes;
}

/** Author, capsule proof, attestations: the transaction that the institution will sign. */
export function assembleRecord(
  platform: Pick<Platform, 'curve'>,
  input: {
    readonly draft: SealedDraft;
    readonly institutionKey: Bytes;
    readonly nonce: Bytes;
    readonly expiryHeight: number;
    readonly number: number;
    readonly amends: RecordId | null;
    readonly author: { readonly id: MemberId; readonly signer: Signer };
    /** Seconds since 1970. */
    readonly time: number;
    readonly attestations: readonly StoreAttestation[];
  },
): UnsignedTransaction<IssueRecord | AmendRecord> {
  const { curve } = platform;
  const { draft, author, time, amends } = input;
  const { sealed, visit, encapsulation, context } = draft;
  const { sectionRoot } = sealed;
  const { pid } = visit;
  const key = author.signer.key;
  const marks: readonly RecordMark[] = visit.drawn === null ? [] : ['package'];
  const capsule = {
    c: curve.encodeG1(encapsulation.capsule.c),
    cBar: curve.encodeG1(encapsulation.capsule.cBar),
  };
  const statement = {
    suite: context.suite,
    pid,
    visitKey: visit.visitKey,
    identityTag: visit.identityTag,
    institution: visit.hospital,
    number: input.number,
    headerHash: sealed.headerHash,
    digest: sealed.digest,
    length: draft.object.size,
    index: draft.index,
    marks,
  };
  const authorship = { author: author.id, key, sectionRoot, time };
  const envelope = {
    chainId: context.chainId,
    sender: input.institutionKey,
    nonce: input.nonce,
    expiryHeight: input.expiryHeight,
  };
  const kind =
    amends === null
      ? ({ type: 'issueRecord' } as const)
      : ({ type: 'amendRecord', amends } as const);
  const txc = capsuleContext(envelope, { ...kind, ...statement, capsule, authorship });
  const proof = encodeProof(curve, encapsulation.prove(txc));
  const message = authorSignatureMessage(context, { pid, sectionRoot, key, time });
  return {
    ...envelope,
    body: {
      ...kind,
      ...statement,
      capsule: { ...capsule, proof },
      visitAuthorisation: visit.authorisation,
      attestations: input.attestations,
      authorship: { ...authorship, signature: author.signer.sign(message) },
    },
  };
}

/** Bytes of a text section. */
export function textSection(path: string, mediaType: string, content: Bytes): SectionInput {
  return { path, mediaType, content: [concatBytes(content)] };
}
