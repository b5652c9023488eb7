/**
 * A patient: enrols, prepares visits, sees who asks, grants, sees who looked, ends grants, reads her own
 * records, names agents, and starts again on a new device.
 */
import type { Profile } from '@yilian/api/certificate';
import { certificateHash, certificateMessage, parseCertificate } from '@yilian/api/certificate';
import { accessRequestCommitment, type InboxItem } from '@yilian/api/messages-access';
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { GRANT_LABELS_MAX } from '@yilian/crypto/grant';
import type { Keyword, KeywordType } from '@yilian/crypto/keyword';
import type { Label } from '@yilian/crypto/label';
import { type Month, parseMonth } from '@yilian/crypto/period';
import { createDecoyToken } from '@yilian/crypto/searchable-encryption';
import type { Member } from '@yilian/ledger/contracts/members/member';
import type { ObjectionReason } from '@yilian/ledger/contracts/records/objection';
import { type GrantId, type MemberId, type RecordId, toTransactionId } from '@yilian/ledger/ids';
import { type AccessWish, encodeHandle, type Handle, openAccessWish } from './access-request.ts';
import { exportAuthority } from './agent.ts';
import { CLINICAL_CLASSES } from './content/clinical-record.ts';
import type { ChainReader, FinalTransaction } from './chain-reader.ts';
import type { OnProgress } from './doctor.ts';
import { enrolPatient } from './enrolment.ts';
import { ClientError, NetworkError, ProblemError, VerificationError } from './failure.ts';
import { grantLabels, type MadeGrantResult, narrowOwnGrant, revokeOwnGrant } from './granting.ts';
import type { WishedToken } from './grant-making.ts';
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
  type SlotReport,
} from './own-records.ts';
import { type OwnVisit, ownVisits } from './own-visits.ts';
import {
  createPatientSecrets,
  currentMonth,
  hospitalIdOf,
  type PatientSecrets,
} from './patient-secrets.ts';
import { recoverDrawnVisits, recoverKeyring } from './recovery.ts';
import { matchRecord } from './record-location.ts';
import type { OpenRecord } from './record-opening.ts';
import { submitBody } from './submission.ts';
import { type DeliveryResult, deliverUndelivered, keepUndelivered } from './undelivered.ts';
import { encodeDrawnVisit } from './visit-for-writing.ts';
import { encodeVisitCode } from './visit-package.ts';

/** Every grant carries at least so many search tokens, decoys included. */
const TOKENS_MIN = 8;

/** A request as the patient sees it; everything in it was verified. */
export interface ReceivedRequest {
  /** Number of the handle it came by. */
  readonly handle: number;
  readonly number: number;
  readonly transactionId: Bytes;
  readonly receivedAt: number;
  readonly requester: {
    readonly member: MemberId;
    readonly name: string;
    readonly role: string;
    readonly institution: string;
    readonly licence: string;
  };
  readonly wish: AccessWish;
}

