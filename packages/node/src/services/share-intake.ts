/**
 * A share arrives: sealed to one of the node's daily keys, its hash on chain. The node opens it once,
 * checks that the body is the one the chain shows, that the clear fields say the same, and that every
 * D_{i,ℓ} fits V (cryptography.md §2 "Node, once"); then it seals it into its vault and acknowledges.
 * The sealed blob itself is not kept.
 */
import { isBodyOfGrant } from '@yilian/api/grant-body-check';
import type { Bytes, RandomBytes } from '@yilian/crypto/bytes';
import { CodecError, equalBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import type { SuiteContext } from '@yilian/crypto/context';
import { type Curve, PointError } from '@yilian/crypto/curve';
import { type GrantBody, decodeGrantBody, encodeGrantBody } from '@yilian/crypto/grant-body';
import {
  type KeyShare,
  encodeKeyShare,
  restoreKeyShare,
  verifyNodeShare,
} from '@yilian/crypto/key-share';
import { type NodeShare, decodeNodeShare } from '@yilian/crypto/grant-share';
import { nodeInfo } from '@yilian/crypto/grant-keys';
import { sha256 } from '@yilian/crypto/hash';
import { ThresholdError } from '@yilian/crypto/threshold';
import type { Grant, GrantHolder } from '@yilian/ledger/contracts/consent/grant';
import type { NodeKeysService } from './node-keys.ts';
import { type Served, refuse, served } from './served.ts';
import type { ShareVault } from './share-vault.ts';

/** What a node keeps of a grant it serves. */
export interface KeptShare {
  readonly salt: Bytes;
  readonly body: GrantBody;
  readonly share: KeyShare;
}

export function encodeKeptShare(curve: Curve, kept: KeptShare): Bytes {
  return encode([kept.salt, encodeGrantBody(curve, kept.body), encodeKeyShare(curve, kept.share)]);
}

/** Only for what this node sealed itself. @throws CodecError */
export function decodeKeptShare(curve: Curve, bytes: Bytes): KeptShare {
  const value = decode(bytes);
  const [salt, body, share]: readonly unknown[] = Array.isArray(value) ? value : [];
  if (
    !(salt instanceof Uint8Array) ||
    !(body instanceof Uint8Array) ||
    !(share instanceof Uint8Array)
  )
    throw new CodecError('malformed', 'a kept share has three parts');
  return { salt, body: decodeGrantBody(curve, body), share: restoreKeyShare(curve, share) };
}

function parseShare(curve: Curve, plaintext: Bytes): NodeShare | null {
  try {
    return decodeNodeShare(curve, plaintext);
  } catch (error) {
    if (
      error instanceof CodecError ||
      error instanceof PointError ||
      error instanceof ThresholdError
    )
      return null;
    throw error;
  }
}

export interface ShareIntakeOptions {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly keys: Pick<NodeKeysService, 'openBlob'>;
  readonly vault: ShareVault;
  readonly randomBytes: RandomBytes;
}

export const SHARE_ENTRY = 'share';

/** Takes one sealed share for a final grant; the caller acknowledges when the answer is ok. */
export async function takeShare(
  options: ShareIntakeOptions,
  input: { readonly grant: Grant; readonly holder: GrantHolder; readonly sealed: Bytes },
): Promise<Served<null>> {
  const { curve, context, keys, vault, randomBytes } = options;
  const { grant, holder, sealed } = input;
  if (!equalBytes(sha256(sealed), holder.blobHash)) return refuse('blobMismatch');
  const { id: grantId } = grant;
  const info = nodeInfo(context, grantId, holder.index, grant.bodyHash);
  const plaintext = await keys.openBlob(info, sealed);
  if (plaintext === null) return refuse('shareVoid');
  const share = parseShare(curve, plaintext);
  plaintext.fill(0);
  if (share === null || share.index !== holder.index) return refuse('blobMismatch');
  if (!isBodyOfGrant(curve, context, grant, share)) return refuse('blobMismatch');
  const verified = verifyNodeShare({ curve, share, randomBytes });
  if (verified === undefined) return refuse('blobMismatch');
  const kept = encodeKeptShare(curve, { salt: share.salt, body: share.body, share: verified });
  await vault.put(grant.id, SHARE_ENTRY, kept);
  kept.fill(0);
  return served(null);
}
