/**
 * A doctor (or department): writes records, asks for access, searches and opens what a patient granted,
 * reads what he wrote himself, and erases when a grant has ended.
 */
import { isBodyOfGrant } from '@yilian/api/grant-body-check';
import { accessRequestCommitment } from '@yilian/api/messages-access';
import type { EpochKeyAnswer } from '@yilian/api/messages-institution';
import { ciphertextAnnouncement } from '@yilian/api/messages-institution';
import { encodeMessage } from '@yilian/api/codec';
import { ROUTES } from '@yilian/api/routes';
import type { ShareEvidence } from '@yilian/api/share-evidence';
import { sealAccess } from '@yilian/api/sealed-documents';
import { encodeUnsignedTransaction } from '@yilian/api/unsigned-transaction';
import { type Bytes, CodecError, equalBytes, toHex } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { bindChain } from '@yilian/crypto/context';
import { PointError } from '@yilian/crypto/curve';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { EnvelopeError } from '@yilian/crypto/envelope/envelope-error';
import { openAuthorSlot } from '@yilian/crypto/envelope/slots';
import {
  decodeGranteeShare,
  encodeGranteeShare,
  type GranteeShare,
  granteeInfo,
  verifyGranteeShare,
} from '@yilian/crypto/grant';
import { deriveHpkeKeyPair, type HpkeKeyPair, openWith, sealTo } from '@yilian/crypto/hpke';
import { LabelError } from '@yilian/crypto/label';
import { parseProof } from '@yilian/crypto/proof';
import { verifyEpochKey } from '@yilian/crypto/searchable-encryption';
import { ThresholdError } from '@yilian/crypto/threshold';
import { epochText, storageAttestationMessage } from '@yilian/ledger/checks';
import { type Grant, type GrantStage, stageOf } from '@yilian/ledger/contracts/consent/grant';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import {
  deriveMemberId,
  type GrantId,
  type MemberId,
  type RecordId,
  toGrantId,
  toRecordId,
} from '@yilian/ledger/ids';
import {
  paddedRequestAccess,
  parseTransaction,
  type Signer,
  signTransaction,
  transactionId,
} from '@yilian/ledger/transaction-codec';
import { accuse, type AccusationResult, keepEvidence } from './accusation.ts';
import { type AccessWish, type Handle, sealAccessWish } from './access-request.ts';
import type { ChainReader, FinalTransaction } from './chain-reader.ts';
import { ClientError, NetworkError, ProblemError, VerificationError } from './failure.ts';
import { decodeHeldToken, grantContext, NO_AAD } from './grant-making.ts';
import { type KeyringSlot, type MemberKeyring, signerOf } from './keyring.ts';
import type { Network } from './network.ts';
import { hospitalIdOf } from './patient-secrets.ts';
import { reEncryptWithNodes } from './re-encryption.ts';
import { deriveObjectKey } from './record-location.ts';
import { openByDataKey, openBySlotKeys, type OpenRecord, trySlots } from './record-opening.ts';
import {
  assembleRecord,
  type RecordDraft,
  sealDraft,
  type SealedDraft,
  type StoreAttestation,
} from './record-sealing.ts';
import { fetchRecord, type StoredRecord } from './stored-record.ts';
import { awaitFinal, expiryHeight, submitBody, submitTransaction } from './submission.ts';
import type { NodeEndpoint } from './transport.ts';
import type { VisitForWriting } from './visit-for-writing.ts';

/** How many stores keep a record; the ledger wants at least two, of two operators. */
const REPLICATION = 2;
const ISSUE_EXPIRY_HEIGHTS = 4_800n;

/** What long work reports: a step, and how far it is (of `total`, where that is known). */
export interface Progress {
  readonly step:
    | 'sealing'
    | 'storing'
    | 'signing'
    | 'final'
    | 'granting'
    | 'delivering'
    | 'acknowledged'
    | 'fetching'
    | 'access'
    | 'shares'
    | 'opening'
    | 'walking';
  readonly done: number;
  readonly total?: number;
}

export type OnProgress = (progress: Progress) => void;

export interface IssuedRecord {
  readonly recordId: RecordId;
  readonly final: FinalTransaction;
}

/** A grant to this doctor, opened and checked. */
export interface ReceivedGrant {
  readonly grantId: GrantId;
  readonly grant: Grant;
  readonly share: GranteeShare;
}

