/**
 * A patient's own way to her records, without asking anybody: by her pseudonyms on chain, by the tag of
 * her own pseudonym to the location, and by a to the key.
 */
import { toHex } from '@yilian/crypto/bytes';
import type { Label } from '@yilian/crypto/label';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import type { RecordId } from '@yilian/crypto/ids';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import type { ChainReader } from './chain-reader.ts';
import { CLINICAL_CLASSES } from './content/clinical-record.ts';
import { ClientError } from './failure.ts';
import type { Network } from './network.ts';
import type { OwnVisit } from './own-visits.ts';
import type { PatientSecrets } from './patient-secrets.ts';
import { deriveObjectKey, matchRecord } from './record-location.ts';
import { type BadSlot, openBySlotKeys, type OpenRecord, trySlots } from './record-opening.ts';
import { repairRecord, type StoreRepair } from './record-repair.ts';
import { fetchRecord, type StoredRecord } from './stored-record.ts';

export interface OwnRecord {
  readonly visit: OwnVisit;
  readonly ledgerRecord: LedgerRecord;
}

/** The records of a visit, in order, to the proven end. */
export async function recordsOfVisit(
  reader: ChainReader,
  visit: OwnVisit,
): Promise<readonly OwnRecord[]> {
  const records: OwnRecord[] = [];
  for (let number = 0; ; number++) {
    const entry = await reader.visitEntry(visit.pid, number);
    if (entry === undefined) return records;
    const ledgerRecord = await reader.record(entry.record);
    if (ledgerRecord === undefined) return records;
    records.push({ visit, ledgerRecord });
  }
}

/** Whether the chain has a first record under the visit's pseudonym, bound to its key and hospital. */
export async function isOnChain(reader: ChainReader, visit: OwnVisit): Promise<boolean> {
  const first = await reader.visitEntry(visit.pid, 0);
  const binding = first?.binding;
  return (
    binding !== undefined &&
    binding !== null &&
    equalBytes(binding.visitKey, visit.visitKey) &&
    binding.institution === visit.hospital
  );
}

/** LK of an own record, by the tag of its pseudonym; undefined when the visit's month is another. */
export function locateOwnRecord(
  network: Network,
  visit: OwnVisit,
  ledgerRecord: LedgerRecord,
): Bytes | undefined {
  const { index } = ledgerRecord;
  const { curve } = network.platform;
  const epochPoint = index.mode === 'pk' ? curve.parseG1(index.a) : null;
  const tagKey = visit.tagKey({ type: 'pid', text: toHex(visit.pid) }, epochPoint);
  return matchRecord(network.platform, ledgerRecord, tagKey);
}

function objectKeyOfOwnRecord(network: Network, { visit, ledgerRecord }: OwnRecord): Bytes {
  const locationSecret = locateOwnRecord(network, visit, ledgerRecord);
  if (locationSecret === undefined)
    throw new ClientError('noRecord', 'the record carries no tag of your pseudonym');
  return deriveObjectKey(network.context, locationSecret, ledgerRecord.id);
}

/** The verified ciphertext of an own record. @throws ClientError `noRecord` */
export async function fetchOwnRecord(network: Network, own: OwnRecord): Promise<StoredRecord> {
  const objectKey = objectKeyOfOwnRecord(network, own);
  return fetchRecord(network, own.ledgerRecord, objectKey, { allowedSuites: ['intl', 'paper'] });
}

/** Repairs the stores that lost it, from each other or from a sealed copy that she kept. */
export async function repairOwnRecord(
  network: Network,
  reader: ChainReader,
  own: OwnRecord,
  copy?: Blob,
): Promise<readonly StoreRepair[]> {
  return repairRecord(network, reader, {
    ledgerRecord: own.ledgerRecord,
    objectKey: objectKeyOfOwnRecord(network, own),
    ...(copy === undefined ? {} : { copy }),
  });
}

