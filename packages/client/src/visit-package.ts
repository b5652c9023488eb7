/**
 * What a patient shows at a hospital's desk, as text short enough for a QR: the visit package, her
 * identity (the hospital reads it off her health card as well), and the visit key's word that this
 * hospital may write under this pseudonym (docs/decisions/0005).
 */
import { type Bytes, CodecError, equalBytes, fromBase64Url, toBase64Url } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import type { ChainContext } from '@yilian/crypto/context';
import { type Curve, PointError } from '@yilian/crypto/curve';
import type { PossessedKey } from '@yilian/crypto/possession';
import {
  decodeVisitPackage,
  encodeVisitPackage,
  identityTag,
  type Pid,
  pseudonymOf,
  type Visit,
  type VisitPackage,
  verifyVisitPackage,
} from '@yilian/crypto/pseudonym';
import { sign, verifySignature } from '@yilian/crypto/signature';
import { visitAuthorisationMessage } from '@yilian/ledger/checks';
import { toPid } from '@yilian/ledger/ids';
import { ClientError } from './failure.ts';
import { hospitalIdOf } from './patient-secrets.ts';

const PREFIX = 'yilian-visit:';

/** A visit package that belongs to `hospital` and whose proofs hold. */
export interface AdmittedVisit {
  readonly hospital: string;
  readonly identity: string;
  readonly pid: Pid;
  readonly visitPackage: VisitPackage;
  readonly possessedKey: PossessedKey;
  /** 64 bytes, for the chain. */
  readonly authorisation: Bytes;
}

/** Text for the QR, about 700 characters. */
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
  const message = visitAuthorisationMessage(context, toPid(pid), hospital);
  const code = encode([
    encodeVisitPackage(curve, visitPackage),
    identity,
    sign(visit.signingSeed, message),
  ]);
  return PREFIX + toBase64Url(code);
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
  const { visitPackage, identity, authorisation } = parseCode(curve, input.code, refuse);
  const hospitalId = hospitalIdOf(hospital);
  if (!equalBytes(visitPackage.hospitalId, hospitalId)) return refuse('it is for another hospital');
  const possessedKey = verifyVisitPackage(curve, context, hospitalId, visitPackage);
  if (possessedKey === undefined)
    return refuse('it does not prove possession of the patient key for this visit');
  const tag = identityTag(context, identity, visitPackage.beta);
  const pid = pseudonymOf(visitPackage.visitKey, tag);
  const message = visitAuthorisationMessage(context, toPid(pid), hospital);
  const publicKey = visitPackage.visitKey;
  if (!verifySignature({ publicKey, message, signature: authorisation }))
    return refuse('the visit key did not authorise this hospital');
  return { hospital, identity, pid, visitPackage, possessedKey, authorisation };
}

function parseCode(
  curve: Curve,
  code: string,
  refuse: (why: string) => never,
): {
  readonly visitPackage: VisitPackage;
  readonly identity: string;
  readonly authorisation: Bytes;
} {
  const text = code.trim();
  if (!text.startsWith(PREFIX)) return refuse('it does not begin with yilian-visit:');
  try {
    const value = decode(fromBase64Url(text.slice(PREFIX.length)), { bytesMax: 4096, depthMax: 3 });
    const [encoded, identity, authorisation]: readonly unknown[] = Array.isArray(value) ? value : [];
    if (!(encoded instanceof Uint8Array) || !(authorisation instanceof Uint8Array))
      return refuse('it is damaged');
    if (typeof identity !== 'string' || identity === '') return refuse('it names nobody');
    return { visitPackage: decodeVisitPackage(curve, encoded), identity, authorisation };
  } catch (error) {
    if (error instanceof CodecError || error instanceof PointError) return refuse('it is damaged');
    throw error;
  }
}
