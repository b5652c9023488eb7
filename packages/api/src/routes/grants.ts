/** What belongs to one grant: its events and its sealed blobs. */
import type { Bytes } from '@yilian/crypto/bytes';
import { type ProvenLogEntries, provenLogEntries } from '../messages-chain.ts';
import { type BlobName, blobName, grantIdParameter, numberParameter } from '../parameter.ts';
import type { NoValues, Route } from '../route.ts';
import { LIMITS } from '../sizes.ts';

export const getGrantEvents: Route<
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
  problems: ['grantUnknown', 'notFinal', 'pruned'],
  cost: 5,
  service: null,
};

export const getBlob: Route<
  { readonly grantId: Bytes; readonly name: BlobName },
  NoValues,
  null,
  Bytes
> = {
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

export const putBlob: Route<
  { readonly grantId: Bytes; readonly name: BlobName },
  NoValues,
  Bytes,
  null
> = {
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
  problems: ['blobMismatch', 'grantRevoked', 'grantExpired', 'notHolder', 'shareVoid', 'poolFull'],
  cost: 10,
  service: 'reEncryption',
};
