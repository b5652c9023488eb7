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
import { failureInWords } from '@yilian/client/failure-sentences';
import { EnrolmentError } from '@yilian/node/network/enrolment-error';
import { describeEnrolmentFailure } from './enrolment-failure.ts';
import { type Language, type MessageName, say } from './messages.ts';
import type { UsageMessageName } from './usage-messages.ts';

export const EXIT = {
  ok: 0,
  refused: 1,
  usage: 2,
  verification: 3,
  network: 4,
  passphrase: 5,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

type Values = Readonly<Record<string, string | number>>;

/** A command line that cannot be meant. */
export class UsageError extends Error {
  readonly code = 'usage';
  readonly next: MessageName;
  /** What to tell, in the person's language. */
  readonly told: { readonly name: UsageMessageName; readonly values: Values };

  constructor(name: UsageMessageName, values: Values = {}, next: MessageName = 'nextUsage') {
    super(say('en', name, values));
    this.name = 'UsageError';
    this.told = { name, values };
    this.next = next;
  }
}

/** What a part below said is wrong with what was given; its words name the place. */
export class InputError extends Error {
  readonly code = 'usage';
  readonly next: MessageName;
  readonly about: MessageName;

  constructor(words: string, about: MessageName, next: MessageName = 'nextUsage') {
    super(words);
    this.name = 'InputError';
    this.about = about;
    this.next = next;
  }
}

/** A node that was started does not run, or does not answer. */
export class NodeFailedError extends Error {
  readonly code = 'nodeFailed';
  readonly sentence: string;

  constructor(message: string, sentence: string) {
    super(message);
    this.name = 'NodeFailedError';
    this.sentence = sentence;
  }
}

/** What a failed command answers with. */
export interface Failure {
  readonly exit: ExitCode;
  readonly code: string;
  /** For the person, in her language. */
  readonly message: string;
  readonly next: string;
  /** What exactly, in English: ids, numbers, names. */
  readonly detail: string;
  /** The detail names a place or a value, which is told in every language. */
  readonly isPlace?: boolean;
}

/** Undefined: a bug, to be shown with its stack. */
export function describeFailure(error: unknown, language: Language): Failure | undefined {
  if (error instanceof UsageError) {
    const { code, message: detail, told, next } = error;
    const message = say(language, told.name, told.values);
    return { exit: EXIT.usage, code, message, next: say(language, next), detail };
  }
  if (error instanceof InputError || error instanceof CodecError) {
    const { about, next }: Pick<InputError, 'about' | 'next'> =
      error instanceof InputError ? error : { about: 'badInput', next: 'nextUsage' };
    return {
      exit: EXIT.usage,
      code: error.code,
      message: say(language, about),
      next: say(language, next),
      detail: error.message,
      isPlace: true,
    };
  }
  if (error instanceof EnrolmentError) {
    const failure = describeEnrolmentFailure(error, language);
    return { ...failure, exit: EXIT[failure.exit] };
  }
  if (error instanceof NodeFailedError) {
    const { code, sentence, message: detail } = error;
    return {
      exit: EXIT.network,
      code,
      message: sentence,
      next: say(language, 'nextNodeLog'),
      detail,
      isPlace: true,
    };
  }
  const words = failureInWords(error, language);
  const exit = exitOf(error);
  if (words === null || exit === undefined || !(error instanceof Error)) return undefined;
  const { sentence, next, node } = words;
  return {
    exit,
    code: error instanceof ClientError ? error.code : words.code,
    message: node === null ? sentence : `${node}: ${sentence}`,
    next,
    detail: error.message,
  };
}

function exitOf(error: unknown): ExitCode | undefined {
  if (error instanceof VerificationError) return EXIT.verification;
  if (error instanceof NetworkError) return EXIT.network;
  if (error instanceof RejectedError) return EXIT.refused;
  if (error instanceof ProblemError) return error.status >= 500 ? EXIT.network : EXIT.refused;
  return error instanceof ClientError ? exitOfClient(error) : undefined;
}

function exitOfClient({ code }: ClientError): ExitCode {
  switch (code) {
    case 'wrongPassphrase':
      return EXIT.passphrase;
    case 'badKeyring':
    case 'badAnchor':
    case 'badHandle':
    case 'badKeyword':
    case 'badAuthority':
    case 'badCopy':
    case 'badVisitPackage':
    case 'noNode':
    case 'notEnrolled':
      return EXIT.usage;
    case 'anchorOtherChain':
    case 'anchorForged':
    case 'anchorStale':
    case 'slotMismatch':
    case 'trustExpired':
      return EXIT.verification;
    case 'grantNotActive':
    case 'grantVoid':
    case 'notInGrant':
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
      return EXIT.refused;
  }
}
