/**
 * Every problem a node can answer with (RFC 9457). One code has one status, one title, one detail and
 * one advice, all constant: an answer tells a caller nothing that its code does not.
 * docs/spec/api.md lists the same table; a test compares both ways.
 */
export interface ProblemEntry {
  readonly status: number;
  readonly title: string;
  /** What happened, constant text. */
  readonly detail: string;
  /** What the caller does next. */
  readonly next: string;
}

export const PROBLEMS = {
  // form
  malformed: {
    status: 400,
    title: 'Malformed request',
    detail: 'The body, path or query does not have the form the route asks for.',
    next: 'Correct the request; sending it again unchanged cannot succeed.',
  },
  notCanonical: {
    status: 400,
    title: 'Not canonical',
    detail: 'The CBOR body is not the deterministic encoding of its value.',
    next: 'Encode by RFC 8949 §4.2.',
  },
  tooLarge: {
    status: 413,
    title: 'Too large',
    detail: 'The body or a field is longer than the route allows.',
    next: 'Send less; limits stand in the OpenAPI document.',
  },
  unsupportedMediaType: {
    status: 415,
    title: 'Unsupported media type',
    detail: 'The content type is not one the route takes.',
    next: 'Use the content type of the OpenAPI document.',
  },
  notFound: {
    status: 404,
    title: 'Not found',
    detail: 'Nothing is known under this path.',
    next: 'Check the path; what is not final yet appears later.',
  },
  methodNotAllowed: {
    status: 405,
    title: 'Method not allowed',
    detail: 'The path exists, not with this method.',
    next: 'Use a method of the OpenAPI document.',
  },
  rangeNotSatisfiable: {
    status: 416,
    title: 'Range not satisfiable',
    detail: 'The byte range lies outside the object or has an unknown form.',
    next: 'Ask for one range inside the object.',
  },
  originNotAllowed: {
    status: 403,
    title: 'Origin not allowed',
    detail: 'The page’s origin is not on this node’s list.',
    next: 'Have the operator add the origin.',
  },
  // signed requests
  requestExpired: {
    status: 401,
    title: 'Request expired',
    detail: 'The time in the signed request is more than 60 s from this node’s clock.',
    next: 'Set the clock, sign again.',
  },
  replayed: {
    status: 401,
    title: 'Replayed request',
    detail: 'The nonce of this signed request was seen before.',
    next: 'Sign again with a fresh nonce.',
  },
  wrongReceiver: {
    status: 401,
    title: 'Wrong receiver',
    detail: 'The request was signed for another node, chain or route.',
    next: 'Sign for this node, chain and route.',
  },
  badSignature: {
    status: 401,
    title: 'Bad signature',
    detail: 'A signature does not verify.',
    next: 'Sign with the key that the request names.',
  },
  unknownMember: {
    status: 403,
    title: 'Unknown member',
    detail: 'The signing key belongs to no member of this chain.',
    next: 'Enrol first, or use the key that is on chain.',
  },
  suspendedMember: {
    status: 403,
    title: 'Suspended member',
    detail: 'The member is suspended.',
    next: 'Ask the regulator.',
  },
  notPermitted: {
    status: 403,
    title: 'Not permitted',
    detail: 'The signer’s role or institution does not allow this.',
    next: 'Ask somebody whose role does.',
  },
  // load
  rateLimited: {
    status: 429,
    title: 'Too many requests',
    detail: 'The allowance of this address, member or handle is used up.',
    next: 'Wait for retryAfterSeconds.',
  },
  budgetExhausted: {
    status: 429,
    title: 'Budget used up',
    detail: 'The computing allowance of this institution is used up.',
    next: 'Wait for retryAfterSeconds.',
  },
  poolFull: {
    status: 503,
    title: 'Pool full',
    detail: 'The node holds as many waiting transactions as it may.',
    next: 'Wait for retryAfterSeconds or use another node.',
  },
  nodeBehind: {
    status: 503,
    title: 'Node behind',
    detail:
      'This node’s latest final block is too old or below the height asked for, or its clock and block time disagree.',
    next: 'Use another node.',
  },
  shuttingDown: {
    status: 503,
    title: 'Shutting down',
    detail: 'The node is stopping.',
    next: 'Use another node.',
  },
  notReady: {
    status: 503,
    title: 'Not ready',
    detail: 'The node has not caught up yet.',
    next: 'Wait for retryAfterSeconds or use another node.',
  },
  serviceElsewhere: {
    status: 404,
    title: 'Service not here',
    detail: 'This node does not run the service.',
    next: 'Use a node that does; getStatus lists services.',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    detail: 'The node failed; the request may or may not have had effect.',
    next: 'Ask for the outcome before you send again.',
  },
  // transactions and chain
  refused: {
    status: 422,
    title: 'Transaction refused',
    detail: 'A rule of the ledger refuses the transaction; `rejection` names it.',
    next: 'Look the rejection up in the transactions specification.',
  },
  duplicate: {
    status: 409,
    title: 'Duplicate',
    detail: 'The same transaction is known already.',
    next: 'Fetch its receipt.',
  },
  notFinal: {
    status: 409,
    title: 'Not final',
    detail: 'What the request refers to is not final at this node yet.',
    next: 'Wait for a block and repeat.',
  },
  pruned: {
    status: 410,
    title: 'Pruned',
    detail: 'The chain has it; this node does not keep blocks of that age.',
    next: 'Use another node; an archive keeps all.',
  },
  waitTimedOut: {
    status: 504,
    title: 'Not final in time',
    detail: 'The transaction did not become final within the waiting time.',
    next: 'Fetch its receipt later.',
  },
  // blobs
  blobUnknown: {
    status: 404,
    title: 'Blob unknown',
    detail: 'No such blob is held for this grant.',
    next: 'Ask another node of the grant.',
  },
  blobMismatch: {
    status: 422,
    title: 'Blob does not match',
    detail: 'The bytes’ hash is not the one in the grant.',
    next: 'Send the bytes whose hash is on chain.',
  },
  // consent
  grantUnknown: {
    status: 404,
    title: 'Grant unknown',
    detail: 'No such grant is final at this node.',
    next: 'Wait for a block, or check the grant.',
  },
  grantPending: {
    status: 409,
    title: 'Grant pending',
    detail: 'Too few nodes have acknowledged their shares.',
    next: 'Wait for a block and repeat.',
  },
  grantNotStarted: {
    status: 403,
    title: 'Grant not started',
    detail: 'The grant’s period has not begun.',
    next: 'Wait until it begins.',
  },
  grantExpired: {
    status: 403,
    title: 'Grant expired',
    detail: 'The grant’s period is over.',
    next: 'Ask the patient for a new grant.',
  },
  grantRevoked: {
    status: 403,
    title: 'Grant revoked',
    detail: 'The patient has revoked the grant.',
    next: 'Nothing: access has ended.',
  },
  notGrantee: {
    status: 403,
    title: 'Not the grantee',
    detail: 'The signer is not the grantee of this grant.',
    next: 'Have the grantee sign.',
  },
  notHolder: {
    status: 404,
    title: 'Not a holder',
    detail: 'This node holds no share of the grant.',
    next: 'Ask the nodes that the grant names.',
  },
  shareMissing: {
    status: 409,
    title: 'Share missing',
    detail: 'This node has not received or could not accept its share.',
    next: 'Ask another holder; the patient’s client may send the share again.',
  },
  shareLost: {
    status: 410,
    title: 'Share lost',
    detail: 'This node has lost or erased its share.',
    next: 'Ask another holder; the patient may grant again.',
  },
  shareVoid: {
    status: 410,
    title: 'Share void',
    detail: 'The share was sealed to a node key that no longer exists.',
    next: 'The patient grants again.',
  },
  narrowingMissing: {
    status: 409,
    title: 'Narrowing missing',
    detail: 'The grant was narrowed and this node has not received the document.',
    next: 'Have the patient’s client deliver it.',
  },
  accessUnknown: {
    status: 404,
    title: 'Access unknown',
    detail: 'No such access event is final at this node.',
    next: 'Wait for a block and repeat.',
  },
  accessExpired: {
    status: 403,
    title: 'Access expired',
    detail: 'The access event is older than 60 s of block time.',
    next: 'Record a new access.',
  },
  accessMismatch: {
    status: 403,
    title: 'Access does not match',
    detail: 'The sealed part of the event does not open to a record and label of this grant.',
    next: 'Record an access that names a record and label of the grant.',
  },
  recordNotCovered: {
    status: 403,
    title: 'Record not covered',
    detail: 'The grant does not cover this record.',
    next: 'Ask the patient for a wider grant.',
  },
  recordUnknown: {
    status: 404,
    title: 'Record unknown',
    detail: 'No such record is final at this node.',
    next: 'Wait for a block, or check the record id.',
  },
  evidenceInvalid: {
    status: 422,
    title: 'Evidence does not convict',
    detail: 'The evidence does not show that the node signed a wrong share for this access.',
    next: 'Nothing: the node stands as it stood.',
  },
  // requests and inbox
  commitmentMismatch: {
    status: 422,
    title: 'Commitment does not match',
    detail: 'The sealed request is not the one that the transaction commits to.',
    next: 'Send exactly what was committed.',
  },
  certificateInvalid: {
    status: 403,
    title: 'Certificate invalid',
    detail: 'The certificate does not verify, is out of date, or is not the member’s.',
    next: 'Send the current certificate.',
  },
  inboxFull: {
    status: 429,
    title: 'Inbox full',
    detail: 'The handle’s inbox takes no more requests.',
    next: 'Reach the patient another way.',
  },
  // search
  tokenInvalid: {
    status: 422,
    title: 'Search token invalid',
    detail: 'The sealed tokens do not open to tokens of this grant for this node.',
    next: 'Send the tokens of the grant’s blob to the node it names.',
  },
  // institution
  possessionInvalid: {
    status: 422,
    title: 'Possession not proven',
    detail: 'The proof of possession of the patient key does not verify for this visit.',
    next: 'Send the visit package’s own proof.',
  },
  epochClosed: {
    status: 409,
    title: 'Epoch closed',
    detail: 'The index epoch of the request is over or not open.',
    next: 'Ask for the current epoch key.',
  },
  recordInvalid: {
    status: 422,
    title: 'Record invalid',
    detail: 'The record is not one this institution may sign.',
    next: 'Check sender, author, index and attestations.',
  },
  // stores
  digestMismatch: {
    status: 422,
    title: 'Digest does not match',
    detail: 'The received bytes do not have the digest or length that was announced.',
    next: 'Send the bytes again.',
  },
  alreadyStored: {
    status: 409,
    title: 'Already stored',
    detail: 'Other bytes are stored under this key.',
    next: 'Use a fresh object key.',
  },
  ciphertextUnknown: {
    status: 404,
    title: 'Ciphertext unknown',
    detail: 'The store holds nothing under this key.',
    next: 'Ask the other store; report the loss.',
  },
  ciphertextLost: {
    status: 410,
    title: 'Ciphertext lost',
    detail: 'The store attested these bytes and has them no more.',
    next: 'Ask the other store; repair this one from its copy or yours.',
  },
  ciphertextDamaged: {
    status: 502,
    title: 'Ciphertext damaged',
    detail: 'What the store has is not what it attested.',
    next: 'Ask the other store; repair this one from its copy or yours.',
  },
  storeUnavailable: {
    status: 503,
    title: 'Store unavailable',
    detail: 'What lies behind the store does not answer.',
    next: 'Ask the other store, or repeat later.',
  },
  storeTimedOut: {
    status: 504,
    title: 'Store timed out',
    detail: 'What lies behind the store answers too slowly.',
    next: 'Ask the other store, or repeat later.',
  },
  storeRefused: {
    status: 502,
    title: 'Store refused',
    detail: 'What lies behind the store refuses the node.',
    next: 'Ask the other store; the operator checks the credentials.',
  },
  // registration
  enrolmentRefused: {
    status: 403,
    title: 'Enrolment refused',
    detail: 'The enrolment secret is unknown, used or not for this role.',
    next: 'Ask the registration centre for a new secret.',
  },
  requestInvalid: {
    status: 422,
    title: 'Certificate request invalid',
    detail: 'The certificate request does not prove possession of its keys.',
    next: 'Sign the request with the new keys.',
  },
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** The body of every answer that is not a success (`application/problem+json`). */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ProblemCode;
  readonly detail: string;
  /** Only with 429 and 503. */
  readonly retryAfterSeconds?: number;
  /** Only with `refused`: the ledger's rejection code. */
  readonly rejection?: string;
}

/** The constant shape of `code`, with the two things that may vary. */
export function createProblem(
  code: ProblemCode,
  extra: { readonly retryAfterSeconds?: number; readonly rejection?: string } = {},
): Problem {
  const { status, title, detail }: ProblemEntry = PROBLEMS[code];
  return { type: `urn:yilian:problem:${code}`, title, status, code, detail, ...extra };
}

/** Whether `code` is one of the table. */
export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code);
}

/** An answer body from outside to a problem; null when it is none of ours. */
export function parseProblem(body: unknown): Problem | null {
  if (typeof body !== 'object' || body === null || !('code' in body)) return null;
  const { code } = body;
  if (typeof code !== 'string' || !isProblemCode(code)) return null;
  const retry = 'retryAfterSeconds' in body ? body.retryAfterSeconds : undefined;
  const rejection = 'rejection' in body ? body.rejection : undefined;
  return createProblem(code, {
    ...(typeof retry === 'number' && Number.isSafeInteger(retry) && retry >= 0
      ? { retryAfterSeconds: retry }
      : {}),
    ...(typeof rejection === 'string' && /^[a-zA-Z]{1,64}$/.test(rejection) ? { rejection } : {}),
  });
}
