/**
 * The route table: the node serves it, the client calls it, the OpenAPI document and docs/spec/api.md
 * are compared with it. Nothing else knows a path.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import {
  type AnchorDocument,
  type BlockEvent,
  type HealthDocument,
  type InboxEvent,
  type StatusDocument,
  anchorDocument,
  blockEvent,
  healthDocument,
  inboxEvent,
  statusDocument,
} from './documents.ts';
import {
  type AccessRequestPost,
  type InboxItem,
  type ReEncryptionAnswer,
  type ReEncryptionPost,
  type SearchHit,
  type SearchPost,
  accessRequestPost,
  inboxItems,
  reEncryptionAnswer,
  reEncryptionPost,
  searchAnswer,
  searchPost,
} from './messages-access.ts';
import {
  type CertifiedBlock,
  type CertifiedHeader,
  type Listing,
  type ProvenAnswer,
  type ProvenLogEntries,
  type ProvenLogEntry,
  type Submitted,
  certifiedBlock,
  certifiedHeader,
  certifiedHeaders,
  listing,
  provenAnswer,
  provenLogEntries,
  provenLogEntry,
  submitted,
} from './messages-chain.ts';
import {
  type EpochKeyAnswer,
  type EpochKeyPost,
  type InstitutionRecordPost,
  type RegistrationAnswer,
  type RegistrationPost,
  type SealedLocation,
  type StorageAttestation,
  epochKeyAnswer,
  epochKeyPost,
  institutionRecordPost,
  registrationAnswer,
  registrationPost,
  sealedLocation,
  storageAttestation,
} from './messages-institution.ts';
import {
  type BlobName,
  type ListName,
  blobName,
  grantIdParameter,
  handleParameter,
  hashParameter,
  heightOrLatest,
  heightParameter,
  listName,
  memberIdParameter,
  nibblePrefix,
  numberParameter,
  objectKeyParameter,
  optionalShortName,
  optionalWord,
  recordIdParameter,
  transactionIdParameter,
} from './parameter.ts';
import type { ProblemCode } from './problem.ts';
import { type Route, cborBytes } from './route.ts';
import { type ShareEvidence, shareEvidence } from './share-evidence.ts';
import { LIMITS } from './sizes.ts';

/** No parameters. */
export type NoValues = object;

/** Problems that every route can answer with. */
export const COMMON_PROBLEMS: readonly ProblemCode[] = [
  'malformed',
  'notCanonical',
  'tooLarge',
  'unsupportedMediaType',
  'notFound',
  'methodNotAllowed',
  'originNotAllowed',
  'rateLimited',
  'serviceElsewhere',
  'nodeBehind',
  'notReady',
  'shuttingDown',
  'internal',
];

/** Problems that every route with a signed request can answer with. */
export const SIGNED_PROBLEMS: readonly ProblemCode[] = [
  'requestExpired',
  'replayed',
  'wrongReceiver',
  'badSignature',
  'unknownMember',
  'suspendedMember',
  'notPermitted',
];

const getAnchor: Route<NoValues, NoValues, null, AnchorDocument> = {
  name: 'getAnchor',
  method: 'GET',
  path: '/v1/anchor',
  summary: 'The chain this node belongs to.',
  params: {},
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'json', schema: anchorDocument },
  status: 200,
  proof: "equals the client's own trust anchor; believed only then",
  problems: [],
  cost: 1,
  service: null,
};

const getStatus: Route<NoValues, NoValues, null, StatusDocument> = {
  name: 'getStatus',
  method: 'GET',
  path: '/v1/status',
  summary: 'How the node does.',
  params: {},
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'json', schema: statusDocument },
  status: 200,
  proof: 'advisory: decides nothing',
  problems: [],
  cost: 1,
  service: null,
};

const getHeader: Route<{ readonly height: bigint | 'latest' }, NoValues, null, CertifiedHeader> = {
  name: 'getHeader',
  method: 'GET',
  path: '/v1/headers/{height}',
  summary: 'One header with its certificate.',
  params: { height: heightOrLatest },
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'cbor', codec: certifiedHeader, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: 'quorum certificate',
  problems: ['notFound'],
  cost: 1,
  service: null,
};

const getHeaders: Route<
  NoValues,
  { readonly from: bigint; readonly count: number },
  null,
  readonly CertifiedHeader[]
