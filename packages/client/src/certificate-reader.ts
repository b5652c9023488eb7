/** Members' certificates: the hash stands on chain, the regulator's signature under the content. */
import {
  type Certificate,
  certificateHash,
  certificateMessage,
  parseCertificate,
} from '@yilian/api/certificate';
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import type { Member } from '@yilian/ledger/contracts/members/member';
import type { MemberId } from '@yilian/ledger/ids';
import { ClientError, type Source, VerificationError } from './failure.ts';
import type { Network } from './network.ts';

export interface CertificateReader {
  /** @throws ClientError `unknownMember` when the chain has no such member */
  readonly read: (id: MemberId) => Promise<Certificate>;
}

export function createCertificateReader(
  network: Network,
  member: (id: MemberId) => Promise<Member | undefined>,
): CertificateReader {
  const { platform, context, anchor } = network;
  const certificates = new Map<string, Certificate>();

  async function read(id: MemberId): Promise<Certificate> {
    const subject = await member(id);
    if (subject === undefined)
      throw new ClientError('unknownMember', `no member ${toHex(id)} is on chain`);
    const name = toHex(subject.certificateHash);
    const known = certificates.get(name);
    if (known !== undefined) return known;
    // Every node has it; one that lacks it yet (a member of this minute) is passed over.
    const { value } = await network.ask(
      ROUTES.getCertificate,
      { params: { id } },
      (encoded, source) => verifyCertificateBytes(encoded, subject, source),
    );
    certificates.set(name, value);
    return value;
  }

  function verifyCertificateBytes(encoded: Bytes, subject: Member, source: Source): Certificate {
    if (!equalBytes(certificateHash(context, encoded), subject.certificateHash))
      throw new VerificationError(
        'certificateHash',
        source,
        'the certificate is not the one on chain',
      );
    const parsing = parseCertificate(encoded);
    if (!parsing.ok) throw new VerificationError('malformed', source, 'it is not a certificate');
    const { content, signature } = parsing.value;
    const isSigned = platform.verifySignature({
      publicKey: anchor.regulatorKey,
      message: certificateMessage(context, content),
      signature,
    });
    if (!isSigned || content.chainId !== anchor.chainId)
      throw new VerificationError(
        'regulatorSignature',
        source,
        'the regulator did not sign the certificate',
      );
    return parsing.value;
  }

  return { read };
}
