/**
 * A new device with K_patient and a finds everything again (R3): visits by walking n at each hospital to
 * 20 gaps in a row, the month of each by the tag of its pseudonym, visits that a hospital drew by the
 * tag that only C^a matches, and from the visits all records, grants and accesses.
 *
 * The identity (health card number) goes into every pseudonym and is no secret: its owner knows it.
 */
import { equalBytes, toHex } from '@yilian/crypto/bytes';
import { type Month, monthOfTime } from '@yilian/crypto/period';
import { VISIT_GAP_MAX } from '@yilian/crypto/pseudonym';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import { type RecordId, toRecordId } from '@yilian/crypto/ids';
import type { ChainReader, LogEntry } from './chain-reader.ts';
import type { OnProgress } from './progress.ts';
import { ClientError, NetworkError, ProblemError, VerificationError } from './failure.ts';
import type { PatientKeyring, VisitNote } from './keyring.ts';
import type { Network } from './network.ts';
import { walkLog } from './log-walk.ts';
import { locateOwnRecord } from './own-records.ts';
import { derivedVisit } from './own-visits.ts';
import { monthsBackFrom, type PatientSecrets } from './patient-secrets.ts';
import { deriveObjectKey, matchRecord } from './record-location.ts';
import { fetchRecord } from './stored-record.ts';
import {
  type DrawnVisit,
  encodeDrawnVisit,
  openDrawnVisit,
  packageTagKey,
} from './visit-for-writing.ts';

/**
 * A visit's first record may be issued so many months after the admission: a lifetime, since archives
 * are taken over too. Recent months are tried first, so that only old visits take long.
 */
const MONTHS_BACK_MAX = 1_500;

export interface RecoveryInput {
  readonly secrets: PatientSecrets;
  readonly keyring: PatientKeyring;
  readonly identity: string;
  /** Where she may have been; default: every hospital of the chain. */
  readonly hospitals?: readonly string[];
  readonly onProgress?: OnProgress;
}

/** The keyring with every visit that the chain knows. Certificate and salt come from the regulator. */
export async function recoverKeyring(
  network: Network,
  reader: ChainReader,
  input: RecoveryInput,
): Promise<PatientKeyring> {
  const { secrets, keyring, identity, onProgress } = input;
  const hospitals = input.hospitals ?? (await hospitalsOfChain(network, reader));
  const visits: VisitNote[] = [];
  for (const [position, hospital] of hospitals.entries()) {
    onProgress?.({ step: 'walking', done: position, total: hospitals.length });
    visits.push(...(await visitsAt(network, reader, { secrets, identity, hospital })));
  }
  const drawn = await recoverDrawnVisits(network, reader, secrets, onProgress);
  onProgress?.({ step: 'walking', done: hospitals.length, total: hospitals.length });
  return { ...keyring, identity, visits, drawnVisits: drawn.map(encodeDrawnVisit) };
}

/** Institutions with a member of the role `hospital`: those of genesis, and those enrolled since. */
export async function hospitalsOfChain(
  network: Network,
  reader: ChainReader,
): Promise<readonly string[]> {
  const hospitals = new Set<string>();
  for (const member of (await reader.genesis()).members)
    if (member.role === 'hospital') hospitals.add(member.institution);
  for (const { institution, hospitalKey } of network.nodes)
    if (hospitalKey !== null) hospitals.add(institution);
  return [...hospitals].toSorted();
}

async function visitsAt(
  network: Network,
  reader: ChainReader,
  input: {
    readonly secrets: PatientSecrets;
    readonly identity: string;
    readonly hospital: string;
  },
): Promise<readonly VisitNote[]> {
  const { secrets, identity, hospital } = input;
  const found: VisitNote[] = [];
  let gap = 0;
  for (let counter = 0; gap < VISIT_GAP_MAX; counter++) {
    const visit = secrets.visit(hospital, counter);
    const pid = secrets.pid(visit, identity);
    const first = await reader.visitEntry(pid, 0);
    const binding = first?.binding;
    const isHers =
      first !== undefined &&
      binding !== undefined &&
      binding !== null &&
      equalBytes(binding.visitKey, visit.visitKey) &&
      binding.institution === hospital;
    if (!isHers) {
      gap++;
      continue;
    }
    gap = 0;
    const ledgerRecord = await reader.record(first.record);
    if (ledgerRecord === undefined) continue;
    // A hospital that left out the tag of the pseudonym hides the location, but not the visit.
    const month =
      monthOfVisit(network, { secrets, identity, hospital, counter }, ledgerRecord) ??
      monthOfTime(ledgerRecord.issuedAt * 1000);
    found.push({ hospital, counter, month });
  }
  return found;
}

