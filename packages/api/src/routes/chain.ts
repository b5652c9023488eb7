/** Headers, validator sets and blocks, and the node that tells them. */
import type { Bytes } from '@yilian/crypto/bytes';
import {
  type AnchorDocument,
  type BlockEvent,
  type StatusDocument,
  anchorDocument,
  blockEvent,
  statusDocument,
} from '../documents.ts';
import {
  type CertifiedBlock,
  type CertifiedHeader,
  certifiedBlock,
  certifiedHeader,
  certifiedHeaders,
} from '../messages-chain.ts';
import { hashParameter, heightOrLatest, heightParameter, numberParameter } from '../parameter.ts';
import { type NoValues, type Route, cborBytes } from '../route.ts';
import { LIMITS } from '../sizes.ts';

export const getAnchor: Route<NoValues, NoValues, null, AnchorDocument> = {
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

export const getStatus: Route<NoValues, NoValues, null, StatusDocument> = {
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

export const getHeader: Route<
  { readonly height: bigint | 'latest' },
  NoValues,
  null,
  CertifiedHeader
> = {
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

export const getHeaders: Route<
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

export const getCheckpoint: Route<NoValues, NoValues, null, Bytes> = {
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

export const getValidators: Route<{ readonly hash: Bytes }, NoValues, null, Bytes> = {
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

export const getBlock: Route<
  { readonly height: bigint | 'latest' },
  NoValues,
  null,
  CertifiedBlock
> = {
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
  problems: ['notFound', 'pruned'],
  cost: 5,
  service: null,
};

export const streamBlocks: Route<NoValues, NoValues, null, BlockEvent> = {
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
