/**
 * Writing a record: sealed to the patient, stored by two operators who attest it, signed by the hospital
 * and ordered.
 */
import { encodeMessage } from '@yilian/api/codec';
import { ciphertextAnnouncement, type EpochKeyAnswer } from '@yilian/api/messages-institution';
import { ROUTES } from '@yilian/api/routes';
import { encodeUnsignedTransaction } from '@yilian/api/unsigned-transaction';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { PointError } from '@yilian/crypto/curve';
import { parseProof } from '@yilian/crypto/proof';
import { verifyEpochKey } from '@yilian/crypto/searchable-encryption';
import { epochText, storageAttestationMessage } from '@yilian/ledger/checks';
import type { RecordId } from '@yilian/crypto/ids';
import { transactionId } from '@yilian/ledger/transaction-codec';
import type { ChainReader, FinalTransaction } from './chain-reader.ts';
import { ClientError, NetworkError, ProblemError, VerificationError } from './failure.ts';
import { sealLocation } from './own-location.ts';
import { hospitalIdOf } from './patient-secrets.ts';
import type { OnProgress } from './progress.ts';
import {
  assembleRecord,
  type RecordDraft,
  sealDraft,
  type SealedDraft,
  type StoreAttestation,
} from './record-sealing.ts';
import { awaitFinal, expiryHeight } from './submission.ts';
import type { NodeEndpoint } from './transport.ts';
import type { VisitForWriting } from './visit-for-writing.ts';
import { whenFinal } from './when-final.ts';
import type { WorkingMember } from './working-member.ts';

/** How many stores keep a record; the ledger wants at least two, of two operators. */
const REPLICATION = 2;
const ISSUE_EXPIRY_HEIGHTS = 4_800n;

export interface IssueInput {
  readonly visit: VisitForWriting;
  readonly draft: RecordDraft;
  /** Makes it a new version of that record. */
  readonly amends?: RecordId;
  readonly onProgress?: OnProgress;
}

export interface IssuedRecord {
  readonly recordId: RecordId;
  readonly final: FinalTransaction;
}

/** Seals, stores at two stores, has the hospital sign, and waits until the record is final. */
export async function issueRecord(
  member: WorkingMember,
  { visit, draft, amends, onProgress }: IssueInput,
): Promise<IssuedRecord> {
  const { network, keyring, hpke } = member;
  if (visit.hospital !== keyring.current.institution)
    throw new ClientError('badVisitPackage', 'the visit is at another hospital');
  const epochKey = await fetchEpochKey(member, visit);
  const { publicKey } = await hpke();
  const sealed = await sealDraft(network.platform, {
    chainId: network.anchor.chainId,
    visit,
    draft,
    author: publicKey,
    epochKey,
    onProgress: (done) => onProgress?.({ step: 'sealing', done }),
  });
  try {
    const attestations = await store(member, sealed, onProgress);
    onProgress?.({ step: 'signing', done: 0 });
    const final = await submitRecord(member, sealed, attestations, amends ?? null);
    onProgress?.({ step: 'final', done: 1, total: 1 });
    return { recordId: sealed.recordId, final };
  } finally {
    sealed.encapsulation.erase();
    await sealed.spool.dispose();
  }
}

/** A of the day and P^ρ, the epoch proof checked. */
async function fetchEpochKey(
  { network, signer, ownNodes }: WorkingMember,
  visit: VisitForWriting,
): Promise<EpochKeyAnswer | null> {
  const { platform, context } = network;
  const { curve } = platform;
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
  member: WorkingMember,
  draft: SealedDraft,
  onProgress: OnProgress | undefined,
): Promise<readonly StoreAttestation[]> {
  const { network, keyring } = member;
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
      attestations.push(await whenFinal(network.platform.wait, () => storeAt(member, node, draft)));
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

async function storeAt(
  { network, reader, signer }: WorkingMember,
  node: NodeEndpoint,
  draft: SealedDraft,
): Promise<StoreAttestation> {
  const { platform, context, transport } = network;
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

async function nextNumber(reader: ChainReader, pid: Bytes): Promise<number> {
  for (let number = 0; ; number++)
    if ((await reader.visitEntry(pid, number, { fresh: number === 0 })) === undefined)
      return number;
}

async function submitRecord(
  { network, reader, id, signer, hpke, ownNodes }: WorkingMember,
  draft: SealedDraft,
  attestations: readonly StoreAttestation[],
  amends: RecordId | null,
): Promise<FinalTransaction> {
  const { platform, context } = network;
  const [node] = ownNodes();
  const institutionKey = node?.hospitalKey;
  if (institutionKey === undefined || institutionKey === null)
    throw new ClientError('unknownHospital', 'the hospital has no signing key configured');
  const unsigned = assembleRecord(platform, {
    draft,
    institutionKey,
    nonce: platform.randomBytes(16),
    expiryHeight: await expiryHeight(reader, ISSUE_EXPIRY_HEIGHTS),
    number: await nextNumber(reader, draft.visit.pid),
    amends,
    author: { id, signer },
    time: Math.floor(platform.nowMs() / 1000),
    attestations,
  });
  const { publicKey } = await hpke();
  const sealedLocation = await sealLocation(context, publicKey, draft.recordId, {
    stores: attestations.map((each) => each.store),
    objectKey: draft.objectKey,
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
