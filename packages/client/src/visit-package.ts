/**
 * What a patient shows at a hospital's desk, as text short enough for a QR: the visit package, her
 * identity (the hospital reads it off her health card as well), the visit key's word that this hospital
 * may write under this pseudonym (docs/decisions/0005), and its signature over all of that.
 */
import {
  type Bytes,
  CodecError,
  equalBytes,
  fromBase64Url,
  toBase64Url,
} from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { bindChain, type ChainContext } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { type Curve, PointError } from '@yilian/crypto/curve';
import type { PossessedKey } from '@yilian/crypto/possession';
import {
  decodeVisitPackage,
  encodeVisitPackage,
  identityTag,
  pseudonymOf,
  type Visit,
  type VisitPackage,
  verifyVisitPackage,
} from '@yilian/crypto/pseudonym';
import type { Pid } from '@yilian/crypto/ids';
import { sign, verifySignature } from '@yilian/crypto/signature';
import { visitAuthorisationMessage } from '@yilian/ledger/checks';
import { ClientError } from './failure.ts';
import { hospitalIdOf } from './patient-secrets.ts';

const PREFIX = 'yilian-visit:';

/** A visit package that belongs to `hospital` and whose proofs hold. */
export interface AdmittedVisit {
  readonly hospital: string;
  readonly identity: string;
  readonly pid: Pid;
  /** h */
  readonly identityTag: Bytes;
  readonly visitPackage: VisitPackage;
  readonly possessedKey: PossessedKey;
  /** 64 bytes, for the chain. */
  readonly authorisation: Bytes;
}

/** Text for the QR, about 800 characters. */
export function encodeVisitCode(input: {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly hospital: string;
  readonly identity: string;
  readonly visit: Visit;
  readonly visitPackage: VisitPackage;
}): string {
  const { curve, context, hospital, identity, visit, visitPackage } = input;
  const pid = pseudonymOf(visit.visitKey, identityTag(context, identity, visit.beta));
  const encoded = encodeVisitPackage(curve, visitPackage);
  const authorisation = sign(visit.signingSeed, visitAuthorisationMessage(context, pid, hospital));
  const seal = sign(
    visit.signingSeed,
    visitCodeMessage(context, { encoded, identity, authorisation }),
  );
  return PREFIX + toBase64Url(encode([encoded, identity, authorisation, seal]));
}

/**
 * What the visit key signs of the whole code: κ and the label roots prove themselves by nothing else,
 * and a record written under damaged ones would be lost to her.
 */
function visitCodeMessage(
  context: ChainContext,
  code: { readonly encoded: Bytes; readonly identity: string; readonly authorisation: Bytes },
): Bytes {
  const { encoded, identity, authorisation } = code;
  return bindChain(DOMAIN_TAGS.visitCode, context, encoded, identity, authorisation);
}

/**
 * What the hospital's desk makes of the text.
 * @throws ClientError `badVisitPackage` when it is for another hospital, or a proof does not hold
 */
export function admitVisit(input: {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly hospital: string;
  readonly code: string;
}): AdmittedVisit {
  const { curve, context, hospital } = input;
  const refuse = (why: string): never => {
    throw new ClientError('badVisitPackage', `this visit code cannot be used: ${why}`);
  };
  const parsed = parseCode(curve, input.code, refuse);
  const { visitPackage, identity, authorisation } = parsed;
  const isWhole = verifySignature({
    publicKey: visitPackage.visitKey,
    message: visitCodeMessage(context, parsed),
    signature: parsed.seal,
  });
  if (!isWhole) return refuse('it was changed on the way');
  const hospitalId = hospitalIdOf(hospital);
  if (!equalBytes(visitPackage.hospitalId, hospitalId)) return refuse('it is for another hospital');
  const possessedKey = verifyVisitPackage(curve, context, hospitalId, visitPackage);
  if (possessedKey === undefined)
    return refuse('it does not prove possession of the patient key for this visit');
  const tag = identityTag(context, identity, visitPackage.beta);
  const pid = pseudonymOf(visitPackage.visitKey, tag);
  const message = visitAuthorisationMessage(context, pid, hospital);
  const publicKey = visitPackage.visitKey;
  if (!verifySignature({ publicKey, message, signature: authorisation }))
    return refuse('the visit key did not authorise this hospital');
  return {
    hospital,
    identity,
    pid,
    identityTag: tag,
    visitPackage,
    possessedKey,
    authorisation,
  };
}

function parseCode(
  curve: Curve,
  code: string,
  refuse: (why: string) => never,
): {
  readonly encoded: Bytes;
  readonly visitPackage: VisitPackage;
  readonly identity: string;
  readonly authorisation: Bytes;
  readonly seal: Bytes;
} {
  const text = code.trim();
  if (!text.startsWith(PREFIX)) return refuse('it does not begin with yilian-visit:');
  try {
    const value = decode(fromBase64Url(text.slice(PREFIX.length)), { bytesMax: 4096, depthMax: 3 });
    const items: readonly unknown[] = Array.isArray(value) ? value : [];
    const [encoded, identity, authorisation, seal] = items;
    if (
      !(encoded instanceof Uint8Array) ||
      !(authorisation instanceof Uint8Array) ||
      !(seal instanceof Uint8Array)
    )
      return refuse('it is damaged');
    if (typeof identity !== 'string' || identity === '') return refuse('it names nobody');
    return {
      encoded,
      visitPackage: decodeVisitPackage(curve, encoded),
      identity,
      authorisation,
      seal,
    };
  } catch (error) {
    if (error instanceof CodecError || error instanceof PointError) return refuse('it is damaged');
    throw error;
  }
}
