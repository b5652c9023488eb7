/**
 * A transaction = envelope, body, signatures. Its id covers everything but the signatures, so that no
 * property of a signature scheme (malleability, another valid signature) can change an id.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import { type ChainContext, bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { sha256 } from '@yilian/crypto/hash';
import type { AcknowledgeErasure } from './contracts/consent/acknowledge-erasure.ts';
import type { GrantAccess } from './contracts/consent/grant-access.ts';
import type { NarrowGrant } from './contracts/consent/narrow-grant.ts';
import type { NodeReport } from './contracts/consent/node-report.ts';
import type { RecordAccess } from './contracts/consent/record-access.ts';
import type { RequestAccess } from './contracts/consent/request-access.ts';
import type { RevokeAccess } from './contracts/consent/revoke-access.ts';
import type { ApproveValidators } from './contracts/governance/approve-validators.ts';
import type { ChangeValidators } from './contracts/governance/change-validators.ts';
import type { EnrolMember } from './contracts/members/enrol-member.ts';
import type { PublishNodeKey } from './contracts/members/publish-node-key.ts';
import type { RecordVerdict } from './contracts/members/record-verdict.ts';
import type { RotateKey } from './contracts/members/rotate-key.ts';
import type { SuspendMember } from './contracts/members/suspend-member.ts';
import type { AcknowledgeRecord } from './contracts/records/acknowledge-record.ts';
import type { AmendRecord } from './contracts/records/amend-record.ts';
import type { IssueRecord } from './contracts/records/issue-record.ts';
import type { ObjectRecord } from './contracts/records/object-record.ts';
import type { ReportStorage } from './contracts/records/report-storage.ts';
import { type TransactionId, toTransactionId } from './ids.ts';

export type TransactionBody =
  | EnrolMember
  | SuspendMember
  | RotateKey
  | PublishNodeKey
  | RecordVerdict
  | IssueRecord
  | AmendRecord
  | AcknowledgeRecord
  | ObjectRecord
  | ReportStorage
  | RequestAccess
  | GrantAccess
  | NarrowGrant
  | RevokeAccess
  | RecordAccess
  | NodeReport
  | AcknowledgeErasure
  | ChangeValidators
  | ApproveValidators;

export type TransactionType = TransactionBody['type'];

export interface UnsignedTransaction<Body extends TransactionBody = TransactionBody> {
  readonly chainId: string;
  readonly body: Body;
  /** Ed25519 key, 32 bytes. */
  readonly sender: Bytes;
  /** 16 random bytes; unordered, so that one person may use several devices. */
  readonly nonce: Bytes;
  /** Last height at which it may be included; at most `EXPIRY_HEIGHTS_MAX` ahead. */
  readonly expiryHeight: number;
}

/** The scheme is kept per signature: group signatures and SM2 come later. */
export interface TransactionSignature {
  readonly scheme: 'ed25519';
  readonly key: Bytes;
  readonly signature: Bytes;
}

export interface Transaction<
  Body extends TransactionBody = TransactionBody,
> extends UnsignedTransaction<Body> {
  /** The sender's first, then the co-signers' in the order that the body gives. */
  readonly signatures: readonly TransactionSignature[];
}

/** 5,000 blocks: 20 minutes at 250 ms. Ids stay in state that long. */
export const EXPIRY_HEIGHTS_MAX = 5_000;

/** What every signer of a transaction signs. */
export function transactionSigningMessage(context: ChainContext, id: TransactionId): Bytes {
  return bindChain(DOMAIN_TAGS.transactionSignature, context, id);
}

/** SHA-256 over `[tag, chainId, type, body, sender, nonce, expiryHeight]`, given those bytes. */
export function hashTransactionId(preimage: Bytes): TransactionId {
  return toTransactionId(sha256(preimage));
}
