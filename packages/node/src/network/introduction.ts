/**
 * The regulator's word on where the node of an institution is met: its key among nodes, its id among engines,
 * host and ports. The members of the genesis know one another from their configuration; who comes later is
 * introduced, and nodes pass introductions on (services/introductions.ts). It gives no right but to connect.
 */
import {
  type Codec,
  encodeMessage,
  fields,
  fixedBytes,
  parseMessage,
  text,
  uint,
} from '@yilian/api/codec';
import type { Bytes } from '@yilian/crypto/bytes';
import { type ChainContext, bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { verifySignature } from '../verification/verify-signature.ts';
import { HOST, URL_FORM } from './network-file.ts';

export const INTRODUCTION_BYTES_MAX = 1_024;
const NAME = /^[a-z0-9-]{1,64}$/;

export interface IntroductionContent {
  /** Member id of the node (role `node`). */
  readonly member: Bytes;
  /** Of its store (role `store`). */
  readonly store: Bytes;
  readonly institution: string;
  readonly operator: string;
  /** What the node authenticates with among nodes, 32 bytes. */
  readonly consensusKey: Bytes;
  /** What its engine authenticates with among engines: see `engineAddress`, 20 bytes. */
  readonly engineId: Bytes;
  readonly host: string;
  /** Its HTTP for people and other stores. */
  readonly url: string;
  readonly peerPort: number;
  readonly enginePort: number;
  /** Unix time; of two introductions of one member the later counts. */
  readonly issuedAt: number;
}

export interface Introduction {
  readonly content: IntroductionContent;
  /** The regulator's, over `introductionMessage`. */
  readonly signature: Bytes;
}

const content: Codec<IntroductionContent> = fields<IntroductionContent>({
  member: fixedBytes(32),
  store: fixedBytes(32),
  institution: text(64, NAME),
  operator: text(64, NAME),
  consensusKey: fixedBytes(32),
  engineId: fixedBytes(20),
  host: text(253, HOST),
  url: text(262, URL_FORM),
  peerPort: uint(65_535),
  enginePort: uint(65_535),
  issuedAt: uint(),
});

const introduction: Codec<Introduction> = fields<Introduction>({
  content,
  signature: fixedBytes(64),
});

/** The bytes that the regulator signs. */
export function introductionMessage(context: ChainContext, value: IntroductionContent): Bytes {
  return bindChain(DOMAIN_TAGS.introduction, context, content.toCbor(value));
}

export function encodeIntroduction(value: Introduction): Bytes {
  return encodeMessage(introduction, value);
}

/** Null unless it has the form. */
export function parseIntroduction(bytes: Bytes): Introduction | null {
  const parsing = parseMessage(introduction, bytes, INTRODUCTION_BYTES_MAX);
  return parsing.ok ? parsing.value : null;
}

export function verifyIntroduction(
  context: ChainContext,
  regulatorKey: Bytes,
  value: Introduction,
): boolean {
  return verifySignature({
    publicKey: regulatorKey,
    message: introductionMessage(context, value.content),
    signature: value.signature,
  });
}
