/** Whether a certificate is the regulator's, in date, and the one that the chain has for this member. */
import {
  type Certificate,
  certificateHash,
  certificateMessage,
  parseCertificate,
} from '@yilian/api/certificate';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import type { ChainContext } from '@yilian/crypto/context';
import type { Member } from '@yilian/ledger/contracts/members/member';
import { verifySignature } from '../verification/verify-signature.ts';

export function checkCertificate(input: {
  readonly context: ChainContext;
  readonly regulatorKey: Bytes;
  readonly member: Member;
  readonly encoded: Bytes;
  readonly nowSeconds: number;
}): Certificate | null {
  const { context, regulatorKey, member, encoded, nowSeconds } = input;
  const parsed = parseCertificate(encoded);
  if (!parsed.ok) return null;
  const { content, signature } = parsed.value;
  const { subject } = content;
  const isMembers =
    content.chainId === context.chainId &&
    equalBytes(certificateHash(context, encoded), member.certificateHash) &&
    equalBytes(subject.signingKey, member.key) &&
    subject.role === member.role &&
    subject.institution === member.institution;
  if (!isMembers || nowSeconds < content.notBefore || nowSeconds >= content.notAfter) return null;
  const message = certificateMessage(context, content);
  return verifySignature({ publicKey: regulatorKey, message, signature }) ? parsed.value : null;
}
