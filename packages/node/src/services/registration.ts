/**
 * The registration centre (QJ-1, LM-2), on the regulator's node: whoever shows a one-time secret that
 * was handed out in person gets the keys of a request certified and enrolled. It never sees a private
 * key. Of a patient it keeps nothing readable: the answer (which names P) is sealed under the secret
 * that only she has, so that a lost answer can be asked for again; and a keyed hash of the card number,
 * so that one person has one P.
 */
import {
  type CertificateRequest,
  type CertificateSubject,
  certificateHash,
  certificateMessage,
  certificateRequestHash,
  certificateRequestMessage,
  encodeCertificate,
  parseCertificateRequest,
  patientCommitment,
} from '@yilian/api/certificate';
import { encodeMessage, parseMessage } from '@yilian/api/codec';
import {
  type RegistrationAnswer,
  type RegistrationPost,
  registrationAnswer,
} from '@yilian/api/messages-institution';
import { open, seal } from '@yilian/crypto/aead';
import { type Bytes, type RandomBytes, concatBytes, equalBytes, utf8 } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { type ChainContext, bindChain } from '@yilian/crypto/context';
import { type Curve, PointError } from '@yilian/crypto/curve';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { hkdf, hmacSha256, sha256 } from '@yilian/crypto/hash';
import { parseHpkePublicKey } from '@yilian/crypto/hpke';
import { verifyPossession } from '@yilian/crypto/possession';
import { parseProof } from '@yilian/crypto/proof';
import { parsePublicKey } from '@yilian/crypto/signature';
import { deriveMemberId, toPatientCommitment } from '@yilian/ledger/ids';
import type { UnsignedTransaction } from '@yilian/ledger/transaction';
import { type Signer, transactionId } from '@yilian/ledger/transaction-codec';
import { type Clock, nowSeconds } from '../clock.ts';
import { verifySignature } from '../verification/verify-signature.ts';
import type { MemberCertificates } from './member-certificates.ts';
import type { SecretSlots } from './secret-slots.ts';
import { type Served, refuse, served } from './served.ts';
import type { Shelf } from './service-store.ts';
import type { TransactionSender } from './transaction-sender.ts';

const YEAR_SECONDS = 365 * 86_400;
const NONCE_BYTES = 12;

export type EnrolledRole = 'patient' | 'doctor' | 'department';

/** A secret that the centre hands out: for one person in one role. */
export interface EnrolmentTicket {
  readonly role: EnrolledRole;
  /** Short name; empty for patients. */
  readonly institution: string;
  /**
   * Whom the secret was given to, as the request must name him (a patient: the card number). Kept as a
   * keyed hash. Without it the centre certifies whatever name the request states: for samples only.
   */
  readonly name?: string;
}

export interface RegistrationService {
  register(request: RegistrationPost): Promise<Served<RegistrationAnswer>>;
  /** Makes a one-time secret valid. */
  admit(secret: Bytes, ticket: EnrolmentTicket): Promise<void>;
}

export interface RegistrationOptions {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly clock: Clock;
  readonly regulator: Signer;
  readonly sender: TransactionSender;
  readonly slots: SecretSlots;
  readonly shelf: Shelf;
  /** Where public certificates are served from. */
  readonly certificates: Pick<MemberCertificates, 'put'>;
  readonly randomBytes: RandomBytes;
}

type EnrolDraft = UnsignedTransaction<
  Extract<Parameters<TransactionSender['draft']>[0], { type: 'enrolMember' }>
>;

interface Draft {
  readonly requestHash: Bytes;
  readonly answer: RegistrationAnswer;
  readonly transaction: EnrolDraft;
  readonly memberId: Bytes | null;
}

function ticketPlace(secret: Bytes): Bytes {
  return concatBytes(utf8('t'), sha256(secret));
}

function answerPlace(secret: Bytes): Bytes {
  return concatBytes(utf8('a'), sha256(secret));
}

