/** Requests for access that came to a patient's handles. */
import { certificateHash, certificateMessage, parseCertificate } from '@yilian/api/certificate';
import { accessRequestCommitment, type InboxItem } from '@yilian/api/messages-access';
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import type { Member } from '@yilian/ledger/contracts/members/member';
import { type MemberId, toTransactionId } from '@yilian/ledger/ids';
import { type AccessWish, openAccessWish } from './access-request.ts';
import type { ChainReader } from './chain-reader.ts';
import { NetworkError, ProblemError, type Source, VerificationError } from './failure.ts';
import { deriveHandle, type HandleKeys, type PatientKeyring } from './keyring.ts';
import type { Network } from './network.ts';

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

/** Requests of all handles given out so far, from every node that answers; newest first. */
export async function listReceivedRequests(
  network: Network,
  reader: ChainReader,
  { patientSecret, handles }: Pick<PatientKeyring, 'patientSecret' | 'handles'>,
): Promise<readonly ReceivedRequest[]> {
  const { context, transport } = network;
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
            const request = await receive(network, reader, number, keys, item, source);
            if (request !== null) requests.set(toHex(item.transactionId), request);
          } catch (error) {
            // One bad item must not hide the others.
            if (!(error instanceof VerificationError)) throw error;
            network.reportLie(error);
          }
      } catch (error) {
        // An inbox lies at one node: others do not know it, and one may be down.
        if (error instanceof VerificationError) network.reportLie(error);
        else if (!(error instanceof ProblemError) && !(error instanceof NetworkError)) throw error;
      }
    }
  }
  return [...requests.values()].toSorted((a, b) => b.receivedAt - a.receivedAt);
}

/**
 * A request is shown only when commitment, certificate and seal hold. What the requester did wrong
 * gives null; the node is blamed only for what it could have checked.
 */
async function receive(
  network: Network,
  reader: ChainReader,
  handleNumber: number,
  keys: HandleKeys,
  item: InboxItem,
  source: Source,
): Promise<ReceivedRequest | null> {
  const { context, platform } = network;
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
  if (wish === null || !(await mayAskFor(reader, member, wish.grantee))) return null;
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
async function mayAskFor(
  reader: ChainReader,
  requester: Member,
  grantee: MemberId,
): Promise<boolean> {
  if (equalBytes(requester.id, grantee)) return true;
  const other = await reader.member(grantee);
  return other?.role === 'department' && other.institution === requester.institution;
}
