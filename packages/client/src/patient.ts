/**
 * A patient: enrols, prepares visits, sees who asks, grants, sees who looked, ends grants, reads her own
 * records, names agents, and starts again on a new device.
 */
import { type Profile, parseCertificate } from '@yilian/api/certificate';
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import type { Keyword, KeywordType } from '@yilian/crypto/keyword';
import type { Label } from '@yilian/crypto/label';
import { parseMonth } from '@yilian/crypto/period';
import type { ObjectionReason } from '@yilian/ledger/contracts/records/objection';
import type { MemberId } from '@yilian/ledger/ids';
import type { GrantId, RecordId } from '@yilian/crypto/ids';
import { encodeHandle, type Handle } from './access-request.ts';
import { exportAuthority } from './agent.ts';
import type { ChainReader, FinalTransaction, ReadOptions } from './chain-reader.ts';
import { enrolPatient } from './enrolment.ts';
import { copiesOf, type CopyStatus } from './copy-status.ts';
import { ClientError } from './failure.ts';
import { createGrantScopes, type GrantScope } from './grant-scope.ts';
import { grantLabels, type MadeGrantResult, narrowOwnGrant, revokeOwnGrant } from './granting.ts';
import {
  deriveHandle,
  exportRecoveryKit,
  type KeyringSlot,
  type PatientKeyring,
  signerOf,
  type VisitNote,
} from './keyring.ts';
import type { Network } from './network.ts';
import {
  type AccessLogEntry,
  accessesOfGrant,
  grantsOfWalk,
  type HeldLabel,
  type OwnGrant,
  walkTags,
} from './own-grants.ts';
import {
  findOwnRecord,
  inspectSlots,
  openOwnRecord,
  type OwnRecord,
  recordsOfVisit,
  repairOwnRecord,
  type SlotReport,
} from './own-records.ts';
import { type OwnVisit, ownVisits } from './own-visits.ts';
import { createPatientSecrets, currentMonth, type PatientSecrets } from './patient-secrets.ts';
import type { OnProgress } from './progress.ts';
import { listReceivedRequests, type ReceivedRequest } from './received-requests.ts';
import { matchRecord } from './record-location.ts';
import type { OpenRecord } from './record-opening.ts';
import type { StoreRepair } from './record-repair.ts';
import { recoverDrawnVisits, recoverKeyring } from './recovery.ts';
import { submitBody } from './submission.ts';
import { type DeliveryResult, deliverUndelivered, keepUndelivered } from './undelivered.ts';
import { encodeDrawnVisit } from './visit-for-writing.ts';
import { encodeVisitCode } from './visit-package.ts';

export interface GrantAccessInput {
  readonly grantee: MemberId;
  readonly scope?: GrantScope;
  /** Exact labels instead of a scope. */
  readonly labels?: readonly Label[];
  readonly from?: number;
  /** Seconds since 1970, exclusive; at most 100 days. */
  readonly to: number;
  readonly records?: 'all' | readonly RecordId[];
  readonly purpose: string;
  /** Words the grantee may search for, beside the visits themselves. */
  readonly keywords?: readonly Keyword[];
  readonly onProgress?: OnProgress;
}

export interface Patient {
  readonly keyring: KeyringSlot<PatientKeyring>;
  readonly secrets: PatientSecrets;
  enrol(input: {
    readonly identity: string;
    readonly secret: Bytes;
    readonly profiles?: readonly Profile[];
  }): Promise<void>;
  /** A new visit at a hospital: the text for the desk's QR scanner. */
  prepareVisit(input: { readonly hospital: string; readonly month?: string }): Promise<{
    readonly code: string;
    readonly visit: VisitNote;
  }>;
  /** A fresh one-time handle, for a QR or a referral letter. */
  createHandle(): Promise<{
    readonly handle: Handle;
    readonly code: string;
    readonly number: number;
  }>;
  /** Requests of all her handles, from every node that answers. */
  listRequests(): Promise<readonly ReceivedRequest[]>;
  visits(): readonly OwnVisit[];
  listRecords(): Promise<readonly OwnRecord[]>;
  openRecord(recordId: RecordId): Promise<OpenRecord>;
  /** Repairs the stores that lost an own record, from each other or from a sealed copy. */
  repairRecord(recordId: RecordId, copy?: Blob): Promise<readonly StoreRepair[]>;
  /** What audits said of the copies of an own record: which store lost it, and whether it has it again. */
  copiesOf(recordId: RecordId, options?: ReadOptions): Promise<readonly CopyStatus[]>;
  /** Own records that carry a keyword, found on this device alone. */
  search(keyword: Keyword): Promise<readonly OwnRecord[]>;
  /** Opens every slot she can and names those that give another key. */
  inspectRecord(recordId: RecordId): Promise<SlotReport>;
  /** @throws ClientError `slotMismatch` naming the bad slot: object instead */
  acknowledge(recordId: RecordId): Promise<FinalTransaction>;
  object(recordId: RecordId, reason: ObjectionReason): Promise<FinalTransaction>;
  labelsOf(scope: GrantScope): readonly Label[];
  grantAccess(input: GrantAccessInput): Promise<MadeGrantResult>;
  /**
   * Sends nodes what they missed of her grants, and says which are still missing it. `listGrants` does
   * so of itself; kept for two days.
   */
  deliverUndelivered(): Promise<DeliveryResult>;
  listGrants(): Promise<readonly OwnGrant[]>;
  revoke(grantId: GrantId): Promise<FinalTransaction>;
  narrow(
    grantId: GrantId,
    input: {
      readonly to?: number;
      readonly labels?: readonly number[];
      readonly records?: readonly RecordId[];
    },
  ): Promise<FinalTransaction>;
  /** Who looked: complete, by number, newest first. */
  accessLog(): Promise<readonly AccessLogEntry[]>;
  /** Keys of labels for a family member. He reads without any trace: say so before. */
  exportAuthority(scope: GrantScope, mayGrant: boolean): string;
  recoveryKit(): Bytes;
  /** On a new device: everything again, from K_patient and a. */
  recover(input: {
    readonly identity: string;
    readonly hospitals?: readonly string[];
    readonly onProgress?: OnProgress;
  }): Promise<void>;
  /** Looks for visits that hospitals drew while she had no device. */
  findDrawnVisits(): Promise<number>;
}