/** The month under which the record's tags were made: that of the admission (R10). */
function monthOfVisit(
  network: Network,
  visit: {
    readonly secrets: PatientSecrets;
    readonly identity: string;
    readonly hospital: string;
    readonly counter: number;
  },
  ledgerRecord: LedgerRecord,
): Month | undefined {
  const issued = monthOfTime(ledgerRecord.issuedAt * 1000);
  return monthsBackFrom(issued, MONTHS_BACK_MAX).find((month) => {
    const own = derivedVisit(visit.secrets, visit.identity, { ...visit, month });
    return locateOwnRecord(network, own, ledgerRecord) !== undefined;
  });
}

/**
 * Visits that hospitals drew while she had no device: records marked `package` whose tag C^a matches.
 * Which records are marked is read from the log as a whole, and from no node's list, which could leave
 * one out unseen.
 * @throws VerificationError when every node leaves entries of the log out
 */
export async function recoverDrawnVisits(
  network: Network,
  reader: ChainReader,
  secrets: PatientSecrets,
  onProgress?: OnProgress,
): Promise<readonly DrawnVisit[]> {
  const visits = new Map<string, DrawnVisit>();
  const report = (done: number, total: number): void =>
    onProgress?.({ step: 'walking', done, total });
  for await (const entry of walkLog(reader, report)) {
    const id = markedRecordOf(entry);
    if (id === undefined) continue;
    const ledgerRecord = await reader.record(id);
    if (ledgerRecord === undefined) continue;
    const drawn = await openPackage(network, secrets, ledgerRecord);
    if (drawn !== undefined) visits.set(toHex(drawn.signingSeed), drawn);
  }
  return [...visits.values()];
}

/** The record that an entry of the log put there with a visit package in it. */
function markedRecordOf({ leaf, transaction }: LogEntry): RecordId | undefined {
  const body = transaction?.body;
  const isMarked =
    (body?.type === 'issueRecord' || body?.type === 'amendRecord') &&
    body.marks.includes('package');
  if (!isMarked) return undefined;
  for (const [kind, id] of leaf.facts)
    if (kind === 'record' && id instanceof Uint8Array) return toRecordId(id);
  return undefined;
}

/** What a node or store did, and not this device. */
function isOutside(error: unknown): boolean {
  return (
    error instanceof ProblemError ||
    error instanceof NetworkError ||
    error instanceof VerificationError
  );
}

/** The package in a record's header; undefined when it is not hers, or nobody gives it out (any more). */
async function openPackage(
  network: Network,
  secrets: PatientSecrets,
  ledgerRecord: LedgerRecord,
): Promise<DrawnVisit | undefined> {
  const { curve } = network.platform;
  const context = { chainId: network.anchor.chainId, suite: ledgerRecord.suite };
  const packageKey = secrets.packageKey(context, { c: curve.parseG1(ledgerRecord.c) });
  const tagKey = packageTagKey(context, packageKey);
  const locationSecret = matchRecord(network.platform, ledgerRecord, tagKey);
  if (locationSecret === undefined) return undefined;
  const objectKey = deriveObjectKey(context, locationSecret, ledgerRecord.id);
  try {
    const stored = await fetchRecord(network, ledgerRecord, objectKey, {
      allowedSuites: ['intl', 'paper'],
    });
    try {
      const sealed = stored.verified.header.package;
      const drawn =
        sealed === null ? null : openDrawnVisit(context, ledgerRecord.id, packageKey, sealed);
      return drawn?.hospital === ledgerRecord.institution ? drawn : undefined;
    } finally {
      await stored.dispose();
    }
  } catch (error) {
    // A hospital that knows P can mark a record whose ciphertext it never gives out: the others count.
    if (isOutside(error) || error instanceof ClientError) return undefined;
    throw error;
  }
}
