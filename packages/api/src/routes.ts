/**
 * The route table: the node serves it, the client calls it, the OpenAPI document and docs/spec/api.md
 * are compared with it. Nothing else knows a path. The routes stand by subject in the files of routes/.
 */
import type { ProblemCode } from './problem.ts';
import * as chain from './routes/chain.ts';
import * as ledger from './routes/ledger.ts';
import * as grants from './routes/grants.ts';
import * as members from './routes/members.ts';
import * as access from './routes/access.ts';
import * as institution from './routes/institution.ts';
import * as store from './routes/store.ts';
import * as operation from './routes/operation.ts';

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

/** Every route by name, in the order of the document. */
export const ROUTES: typeof chain &
  typeof ledger &
  typeof grants &
  typeof members &
  typeof access &
  typeof institution &
  typeof store &
  typeof operation = {
  getAnchor: chain.getAnchor,
  getStatus: chain.getStatus,
  getHeader: chain.getHeader,
  getHeaders: chain.getHeaders,
  getCheckpoint: chain.getCheckpoint,
  getValidators: chain.getValidators,
  getBlock: chain.getBlock,
  streamBlocks: chain.streamBlocks,
  submitTransaction: ledger.submitTransaction,
  getReceipt: ledger.getReceipt,
  getState: ledger.getState,
  getLogEntry: ledger.getLogEntry,
  getLogRange: ledger.getLogRange,
  getListing: ledger.getListing,
  getGrantEvents: grants.getGrantEvents,
  getBlob: grants.getBlob,
  putBlob: grants.putBlob,
  registerMember: members.registerMember,
  getCertificate: members.getCertificate,
  postRequest: access.postRequest,
  getInbox: access.getInbox,
  streamInbox: access.streamInbox,
  postSearch: access.postSearch,
  postReEncryption: access.postReEncryption,
  postEvidence: access.postEvidence,
  postEpochKey: institution.postEpochKey,
  postInstitutionRecord: institution.postInstitutionRecord,
  getLocation: institution.getLocation,
  putCiphertext: store.putCiphertext,
  getCiphertext: store.getCiphertext,
  repairCiphertext: store.repairCiphertext,
  getStoredCopy: store.getStoredCopy,
  getHealth: operation.getHealth,
  getReadiness: operation.getReadiness,
  getMetrics: operation.getMetrics,
  getOpenApi: operation.getOpenApi,
};

export type RouteName = keyof typeof ROUTES;
