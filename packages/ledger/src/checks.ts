/**
 * Statements that workers check outside the ledger. A check is a function of bytes; its layouts:
 *
 * | statement | scheme | key | message | signature |
 * |---|---|---|---|---|
 * | a signature | ed25519 | public key | what was signed | 64 bytes |
 * | a capsule of this transaction | capsule | C | `[chainId, suite, C̄, txc]` | c ‖ z |
 * | points of a grant | points | V_0 | `[V_1, …]` | empty |
 * | an epoch key | epochKey | A | `[chainId, institution, epoch]` | c ‖ z |
 *
 * Messages of all but the first are canonical CBOR.
 */
import { type Bytes, CodecError, concatBytes, utf8 } from '@yilian/crypto/bytes';
import { parseCapsule, verifyCapsule } from '@yilian/crypto/capsule';
import { decode, encode, withEncoding } from '@yilian/crypto/cbor';
import { type ChainContext, type Suite, bindChain } from '@yilian/crypto/context';
import { type Curve, PointError } from '@yilian/crypto/curve';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { authorshipMessage } from '@yilian/crypto/envelope/authorship';
import { sha256 } from '@yilian/crypto/hash';
import { parseProof } from '@yilian/crypto/proof';
import { verifyEpochKey } from '@yilian/crypto/searchable-encryption';
import type { SignatureVerifier } from '@yilian/crypto/signature';
import { Fields } from '@yilian/crypto/fields';
import type { Pid } from '@yilian/crypto/ids';
import type { Check } from './ledger-port.ts';

const SUITES: readonly Suite[] = ['intl', 'paper'];

function makeCheck(parts: Omit<Check, 'id'>): Check {
  const { scheme, key, message, signature } = parts;
  const id = withEncoding([scheme, key, message, signature], sha256);
  return { id, scheme, key, message, signature };
}

export function signatureCheck(key: Bytes, message: Bytes, signature: Bytes): Check {
  return makeCheck({ scheme: 'ed25519', key, message, signature });
}

export function capsuleCheck(input: {
  readonly chainId: string;
  readonly suite: Suite;
  readonly c: Bytes;
  readonly cBar: Bytes;
  readonly txc: Bytes;
  readonly proof: Bytes;
}): Check {
  const message = encode([input.chainId, input.suite, input.cBar, input.txc]);
  return makeCheck({ scheme: 'capsule', key: input.c, message, signature: input.proof });
}

/** `points`: at least one. */
export function pointsCheck(points: readonly Bytes[]): Check {
  const [first = new Uint8Array(0), ...others] = points;
  const message = encode(others);
  return makeCheck({ scheme: 'points', key: first, message, signature: new Uint8Array(0) });
}

export function epochKeyCheck(input: {
  readonly chainId: string;
  readonly institution: string;
  readonly epoch: number;
  readonly a: Bytes;
  readonly proof: Bytes;
}): Check {
  const message = encode([input.chainId, input.institution, input.epoch]);
  return makeCheck({ scheme: 'epochKey', key: input.a, message, signature: input.proof });
}

/** What a visit key signs for the one hospital that may write under its PID. */
export function visitAuthorisationMessage(
  context: ChainContext,
  pid: Pid,
  institution: string,
): Bytes {
  return bindChain(DOMAIN_TAGS.visitAuthorisation, context, pid, institution);
}

/** What a store signs when it has taken header and ciphertext. `length` in bytes. */
export function storageAttestationMessage(
  context: ChainContext,
  stored: { readonly headerHash: Bytes; readonly digest: Bytes; readonly length: number },
): Bytes {
  const { headerHash, digest, length } = stored;
  return bindChain(DOMAIN_TAGS.storageAttestation, context, headerHash, digest, length);
}

/** What the doctor signs: the section root, not the header that contains the signature (R8). */
export function authorSignatureMessage(
  context: ChainContext,
  written: {
    readonly pid: Pid;
    readonly sectionRoot: Bytes;
    readonly key: Bytes;
    readonly time: number;
  },
): Bytes {
  const { pid, sectionRoot, key, time } = written;
  return authorshipMessage(context, { pid, sectionRoot, author: key, time });
}

/** What a worker needs to decide any check. */
export interface CheckTools {
  readonly curve: Curve;
  readonly verifySignature: SignatureVerifier;
}

/** Whether a check holds. Never throws on bytes from outside: what does not parse does not hold. */
export function runCheck(check: Check, tools: CheckTools): boolean {
  try {
    return RUNNERS[check.scheme](check, tools);
  } catch (error) {
    if (error instanceof CodecError || error instanceof PointError) return false;
    throw error;
  }
}

const RUNNERS: { readonly [S in Check['scheme']]: (check: Check, tools: CheckTools) => boolean } = {
  ed25519: ({ key, message, signature }, { verifySignature }) =>
    verifySignature({ publicKey: key, message, signature }),
  capsule: (check, { curve }) => runCapsuleCheck(check, curve),
  points: (check, { curve }) => runPointsCheck(check, curve),
  epochKey: (check, { curve }) => runEpochKeyCheck(check, curve),
};

function runPointsCheck(check: Check, curve: Curve): boolean {
  const fields = new Fields(decode(check.message), { min: 0, max: 63 });
  curve.parseG1(check.key);
  for (let i = 0; i < fields.count; i++) curve.parseG1(fields.bytes(48));
  return check.signature.length === 0;
}

function runCapsuleCheck(check: Check, curve: Curve): boolean {
  const fields = Fields.of(decode(check.message), 4);
  const context = { chainId: fields.name(), suite: fields.oneOf(SUITES) };
  const capsule = parseCapsule(curve, concatBytes(check.key, fields.bytes(48)));
  const txc = fields.bytes(32);
  const proof = parseProof(curve, check.signature);
  return verifyCapsule({ curve, context, capsule, proof, txc });
}

function runEpochKeyCheck(check: Check, curve: Curve): boolean {
  const fields = Fields.of(decode(check.message), 3);
  const context = { chainId: fields.name() };
  return verifyEpochKey(curve, context, {
    hospitalId: utf8(fields.name()),
    epoch: epochText(fields.whole()),
    point: curve.parseG1(check.key),
    proof: parseProof(curve, check.signature),
  });
}

/** How the search scheme writes an epoch (a day number). The hospital's id is its name in UTF-8. */
export function epochText(epoch: number): string {
  return String(epoch);
}
