/** Transaction type → contract. */
import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { encodeAcknowledgeErasure, parseAcknowledgeErasure } from './contracts/consent/acknowledge-erasure.ts';
import { encodeGrantAccess, parseGrantAccess } from './contracts/consent/grant-access.ts';
import { encodeNarrowGrant, parseNarrowGrant } from './contracts/consent/narrow-grant.ts';
import { encodeNodeReport, parseNodeReport } from './contracts/consent/node-report.ts';
import { encodeRecordAccess, parseRecordAccess } from './contracts/consent/record-access.ts';
import { encodeRequestAccess, parseRequestAccess } from './contracts/consent/request-access.ts';
import { encodeRevokeAccess, parseRevokeAccess } from './contracts/consent/revoke-access.ts';
import { encodeEnrolMember, parseEnrolMember } from './contracts/members/enrol-member.ts';
import { encodePublishNodeKey, parsePublishNodeKey } from './contracts/members/publish-node-key.ts';
import { encodeRecordVerdict, parseRecordVerdict } from './contracts/members/record-verdict.ts';
import { encodeRotateKey, parseRotateKey } from './contracts/members/rotate-key.ts';
import { encodeSuspendMember, parseSuspendMember } from './contracts/members/suspend-member.ts';
import { encodeAcknowledgeRecord, parseAcknowledgeRecord } from './contracts/records/acknowledge-record.ts';
import { encodeAmendRecord, parseAmendRecord } from './contracts/records/amend-record.ts';
import { encodeIssueRecord, parseIssueRecord } from './contracts/records/issue-record.ts';
import { encodeObjectRecord, parseObjectRecord } from './contracts/records/object-record.ts';
import { encodeReportStorage, parseReportStorage } from './contracts/records/report-storage.ts';
import type { TransactionBody, TransactionType } from './transaction.ts';

interface Codec<Body> {
  encodeBody(body: Body): readonly Cbor[];
  parseBody(items: Cbor): Body;
  cosigners(body: Body): readonly Bytes[];
}

const none = (): readonly Bytes[] => [];

export const CONTRACTS: {
  readonly [T in TransactionType]: Codec<Extract<TransactionBody, { readonly type: T }>>;
} = {
  enrolMember: {
    encodeBody: encodeEnrolMember,
    parseBody: parseEnrolMember,
    cosigners: (body) => (body.kind === 'member' ? [body.member.key] : []),
  },
  suspendMember: { encodeBody: encodeSuspendMember, parseBody: parseSuspendMember, cosigners: none },
  rotateKey: {
    encodeBody: encodeRotateKey,
    parseBody: parseRotateKey,
    cosigners: (body) => [body.newKey],
  },
  publishNodeKey: { encodeBody: encodePublishNodeKey, parseBody: parsePublishNodeKey, cosigners: none },
  recordVerdict: { encodeBody: encodeRecordVerdict, parseBody: parseRecordVerdict, cosigners: none },
  issueRecord: { encodeBody: encodeIssueRecord, parseBody: parseIssueRecord, cosigners: none },
  amendRecord: { encodeBody: encodeAmendRecord, parseBody: parseAmendRecord, cosigners: none },
  acknowledgeRecord: {
    encodeBody: encodeAcknowledgeRecord,
    parseBody: parseAcknowledgeRecord,
    cosigners: none,
  },
  objectRecord: { encodeBody: encodeObjectRecord, parseBody: parseObjectRecord, cosigners: none },
  reportStorage: { encodeBody: encodeReportStorage, parseBody: parseReportStorage, cosigners: none },
  requestAccess: { encodeBody: encodeRequestAccess, parseBody: parseRequestAccess, cosigners: none },
  grantAccess: {
    encodeBody: encodeGrantAccess,
    parseBody: parseGrantAccess,
    cosigners: (body) => body.tags.slice(1),
  },
  narrowGrant: { encodeBody: encodeNarrowGrant, parseBody: parseNarrowGrant, cosigners: none },
  revokeAccess: { encodeBody: encodeRevokeAccess, parseBody: parseRevokeAccess, cosigners: none },
  recordAccess: { encodeBody: encodeRecordAccess, parseBody: parseRecordAccess, cosigners: none },
  nodeReport: { encodeBody: encodeNodeReport, parseBody: parseNodeReport, cosigners: none },
  acknowledgeErasure: {
    encodeBody: encodeAcknowledgeErasure,
    parseBody: parseAcknowledgeErasure,
    cosigners: none,
  },
};

export function isTransactionType(value: unknown): value is TransactionType {
  return typeof value === 'string' && Object.hasOwn(CONTRACTS, value);
}

/** The contract of this very body: the table above ties the two, which the compiler can not follow. */
export function contractOf<Body extends TransactionBody>(body: Body): Codec<Body> {
  return CONTRACTS[body.type] as unknown as Codec<Body>;
}
