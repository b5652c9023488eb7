/**
 * From verified ciphertext and a slot key to plaintext, with the doctor's signature checked: the end of
 * every way to a record (the patient's own, an agent's, a grantee's, the author's).
 */
import type { Certificate } from '@yilian/api/certificate';
import { type Bytes, concatBytes, equalBytes } from '@yilian/crypto/bytes';
import type { ChainContext } from '@yilian/crypto/context';
import { EnvelopeError } from '@yilian/crypto/envelope/envelope-error';
import { sectionRootOf } from '@yilian/crypto/envelope/header';
import { openRecord, openSection, type SectionReader } from '@yilian/crypto/envelope/record-reader';
import type { Manifest } from '@yilian/crypto/envelope/section';
import { openPatientSlots, type SlotOpening } from '@yilian/crypto/envelope/slots';
import { authorSignatureMessage } from '@yilian/ledger/checks';
import type { MemberId } from '@yilian/ledger/ids';
import type { RecordId } from '@yilian/crypto/ids';
import type { ChainReader } from './chain-reader.ts';
import { ClientError, NetworkError, ProblemError, VerificationError } from './failure.ts';
import type { Network } from './network.ts';
import type { StoredRecord } from './stored-record.ts';

/** Who wrote a record, as the regulator certified it. */
export interface VerifiedAuthor {
  readonly member: MemberId;
  /** As certified; null when nobody who keeps the certificate answers. */
  readonly name: string | null;
  readonly institution: string;
  /** Seconds since 1970, by the author's clock. */
  readonly time: number;
}

/** An open record. Sections are decrypted and checked chunk by chunk as they are read. */
export interface OpenRecord {
  readonly recordId: RecordId;
  readonly stored: StoredRecord;
  /** Null when only single sections could be opened. */
  readonly manifest: Manifest | null;
  readonly sections: readonly OpenSection[];
  /** Null in group-signed records, which come later. */
  readonly author: VerifiedAuthor | null;
}

export interface OpenSection {
  readonly path: string;
  readonly mediaType: string;
  /** Bytes. */
  readonly length: number;
  /** Piece by piece, each verified before it is handed out. @throws EnvelopeError */
  read(): AsyncGenerator<Bytes>;
}

/** The whole section in memory. */
export async function readSection(section: OpenSection): Promise<Bytes> {
  const pieces: Bytes[] = [];
  for await (const piece of section.read()) pieces.push(piece.slice());
  return concatBytes(...pieces);
}

/**
 * The doctor's signature over the section root, by the key that the ledger saw, and the certificate of
 * its owner. @throws VerificationError `authorSignature`
 */
export async function verifyAuthor(
  network: Network,
  reader: ChainReader,
  stored: StoredRecord,
): Promise<VerifiedAuthor | null> {
  const { ledgerRecord, verified, node } = stored;
  const { authorship, pid } = ledgerRecord;
  if (authorship === null) return null;
  const source = { node: node.name, route: 'getCiphertext' };
  const sectionRoot = sectionRootOf(verified.header);
  if (!equalBytes(sectionRoot, authorship.sectionRoot))
    throw new VerificationError('authorSignature', source, 'the author signed other sections');
  const context: ChainContext = network.context;
  const message = authorSignatureMessage(context, { pid, ...authorship });
  const isSigned = await network.platform.primitives.verifySignature({
    publicKey: authorship.key,
    message,
    signature: authorship.signature,
  });
  if (!isSigned)
    throw new VerificationError('authorSignature', source, 'the author did not sign this record');
  // The ledger has checked that key and institution were this doctor's; only his name needs more.
  const certificate = await certificateOrNull(reader, authorship.author);
  return {
    member: authorship.author,
    name: certificate?.content.subject.name ?? null,
    institution: ledgerRecord.institution,
    time: authorship.time,
  };
}

async function certificateOrNull(
  reader: ChainReader,
  member: MemberId,
): Promise<Certificate | null> {
  try {
    return await reader.certificate(member);
  } catch (error) {
    if (error instanceof NetworkError || error instanceof ProblemError) return null;
    throw error;
  }
}

/** A slot that opens to a key which the record does not commit to (F9). */
export interface BadSlot {
  readonly slotIndex: number;
  /** Which of the keys tried. */
  readonly keyIndex: number;
}

/** Every slot that opens under any of `slotKeys`, the uncommitted ones apart. */
export function trySlots(
  stored: StoredRecord,
  slotKeys: readonly Bytes[],
): { readonly good: readonly SlotOpening[]; readonly bad: readonly BadSlot[] } {
  const openings = openPatientSlots(stored.verified.header, slotKeys);
  return {
    good: openings.filter(({ isCommitted }) => isCommitted),
    bad: openings
      .filter(({ isCommitted }) => !isCommitted)
      .map(({ slotIndex, keyIndex }) => ({ slotIndex, keyIndex })),
  };
}

/**
 * Opens by slot keys: the whole record when one of them opens it, else the sections they open.
 * @throws ClientError `slotMismatch` when no committed slot opens
 */
export async function openBySlotKeys(
  network: Network,
  reader: ChainReader,
  stored: StoredRecord,
  slotKeys: readonly Bytes[],
): Promise<OpenRecord> {
  const { good, bad } = trySlots(stored, slotKeys);
  const whole = good.find(({ content }) => content.opens === 'record');
  if (whole !== undefined && whole.content.opens === 'record')
    return openByDataKey(network, reader, stored, whole.content.key);
  const sections: SectionReader[] = [];
  const seen = new Set<number>();
  for (const { content } of good) {
    if (content.opens !== 'section' || seen.has(content.index)) continue;
    seen.add(content.index);
    sections.push(openSection(stored.verified, content, network.platform.primitives));
  }
  if (sections.length === 0)
    throw new ClientError(
      'slotMismatch',
      bad.length === 0
        ? 'no slot of the record opens under these keys'
        : `slot ${bad[0]?.slotIndex ?? 0} opens to a key that the record does not commit to`,
    );
  const author = await verifyAuthor(network, reader, stored);
  return {
    recordId: stored.ledgerRecord.id,
    stored,
    manifest: null,
    sections: sections.map((section) => openSectionOf(stored, section)),
    author,
  };
}

/** Opens the whole record. @throws EnvelopeError when the key is not the committed one */
export async function openByDataKey(
  network: Network,
  reader: ChainReader,
  stored: StoredRecord,
  dataKey: Bytes,
): Promise<OpenRecord> {
  const record = openRecord(stored.verified, dataKey, network.platform.primitives);
  const author = await verifyAuthor(network, reader, stored);
  return {
    recordId: stored.ledgerRecord.id,
    stored,
    manifest: record.manifest,
    sections: record.manifest.sections.map(({ path }) =>
      openSectionOf(stored, record.section(path)),
    ),
    author,
  };
}

function openSectionOf(stored: StoredRecord, section: SectionReader): OpenSection {
  const { path, mediaType, length } = section.descriptor;
  return { path, mediaType, length, read: () => section.read(stored.fetchChunk) };
}

/** The section at `path`. @throws EnvelopeError `noSuchSection` */
export function findSection(record: OpenRecord, path: string): OpenSection {
  const section = record.sections.find((each) => each.path === path);
  if (section === undefined)
    throw new EnvelopeError('noSuchSection', `nothing is open under ${path}`);
  return section;
}
