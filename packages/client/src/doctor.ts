/**
 * A doctor (or department): writes records, asks for access, searches and opens what a patient granted,
 * reads what he wrote himself, and erases when a grant has ended.
 */
import { accessRequestCommitment } from '@yilian/api/messages-access';
import { ROUTES } from '@yilian/api/routes';
import { sealAccess } from '@yilian/api/sealed-documents';
import type { ShareEvidence } from '@yilian/api/share-evidence';
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { EnvelopeError } from '@yilian/crypto/envelope/envelope-error';
import { openAuthorSlot } from '@yilian/crypto/envelope/slots';
import type { GranteeShare } from '@yilian/crypto/grant-share';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import { type MemberId } from '@yilian/ledger/ids';
import { type GrantId, type RecordId, toGrantId } from '@yilian/crypto/ids';
import { paddedRequestAccess, signTransaction } from '@yilian/ledger/transaction-codec';
import { type AccessWish, type Handle, sealAccessWish } from './access-request.ts';
import { accuse, type AccusationResult, keepEvidence } from './accusation.ts';
import type { ChainReader, FinalTransaction } from './chain-reader.ts';
import { ClientError } from './failure.ts';
import { grantContext } from './grant-making.ts';
import { type SearchHit, searchGranted } from './granted-search.ts';
import {
  checkAuthorised,
  eraseGrant,
  findGrants,
  heldShare,
  type ReceivedGrant,
  receiveGrant,
} from './held-grants.ts';
import type { KeyringSlot, MemberKeyring } from './keyring.ts';
import type { Network } from './network.ts';
import { fetchOwnLocation } from './own-location.ts';
import { hospitalIdOf } from './patient-secrets.ts';
import type { OnProgress } from './progress.ts';
import { reEncryptWithNodes } from './re-encryption.ts';
import { type IssuedRecord, type IssueInput, issueRecord } from './record-issuing.ts';
import { deriveObjectKey } from './record-location.ts';
import { repairRecord, type StoreRepair } from './record-repair.ts';
import { openByDataKey, openBySlotKeys, type OpenRecord, trySlots } from './record-opening.ts';
import { fetchRecord, type StoredRecord } from './stored-record.ts';
import { expiryHeight, submitBody, submitTransaction } from './submission.ts';
import { whenFinal } from './when-final.ts';
import { createWorkingMember } from './working-member.ts';

export interface GrantedRecord extends OpenRecord {
  /** Number of the access within the grant. */
  readonly accessNumber: number;
  readonly access: FinalTransaction;
  readonly servedBy: readonly string[];
  readonly evidence: readonly ShareEvidence[];
}

export interface Doctor {
  readonly id: MemberId;
  readonly keyring: KeyringSlot<MemberKeyring>;
  /** @throws ClientError, RejectedError, NetworkError, ProblemError */
  issueRecord(input: IssueInput): Promise<IssuedRecord>;
  requestAccess(
    handle: Handle,
    wish: Omit<AccessWish, 'grantee'> & { readonly grantee?: MemberId },
  ): Promise<FinalTransaction>;
  /** Ids of grants to this member in the blocks from `fromHeight` on, and the next height to look at. */
  findGrants(
    fromHeight: bigint,
  ): Promise<{ readonly grants: readonly GrantId[]; readonly next: bigint }>;
  /** Fetches, opens and checks a grant's blob. `patientKey`: P from her certificate, if known. */
  receiveGrant(grantId: GrantId, patientKey?: Bytes): Promise<ReceivedGrant>;
  heldGrants(): readonly GrantId[];
  search(grantId: GrantId): Promise<readonly SearchHit[]>;
  /** Opens under a label of the grant (default: the visit's, else the first of that hospital). */
  openRecord(input: {
    readonly grantId: GrantId;
    readonly hit: Pick<SearchHit, 'recordId' | 'locationSecret'>;
    readonly labelIndex?: number;
    readonly purpose: string;
    /** A department's clinician, named in the sealed part of the access (R13). */
    readonly clinician?: string;
    readonly onProgress?: OnProgress;
    readonly onEvidence?: (evidence: ShareEvidence) => void;
  }): Promise<GrantedRecord>;
  /** Sends the regulator the evidence of wrong shares that it could not be told of yet. */
  reportEvidence(): Promise<AccusationResult>;
  /** What this doctor wrote, by the author slot: without asking, without a trace. */
  openOwnRecord(recordId: RecordId): Promise<OpenRecord>;
  /** What this doctor wrote: repairs the stores that lost it, from each other or from a sealed copy. */
  repairRecord(recordId: RecordId, copy?: Blob): Promise<readonly StoreRepair[]>;
  /** Erases d and everything else of a grant; states it on chain when the grant has ended. */
  eraseGrant(grantId: GrantId): Promise<void>;
}

