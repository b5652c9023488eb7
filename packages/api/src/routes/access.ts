/** What a grantee asks for, from the request in the inbox to the share of a re-encryption. */
import type { Bytes } from '@yilian/crypto/bytes';
import { type InboxEvent, inboxEvent } from '../documents.ts';
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
} from '../messages-access.ts';
import { type Submitted, submitted } from '../messages-chain.ts';
import { handleParameter, numberParameter } from '../parameter.ts';
import type { NoValues, Route } from '../route.ts';
import { type ShareEvidence, shareEvidence } from '../share-evidence.ts';
import { LIMITS } from '../sizes.ts';

export const postRequest: Route<NoValues, NoValues, AccessRequestPost, null> = {
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

export const getInbox: Route<
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

export const streamInbox: Route<{ readonly handle: Bytes }, NoValues, null, InboxEvent> = {
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

export const postSearch: Route<NoValues, NoValues, SearchPost, readonly (readonly SearchHit[])[]> =
  {
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

export const postReEncryption: Route<NoValues, NoValues, ReEncryptionPost, ReEncryptionAnswer> = {
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

export const postEvidence: Route<NoValues, NoValues, ShareEvidence, Submitted> = {
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