export async function createRegistration(
  options: RegistrationOptions,
): Promise<RegistrationService> {
  const { curve, context, clock, regulator, sender, slots, shelf, certificates } = options;
  const { randomBytes } = options;
  const personKeySlot = utf8('person-index');
  if (slots.get(personKeySlot) === undefined) await slots.put(personKeySlot, randomBytes(32));
  const personPlace = (name: string): Bytes => {
    const key = slots.get(personKeySlot);
    if (key === undefined) throw new Error('the person index has no key');
    return concatBytes(utf8('p'), hmacSha256(key, utf8(name)));
  };
  /** First calls of members wait here for their co-signature; a restart only costs another first call. */
  const drafts = new Map<string, Draft>();
  let working: Promise<unknown> = Promise.resolve();

  const answerKey = (secret: Bytes): Bytes =>
    hkdf({
      ikm: secret,
      info: bindChain(DOMAIN_TAGS.registrationAnswer, context),
      length: 32,
    });

  const keepAnswer = async (
    secret: Bytes,
    requestHash: Bytes,
    answer: RegistrationAnswer,
  ): Promise<void> => {
    const nonce = randomBytes(NONCE_BYTES);
    const plaintext = encode([requestHash, encodeMessage(registrationAnswer, answer)]);
    const sealed = seal({
      key: answerKey(secret),
      nonce,
      associatedData: requestHash,
      plaintext,
    });
    await shelf.put(answerPlace(secret), concatBytes(nonce, sealed));
  };

  const keptAnswer = (secret: Bytes, requestHash: Bytes): RegistrationAnswer | null => {
    const stored = shelf.get(answerPlace(secret));
    if (stored === undefined) return null;
    const plaintext = open({
      key: answerKey(secret),
      nonce: stored.subarray(0, NONCE_BYTES),
      associatedData: requestHash,
      sealed: stored.subarray(NONCE_BYTES),
    });
    if (plaintext === null) return null;
    const value = decode(plaintext);
    const encoded: Cbor | undefined = Array.isArray(value) ? value[1] : undefined;
    if (!(encoded instanceof Uint8Array)) return null;
    const parsed = parseMessage(registrationAnswer, encoded, encoded.length);
    return parsed.ok ? parsed.value : null;
  };

  const ticketOf = (
    secret: Bytes,
  ): (Omit<EnrolmentTicket, 'name'> & { readonly person: Bytes | null }) | null => {
    const stored = shelf.get(ticketPlace(secret));
    if (stored === undefined) return null;
    const value = decode(stored);
    const [role, institution, person]: readonly unknown[] = Array.isArray(value) ? value : [];
    if (role !== 'patient' && role !== 'doctor' && role !== 'department') return null;
    return {
      role,
      institution: typeof institution === 'string' ? institution : '',
      person: person instanceof Uint8Array ? person : null,
    };
  };

  const provesKeys = (request: CertificateRequest): boolean => {
    const { subject, signature, possession } = request;
    const message = certificateRequestMessage(context, subject);
    if (parsePublicKey(subject.signingKey) === null) return false;
    if (!verifySignature({ publicKey: subject.signingKey, message, signature })) return false;
    if (subject.role !== 'patient')
      return (
        subject.patientKey === null &&
        possession === null &&
        parseHpkePublicKey(subject.hpkeKey) !== null
      );
    if (subject.patientKey === null || possession === null) return false;
    try {
      return verifyPossession({
        curve,
        context,
        patientKey: curve.parseG1(subject.patientKey),
        purpose: { kind: 'certificate', requestHash: certificateRequestHash(context, subject) },
        proof: parseProof(curve, possession),
      });
    } catch (error) {
      if (error instanceof PointError) return false;
      throw error;
    }
  };

  const certify = (subject: CertificateSubject): Bytes => {
    const now = nowSeconds(clock);
    const content = {
      chainId: context.chainId,
      serial: randomBytes(16),
      subject,
      notBefore: now - 300,
      notAfter: now + YEAR_SECONDS,
    };
    const signature = regulator.sign(certificateMessage(context, content));
    return encodeCertificate({ content, signature });
  };

  const draftOf = (request: CertificateRequest, requestHash: Bytes): Draft => {
    const { subject } = request;
    const certificate = certify(subject);
    if (subject.role === 'patient') {
      const salt = randomBytes(32);
      const commitment = toPatientCommitment(patientCommitment(context, salt, certificate));
      const body = { type: 'enrolMember', kind: 'patient', commitment } as const;
      const transaction: EnrolDraft = sender.draft(body, regulator.key);
      const id = transactionId(transaction);
      const answer = { certificate, salt, transactionId: id, submitted: false };
      return { requestHash, answer, transaction, memberId: null };
    }
    const member = {
      key: subject.signingKey,
      role: subject.role,
      institution: subject.institution,
      operator: subject.operator,
      hpkeKey: subject.hpkeKey,
      certificateHash: certificateHash(context, certificate),
    };
    const body = { type: 'enrolMember', kind: 'member', member } as const;
    const transaction: EnrolDraft = sender.draft(body, regulator.key);
    const id = transactionId(transaction);
    const answer = { certificate, salt: null, transactionId: id, submitted: false };
    const memberId = deriveMemberId(context, subject.signingKey);
    return { requestHash, answer, transaction, memberId };
  };

  const submit = async (
    secret: Bytes,
    draft: Draft,
    signers: readonly Signer[],
  ): Promise<Served<RegistrationAnswer>> => {
    const { rejection } = await sender.send(draft.transaction, signers, 'registration');
    if (rejection !== null && rejection !== 'duplicate') return refuse('refused', { rejection });
    const outcome = await sender.outcome(draft.answer.transactionId, 20_000);
    if (outcome !== 'ok' && outcome !== 'timeout') return refuse('refused', { rejection: outcome });
    const answer = { ...draft.answer, submitted: true };
    // First what others need: after a crash the member herself has the answer or asks again.
    if (draft.memberId !== null) await certificates.put(draft.memberId, answer.certificate);
    await keepAnswer(secret, draft.requestHash, answer);
    await shelf.delete(ticketPlace(secret));
    return served(answer);
  };

  const register = async (post: RegistrationPost): Promise<Served<RegistrationAnswer>> => {
    const parsed = parseCertificateRequest(post.request);
    if (!parsed.ok) return refuse('requestInvalid');
    const request = parsed.value;
    const { subject } = request;
    const requestHash = sha256(post.request);
    const kept = keptAnswer(post.secret, requestHash);
    if (kept !== null) return served(kept);
    const ticket = ticketOf(post.secret);
    if (ticket === null) return refuse('enrolmentRefused');
    if (ticket.role !== subject.role || ticket.institution !== subject.institution)
      return refuse('enrolmentRefused');
    if (ticket.person !== null && !equalBytes(ticket.person, personPlace(subject.name)))
      return refuse('enrolmentRefused');
    if (!provesKeys(request)) return refuse('requestInvalid');
    const name = Buffer.from(sha256(post.secret)).toString('hex');
    const waiting = drafts.get(name);
    const isSame = waiting !== undefined && Buffer.compare(waiting.requestHash, requestHash) === 0;

    if (subject.role === 'patient') {
      const place = personPlace(subject.name);
      if (shelf.get(place) !== undefined) return refuse('enrolmentRefused');
      const draft = draftOf(request, requestHash);
      const answered = await submit(post.secret, draft, [regulator]);
      if (answered.ok) await shelf.put(place, Uint8Array.of(1));
      return answered;
    }
    if (post.cosignature === null || !isSame) {
      const draft = isSame ? waiting : draftOf(request, requestHash);
      drafts.set(name, draft);
      return served(draft.answer);
    }
    const { cosignature } = post;
    const newKey: Signer = { key: subject.signingKey, sign: () => cosignature };
    const answered = await submit(post.secret, waiting, [regulator, newKey]);
    // A refused draft (expired, wrong co-signature) is made afresh by the next first call.
    drafts.delete(name);
    return answered;
  };

  return {
    register: (post) => {
      // One after the other: a secret must not be used twice at once.
      const next = working.then(() => register(post));
      working = next.catch(() => undefined);
      return next;
    },
    admit: async (secret, ticket) => {
      if (shelf.get(answerPlace(secret)) !== undefined) return;
      const person = ticket.name === undefined ? null : personPlace(ticket.name);
      await shelf.put(ticketPlace(secret), encode([ticket.role, ticket.institution, person]));
    },
  };
}
