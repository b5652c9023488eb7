/**
 * Exit codes of `yilian`, and what to do next:
 *
 * | code | meaning |
 * |---|---|
 * | 0 | done |
 * | 1 | refused: by a rule of the ledger, by a node, or because what was asked cannot be done |
 * | 2 | usage: a command, option or file is wrong |
 * | 3 | verification failed: an answer or file does not prove what it claims |
 * | 4 | network: no node answers, or not in time |
 * | 5 | passphrase: wrong or missing |
 */
import {
  ClientError,
  NetworkError,
  ProblemError,
  RejectedError,
  VerificationError,
} from '@yilian/client/failure';
import { CodecError } from '@yilian/crypto/bytes';
import type { MessageName } from './messages.ts';

export const EXIT = {
  ok: 0,
  refused: 1,
  usage: 2,
  verification: 3,
  network: 4,
  passphrase: 5,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A command line that cannot be meant. */
export class UsageError extends Error {
  readonly code = 'usage';
  readonly next: MessageName;

  constructor(message: string, next: MessageName = 'nextUsage') {
    super(message);
    this.name = 'UsageError';
    this.next = next;
  }
}

/** What a failed command answers with. */
export interface Failure {
  readonly exit: ExitCode;
  readonly code: string;
  readonly message: string;
  readonly next: MessageName | null;
}

/** Undefined: a bug, to be shown with its stack. */
export function describeFailure(error: unknown): Failure | undefined {
  if (error instanceof UsageError)
    return { exit: EXIT.usage, code: error.code, message: error.message, next: error.next };
  if (error instanceof VerificationError)
    return {
      exit: EXIT.verification,
      code: error.code,
      message: error.message,
      next: 'nextVerification',
    };
  if (error instanceof NetworkError)
    return { exit: EXIT.network, code: error.code, message: error.message, next: 'nextNetwork' };
  if (error instanceof RejectedError)
    return { exit: EXIT.refused, code: error.code, message: error.message, next: 'nextRejected' };
  if (error instanceof ProblemError)
    return {
      exit: error.status >= 500 ? EXIT.network : EXIT.refused,
      code: error.code,
      message: error.message,
      next: error.status >= 500 ? 'nextNetwork' : null,
    };
  if (error instanceof ClientError) return describeClientError(error);
  if (error instanceof CodecError)
    return { exit: EXIT.usage, code: error.code, message: error.message, next: 'nextUsage' };
  return undefined;
}

function describeClientError(error: ClientError): Failure {
  const { code, message } = error;
  switch (code) {
    case 'wrongPassphrase':
      return { exit: EXIT.passphrase, code, message, next: 'nextPassphrase' };
    case 'badKeyring':
    case 'badAnchor':
    case 'badHandle':
    case 'badKeyword':
    case 'badAuthority':
    case 'badVisitPackage':
      return { exit: EXIT.usage, code, message, next: 'nextUsage' };
    case 'noNode':
      return { exit: EXIT.usage, code, message, next: 'nextConnect' };
    case 'notEnrolled':
      return { exit: EXIT.usage, code, message, next: 'nextEnrol' };
    case 'anchorOtherChain':
    case 'anchorForged':
    case 'anchorStale':
      return { exit: EXIT.verification, code, message, next: 'nextAnchor' };
    case 'slotMismatch':
    case 'trustExpired':
      return { exit: EXIT.verification, code, message, next: null };
    case 'grantNotActive':
    case 'grantVoid':
    case 'notInGrant':
      return { exit: EXIT.refused, code, message, next: 'nextGrant' };
    case 'badCertificate':
    case 'mayNotGrant':
    case 'noLabel':
    case 'noRecord':
    case 'noRegulatorNode':
    case 'noStore':
    case 'notAuthor':
    case 'notEnoughShares':
    case 'period':
    case 'profileNotAllowed':
    case 'tooFewOperators':
    case 'tooManyLabels':
    case 'unknownHospital':
    case 'unknownMember':
      return { exit: EXIT.refused, code, message, next: null };
  }
}