> = {
  name: 'getHeaders',
  method: 'GET',
  path: '/v1/headers',
  summary: "Consecutive headers with their certificates; ends where the node's chain ends.",
  params: {},
  query: {
    from: heightParameter,
    count: numberParameter(LIMITS.headersPerAnswerMax, LIMITS.headersPerAnswerMax),
  },
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'cbor', codec: certifiedHeaders, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: "quorum certificate of each, each header's parent is the one before",
  problems: [],
  cost: 5,
  service: null,
};

const getCheckpoint: Route<NoValues, NoValues, null, Bytes> = {
  name: 'getCheckpoint',
  method: 'GET',
  path: '/v1/checkpoints/latest',
  summary: 'The newest header that the regulator signed for clients whose trust has expired.',
  params: {},
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: cborBytes(LIMITS.checkpointBytesMax),
  status: 200,
  proof: "regulator's signature under the client's own trust anchor",
  problems: ['notFound'],
  cost: 1,
  service: null,
};

const getValidators: Route<{ readonly hash: Bytes }, NoValues, null, Bytes> = {
  name: 'getValidators',
  method: 'GET',
  path: '/v1/validators/{hash}',
  summary: 'The validator set with this hash.',
  params: { hash: hashParameter },
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: cborBytes(LIMITS.checkpointBytesMax),
  status: 200,
  proof: 'its hash is the one that a certified header names',
  problems: ['notFound'],
  cost: 1,
  service: null,
};

const getBlock: Route<{ readonly height: bigint | 'latest' }, NoValues, null, CertifiedBlock> = {
  name: 'getBlock',
  method: 'GET',
  path: '/v1/blocks/{height}',
  summary: 'A block: header, certificate, transactions.',
  params: { height: heightOrLatest },
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'cbor', codec: certifiedBlock, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: 'quorum certificate; transactions root of the header',
  problems: ['notFound'],
  cost: 5,
  service: null,
};

const streamBlocks: Route<NoValues, NoValues, null, BlockEvent> = {
  name: 'streamBlocks',
  method: 'GET',
  path: '/v1/blocks/events',
  summary: 'Final blocks as they come.',
  params: {},
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'events', schema: blockEvent },
  status: 200,
  proof: 'advisory: fetch the header to believe it',
  problems: [],
  cost: 5,
  service: null,
};

const submitTransaction: Route<NoValues, { readonly wait: 'final' | null }, Bytes, Submitted> = {
  name: 'submitTransaction',
  method: 'POST',
  path: '/v1/transactions',
  summary: 'Submit a transaction; `wait=final` answers when it is final.',
  params: {},
  query: { wait: optionalWord('final') },
  auth: { kind: 'transaction' },
  request: cborBytes(LIMITS.transactionBytesMax),
  answer: { kind: 'cbor', codec: submitted, bytesMax: LIMITS.answerBytesMax },
  status: 202,
  proof: 'f+1 equal signed outcome replies, then the receipt',
  problems: ['refused', 'duplicate', 'poolFull', 'waitTimedOut'],
  cost: 4,
  service: null,
};

const getReceipt: Route<{ readonly id: Bytes }, NoValues, null, ProvenLogEntry> = {
  name: 'getReceipt',
  method: 'GET',
  path: '/v1/transactions/{id}/receipt',
  summary:
    'The transaction, its outcome and the proof of both; with `within`, as soon as it can be proven.',
  params: { id: transactionIdParameter },
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'cbor', codec: provenLogEntry, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: 'log inclusion under the app hash of a certified header',
  problems: ['notFound', 'notFinal', 'waitTimedOut'],
  cost: 2,
  service: null,
};

const getState: Route<{ readonly prefix: string }, NoValues, null, ProvenAnswer> = {
  name: 'getState',
  method: 'GET',
  path: '/v1/state/{prefix}',
  summary: 'Everything in state under a prefix of hashed keys.',
  params: { prefix: nibblePrefix },
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'cbor', codec: provenAnswer, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: 'state root under the app hash of a certified header; proves absence too',
  problems: ['tooLarge', 'notFinal'],
  cost: 5,
  service: null,
};

const getLogEntry: Route<{ readonly position: number }, NoValues, null, ProvenLogEntry> = {
  name: 'getLogEntry',
  method: 'GET',
  path: '/v1/log/{position}',
  summary: 'One entry of the log with its transaction.',
  params: { position: numberParameter(Number.MAX_SAFE_INTEGER) },
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'cbor', codec: provenLogEntry, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: 'log inclusion under the app hash of a certified header',
  problems: ['notFound', 'notFinal'],
  cost: 2,
  service: null,
};

