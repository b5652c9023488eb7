/**
 * Enrolment with the registration centre (flows.md step 1): keys are made here, the centre certifies
 * them against a one-time secret that was handed out in person, and the certificate is checked before
 * it is kept.
 */
import {
  type Certificate,
  certificateMessage,
  certificateRequestHash,
  certificateRequestMessage,
  type CertificateSubject,
  encodeCertificateRequest,
  parseCertificate,
  type Profile,
} from '@yilian/api/certificate';
import type { RegistrationAnswer } from '@yilian/api/messages-institution';
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { encodeProof } from '@yilian/crypto/proof';
import { provePossession } from '@yilian/crypto/possession';
import { deriveHpkeKeyPair } from '@yilian/crypto/hpke';
import { toTransactionId } from '@yilian/ledger/ids';
import { transactionSigningMessage } from '@yilian/ledger/transaction';
import type { Signer } from '@yilian/ledger/transaction-codec';
import type { ChainReader } from './chain-reader.ts';
import { ClientError, VerificationError } from './failure.ts';
import { type MemberKeyring, type PatientKeyring, patientSigner, signerOf } from './keyring.ts';
import type { Network } from './network.ts';
import { createPatientSecrets } from './patient-secrets.ts';
import { awaitFinal } from './submission.ts';
import type { NodeEndpoint } from './transport.ts';

/** Patients receive nothing under their certified key: requests come by one-time handles. */
const NO_HPKE_KEY: Bytes = new Uint8Array(32);

function registrationNodes(network: Network): readonly NodeEndpoint[] {
  const nodes = network.nodes.filter(({ isRegulator }) => isRegulator);
  if (nodes.length === 0)
    throw new ClientError(
      'noRegulatorNode',
      'the node of the registration centre is not configured',
    );
  return nodes;
}

/** The keyring with its certificate, once the commitment is on chain. */
export async function enrolPatient(
  network: Network,
  reader: ChainReader,
  keyring: PatientKeyring,
  input: {
    /** Health card number. */
    readonly identity: string;
    /** One-time, 16 bytes. */
    readonly secret: Bytes;
    readonly profiles?: readonly Profile[];
  },
): Promise<PatientKeyring> {
  const { platform, context } = network;
  const { curve, randomBytes } = platform;
  const secrets = createPatientSecrets(platform, keyring);
  const signer = patientSigner(keyring);
  const { patientKey } = secrets;
  const subject: CertificateSubject = {
    name: input.identity,
    role: 'patient',
    institution: '',
    operator: '',
    signingKey: signer.key,
    hpkeKey: NO_HPKE_KEY,
    patientKey: curve.encodeG1(patientKey),
    licence: '',
    profiles: input.profiles ?? [],
  };
  const requestHash = certificateRequestHash(context, subject);
  const possession = secrets.withScalar((patientScalar) =>
    provePossession({
      curve,
      context,
      patientScalar,
      patientKey,
      purpose: { kind: 'certificate', requestHash },
      randomBytes,
    }),
  );
  const request = encodeCertificateRequest({
    subject,
    signature: signer.sign(certificateRequestMessage(context, subject)),
    possession: encodeProof(curve, possession),
  });
  const { answer } = await register(network, { request, secret: input.secret, subject, signer });
  if (answer.salt === null)
    throw new ClientError('badCertificate', 'the centre gave no salt for the commitment');
  await awaitFinal(reader, toTransactionId(answer.transactionId), 'enrolMember');
  return {
    ...keyring,
    identity: input.identity,
    certificate: answer.certificate,
    certificateSalt: answer.salt,
  };
}

/** The keyring with its certificate, once the member is on chain. */
export async function enrolMember(
  network: Network,
  reader: ChainReader,
  keyring: MemberKeyring,
  input: { readonly secret: Bytes; readonly licence?: string },
): Promise<MemberKeyring> {
  const { context } = network;
  const signer = signerOf(keyring.signingSeed);
  const { publicKey } = await deriveHpkeKeyPair(keyring.hpkeSeed);
  const subject: CertificateSubject = {
    name: keyring.name,
    role: keyring.role,
    institution: keyring.institution,
    operator: keyring.operator,
    signingKey: signer.key,
    hpkeKey: publicKey,
    patientKey: null,
    licence: input.licence ?? '',
    profiles: [],
  };
  const request = encodeCertificateRequest({
    subject,
    signature: signer.sign(certificateRequestMessage(context, subject)),
    possession: null,
  });
  const { answer } = await register(network, { request, secret: input.secret, subject, signer });
  await awaitFinal(reader, toTransactionId(answer.transactionId), 'enrolMember');
  return { ...keyring, certificate: answer.certificate };
}

/** One call, or two where the new key must co-sign the enrolment. */
async function register(
  network: Network,
  input: {
    readonly request: Bytes;
    readonly secret: Bytes;
    readonly subject: CertificateSubject;
    readonly signer: Signer;
  },
): Promise<{ readonly answer: RegistrationAnswer; readonly certificate: Certificate }> {
  const { request, secret, subject, signer } = input;
  const nodes = registrationNodes(network);
  const call = async (cosignature: Bytes | null): Promise<RegistrationAnswer> => {
    const { value } = await network.ask(
      ROUTES.registerMember,
      { params: {}, request: { request, secret, cosignature } },
      (answer) => answer,
      nodes,
    );
    return value;
  };
  let answer = await call(null);
  if (!answer.submitted) {
    const id = toTransactionId(answer.transactionId);
    answer = await call(signer.sign(transactionSigningMessage(network.context, id)));
  }
  const source = { node: nodes[0]?.name ?? '', route: ROUTES.registerMember.name };
  return {
    answer,
    certificate: verifyOwnCertificate(network, answer.certificate, subject, source),
  };
}

function verifyOwnCertificate(
  network: Network,
  encoded: Bytes,
  subject: CertificateSubject,
  source: { readonly node: string; readonly route: string },
): Certificate {
  const { anchor, context, platform } = network;
  const parsing = parseCertificate(encoded);
  if (!parsing.ok) throw new VerificationError('malformed', source, 'it is not a certificate');
  const { content, signature } = parsing.value;
  const message = certificateMessage(context, content);
  if (!platform.verifySignature({ publicKey: anchor.regulatorKey, message, signature }))
    throw new VerificationError('regulatorSignature', source, 'the regulator did not sign it');
  if (!equalBytes(subjectBytes(content.subject), subjectBytes(subject)))
    throw new VerificationError('certificateHash', source, 'it certifies something else');
  return parsing.value;
}

/** A subject as bytes, to compare two of them. */
function subjectBytes(subject: CertificateSubject): Bytes {
  return encodeCertificateRequest({ subject, signature: new Uint8Array(64), possession: null });
}