export function createPatient(
  network: Network,
  reader: ChainReader,
  keyring: KeyringSlot<PatientKeyring>,
): Patient {
  const { platform, context } = network;
  const { curve } = platform;
  const secrets = createPatientSecrets(platform, keyring.current);

  const visits = (): readonly OwnVisit[] => ownVisits(platform, secrets, keyring.current);
  const scopes = createGrantScopes(network, secrets, visits);

  const held = (label: Label): HeldLabel => ({
    label,
    conditionalKey: secrets.conditionalKey(label),
  });

  async function listGrants(): Promise<readonly OwnGrant[]> {
    const walk = await walkTags(network, reader, [...scopes.walkedLabels().values()].map(held));
    return grantsOfWalk(network, reader, walk);
  }

  async function findGrant(grantId: GrantId): Promise<OwnGrant> {
    const own = (await listGrants()).find((each) => equalBytes(each.grantId, grantId));
    if (own === undefined)
      throw new ClientError('noLabel', `no grant ${toHex(grantId)} lies on your labels`);
    return own;
  }

  return {
    keyring,
    secrets,
    enrol: async (input) => {
      await keyring.update(await enrolPatient(network, reader, keyring.current, input));
    },
    prepareVisit: async ({ hospital, month: wished }) => {
      const { current } = keyring;
      if (current.identity === '')
        throw new ClientError('notEnrolled', 'enrol before you prepare a visit');
      const month = wished === undefined ? currentMonth(platform) : parseMonth(wished);
      const used = current.visits.filter((visit) => visit.hospital === hospital);
      const counter = used.reduce((next, visit) => Math.max(next, visit.counter + 1), 0);
      const visit = { hospital, counter, month };
      // Durable before it is shown: a number must not be given out twice.
      await keyring.update({ ...current, visits: [...current.visits, visit] });
      const code = encodeVisitCode({
        curve,
        context,
        hospital,
        identity: current.identity,
        visit: secrets.visit(hospital, counter),
        visitPackage: secrets.visitPackage(hospital, counter, month),
      });
      return { code, visit };
    },
    createHandle: async () => {
      const { current } = keyring;
      const number = current.handles;
      await keyring.update({ ...current, handles: number + 1 });
      const keys = await deriveHandle(context, current.patientSecret, number);
      const handle = { key: keys.signer.key, hpkeKey: keys.hpkePublicKey };
      return { handle, code: encodeHandle(handle), number };
    },
    listRequests: () => listReceivedRequests(network, reader, keyring.current),
    visits,
    listRecords: async () => {
      const records: OwnRecord[] = [];
      for (const visit of visits()) records.push(...(await recordsOfVisit(reader, visit)));
      return records.toSorted((a, b) => b.ledgerRecord.issuedAt - a.ledgerRecord.issuedAt);
    },
    openRecord: async (recordId) =>
      openOwnRecord(network, reader, secrets, await findOwnRecord(reader, visits(), recordId)),
    repairRecord: async (recordId, copy) =>
      repairOwnRecord(network, reader, await findOwnRecord(reader, visits(), recordId), copy),
    copiesOf: async (recordId, options) => {
      const { ledgerRecord } = await findOwnRecord(reader, visits(), recordId);
      return copiesOf(reader, ledgerRecord, options);
    },
    search: async (keyword) => {
      const found: OwnRecord[] = [];
      for (const visit of visits())
        for (const record of await recordsOfVisit(reader, visit)) {
          const { index } = record.ledgerRecord;
          const epochPoint = index.mode === 'pk' ? curve.parseG1(index.a) : null;
          const tagKey = visit.tagKey(keyword, epochPoint);
          if (matchRecord(platform, record.ledgerRecord, tagKey) !== undefined) found.push(record);
        }
      return found;
    },
    inspectRecord: async (recordId) =>
      inspectSlots(network, reader, secrets, await findOwnRecord(reader, visits(), recordId)),
    acknowledge: async (recordId) => {
      const record = await findOwnRecord(reader, visits(), recordId);
      const { suite } = record.ledgerRecord;
      if (suite !== 'intl' && !allowedProfiles(keyring.current).includes(suite))
        throw new ClientError(
          'profileNotAllowed',
          `the record is sealed in the suite ${suite}, which your certificate does not allow`,
        );
      const { good, bad } = await inspectSlots(network, reader, secrets, record);
      const [wrong] = bad;
      if (wrong !== undefined)
        throw new ClientError(
          'slotMismatch',
          `slot ${wrong.slotIndex} (label ${wrong.label.kind}) opens to a key that the record does not commit to`,
        );
      if (good.length === 0)
        throw new ClientError('slotMismatch', 'no slot of the record opens for you');
      return submitBody(network, reader, { type: 'acknowledgeRecord', record: recordId }, [
        signerOf(record.visit.signingSeed),
      ]);
    },
    object: async (recordId, reason) => {
      const { visit } = await findOwnRecord(reader, visits(), recordId);
      return submitBody(network, reader, { type: 'objectRecord', record: recordId, reason }, [
        signerOf(visit.signingSeed),
      ]);
    },
    labelsOf: scopes.labelsOf,
    grantAccess: async (input) => {
      const scope = input.scope ?? {};
      const labels = scopes.checkWalked(input.labels ?? scopes.labelsOf(scope));
      return grantLabels(network, reader, {
        patientKey: secrets.patientKey,
        labels: labels.map(held),
        grantee: input.grantee,
        ...(input.from === undefined ? {} : { from: input.from }),
        to: input.to,
        ...(input.records === undefined ? {} : { records: input.records }),
        purpose: input.purpose,
        tokens: scopes.tokensOf(scope, input.keywords ?? []),
        visitedHospitals: [...new Set(visits().map(({ hospital }) => hospital))],
        ...(input.onProgress === undefined ? {} : { onProgress: input.onProgress }),
        onUndelivered: (grantId, blobs) => keepUndelivered(keyring, grantId, blobs),
      });
    },
    deliverUndelivered: () => deliverUndelivered(network, keyring),
    listGrants: async () => {
      if (keyring.current.undelivered.length > 0) await deliverUndelivered(network, keyring);
      return listGrants();
    },
    revoke: async (grantId) => revokeOwnGrant(network, reader, await findGrant(grantId)),
    narrow: async (grantId, input) =>
      narrowOwnGrant(network, reader, await findGrant(grantId), input),
    accessLog: async () => {
      const entries: AccessLogEntry[] = [];
      for (const own of await listGrants())
        entries.push(...(await accessesOfGrant(network, reader, own)));
      return entries.toSorted((a, b) => b.time - a.time || b.position - a.position);
    },
    exportAuthority: (scope, mayGrant) =>
      exportAuthority({
        curve,
        secrets,
        labels: scopes.checkWalked(scopes.labelsOf(scope)),
        mayGrant,
      }),
    recoveryKit: () => exportRecoveryKit(keyring.current),
    recover: async ({ identity, hospitals, onProgress }) => {
      const recovered = await recoverKeyring(network, reader, {
        secrets,
        keyring: keyring.current,
        identity,
        ...(hospitals === undefined ? {} : { hospitals }),
        ...(onProgress === undefined ? {} : { onProgress }),
      });
      await keyring.update(recovered);
    },
    findDrawnVisits: async () => {
      const drawn = (await recoverDrawnVisits(network, reader, secrets)).map(encodeDrawnVisit);
      // A ciphertext that nobody gives out any more must not make her forget a visit.
      const { drawnVisits: known } = keyring.current;
      const fresh = drawn.filter((each) => !known.some((other) => equalBytes(other, each)));
      await keyring.update({ ...keyring.current, drawnVisits: [...known, ...fresh] });
      return known.length + fresh.length;
    },
  };
}

/** What her certificate allows beyond the default suite: nothing without one. */
function allowedProfiles(keyring: PatientKeyring): readonly string[] {
  if (keyring.certificate === null) return [];
  const parsing = parseCertificate(keyring.certificate);
  return parsing.ok ? parsing.value.content.subject.profiles : [];
}

/** `code|icd10#I63.9`, `text|卒中`, `class|Condition`. @throws ClientError `badKeyword` */
export function parseKeyword(text: string): Keyword {
  const [type, ...rest] = text.split('|');
  const types: readonly KeywordType[] = ['code', 'text', 'class', 'pid'];
  const known = types.find((each) => each === type);
  if (known === undefined || rest.join('|') === '')
    throw new ClientError('badKeyword', 'a keyword is code|…, text|… or class|…');
  return { type: known, text: rest.join('|') };
}