const getLogRange: Route<
  { readonly level: number; readonly index: number },
  NoValues,
  null,
  ProvenLogEntries
> = {
  name: 'getLogRange',
  method: 'GET',
  path: '/v1/log/ranges/{level}/{index}',
  summary: 'The 2^level entries from index × 2^level on.',
  params: { level: numberParameter(8), index: numberParameter(Number.MAX_SAFE_INTEGER) },
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'cbor', codec: provenLogEntries, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: 'log inclusion of each; none of the range is left out',
  problems: ['notFound', 'notFinal'],
  cost: 10,
  service: null,
};

const getListing: Route<
  { readonly name: ListName },
  {
    readonly institution: string | null;
    readonly epoch: number;
    readonly mark: 'package' | 'custodial' | null;
    readonly from: number;
  },
  null,
  Listing
> = {
  name: 'getListing',
  method: 'GET',
  path: '/v1/lists/{name}',
  summary: 'Part of a list that helps to find things.',
  params: { name: listName },
  query: {
    institution: optionalShortName,
    epoch: numberParameter(0xffffff, 0),
    mark: optionalWord('package', 'custodial'),
    from: numberParameter(Number.MAX_SAFE_INTEGER, 0),
  },
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'cbor', codec: listing, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: 'none for the list: each item is proven by getState or getLogEntry',
  problems: ['malformed'],
  cost: 2,
  service: null,
};

const getGrantEvents: Route<
  { readonly grantId: Bytes },
  { readonly from: number },
  null,
  ProvenLogEntries
> = {
  name: 'getGrantEvents',
  method: 'GET',
  path: '/v1/grants/{grantId}/events',
  summary:
    'What happened to a grant, each event with its proof; 256 events at most from the one with number `from` on.',
  params: { grantId: grantIdParameter },
  query: { from: numberParameter(Number.MAX_SAFE_INTEGER, 0) },
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'cbor', codec: provenLogEntries, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: 'log inclusion of each; the numbered accesses equal the access count in state',
  problems: ['grantUnknown', 'notFinal'],
  cost: 5,
  service: null,
};

const getBlob: Route<{ readonly grantId: Bytes; readonly name: BlobName }, NoValues, null, Bytes> =
  {
    name: 'getBlob',
    method: 'GET',
    path: '/v1/grants/{grantId}/blobs/{name}',
    summary: "The sealed blob for the grantee, the patient's copy, or the narrowing document.",
    params: { grantId: grantIdParameter, name: blobName },
    query: {},
    auth: { kind: 'none' },
    request: { kind: 'none' },
    answer: { kind: 'bytes', mediaType: 'application/octet-stream', bytesMax: LIMITS.blobBytesMax },
    status: 200,
    proof: 'its hash stands in the grant on chain',
    problems: ['blobUnknown'],
    cost: 2,
    service: null,
  };

const putBlob: Route<{ readonly grantId: Bytes; readonly name: BlobName }, NoValues, Bytes, null> =
  {
    name: 'putBlob',
    method: 'PUT',
    path: '/v1/grants/{grantId}/blobs/{name}',
    summary: 'Hand over a sealed blob; kept 60 s while its grant is not final.',
    params: { grantId: grantIdParameter, name: blobName },
    query: {},
    auth: { kind: 'hashOnChain' },
    request: {
      kind: 'bytes',
      mediaType: 'application/octet-stream',
      bytesMax: LIMITS.blobBytesMax,
    },
    answer: { kind: 'none' },
    status: 202,
    proof: 'none needed: a share is believed when its acknowledgement is on chain',
    problems: [
      'blobMismatch',
      'grantRevoked',
      'grantExpired',
      'notHolder',
      'shareVoid',
      'poolFull',
    ],
    cost: 10,
    service: 'reEncryption',
  };