/** A record that the search node says matches. A candidate until it is opened. */
export interface SearchHit {
  readonly recordId: RecordId;
  readonly ledgerRecord: LedgerRecord;
  /** LK */
  readonly locationSecret: Bytes;
  /** What the matching tokens were for, as the patient named them. */
  readonly hints: readonly string[];
}

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
  issueRecord(input: {
    readonly visit: VisitForWriting;
    readonly draft: RecordDraft;
    /** Makes it a new version of that record. */
    readonly amends?: RecordId;
    readonly onProgress?: OnProgress;
  }): Promise<IssuedRecord>;
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
  /** Erases d and everything else of a grant; states it on chain when the grant has ended. */
  eraseGrant(grantId: GrantId): Promise<void>;
}

export function createDoctor(
  network: Network,
  reader: ChainReader,
  keyring: KeyringSlot<MemberKeyring>,
): Doctor {
  const { platform, context, transport } = network;
  const { curve, randomBytes } = platform;
  const signer: Signer = signerOf(keyring.current.signingSeed);
  const id = deriveMemberId(context, signer.key);
  let pair: Promise<HpkeKeyPair> | undefined;
  const hpke = (): Promise<HpkeKeyPair> => (pair ??= deriveHpkeKeyPair(keyring.current.hpkeSeed));

  function ownNodes(): readonly NodeEndpoint[] {
    const { institution } = keyring.current;
    const nodes = network.nodes.filter((node) => node.institution === institution);
    if (nodes.length === 0)
      throw new ClientError('unknownHospital', `no node of ${institution} is configured`);
    return nodes;
  }

  /** A of the day and P^ρ, the epoch proof checked. */
  async function fetchEpochKey(visit: VisitForWriting): Promise<EpochKeyAnswer | null> {
    if (visit.possession === null) return null;
    const request = {
      patientKey: curve.encodeG1(visit.patientKey),
      possession: visit.possession,
      visitKey: visit.visitKey,
      epoch: null,
    };
    const { value } = await whenFinal(platform.wait, () =>
      network.ask(
        ROUTES.postEpochKey,
        { params: {}, request, signer },
        (answer, source) => {
          try {
            const isProven = verifyEpochKey(curve, context, {
              hospitalId: hospitalIdOf(visit.hospital),
              epoch: epochText(answer.epoch),
              point: curve.parseG1(answer.epochKey),
              proof: parseProof(curve, answer.proof),
            });
            if (!isProven)
              throw new VerificationError('epochProof', source, 'the epoch key is not proven');
            curve.parseG1(answer.indexPoint);
            return answer;
          } catch (error) {
            if (error instanceof PointError)
              throw new VerificationError('epochProof', source, 'a point is not one', error);
            throw error;
          }
        },
        ownNodes(),
      ),
    );
    return value;
  }

  /** Uploads to stores of different operators, the own hospital's first. */
  async function store(
    draft: SealedDraft,
    onProgress: OnProgress | undefined,
  ): Promise<readonly StoreAttestation[]> {
    const { institution } = keyring.current;
    const stores = network.nodes
      .filter((node) => node.store !== null)
      .toSorted(
        (a, b) => Number(b.institution === institution) - Number(a.institution === institution),
      );
    const attestations: StoreAttestation[] = [];
    const operators = new Set<string>();
    let failure: unknown;
    for (const node of stores) {
      if (attestations.length >= REPLICATION) break;
      if (operators.has(node.operator)) continue;
      try {
        attestations.push(await whenFinal(platform.wait, () => storeAt(node, draft)));
        operators.add(node.operator);
        onProgress?.({ step: 'storing', done: attestations.length, total: REPLICATION });
      } catch (error) {
        const isOutside =
          error instanceof NetworkError ||
          error instanceof ProblemError ||
          error instanceof VerificationError;
        if (!isOutside) throw error;
        if (error instanceof VerificationError) network.reportLie(error);
        failure = error;
      }
    }
    if (attestations.length < REPLICATION)
      throw failure ?? new ClientError('noStore', 'fewer than two stores of different operators');
    return attestations;
  }

  async function storeAt(node: NodeEndpoint, draft: SealedDraft): Promise<StoreAttestation> {
    const { sealed, object, objectKey } = draft;
    const source = { node: node.name, route: ROUTES.putCiphertext.name };
    const announced = {
      headerHash: sealed.headerHash,
      digest: sealed.digest,
      length: object.size,
    };
    const answer = await transport.upload(node, ROUTES.putCiphertext, {
      params: { objectKey },
      announcement: encodeMessage(ciphertextAnnouncement, announced),
      signer,
      body: object,
    });
    const member = node.store === null ? undefined : await reader.member(node.store);
    if (member === undefined || !equalBytes(answer.store, member.id))
      throw new VerificationError('attestation', source, 'another store answered');
    const isSigned = platform.verifySignature({
      publicKey: member.key,
      message: storageAttestationMessage(context, announced),
      signature: answer.signature,
    });
    if (!isSigned)
      throw new VerificationError('attestation', source, 'the attestation is not signed');
    return { store: member.id, key: member.key, signature: answer.signature };
  }

  async function nextNumber(pid: Bytes): Promise<number> {
    for (let number = 0; ; number++)
      if ((await reader.visitEntry(pid, number, { fresh: number === 0 })) === undefined)
        return number;
  }

  const locationInfo = (recordId: Bytes): Bytes =>
    bindChain(DOMAIN_TAGS.sealedLocationInfo, context, recordId);

  async function submitRecord(
    draft: SealedDraft,
    attestations: readonly StoreAttestation[],
    amends: RecordId | null,
  ): Promise<FinalTransaction> {
    const [node] = ownNodes();
    const institutionKey = node?.hospitalKey;
    if (institutionKey === undefined || institutionKey === null)
      throw new ClientError('unknownHospital', 'the hospital has no signing key configured');
    const unsigned = assembleRecord(platform, {
      draft,
      institutionKey,
      nonce: randomBytes(16),
      expiryHeight: await expiryHeight(reader, ISSUE_EXPIRY_HEIGHTS),
      number: await nextNumber(draft.visit.pid),
      amends,
      author: { id, signer },
      time: Math.floor(platform.nowMs() / 1000),
      attestations,
    });
    const { publicKey } = await hpke();
    const sealedLocation = await sealTo(publicKey, {
      info: locationInfo(draft.recordId),
      aad: NO_AAD,
      plaintext: encode([attestations.map((each) => each.store), draft.objectKey]),
    });
    const what = unsigned.body.type;
    try {
      const request = { transaction: encodeUnsignedTransaction(unsigned), sealedLocation };
      await whenFinal(platform.wait, () =>
        network.ask(
          ROUTES.postInstitutionRecord,
          { params: {}, request, signer },
          () => undefined,
          ownNodes(),
        ),
      );
    } catch (error) {
      if (!(error instanceof ProblemError) || error.code !== 'duplicate') throw error;
    }
    return awaitFinal(reader, transactionId(unsigned), what);
  }

  function heldShare(grantId: GrantId): GranteeShare {
    const held = keyring.current.grants.find((each) => equalBytes(each.grantId, grantId));
    if (held === undefined)
      throw new ClientError('grantVoid', `grant ${toHex(grantId)} was not received yet`);
    return decodeGranteeShare(curve, held.share);
  }

  /** Step 1 of the two-step check of QJ-6: is B authorised, by the chain and now? */
  async function checkAuthorised(grantId: GrantId): Promise<Grant> {
    const [grant, { timeMs }] = await Promise.all([
      reader.grant(grantId, { fresh: true }),
      reader.head({ fresh: true }),
    ]);
    if (grant === undefined)
      throw new ClientError('grantNotActive', `grant ${toHex(grantId)} is not on chain`);
    if (!equalBytes(grant.grantee, id))
      throw new ClientError('grantNotActive', 'the grant is for somebody else');
    const stage: GrantStage = stageOf(grant, Math.floor(timeMs / 1000));
    if (stage !== 'active') throw new ClientError('grantNotActive', `the grant is ${stage}`);
    return grant;
  }

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
    issueRecord: async ({ visit, draft, amends, onProgress }) => {
      if (visit.hospital !== keyring.current.institution)
        throw new ClientError('badVisitPackage', 'the visit is at another hospital');
      const epochKey = await fetchEpochKey(visit);
      const { publicKey } = await hpke();
      const sealed = await sealDraft(platform, {
        chainId: network.anchor.chainId,
        visit,
        draft,
        author: publicKey,
        epochKey,
        onProgress: (done) => onProgress?.({ step: 'sealing', done }),
      });
      try {
        const attestations = await store(sealed, onProgress);
        onProgress?.({ step: 'signing', done: 0 });
        const final = await submitRecord(sealed, attestations, amends ?? null);
        onProgress?.({ step: 'final', done: 1, total: 1 });
        return { recordId: sealed.recordId, final };
      } finally {
        sealed.encapsulation.erase();
        await sealed.spool.dispose();
      }
    },

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

    findGrants: async (fromHeight) => {
      const { height } = await reader.head({ fresh: true });
      const grants: GrantId[] = [];
      for (let at = fromHeight < 1n ? 1n : fromHeight; at <= height; at++) {
        const block = await reader.block(at);
        for (const bytes of block.transactions) {
          const parsing = parseTransaction(bytes);
          if (!parsing.ok) continue;
          const { body } = parsing.transaction;
          if (body.type !== 'grantAccess' || !equalBytes(body.grantee, id)) continue;
          if ((await reader.grant(body.grantId)) !== undefined) grants.push(body.grantId);
        }
      }
      return { grants, next: height + 1n };
    },

    receiveGrant: async (grantId, patientKey) => {
      const grant = await reader.grant(grantId, { fresh: true });
      if (grant === undefined)
        throw new ClientError('grantNotActive', `grant ${toHex(grantId)} is not on chain`);
      const holders = network.nodes.filter((node) =>
        grant.holders.some((holder) => equalBytes(holder.node, node.memberId)),
      );
      const sealed = await reader.blob(
        grantId,
        { kind: 'grantee' },
        grant.granteeBlobHash,
        holders.length > 0 ? holders : undefined,
      );
      const { privateKey } = await hpke();
      const plaintext = await openWith(privateKey, {
        info: granteeInfo(grantContext(network.anchor.chainId), grantId, id, grant.bodyHash),
        aad: NO_AAD,
        sealed,
      });
      if (plaintext === null)
        throw new ClientError('grantVoid', 'the grant was not sealed to this member');
      const share = decodeOrRefuse(() => decodeGranteeShare(curve, plaintext));
      plaintext.fill(0);
      // The chain's word first: what is not in the grant that everybody sees is no part of it.
      if (!isBodyOfGrant(curve, grantContext(network.anchor.chainId), grant, share))
        throw new ClientError('grantVoid', 'the sealed grant is not the one on chain');
      if (!verifyGranteeShare(curve, context, share))
        throw new ClientError('grantVoid', 'the grant does not fit the patient key it names');
      if (patientKey !== undefined && !equalBytes(curve.encodeG1(share.patientKey), patientKey))
        throw new ClientError('grantVoid', 'the grant is of another patient');
      const others = keyring.current.grants.filter((each) => !equalBytes(each.grantId, grantId));
      await keyring.update({
        ...keyring.current,
        grants: [...others, { grantId, share: encodeGranteeShare(curve, share) }],
      });
      return { grantId, grant, share };
    },

    heldGrants: () => keyring.current.grants.map((each) => toGrantId(each.grantId)),

    search: async (grantId) => {
      await checkAuthorised(grantId);
      const tokens = heldShare(grantId).searchTokens.map(decodeHeldToken);
      const bySearchNode = new Map<string, typeof tokens>();
      for (const token of tokens) {
        const name = toHex(token.searchNode);
        bySearchNode.set(name, [...(bySearchNode.get(name) ?? []), token]);
      }
      const hits = new Map<string, SearchHit>();
      for (const [, group] of bySearchNode) {
        const [first] = group;
        const node = first === undefined ? undefined : network.findNode(first.searchNode);
        if (node === undefined)
          throw new ClientError('unknownMember', 'the search node of the grant is not configured');
        const source = { node: node.name, route: ROUTES.postSearch.name };
        const lists = await whenFinal(platform.wait, () =>
          transport.call(node, ROUTES.postSearch, {
            params: {},
            request: { grantId, tokens: group.map(({ sealed }) => sealed) },
            signer,
          }),
        );
        if (lists.length !== group.length)
          throw new VerificationError('malformed', source, 'not one list per token');
        for (const [position, list] of lists.entries())
          for (const found of list) {
            const recordId = toRecordId(found.recordId);
            const ledgerRecord = await reader.record(recordId);
            if (ledgerRecord === undefined) {
              network.reportLie(
                new VerificationError('stateProof', source, 'a hit is no record of the chain'),
              );
              continue;
            }
            const name = toHex(recordId);
            const hint = group[position]?.hint ?? '';
            const known = hits.get(name);
            hits.set(name, {
              recordId,
              ledgerRecord,
              locationSecret: found.locationKey,
              hints: [...new Set([...(known?.hints ?? []), hint])],
            });
          }
      }
      return [...hits.values()].toSorted(
        (a, b) => b.ledgerRecord.issuedAt - a.ledgerRecord.issuedAt,
      );
    },

    openRecord: async ({
      grantId,
      hit,
      labelIndex,
      purpose,
      clinician,
      onProgress,
      onEvidence,
    }) => {
      const grant = await checkAuthorised(grantId);
      const share = heldShare(grantId);
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

    openOwnRecord: async (recordId) => {
      const ledgerRecord = await requireRecord(recordId);
      if (ledgerRecord.authorship === null || !equalBytes(ledgerRecord.authorship.author, id))
        throw new ClientError('notAuthor', 'another member wrote this record');
      const { privateKey } = await hpke();
      const { value: objectKey } = await network.ask(
        ROUTES.getLocation,
        { params: { recordId }, signer },
        async ({ sealedLocation }, source) => {
          const plaintext = await openWith(privateKey, {
            info: locationInfo(recordId),
            aad: NO_AAD,
            sealed: sealedLocation,
          });
          const key = plaintext === null ? null : objectKeyOf(plaintext);
          if (key === null)
            throw new VerificationError('malformed', source, 'the location does not open');
          return key;
        },
        ownNodes(),
      );
      const stored = await fetchRecord(network, ledgerRecord, objectKey, {
        allowedSuites: ['intl', 'paper'],
      });
      try {
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

    eraseGrant: async (grantId) => {
      const held = keyring.current.grants.find((each) => equalBytes(each.grantId, grantId));
      held?.share.fill(0);
      await keyring.update({
        ...keyring.current,
        grants: keyring.current.grants.filter((each) => !equalBytes(each.grantId, grantId)),
      });
      const grant = await reader.grant(grantId, { fresh: true });
      const { timeMs } = await reader.head({ fresh: true });
      const seconds = Math.floor(timeMs / 1000);
      if (grant === undefined || grant.granteeErased) return;
      if (!grant.revoked && seconds < grant.to) return;
      await submitBody(network, reader, { type: 'acknowledgeErasure', grantId }, [signer]);
    },
  };
}

function accessNumberOf(access: FinalTransaction): number {
  for (const [kind, , number] of access.leaf.facts)
    if (kind === 'access' && typeof number === 'number') return number;
  throw new ClientError('grantNotActive', 'the access got no number');
}

function objectKeyOf(plaintext: Bytes): Bytes | null {
  try {
    const value = decode(plaintext, { bytesMax: 1024, depthMax: 2 });
    const [, objectKey]: readonly unknown[] = Array.isArray(value) ? value : [];
    return objectKey instanceof Uint8Array && objectKey.length === 32 ? objectKey : null;
  } catch (error) {
    if (error instanceof CodecError) return null;
    throw error;
  }
}

function decodeOrRefuse<T>(decodeShare: () => T): T {
  try {
    return decodeShare();
  } catch (error) {
    const isForm =
      error instanceof CodecError ||
      error instanceof PointError ||
      error instanceof ThresholdError ||
      error instanceof LabelError;
    if (isForm) throw new ClientError('grantVoid', 'the grant blob does not parse');
    throw error;
  }
}

const NOT_FINAL_TRIES = 25;
const NOT_FINAL_PAUSE_MS = 80;
const NOT_FINAL: ReadonlySet<string> = new Set([
  'notFinal',
  'grantUnknown',
  'grantPending',
  // Enrolled a moment ago: not every node has the block yet.
  'unknownMember',
]);

/** Repeats a call while the node it goes to has not the block yet that it is about. */
export async function whenFinal<T>(
  wait: (ms: number) => Promise<void>,
  call: () => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      const isEarly = error instanceof ProblemError && NOT_FINAL.has(error.code);
      if (!isEarly || attempt >= NOT_FINAL_TRIES) throw error;
      await wait(NOT_FINAL_PAUSE_MS);
    }
  }
}
