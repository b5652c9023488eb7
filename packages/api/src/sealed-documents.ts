/**
 * Small sealed documents that client and node both make and open under a grant's salt: what an access
 * is for, and a narrowing. Both sides use these functions, so that there is one form.
 */
import { ZERO_NONCE, open, seal } from '@yilian/crypto/aead';
import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import { type SuiteContext, bindSuite } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { deriveAccessKey } from '@yilian/crypto/grant-keys';
import type { GrantId } from '@yilian/crypto/ids';
import { hkdf, sha256 } from '@yilian/crypto/hash';
import {
  type Codec,
  encodeMessage,
  fields,
  fixedBytes,
  list,
  nullable,
  parseMessage,
  text,
  uint,
} from './codec.ts';
import { LIMITS, SIZES } from './sizes.ts';

/** The sealed part of `recordAccess`: at most 512 bytes sealed. */
export interface AccessPurpose {
  readonly recordId: Bytes;
  /** Position of the label within the grant's body (nodes know Q, not the label's name). */
  readonly label: number;
  readonly purpose: string;
}

const accessPurpose: Codec<AccessPurpose> = fields<AccessPurpose>({
  recordId: fixedBytes(SIZES.recordId),
  label: uint(LIMITS.labelsPerGrantMax - 1),
  purpose: text(100, /^[^\p{Cc}]{0,100}$/u),
});

/** `nonce`: 16 fresh random bytes, the `accessNonce` of the transaction; its key is used once. */
export function sealAccess(
  context: SuiteContext,
  access: { readonly salt: Bytes; readonly grantId: GrantId; readonly nonce: Bytes },
  purpose: AccessPurpose,
): Bytes {
  const key = deriveAccessKey(context, access.salt, access.grantId, access.nonce);
  const plaintext = encodeMessage(accessPurpose, purpose);
  return seal({ key, nonce: ZERO_NONCE, associatedData: access.grantId, plaintext });
}

/** Null when it does not open under this grant's salt and this event's nonce. */
export function openAccess(
  context: SuiteContext,
  access: { readonly salt: Bytes; readonly grantId: GrantId; readonly nonce: Bytes },
  sealed: Bytes,
): AccessPurpose | null {
  const key = deriveAccessKey(context, access.salt, access.grantId, access.nonce);
  const opened = open({ key, nonce: ZERO_NONCE, associatedData: access.grantId, sealed });
  if (opened === null) return null;
  const parsed = parseMessage(accessPurpose, opened, 512);
  return parsed.ok ? parsed.value : null;
}

/** What is left of a grant after `narrowGrant`; null leaves that side as it was. */
export interface Narrowing {
  readonly grantId: Bytes;
  /** Positions of the labels that stay. */
  readonly labels: readonly number[] | null;
  /** Record ids that stay. */
  readonly records: readonly Bytes[] | null;
}

const narrowing: Codec<Narrowing> = fields<Narrowing>({
  grantId: fixedBytes(SIZES.grantId),
  labels: nullable(list(uint(LIMITS.labelsPerGrantMax - 1), LIMITS.labelsPerGrantMax)),
  records: nullable(list(fixedBytes(SIZES.recordId), LIMITS.recordsPerGrantMax)),
});

function narrowingKey(context: SuiteContext, salt: Bytes, grantId: Bytes, nonce: Bytes): Bytes {
  const info = bindSuite(DOMAIN_TAGS.narrowingKey, context, grantId, nonce);
  return hkdf({ ikm: salt, info, length: 32 });
}

/** nonce (16, fresh random) ‖ AEAD. Its SHA-256 is the `narrowingHash` on chain; the same for all nodes. */
export function sealNarrowing(
  context: SuiteContext,
  input: { readonly salt: Bytes; readonly nonce: Bytes; readonly narrowing: Narrowing },
): Bytes {
  const key = narrowingKey(context, input.salt, input.narrowing.grantId, input.nonce);
  const plaintext = encodeMessage(narrowing, input.narrowing);
  const sealed = seal({ key, nonce: ZERO_NONCE, associatedData: input.nonce, plaintext });
  return concatBytes(input.nonce, sealed);
}

/** Null when it does not open under this grant's salt or names another grant. */
export function openNarrowing(
  context: SuiteContext,
  input: { readonly salt: Bytes; readonly grantId: Bytes; readonly sealed: Bytes },
): Narrowing | null {
  const nonce = input.sealed.subarray(0, SIZES.nonce);
  if (nonce.length !== SIZES.nonce) return null;
  const key = narrowingKey(context, input.salt, input.grantId, nonce);
  const sealed = input.sealed.subarray(SIZES.nonce);
  const opened = open({ key, nonce: ZERO_NONCE, associatedData: nonce, sealed });
  if (opened === null) return null;
  const parsed = parseMessage(narrowing, opened, LIMITS.blobBytesMax);
  if (!parsed.ok || !parsed.value.grantId.every((byte, i) => byte === input.grantId[i]))
    return null;
  return parsed.value;
}

/** Hash of a sealed blob as it stands in `grantAccess` and `narrowGrant`. 32 bytes. */
export function blobHash(sealed: Bytes): Bytes {
  return sha256(sealed);
}