const registerMember: Route<NoValues, NoValues, RegistrationPost, RegistrationAnswer> = {
  name: 'registerMember',
  method: 'POST',
  path: '/v1/registrations',
  summary: 'Have a certificate made and the member enrolled.',
  params: {},
  query: {},
  auth: { kind: 'enrolmentSecret' },
  request: { kind: 'cbor', codec: registrationPost, bytesMax: LIMITS.bodyBytesMax },
  answer: { kind: 'cbor', codec: registrationAnswer, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: "regulator's signature; its hash in state",
  problems: ['enrolmentRefused', 'requestInvalid', 'badSignature', 'refused'],
  cost: 20,
  service: 'registration',
};

const getCertificate: Route<{ readonly id: Bytes }, NoValues, null, Bytes> = {
  name: 'getCertificate',
  method: 'GET',
  path: '/v1/members/{id}/certificate',
  summary: 'The certificate of a member that is not a patient.',
  params: { id: memberIdParameter },
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'bytes', mediaType: 'application/octet-stream', bytesMax: LIMITS.blobBytesMax },
  status: 200,
  proof: "regulator's signature; its hash in state",
  problems: ['notFound'],
  cost: 1,
  service: null,
};

const postRequest: Route<NoValues, NoValues, AccessRequestPost, null> = {
  name: 'postRequest',
  method: 'POST',
  path: '/v1/requests',
  summary: "Put a sealed access request into a patient's inbox.",
  params: {},
  query: {},
  auth: { kind: 'signed', carrier: 'body', signer: 'member' },
  request: { kind: 'cbor', codec: accessRequestPost, bytesMax: LIMITS.bodyBytesMax },
  answer: { kind: 'none' },
  status: 202,
  proof: 'none needed: the patient checks commitment and certificate',
  problems: ['notFinal', 'commitmentMismatch', 'certificateInvalid', 'inboxFull'],
  cost: 20,
  service: 'queryManager',
};

const getInbox: Route<
  { readonly handle: Bytes },
  { readonly after: number },
  null,
  readonly InboxItem[]
