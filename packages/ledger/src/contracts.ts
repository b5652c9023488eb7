/** Transaction type → contract. */
import type { Contract } from './contract.ts';
import { acknowledgeErasure } from './contracts/consent/acknowledge-erasure.ts';
import { grantAccess } from './contracts/consent/grant-access.ts';
import { narrowGrant } from './contracts/consent/narrow-grant.ts';
import { nodeReport } from './contracts/consent/node-report.ts';
import { recordAccess } from './contracts/consent/record-access.ts';
import { requestAccess } from './contracts/consent/request-access.ts';
import { revokeAccess } from './contracts/consent/revoke-access.ts';
import { approveValidators } from './contracts/governance/approve-validators.ts';
import { changeValidators } from './contracts/governance/change-validators.ts';
import { enrolMember } from './contracts/members/enrol-member.ts';
import { publishNodeKey } from './contracts/members/publish-node-key.ts';
import { recordVerdict } from './contracts/members/record-verdict.ts';
import { rotateKey } from './contracts/members/rotate-key.ts';
import { suspendMember } from './contracts/members/suspend-member.ts';
import { acknowledgeRecord } from './contracts/records/acknowledge-record.ts';
import { amendRecord } from './contracts/records/amend-record.ts';
import { issueRecord } from './contracts/records/issue-record.ts';
import { objectRecord } from './contracts/records/object-record.ts';
import { reportStorage } from './contracts/records/report-storage.ts';
import type { TransactionBody, TransactionType } from './transaction.ts';

export const CONTRACTS: {
  readonly [T in TransactionType]: Contract<Extract<TransactionBody, { readonly type: T }>>;
} = {
  enrolMember,
  suspendMember,
  rotateKey,
  publishNodeKey,
  recordVerdict,
  issueRecord,
  amendRecord,
  acknowledgeRecord,
  objectRecord,
  reportStorage,
  requestAccess,
  grantAccess,
  narrowGrant,
  revokeAccess,
  recordAccess,
  nodeReport,
  acknowledgeErasure,
  changeValidators,
  approveValidators,
};

export function isTransactionType(value: unknown): value is TransactionType {
  return typeof value === 'string' && Object.hasOwn(CONTRACTS, value);
}

/** The contract of this very body: the table above ties the two, which the compiler cannot follow. */
export function contractOf<Body extends TransactionBody>(body: Body): Contract<Body> {
  return CONTRACTS[body.type] as unknown as Contract<Body>;
}