/** Opens an own record by the visit's label. */
export async function openOwnRecord(
  network: Network,
  reader: ChainReader,
  secrets: PatientSecrets,
  record: OwnRecord,
): Promise<OpenRecord> {
  const stored = await fetchOwnRecord(network, record);
  try {
    const label = record.visit.label({ kind: 'visit' });
    const slotKey = slotKeyOf(network, secrets, record.ledgerRecord, label);
    return await openBySlotKeys(network, reader, stored, [slotKey]);
  } catch (error) {
    await stored.dispose();
    throw error;
  }
}

function slotKeyOf(
  network: Network,
  secrets: PatientSecrets,
  ledgerRecord: LedgerRecord,
  label: Label,
): Bytes {
  const { curve } = network.platform;
  const context = { chainId: network.anchor.chainId, suite: ledgerRecord.suite };
  return secrets.slotKey(context, { c: curve.parseG1(ledgerRecord.c) }, label);
}

/** What the patient's device finds when it tries every slot before she acknowledges (F9). */
export interface SlotReport {
  /** Labels that open something the record commits to. */
  readonly good: readonly Label[];
  /** Slots that open to another key, with the label by which they open. */
  readonly bad: readonly (BadSlot & { readonly label: Label })[];
}

/** Opens every slot she can: visit, all clinical classes, every section, summary. */
export async function inspectSlots(
  network: Network,
  reader: ChainReader,
  secrets: PatientSecrets,
  record: OwnRecord,
): Promise<SlotReport> {
  const { visit, ledgerRecord } = record;
  const stored = await fetchOwnRecord(network, record);
  try {
    const visitLabel = visit.label({ kind: 'visit' });
    const visitKey = slotKeyOf(network, secrets, ledgerRecord, visitLabel);
    const paths = await sectionPaths(network, reader, stored, visitKey);
    const labels = [
      visitLabel,
      visit.label({ kind: 'summary' }),
      ...[...new Set([...CLINICAL_CLASSES, ...paths])].map((resourceType) =>
        visit.label({ kind: 'class', resourceType }),
      ),
      ...paths.map((path) => visit.label({ kind: 'section', path })),
    ];
    const keys = labels.map((label) => slotKeyOf(network, secrets, ledgerRecord, label));
    const { good, bad } = trySlots(stored, keys);
    return {
      good: good.flatMap(({ keyIndex }) => labels[keyIndex] ?? []),
      bad: bad.flatMap((slot) => {
        const label = labels[slot.keyIndex];
        return label === undefined ? [] : [{ ...slot, label }];
      }),
    };
  } finally {
    await stored.dispose();
  }
}

async function sectionPaths(
  network: Network,
  reader: ChainReader,
  stored: StoredRecord,
  slotKey: Bytes,
): Promise<readonly string[]> {
  try {
    const open = await openBySlotKeys(network, reader, stored, [slotKey]);
    return open.sections.map(({ path }) => path);
  } catch (error) {
    // A wrong visit slot is a finding, not a failure: the others are still tried.
    if (error instanceof ClientError && error.code === 'slotMismatch') return [];
    throw error;
  }
}

/** The record with this id among those of her visits. @throws ClientError `noRecord` */
export async function findOwnRecord(
  reader: Pick<ChainReader, 'record'>,
  visits: readonly OwnVisit[],
  recordId: RecordId,
): Promise<OwnRecord> {
  // What was issued a moment ago may lie above the height that was read last.
  const ledgerRecord =
    (await reader.record(recordId)) ?? (await reader.record(recordId, { fresh: true }));
  const visit =
    ledgerRecord === undefined
      ? undefined
      : visits.find(({ pid }) => equalBytes(pid, ledgerRecord.pid));
  if (ledgerRecord === undefined || visit === undefined)
    throw new ClientError('noRecord', `${toHex(recordId)} is none of your records`);
  return { visit, ledgerRecord };
}
