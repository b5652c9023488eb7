/** What the ledger decided: transactions in, receipts, state, log and lists out. */
import type { Bytes } from '@yilian/crypto/bytes';
import {
  type Listing,
  type ProvenAnswer,
  type ProvenLogEntries,
  type ProvenLogEntry,
  type Submitted,
  listing,
  provenAnswer,
  provenLogEntries,
  provenLogEntry,
  submitted,
} from '../messages-chain.ts';
import {
  type ListName,
  listName,
  nibblePrefix,
  numberParameter,
  optionalShortName,
  optionalWord,
  transactionIdParameter,
} from '../parameter.ts';
import { type NoValues, type Route, cborBytes } from '../route.ts';
import { LIMITS } from '../sizes.ts';

export const submitTransaction: Route<
  NoValues,
  { readonly wait: 'final' | null },
  Bytes,
  Submitted
> = {
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

export const getReceipt: Route<{ readonly id: Bytes }, NoValues, null, ProvenLogEntry> = {
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
  problems: ['notFound', 'notFinal', 'pruned', 'waitTimedOut'],
  cost: 2,
  service: null,
};

export const getState: Route<{ readonly prefix: string }, NoValues, null, ProvenAnswer> = {
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

export const getLogEntry: Route<{ readonly position: number }, NoValues, null, ProvenLogEntry> = {
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
  problems: ['notFound', 'notFinal', 'pruned'],
  cost: 2,
  service: null,
};

export const getLogRange: Route<
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
  problems: ['notFound', 'notFinal', 'pruned'],
  cost: 10,
  service: null,
};

export const getListing: Route<
  { readonly name: ListName },
  {
    readonly institution: string | null;
    readonly epoch: number;
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