> = {
  name: 'getInbox',
  method: 'GET',
  path: '/v1/inbox/{handle}',
  summary: 'The sealed requests of a handle, after a number.',
  params: { handle: handleParameter },
  query: { after: numberParameter(Number.MAX_SAFE_INTEGER, 0) },
  auth: { kind: 'signed', carrier: 'header', signer: 'handle' },
  request: { kind: 'none' },
  answer: { kind: 'cbor', codec: inboxItems, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: "each opens under the handle's HPKE key and equals the commitment on chain",
  problems: [],
  cost: 5,
  service: 'queryManager',
};

const streamInbox: Route<{ readonly handle: Bytes }, NoValues, null, InboxEvent> = {
  name: 'streamInbox',
  method: 'GET',
  path: '/v1/inbox/{handle}/events',
  summary: 'The same as events, resumable by Last-Event-ID.',
  params: { handle: handleParameter },
  query: {},
  auth: { kind: 'signed', carrier: 'header', signer: 'handle' },
  request: { kind: 'none' },
  answer: { kind: 'events', schema: inboxEvent },
  status: 200,
  proof: "each opens under the handle's HPKE key and equals the commitment on chain",
  problems: [],
  cost: 5,
  service: 'queryManager',
};

const postSearch: Route<NoValues, NoValues, SearchPost, readonly (readonly SearchHit[])[]> = {
  name: 'postSearch',
  method: 'POST',
  path: '/v1/search',
  summary: 'Test search tokens against the index.',
  params: {},
  query: {},
  auth: { kind: 'signed', carrier: 'body', signer: 'grantee' },
  request: { kind: 'cbor', codec: searchPost, bytesMax: LIMITS.bodyBytesMax },
  answer: { kind: 'cbor', codec: searchAnswer, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: 'log entry of each hit; a hit is a candidate until it opens',
  problems: [
    'grantUnknown',
    'grantPending',
    'grantNotStarted',
    'grantExpired',
    'grantRevoked',
    'notGrantee',
    'tokenInvalid',
    'budgetExhausted',
    'nodeBehind',
  ],
  cost: 20,
  service: 'search',
};

const postReEncryption: Route<NoValues, NoValues, ReEncryptionPost, ReEncryptionAnswer> = {
  name: 'postReEncryption',
  method: 'POST',
  path: '/v1/re-encryptions',
  summary: "Ask for this node's share for a final access event.",
  params: {},
  query: {},
  auth: { kind: 'signed', carrier: 'body', signer: 'grantee' },
  request: { kind: 'cbor', codec: reEncryptionPost, bytesMax: LIMITS.bodyBytesMax },
  answer: { kind: 'cbor', codec: reEncryptionAnswer, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: "share proof; the node's signature convicts it of a wrong one",
  problems: [
    'grantUnknown',
    'grantPending',
    'grantNotStarted',
    'grantExpired',
    'grantRevoked',
    'notGrantee',
    'notHolder',
    'shareMissing',
    'shareLost',
    'shareVoid',
    'narrowingMissing',
    'accessUnknown',
    'accessExpired',
    'accessMismatch',
    'recordNotCovered',
    'recordUnknown',
    'nodeBehind',
  ],
  cost: 10,
  service: 'reEncryption',
};

const postEvidence: Route<NoValues, NoValues, ShareEvidence, Submitted> = {
  name: 'postEvidence',
  method: 'POST',
  path: '/v1/evidence',
  summary: 'Accuse a node of a wrong share, with what it signed.',
  params: {},
  query: {},
  auth: { kind: 'signed', carrier: 'body', signer: 'grantee' },
  request: { kind: 'cbor', codec: shareEvidence, bytesMax: LIMITS.bodyBytesMax },
  answer: { kind: 'cbor', codec: submitted, bytesMax: LIMITS.answerBytesMax },
  status: 202,
  proof: "receipt of the regulator's verdict",
  problems: ['grantUnknown', 'notGrantee', 'recordUnknown', 'evidenceInvalid', 'refused'],
  cost: 10,
  service: 'registration',
};

const postEpochKey: Route<NoValues, NoValues, EpochKeyPost, EpochKeyAnswer> = {
  name: 'postEpochKey',
  method: 'POST',
  path: '/v1/institution/epoch-keys',
  summary: "The index key of the day and the patient's index point.",
  params: {},
  query: {},
  auth: { kind: 'signed', carrier: 'body', signer: 'doctor' },
  request: { kind: 'cbor', codec: epochKeyPost, bytesMax: LIMITS.bodyBytesMax },
  answer: { kind: 'cbor', codec: epochKeyAnswer, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: 'epoch proof',
  problems: ['possessionInvalid', 'epochClosed'],
  cost: 10,
  service: 'institution',
};

const postInstitutionRecord: Route<NoValues, NoValues, InstitutionRecordPost, Submitted> = {
  name: 'postInstitutionRecord',
  method: 'POST',
  path: '/v1/institution/records',
  summary: 'Have the institution sign and submit a record.',
  params: {},
  query: {},
  auth: { kind: 'signed', carrier: 'body', signer: 'doctor' },
  request: { kind: 'cbor', codec: institutionRecordPost, bytesMax: LIMITS.bodyBytesMax },
  answer: { kind: 'cbor', codec: submitted, bytesMax: LIMITS.answerBytesMax },
  status: 202,
  proof: 'receipt',
  problems: ['recordInvalid', 'refused', 'duplicate', 'poolFull'],
  cost: 20,
  service: 'institution',
};

const getLocation: Route<{ readonly recordId: Bytes }, NoValues, null, SealedLocation> = {
  name: 'getLocation',
  method: 'GET',
  path: '/v1/institution/records/{recordId}/location',
  summary: "Where a record's ciphertext lies, sealed to its author.",
  params: { recordId: recordIdParameter },
  query: {},
  auth: { kind: 'signed', carrier: 'header', signer: 'doctor' },
  request: { kind: 'none' },
  answer: { kind: 'cbor', codec: sealedLocation, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: "the ciphertext's digest on chain",
  problems: ['recordUnknown'],
  cost: 2,
  service: 'institution',
};

const putCiphertext: Route<{ readonly objectKey: Bytes }, NoValues, Bytes, StorageAttestation> = {
  name: 'putCiphertext',
  method: 'PUT',
  path: '/v1/ciphertexts/{objectKey}',
  summary: 'Store a sealed record (header and ciphertext); the signed header announces its digest.',
  params: { objectKey: objectKeyParameter },
  query: {},
  auth: { kind: 'signed', carrier: 'header', signer: 'doctor' },
  request: { kind: 'stream', bytesMax: LIMITS.ciphertextBytesMax },
  answer: { kind: 'cbor', codec: storageAttestation, bytesMax: LIMITS.answerBytesMax },
  status: 201,
  proof: "the store's signature over header hash, digest and length",
  problems: ['digestMismatch', 'alreadyStored'],
  cost: 20,
  service: 'store',
};

const getCiphertext: Route<{ readonly objectKey: Bytes }, NoValues, null, Bytes> = {
  name: 'getCiphertext',
  method: 'GET',
  path: '/v1/ciphertexts/{objectKey}',
  summary: 'The stored bytes; takes one byte range.',
  params: { objectKey: objectKeyParameter },
  query: {},
  auth: { kind: 'capability' },
  request: { kind: 'none' },
  answer: { kind: 'stream', bytesMax: LIMITS.ciphertextBytesMax },
  status: 200,
  proof: 'digest on chain',
  problems: ['ciphertextUnknown', 'rangeNotSatisfiable'],
  cost: 5,
  service: 'store',
};

const getHealth: Route<NoValues, NoValues, null, HealthDocument> = {
  name: 'getHealth',
  method: 'GET',
  path: '/healthz',
  summary: 'Whether the process runs.',
  params: {},
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'json', schema: healthDocument },
  status: 200,
  proof: 'advisory',
  problems: [],
  cost: 0,
  service: null,
};

const getReadiness: Route<NoValues, NoValues, null, HealthDocument> = {
  name: 'getReadiness',
  method: 'GET',
  path: '/readyz',
  summary: 'Whether the node has caught up and serves.',
  params: {},
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'json', schema: healthDocument },
  status: 200,
  proof: 'advisory',
  problems: [],
  cost: 0,
  service: null,
};

const getMetrics: Route<NoValues, NoValues, null, string> = {
  name: 'getMetrics',
  method: 'GET',
  path: '/metrics',
  summary: 'Prometheus metrics.',
  params: {},
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'text', mediaType: 'text/plain' },
  status: 200,
  proof: 'advisory',
  problems: [],
  cost: 1,
  service: null,
};

const getOpenApi: Route<NoValues, NoValues, null, string> = {
  name: 'getOpenApi',
  method: 'GET',
  path: '/openapi.json',
  summary: 'This table as OpenAPI 3.1.',
  params: {},
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'text', mediaType: 'application/json' },
  status: 200,
  proof: 'none: it is the contract',
  problems: [],
  cost: 1,
  service: null,
};

/** Every route by name. */
export const ROUTES: {
  readonly getAnchor: typeof getAnchor;
  readonly getStatus: typeof getStatus;
  readonly getHeader: typeof getHeader;
  readonly getHeaders: typeof getHeaders;
  readonly getCheckpoint: typeof getCheckpoint;
  readonly getValidators: typeof getValidators;
  readonly getBlock: typeof getBlock;
  readonly streamBlocks: typeof streamBlocks;
  readonly submitTransaction: typeof submitTransaction;
  readonly getReceipt: typeof getReceipt;
  readonly getState: typeof getState;
  readonly getLogEntry: typeof getLogEntry;
  readonly getLogRange: typeof getLogRange;
  readonly getListing: typeof getListing;
  readonly getGrantEvents: typeof getGrantEvents;
  readonly getBlob: typeof getBlob;
  readonly putBlob: typeof putBlob;
  readonly registerMember: typeof registerMember;
  readonly getCertificate: typeof getCertificate;
  readonly postRequest: typeof postRequest;
  readonly getInbox: typeof getInbox;
  readonly streamInbox: typeof streamInbox;
  readonly postSearch: typeof postSearch;
  readonly postReEncryption: typeof postReEncryption;
  readonly postEvidence: typeof postEvidence;
  readonly postEpochKey: typeof postEpochKey;
  readonly postInstitutionRecord: typeof postInstitutionRecord;
  readonly getLocation: typeof getLocation;
  readonly putCiphertext: typeof putCiphertext;
  readonly getCiphertext: typeof getCiphertext;
  readonly getHealth: typeof getHealth;
  readonly getReadiness: typeof getReadiness;
  readonly getMetrics: typeof getMetrics;
  readonly getOpenApi: typeof getOpenApi;
} = {
  getAnchor,
  getStatus,
  getHeader,
  getHeaders,
  getCheckpoint,
  getValidators,
  getBlock,
  streamBlocks,
  submitTransaction,
  getReceipt,
  getState,
  getLogEntry,
  getLogRange,
  getListing,
  getGrantEvents,
  getBlob,
  putBlob,
  registerMember,
  getCertificate,
  postRequest,
  getInbox,
  streamInbox,
  postSearch,
  postReEncryption,
  postEvidence,
  postEpochKey,
  postInstitutionRecord,
  getLocation,
  putCiphertext,
  getCiphertext,
  getHealth,
  getReadiness,
  getMetrics,
  getOpenApi,
};

export type RouteName = keyof typeof ROUTES;
