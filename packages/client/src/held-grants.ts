/** Grants to a member: found on chain, received, checked before use, erased when they have ended. */
import { isBodyOfGrant } from '@yilian/api/grant-body-check';
import { type Bytes, CodecError, equalBytes, toHex } from '@yilian/crypto/bytes';
import { PointError } from '@yilian/crypto/curve';
import { verifyGranteeShare } from '@yilian/crypto/grant';
import {
  decodeGranteeShare,
  encodeGranteeShare,
  type GranteeShare,
} from '@yilian/crypto/grant-share';
import { granteeInfo } from '@yilian/crypto/grant-keys';
import { openWith } from '@yilian/crypto/hpke';
import { LabelError } from '@yilian/crypto/label';
import { ThresholdError } from '@yilian/crypto/threshold';
import { type Grant, type GrantStage, stageOf } from '@yilian/ledger/contracts/consent/grant';
import type { GrantId } from '@yilian/crypto/ids';
import { parseTransaction } from '@yilian/ledger/transaction-codec';
import { ClientError, type GrantReason } from './failure.ts';
import { grantContext, NO_AAD } from './grant-making.ts';
import { submitBody } from './submission.ts';
import type { WorkingMember } from './working-member.ts';

/** A grant to this member, opened and checked. */
export interface ReceivedGrant {
  readonly grantId: GrantId;
  readonly grant: Grant;
  readonly share: GranteeShare;
}

/** Grants to this member in the blocks from `fromHeight` on, and the next height to look at. */
export async function findGrants(
  { reader, id }: WorkingMember,
  fromHeight: bigint,
): Promise<{ readonly grants: readonly GrantId[]; readonly next: bigint }> {
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
}

/** Fetches, opens and checks a grant's blob, and keeps it. @throws ClientError `grantVoid` */
export async function receiveGrant(
  { network, reader, keyring, id, hpke }: WorkingMember,
  grantId: GrantId,
  patientKey?: Bytes,
): Promise<ReceivedGrant> {
  const { context } = network;
  const { curve } = network.platform;
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
}

/** @throws ClientError `grantVoid` when it was not received */
export function heldShare({ network, keyring }: WorkingMember, grantId: GrantId): GranteeShare {
  const held = keyring.current.grants.find((each) => equalBytes(each.grantId, grantId));
  if (held === undefined)
    throw new ClientError('grantVoid', `grant ${toHex(grantId)} was not received yet`);
  return decodeGranteeShare(network.platform.curve, held.share);
}

const REASONS: Record<Exclude<GrantStage, 'active'>, GrantReason> = {
  pending: 'grantPending',
  notStarted: 'grantNotStarted',
  expired: 'grantExpired',
  revoked: 'grantRevoked',
};

/** Step 1 of the two-step check of QJ-6: is B authorised, by the chain and now? */
export async function checkAuthorised(
  { reader, id }: WorkingMember,
  grantId: GrantId,
): Promise<Grant> {
  const [grant, { timeMs }] = await Promise.all([
    reader.grant(grantId, { fresh: true }),
    reader.head({ fresh: true }),
  ]);
  if (grant === undefined)
    throw new ClientError('grantNotActive', `grant ${toHex(grantId)} is not on chain`);
  if (!equalBytes(grant.grantee, id))
    throw new ClientError('grantNotActive', 'the grant is for somebody else');
  const stage: GrantStage = stageOf(grant, Math.floor(timeMs / 1000));
  if (stage !== 'active')
    throw new ClientError('grantNotActive', `the grant is ${stage}`, REASONS[stage]);
  return grant;
}

/** Erases d and everything else of a grant; states it on chain when the grant has ended. */
export async function eraseGrant(
  { network, reader, keyring, signer }: WorkingMember,
  grantId: GrantId,
): Promise<void> {
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
