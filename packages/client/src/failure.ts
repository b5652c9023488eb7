/**
 * What can go wrong for a client, each with a `code` that names it and the node and route where it
 * happened. Rejections by the ledger's rules are values inside `RejectedError`, not text.
 */

/** Where an answer came from. */
export interface Source {
  /** Node id as configured, for example `tertiary-1`. */
  readonly node: string;
  /** Route name of the API table, for example `getState`. */
  readonly route: string;
}

/** No node answered in time, or the connection failed. Trying again later may help. */
export class NetworkError extends Error {
  readonly code: 'unreachable' | 'timeout' | 'noNodeLeft' | 'behind';
  readonly source: Source | undefined;

  constructor(code: NetworkError['code'], message: string, source?: Source, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'NetworkError';
    this.code = code;
    this.source = source;
  }
}

/** A node refused a call with an RFC 9457 problem. */
export class ProblemError extends Error {
  /** Code of the table in api/problem. */
  readonly code: string;
  readonly status: number;
  readonly source: Source;
  readonly retryAfterSeconds: number | undefined;
  /** The ledger's rejection code, where the problem is `refused`. */
  readonly rejection: string | undefined;

  constructor(input: {
    readonly code: string;
    readonly status: number;
    readonly detail: string;
    readonly source: Source;
    readonly retryAfterSeconds?: number | undefined;
    readonly rejection?: string | undefined;
  }) {
    const why = input.rejection ?? input.code;
    super(`${input.source.node} refused ${input.source.route}: ${input.detail} (${why})`);
    this.name = 'ProblemError';
    this.code = input.code;
    this.status = input.status;
    this.source = input.source;
    this.retryAfterSeconds = input.retryAfterSeconds;
    this.rejection = input.rejection;
  }
}

/** What a lying or broken answer fails on. */
export type VerificationCode =
  | 'malformed'
  | 'chain'
  | 'certificate'
  | 'staleHeader'
  /** A checkpoint of the regulator that is too old, or below what is trusted. */
  | 'staleCheckpoint'
  /** A checkpoint that contradicts a verified header; `cause` holds it. */
  | 'fork'
  | 'stateProof'
  | 'logProof'
  | 'transactionsRoot'
  | 'receipt'
  | 'blobHash'
  | 'certificateHash'
  | 'regulatorSignature'
  | 'epochProof'
  | 'digest'
  | 'share'
  | 'eventCount'
  | 'attestation'
  | 'grant'
  | 'commitment'
  | 'authorSignature';

/** Bytes that a node sent do not prove what they claim. The answer was not used. */
export class VerificationError extends Error {
  readonly code: VerificationCode;
  readonly source: Source;

  constructor(code: VerificationCode, source: Source, message: string, cause?: unknown) {
    super(
      `${source.node} gave an answer to ${source.route} that does not verify: ${message}`,
      cause === undefined ? undefined : { cause },
    );
    this.name = 'VerificationError';
    this.code = code;
    this.source = source;
  }
}

/** The ledger refused a transaction by one of its rules. */
export class RejectedError extends Error {
  /** Rejection code of the ledger. */
  readonly code: string;

  constructor(code: string, what: string) {
    super(`the ledger refused ${what}: ${code}`);
    this.name = 'RejectedError';
    this.code = code;
  }
}

/** The call cannot be done, and the reason lies in what the caller has or asks. */
export type UsageCode =
  | 'tooManyLabels'
  | 'tooFewOperators'
  | 'noLabel'
  | 'period'
  | 'notInGrant'
  | 'grantNotActive'
  | 'grantVoid'
  | 'noRecord'
  | 'badVisitPackage'
  | 'noNode'
  | 'noStore'
  | 'badAnchor'
  /** It names another chain or regulator than what it is compared with, or its own checkpoint does. */
  | 'anchorOtherChain'
  /** The regulator that it names did not sign its checkpoint. */
  | 'anchorForged'
  /** Its checkpoint is older than the trusting period. */
  | 'anchorStale'
  /** Nobody has a checkpoint that would renew this device's trust. */
  | 'trustExpired'
  | 'badAuthority'
  | 'badCopy'
  | 'badKeyword'
  | 'badHandle'
  | 'badCertificate'
  | 'badKeyring'
  | 'wrongPassphrase'
  | 'mayNotGrant'
  | 'notEnoughShares'
  | 'notAuthor'
  | 'notEnrolled'
  | 'slotMismatch'
  | 'profileNotAllowed'
  | 'unknownHospital'
  | 'noRegulatorNode'
  | 'unknownMember';

/** As the ledger names it. */
export type GrantReason = 'grantPending' | 'grantNotStarted' | 'grantExpired' | 'grantRevoked';

export class ClientError extends Error {
  readonly code: UsageCode;
  /** Why a grant is not active, where it is known. */
  readonly reason: GrantReason | undefined;

  constructor(code: UsageCode, message: string, reason?: GrantReason) {
    super(message);
    this.name = 'ClientError';
    this.code = code;
    this.reason = reason;
  }
}