/** Which labels a grant shall cover. */
export interface GrantScope {
  /** Hospitals; default: all she visited. */
  readonly hospitals?: readonly string[];
  /** Months of admission, `YYYY-MM`; default: all. */
  readonly months?: readonly string[];
  /** FHIR classes: only those sections. Default: whole visits. */
  readonly classes?: readonly string[];
}

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
  const { platform, context, transport } = network;
  const { curve, randomBytes } = platform;
  const secrets = createPatientSecrets(platform, keyring.current);

  const visits = (): readonly OwnVisit[] => ownVisits(platform, secrets, keyring.current);

  const held = (label: Label): HeldLabel => ({
    label,
    conditionalKey: secrets.conditionalKey(label),
  });

  function visitsIn(scope: GrantScope): readonly OwnVisit[] {
    return visits().filter(
      ({ hospital, month }) =>
        (scope.hospitals === undefined || scope.hospitals.includes(hospital)) &&
        (scope.months === undefined || scope.months.includes(month)),
    );
  }

  function labelsOf(scope: GrantScope): readonly Label[] {
    const labels = new Map<string, Label>();
    const add = (label: Label): void => {
      labels.set(toHex(label.beta), label);
    };
    for (const visit of visitsIn(scope)) {
      if (scope.classes === undefined || scope.classes.length === 0)
        add(visit.label({ kind: 'visit' }));
      else
        for (const resourceType of scope.classes) add(visit.label({ kind: 'class', resourceType }));
    }
    return [...labels.values()];
  }

  /** Labels on which grants may lie: visits, clinical classes, summaries. By β. */
  function walkedLabels(): ReadonlyMap<string, Label> {
    const labels = new Map<string, Label>();
    for (const visit of visits()) {
      const own = [
        visit.label({ kind: 'visit' }),
        visit.label({ kind: 'summary' }),
        ...[...CLINICAL_CLASSES].map((resourceType) =>
          visit.label({ kind: 'class', resourceType }),
        ),
      ];
      for (const label of own) labels.set(toHex(label.beta), label);
    }
    return labels;
  }

  /**
   * No grant on a label that the walk does not visit: she would neither see nor end it (R1). A class in
   * a doctor's request may be any word.
   */
  function checkWalked(labels: readonly Label[]): readonly Label[] {
    if (labels.length > GRANT_LABELS_MAX) return labels;
    const walked = walkedLabels();
    const stray = labels.find(({ beta }) => !walked.has(toHex(beta)));
    if (stray !== undefined)
      throw new ClientError(
        'noLabel',
        `a grant on such a label (${stray.kind}) could not be found again`,
      );
    return labels;
  }

  /** Tokens of what is covered, padded with ones that find nothing. */
  function tokensOf(scope: GrantScope, keywords: readonly Keyword[]): readonly WishedToken[] {
    const tokens: WishedToken[] = [];
    const seen = new Set<string>();
    const add = (visit: OwnVisit, keyword: Keyword, hint: string): void => {
      const name = `${visit.hospital}/${visit.month}/${keyword.type}|${keyword.text}`;
      // Tokens of a drawn visit would need its κ and mode `sym`; its records are found by `pid` here.
      if (seen.has(name)) return;
      seen.add(name);
      tokens.push({
        hint,
        make: (grantId) => ({
          grantId,
          hospitalId: hospitalIdOf(visit.hospital),
          month: visit.month,
          ...tokenRight(visit, keyword),
        }),
      });
    };
    for (const visit of visitsIn(scope)) {
      add(visit, { type: 'pid', text: toHex(visit.pid) }, `visit|${visit.month}`);
      for (const text of scope.classes ?? []) add(visit, { type: 'class', text }, `class|${text}`);
      for (const keyword of keywords) add(visit, keyword, `${keyword.type}|${keyword.text}`);
    }
    return padTokens(tokens);
  }

  function tokenRight(
    visit: OwnVisit,
    keyword: Keyword,
  ):
    | { readonly mode: 'pk'; readonly trapdoor: ReturnType<PatientSecrets['trapdoor']> }
    | { readonly mode: 'sym'; readonly tagKey: ReturnType<OwnVisit['tagKey']> } {
    return visit.isDrawn
      ? { mode: 'sym', tagKey: visit.tagKey(keyword, null) }
      : { mode: 'pk', trapdoor: secrets.trapdoor(visit.hospital, visit.month, keyword) };
  }

  function padTokens(tokens: readonly WishedToken[]): readonly WishedToken[] {
    let size = TOKENS_MIN;
    while (size < tokens.length) size *= 2;
    const hospitals = network.nodes.flatMap(({ institution, hospitalKey }) =>
      hospitalKey === null ? [] : [institution],
    );
    const months: readonly Month[] = [
      currentMonth(platform),
      ...visits().map(({ month }) => month),
    ];
    const padded = [...tokens];
    while (padded.length < size) {
      const hospital = pick(hospitals) ?? 'none';
      const month = pick(months) ?? currentMonth(platform);
      // Tokens of drawn visits are of the other mode, and shorter: so are as many decoys.
      const mode = pick(visits())?.isDrawn === true ? 'sym' : 'pk';
      padded.push({
        hint: '',
        make: (grantId) =>
          createDecoyToken({
            curve,
            context,
            grantId,
            hospitalId: hospitalIdOf(hospital),
            month,
            mode,
            randomBytes,
          }),
      });
    }
    // In any order: the search node must not tell decoys by their place.
    return shuffle(padded);
  }

  function shuffle<T>(items: readonly T[]): readonly T[] {
    return items
      .map((item) => ({ item, place: toHex(randomBytes(16)) }))
      .toSorted((a, b) => (a.place < b.place ? -1 : 1))
      .map(({ item }) => item);
  }

  function pick<T>(items: readonly T[]): T | undefined {
    const [byte] = randomBytes(1);
    return items[(byte ?? 0) % Math.max(1, items.length)];
  }

  async function listGrants(): Promise<readonly OwnGrant[]> {
    const walk = await walkTags(network, reader, [...walkedLabels().values()].map(held));
    return grantsOfWalk(network, reader, walk);
  }

  async function findGrant(grantId: GrantId): Promise<OwnGrant> {
    const own = (await listGrants()).find((each) => equalBytes(each.grantId, grantId));
    if (own === undefined)
      throw new ClientError('noLabel', `no grant ${toHex(grantId)} lies on your labels`);
    return own;
  }

  /**
   * A request is shown only when commitment, certificate and seal hold. What the requester did wrong
   * gives null; the node is blamed only for what it could have checked.
   */
  async function receive(
    handleNumber: number,
    keys: Awaited<ReturnType<typeof deriveHandle>>,
    item: InboxItem,
    source: { readonly node: string; readonly route: string },
  ): Promise<ReceivedRequest | null> {
    const handle = keys.signer.key;
    const final = await reader.transaction(toTransactionId(item.transactionId));
    const body = final?.transaction.body;
    const commitment = accessRequestCommitment(context, { handle, sealed: item.sealed });
    if (
      final === undefined ||
      body?.type !== 'requestAccess' ||
      final.leaf.outcome !== 'ok' ||
      !equalBytes(body.commitment, commitment)
    )
      throw new VerificationError('commitment', source, 'the chain commits to another request');
    const member = await reader.memberOfKey(final.transaction.sender);
    if (member === undefined)
      throw new VerificationError('commitment', source, 'the requester is no member');
    const parsing = parseCertificate(item.certificate);
    if (!parsing.ok) throw new VerificationError('malformed', source, 'it is not a certificate');
    const { content, signature } = parsing.value;
    const isCertified =
      equalBytes(content.subject.signingKey, final.transaction.sender) &&
      // Of several that the centre may have signed for a key, the one enrolled.
      equalBytes(certificateHash(context, item.certificate), member.certificateHash) &&
      platform.verifySignature({
        publicKey: network.anchor.regulatorKey,
        message: certificateMessage(context, content),
        signature,
      });
    if (!isCertified)
      throw new VerificationError('regulatorSignature', source, 'the requester is not certified');
    const { timeMs } = await reader.head();
    const now = timeMs / 1000;
    if (now >= content.notAfter || member.status !== 'active') return null;
    const wish = await openAccessWish(
      context,
      { key: handle, hpkePrivateKey: keys.hpkePrivateKey },
      item.sealed,
    );
    if (wish === null || !(await mayAskFor(member, wish.grantee))) return null;
    const { subject } = content;
    return {
      handle: handleNumber,
      number: item.number,
      transactionId: item.transactionId,
      receivedAt: item.timeSeconds,
      requester: {
        member: member.id,
        name: subject.name,
        role: subject.role,
        institution: subject.institution,
        licence: subject.licence,
      },
      wish,
    };
  }

  /** One asks for oneself, or for a department of one's own institution: never for a third person. */
  async function mayAskFor(requester: Member, grantee: MemberId): Promise<boolean> {
    if (equalBytes(requester.id, grantee)) return true;
    const other = await reader.member(grantee);
    return other?.role === 'department' && other.institution === requester.institution;
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
    listRequests: async () => {
      const { patientSecret, handles } = keyring.current;
      const requests = new Map<string, ReceivedRequest>();
      for (let number = 0; number < handles; number++) {
        const keys = await deriveHandle(context, patientSecret, number);
        for (const node of network.order()) {
          const source = { node: node.name, route: ROUTES.getInbox.name };
          try {
            const items = await transport.call(node, ROUTES.getInbox, {
              params: { handle: keys.signer.key },
              signer: keys.signer,
            });
            for (const item of items)
              try {
                const request = await receive(number, keys, item, source);
                if (request !== null) requests.set(toHex(item.transactionId), request);
              } catch (error) {
                // One bad item must not hide the others.
                if (!(error instanceof VerificationError)) throw error;
                network.reportLie(error);
              }
          } catch (error) {
            // An inbox lies at one node: others do not know it, and one may be down.
            if (error instanceof VerificationError) network.reportLie(error);
            else if (!(error instanceof ProblemError) && !(error instanceof NetworkError))
              throw error;
          }
        }
      }
      return [...requests.values()].toSorted((a, b) => b.receivedAt - a.receivedAt);
    },
    visits,
    listRecords: async () => {
      const records: OwnRecord[] = [];
      for (const visit of visits()) records.push(...(await recordsOfVisit(reader, visit)));
      return records.toSorted((a, b) => b.ledgerRecord.issuedAt - a.ledgerRecord.issuedAt);
    },
    openRecord: async (recordId) =>
      openOwnRecord(network, reader, secrets, await findOwnRecord(reader, visits(), recordId)),
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
    labelsOf,
    grantAccess: async (input) => {
      const scope = input.scope ?? {};
      const labels = checkWalked(input.labels ?? labelsOf(scope));
      return grantLabels(network, reader, {
        patientKey: secrets.patientKey,
        labels: labels.map(held),
        grantee: input.grantee,
        ...(input.from === undefined ? {} : { from: input.from }),
        to: input.to,
        ...(input.records === undefined ? {} : { records: input.records }),
        purpose: input.purpose,
        tokens: tokensOf(scope, input.keywords ?? []),
        visitedHospitals: [...new Set(visits().map(({ hospital }) => hospital))],
        ...(input.onProgress === undefined ? {} : { onProgress: input.onProgress }),
        onUndelivered: (blobs) => keepUndelivered(keyring, blobs),
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
      exportAuthority({ curve, secrets, labels: checkWalked(labelsOf(scope)), mayGrant }),
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
