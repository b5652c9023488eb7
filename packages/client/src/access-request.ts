/**
 * A doctor's request for access and the handle it is sent to (flows.md step 4): the chain sees a
 * commitment, the query manager the doctor's certificate, and only the holder of the handle what is
 * asked and why.
 */
import { accessRequestInfo } from '@yilian/api/messages-access';
import { type Bytes, CodecError, fromBase64Url, toBase64Url } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import type { ChainContext } from '@yilian/crypto/context';
import {
  type HpkePrivateKey,
  type HpkePublicKey,
  openWith,
  parseHpkePublicKey,
  sealTo,
} from '@yilian/crypto/hpke';
import { parsePublicKey, type PublicKey } from '@yilian/crypto/signature';
import { type MemberId, toMemberId } from '@yilian/ledger/ids';
import { ClientError } from './failure.ts';
import { NO_AAD } from './grant-making.ts';

const PREFIX = 'yilian-handle:';

/** A one-time address of a patient: on her QR, in a referral letter. */
export interface Handle {
  readonly key: PublicKey;
  readonly hpkeKey: HpkePublicKey;
}

export function encodeHandle(handle: Handle): string {
  return PREFIX + toBase64Url(encode([handle.key, handle.hpkeKey]));
}

/** @throws ClientError `badHandle` */
export function parseHandle(text: string): Handle {
  const refuse = (): never => {
    throw new ClientError('badHandle', 'this is not a handle (yilian-handle:…)');
  };
  const trimmed = text.trim();
  if (!trimmed.startsWith(PREFIX)) return refuse();
  try {
    const value = decode(fromBase64Url(trimmed.slice(PREFIX.length)), {
      bytesMax: 256,
      depthMax: 1,
    });
    const [key, hpkeKey]: readonly Cbor[] = Array.isArray(value) ? value : [];
    if (!(key instanceof Uint8Array) || !(hpkeKey instanceof Uint8Array)) return refuse();
    const signing = parsePublicKey(key);
    const sealing = parseHpkePublicKey(hpkeKey);
    return signing === null || sealing === null ? refuse() : { key: signing, hpkeKey: sealing };
  } catch (error) {
    if (error instanceof CodecError) return refuse();
    throw error;
  }
}

/** What a doctor asks for. */
export interface AccessWish {
  /** Who shall be allowed: the doctor himself or a department. */
  readonly grantee: MemberId;
  readonly purpose: string;
  /** Hospitals whose records he wishes to see; empty: wherever she was. */
  readonly hospitals: readonly string[];
  /** FHIR classes; empty: whole visits. */
  readonly classes: readonly string[];
  /** Words he wishes to search for, each `type|text`. */
  readonly keywords: readonly string[];
  /** Seconds since 1970. */
  readonly until: number;
}

const SEALED_BYTES_MAX = 16 * 1024;

/** Sealed to the handle. */
export function sealAccessWish(
  context: ChainContext,
  handle: Handle,
  wish: AccessWish,
): Promise<Bytes> {
  return sealTo(handle.hpkeKey, {
    info: accessRequestInfo(context, handle.key),
    aad: NO_AAD,
    plaintext: encode([
      wish.grantee,
      wish.purpose,
      [...wish.hospitals],
      [...wish.classes],
      [...wish.keywords],
      wish.until,
    ]),
  });
}

/** Null when it was not sealed to this handle, or is no wish. */
export async function openAccessWish(
  context: ChainContext,
  handle: { readonly key: Bytes; readonly hpkePrivateKey: HpkePrivateKey },
  sealed: Bytes,
): Promise<AccessWish | null> {
  const plaintext = await openWith(handle.hpkePrivateKey, {
    info: accessRequestInfo(context, handle.key),
    aad: NO_AAD,
    sealed,
  });
  if (plaintext === null) return null;
  try {
    const value = decode(plaintext, { bytesMax: SEALED_BYTES_MAX, depthMax: 2 });
    if (!Array.isArray(value) || value.length !== 6) return null;
    const [grantee, purpose, hospitals, classes, keywords, until]: readonly Cbor[] = value;
    if (!(grantee instanceof Uint8Array) || typeof purpose !== 'string') return null;
    if (typeof until !== 'number') return null;
    return {
      grantee: toMemberId(grantee),
      purpose,
      hospitals: textsOf(hospitals),
      classes: textsOf(classes),
      keywords: textsOf(keywords),
      until,
    };
  } catch (error) {
    if (error instanceof CodecError) return null;
    throw error;
  }
}

function textsOf(value: Cbor | undefined): readonly string[] {
  if (!Array.isArray(value)) throw new CodecError('malformed', 'expected a list of texts');
  return (value as readonly Cbor[]).map((item) => {
    if (typeof item !== 'string') throw new CodecError('malformed', 'expected text');
    return item;
  });
}
