/**
 * What the consortium gives back: the enrolments, signed by the regulator and still to be signed by each new key
 * (the ledger takes none without), the certificates, the introduction, and where the others are met. Signed by
 * the regulator as a whole, for one request.
 */
import {
  boundedBytes,
  type Codec,
  encodeMessage,
  fields,
  fixedBytes,
  list,
  parseMessage,
  text,
  uint,
} from '@yilian/api/codec';
import { LIMITS } from '@yilian/api/sizes';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { type ChainContext, bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import type { Signer } from '@yilian/ledger/transaction-codec';
import { verifySignature } from '../verification/verify-signature.ts';
import { EnrolmentError } from './enrolment-error.ts';
import { INTRODUCTION_BYTES_MAX } from './introduction.ts';
import type { CopyPlace } from '../stores/copy-source.ts';
import { HOST, URL_FORM } from './network-file.ts';

const ANSWER_BYTES_MAX = 262_144;
const PEERS_MAX = 1_000;
/** The members of an institution's node that are enrolled: see `ENROLLED_ROLES`. */
export const ENROLLED_ROLES = ['node', 'store', 'hospital'] as const;

export interface MetPeer {
  readonly key: Bytes;
  readonly host: string;
  readonly port: number;
}

export interface MetEngine {
  readonly id: Bytes;
  readonly host: string;
  readonly port: number;
}

export interface EnrolmentAnswerContent {
  readonly chainId: string;
  readonly genesisId: Bytes;
  /** `enrolmentRequestHash` of what is answered. */
  readonly request: Bytes;
  readonly introduction: Bytes;
  /** In the order of `ENROLLED_ROLES`, as the two below. */
  readonly certificates: readonly Bytes[];
  /** Encoded, with the regulator's signature alone. */
  readonly enrolments: readonly Bytes[];
  readonly peers: readonly MetPeer[];
  readonly engines: readonly MetEngine[];
  /** Stores of the genesis, to repair from and to audit. */
  readonly copies: readonly CopyPlace[];
  /** Settings that are the same on all nodes. */
  readonly settings: {
    readonly blockIntervalMs: number;
    readonly heartbeatMs: number;
    readonly snapshotEvery: number;
  };
  readonly upgrades: readonly { readonly height: number; readonly version: number }[];
}

export interface EnrolmentAnswer {
  readonly content: EnrolmentAnswerContent;
  readonly signature: Bytes;
}

const content: Codec<EnrolmentAnswerContent> = fields<EnrolmentAnswerContent>({
  chainId: text(64, /^[a-z0-9-]{1,64}$/),
  genesisId: fixedBytes(32),
  request: fixedBytes(32),
  introduction: boundedBytes(INTRODUCTION_BYTES_MAX),
  certificates: list(boundedBytes(LIMITS.certificateBytesMax), ENROLLED_ROLES.length),
  enrolments: list(boundedBytes(4_096), ENROLLED_ROLES.length),
  peers: list(
    fields<MetPeer>({ key: fixedBytes(32), host: text(253, HOST), port: uint(65_535) }),
    PEERS_MAX,
  ),
  engines: list(
    fields<MetEngine>({ id: fixedBytes(20), host: text(253, HOST), port: uint(65_535) }),
    PEERS_MAX,
  ),
  copies: list(
    fields<CopyPlace>({ store: fixedBytes(32), node: fixedBytes(32), url: text(262, URL_FORM) }),
    PEERS_MAX,
  ),
  settings: fields<EnrolmentAnswerContent['settings']>({
    blockIntervalMs: uint(),
    heartbeatMs: uint(),
    snapshotEvery: uint(),
  }),
  upgrades: list(fields({ height: uint(), version: uint() }), 64),
});

const answer: Codec<EnrolmentAnswer> = fields<EnrolmentAnswer>({
  content,
  signature: fixedBytes(64),
});

function answerMessage(context: ChainContext, value: EnrolmentAnswerContent): Bytes {
  return bindChain(DOMAIN_TAGS.institutionAnswer, context, content.toCbor(value));
}

export function signEnrolmentAnswer(value: EnrolmentAnswerContent, regulator: Signer): Bytes {
  const signature = regulator.sign(answerMessage(value, value));
  return encodeMessage(answer, { content: value, signature });
}

/**
 * An answer of this chain's regulator to this request. `place`: where it comes from, for messages.
 * @throws EnrolmentError `answerUnreadable`, `answerOtherChain`, `answerForged`, `answerForAnother`
 */
export function parseEnrolmentAnswer(
  bytes: Bytes,
  expected: {
    readonly place: string;
    readonly chainId: string;
    readonly genesisId: Bytes;
    readonly regulatorKey: Bytes;
    readonly request: Bytes;
  },
): EnrolmentAnswerContent {
  const { place } = expected;
  const parsing = parseMessage(answer, bytes, ANSWER_BYTES_MAX);
  if (!parsing.ok)
    throw new EnrolmentError(
      'answerUnreadable',
      place,
      'this is no answer to an enrolment request',
    );
  const { content: stated, signature } = parsing.value;
  if (stated.chainId !== expected.chainId || !equalBytes(stated.genesisId, expected.genesisId))
    throw new EnrolmentError('answerOtherChain', place, `it is of the chain ${stated.chainId}`);
  const publicKey = expected.regulatorKey;
  if (!verifySignature({ publicKey, message: answerMessage(stated, stated), signature }))
    throw new EnrolmentError('answerForged', place, 'this chain’s regulator did not sign it');
  if (!equalBytes(stated.request, expected.request))
    throw new EnrolmentError('answerForAnother', place, 'it answers another request');
  return stated;
}