export function createDoctor(
  network: Network,
  reader: ChainReader,
  keyring: KeyringSlot<MemberKeyring>,
): Doctor {
  const member = createWorkingMember(network, reader, keyring);
  const { id, signer } = member;
  const { platform, context, transport } = network;
  const { randomBytes } = platform;

  /** Step 2 of the two-step check of QJ-6: does the ciphertext's hash match the chain? */
  function checkCiphertext(ledgerRecord: LedgerRecord, objectKey: Bytes): Promise<StoredRecord> {
    return fetchRecord(network, ledgerRecord, objectKey);
  }

  async function requireRecord(recordId: RecordId): Promise<LedgerRecord> {
    const ledgerRecord = await reader.record(recordId);
    if (ledgerRecord === undefined)
      throw new ClientError('noRecord', `no record ${toHex(recordId)} is on chain`);
    return ledgerRecord;
  }

  /** Where a record lies that this doctor wrote: the location sealed to its author. */
  async function locateOwnRecord(
    recordId: RecordId,
  ): Promise<{ readonly ledgerRecord: LedgerRecord; readonly objectKey: Bytes }> {
    const ledgerRecord = await requireRecord(recordId);
    if (ledgerRecord.authorship === null || !equalBytes(ledgerRecord.authorship.author, id))
      throw new ClientError('notAuthor', 'another member wrote this record');
    const objectKey = await fetchOwnLocation(member, recordId);
    return { ledgerRecord, objectKey };
  }

  async function chooseLabel(share: GranteeShare, ledgerRecord: LedgerRecord): Promise<number> {
    const hospitalId = hospitalIdOf(ledgerRecord.institution);
    const first = await reader.visitEntry(ledgerRecord.pid, 0);
    const visitKey = first?.binding?.visitKey;
    const ofVisit = share.labels.findIndex(
      (label) =>
        label.kind === 'visit' && visitKey !== undefined && equalBytes(label.visitKey, visitKey),
    );
    if (ofVisit >= 0) return ofVisit;
    const ofHospital = share.labels.findIndex((label) => equalBytes(label.hospitalId, hospitalId));
    if (ofHospital < 0)
      throw new ClientError('notInGrant', 'the grant covers nothing of that hospital');
    return ofHospital;
  }

  return {
    id,
    keyring,
    issueRecord: (input) => issueRecord(member, input),

    requestAccess: async (handle, wish) => {
      const { certificate } = keyring.current;
      if (certificate === null) throw new ClientError('notEnrolled', 'enrol this member first');
      const sealed = await sealAccessWish(context, handle, {
        ...wish,
        grantee: wish.grantee ?? id,
      });
      const unsigned = paddedRequestAccess({
        chainId: network.anchor.chainId,
        commitment: accessRequestCommitment(context, { handle: handle.key, sealed }),
        sender: signer.key,
        nonce: randomBytes(16),
        expiryHeight: await expiryHeight(reader, 1_000n),
      });
      const final = await submitTransaction(network, reader, signTransaction(unsigned, [signer]));
      const request = {
        transactionId: final.transaction.id,
        handle: handle.key,
        sealed,
        certificate,
      };
      await network.attempt((node) =>
        whenFinal(platform.wait, () =>
          transport.call(node, ROUTES.postRequest, { params: {}, request, signer }),
        ),
      );
      return final;
    },

    findGrants: (fromHeight) => findGrants(member, fromHeight),
    receiveGrant: (grantId, patientKey) => receiveGrant(member, grantId, patientKey),
    heldGrants: () => keyring.current.grants.map((each) => toGrantId(each.grantId)),

    search: (grantId) => searchGranted(member, grantId),

    openRecord: async ({
      grantId,
      hit,
      labelIndex,
      purpose,
      clinician,
      onProgress,
      onEvidence,
    }) => {
      const grant = await checkAuthorised(member, grantId);
      const share = heldShare(member, grantId);
      const ledgerRecord = await requireRecord(hit.recordId);
      const { records } = share.body;
      if (records !== 'all' && !records.some((each) => equalBytes(each, hit.recordId)))
        throw new ClientError('notInGrant', 'the grant does not cover this record');
      const label = labelIndex ?? (await chooseLabel(share, ledgerRecord));
      onProgress?.({ step: 'fetching', done: 0, total: ledgerRecord.length });
      const objectKey = deriveObjectKey(context, hit.locationSecret, hit.recordId);
      const stored = await checkCiphertext(ledgerRecord, objectKey);
      const found: ShareEvidence[] = [];
      try {
        onProgress?.({ step: 'access', done: 0 });
        const accessNonce = randomBytes(16);
        const sealed = sealAccess(
          grantContext(network.anchor.chainId),
          { salt: share.salt, grantId: share.body.grantId, nonce: accessNonce },
          {
            recordId: hit.recordId,
            label,
            purpose: (clinician === undefined ? purpose : `${clinician}: ${purpose}`).slice(0, 100),
          },
        );
        const access = await submitBody(
          network,
          reader,
          { type: 'recordAccess', grantId, accessNonce, sealed },
          [signer],
        );
        const number = accessNumberOf(access);
        onProgress?.({ step: 'shares', done: 0, total: grant.commitments.length });
        const { slotKey, servedBy, evidence } = await reEncryptWithNodes({
          network,
          reader,
          signer,
          grant,
          held: share,
          ledgerRecord,
          labelIndex: label,
          number,
          opens: (candidate) => trySlots(stored, [candidate]).good.length > 0,
          onEvidence: (each) => {
            found.push(each);
            onEvidence?.(each);
          },
        });
        onProgress?.({ step: 'opening', done: servedBy.length, total: grant.commitments.length });
        const open = await openBySlotKeys(network, reader, stored, [slotKey]);
        slotKey.fill(0);
        return { ...open, accessNumber: number, access, servedBy, evidence };
      } catch (error) {
        await stored.dispose();
        throw error;
      } finally {
        // Whether the record opened or not; a regulator that is away is told the next time.
        await keepEvidence(keyring, found);
        await accuse(network, keyring, signer);
      }
    },

    reportEvidence: () => accuse(network, keyring, signer),

    repairRecord: async (recordId, copy) => {
      const own = await locateOwnRecord(recordId);
      return repairRecord(network, reader, { ...own, ...(copy === undefined ? {} : { copy }) });
    },

    openOwnRecord: async (recordId) => {
      const { ledgerRecord, objectKey } = await locateOwnRecord(recordId);
      const stored = await fetchRecord(network, ledgerRecord, objectKey, {
        allowedSuites: ['intl', 'paper'],
      });
      try {
        const { privateKey } = await member.hpke();
        const dataKey = await openAuthorSlot(stored.verified.header, privateKey);
        if (dataKey === null)
          throw new ClientError('notAuthor', 'the author slot is for another key');
        return await openByDataKey(network, reader, stored, dataKey);
      } catch (error) {
        await stored.dispose();
        if (error instanceof EnvelopeError) throw new ClientError('slotMismatch', error.message);
        throw error;
      }
    },

    eraseGrant: (grantId) => eraseGrant(member, grantId),
  };
}

function accessNumberOf(access: FinalTransaction): number {
  for (const [kind, , number] of access.leaf.facts)
    if (kind === 'access' && typeof number === 'number') return number;
  throw new ClientError('grantNotActive', 'the access got no number');
}
