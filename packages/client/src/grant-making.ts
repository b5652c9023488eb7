/**
 * One grant, complete: the transaction signed by all tag keys, and the sealed blobs whose hashes it
 * carries (cryptography.md §2). Pure but for randomness; who holds shares is planned elsewhere.
 */
import { blobHash } from '@yilian/api/sealed-documents';
import { searchTokenInfo } from '@yilian/api/messages-access';
import { open, seal, ZERO_NONCE } from '@yilian/crypto/aead';
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import type { SuiteContext } from '@yilian/crypto/context';
import { type Curve, type G1, PointError } from '@yilian/crypto/curve';
import { createGrant, type GrantedLabel } from '@yilian/crypto/grant';
import { decodeGrantBody, encodeGrantBody, type GrantBody } from '@yilian/crypto/grant-body';
import { deriveCopyKey, granteeInfo, nodeInfo } from '@yilian/crypto/grant-keys';
import { encodeGranteeShare, encodeNodeShare } from '@yilian/crypto/grant-share';
import type { GrantId } from '@yilian/crypto/ids';
import { type HpkePublicKey, sealTo } from '@yilian/crypto/hpke';
import { encodeLabel, type Label, labelFromCbor, labelItems } from '@yilian/crypto/label';
import { encodeSearchToken, type SearchToken } from '@yilian/crypto/searchable-encryption';
import type { GrantAccess } from '@yilian/ledger/contracts/consent/grant-access';
import type { MemberId } from '@yilian/ledger/ids';
import type { Signer } from '@yilian/ledger/transaction-codec';
import { signerOf } from './keyring.ts';
import type { Platform } from './platform/platform.ts';

/** Grants, accesses and shares are bound to this suite, whatever suite a record is sealed in. */
export function grantContext(chainId: string): SuiteContext {
  return { chainId, suite: 'intl' };
}

/** No associated data: what a blob is bound to stands in its HPKE info. */
export const NO_AAD: Bytes = new Uint8Array(0);

/** A holder with the day's key to which its share is sealed. */
export interface KeyedHolder {
  readonly node: MemberId;
  readonly hpkeKey: HpkePublicKey;
}

/** A token to be sealed, with what the grantee is told of it (a decoy has a hint like any other). */
export interface WishedToken {
  readonly hint: string;
  readonly make: (grantId: GrantId) => SearchToken;
}

export interface GrantWish {
  readonly patientKey: G1;
  /** Fresh tag numbers included; the first label derives salt and copy key. */
  readonly labels: readonly GrantedLabel[];
  readonly grantee: { readonly id: MemberId; readonly hpkeKey: HpkePublicKey };
  readonly holders: readonly KeyedHolder[];
  readonly threshold: number;
  /** Seconds since 1970; 0 = from inclusion. */
  readonly from: number;
  /** Seconds since 1970, exclusive. */
  readonly to: number;
  readonly records: 'all' | readonly Bytes[];
  readonly purpose: string;
  readonly tokens: readonly WishedToken[];
  /** Where the tokens work; null without tokens. */
  readonly searchNode: { readonly id: MemberId; readonly hpkeKey: HpkePublicKey } | null;
}

export interface MadeGrant {
  readonly grantId: GrantId;
  readonly body: GrantAccess;
  /** In the order of the tags; the first is the sender. */
  readonly signers: readonly Signer[];
  /** In the order of the holders. */
  readonly shareBlobs: readonly Bytes[];
  readonly granteeBlob: Bytes;
  readonly copyBlob: Bytes;
}

/** A new grant; every call draws a new id and new coefficients. */
export async function makeGrant(
  platform: Pick<Platform, 'curve' | 'randomBytes'>,
  context: SuiteContext,
  wish: GrantWish,
): Promise<MadeGrant> {
  const { curve, randomBytes } = platform;
  const nodes = wish.holders.map(({ node }, position) => ({ index: position + 1, node }));
  const grant = createGrant({
    curve,
    context,
    patientKey: wish.patientKey,
    labels: wish.labels,
    grantee: wish.grantee.id,
    nodes,
    threshold: wish.threshold,
    fromMs: wish.from * 1000,
    toMs: wish.to * 1000,
    records: wish.records,
    purpose: wish.purpose,
    randomBytes,
  });
  const { body, bodyHash } = grant;
  const shareBlobs: Bytes[] = [];
  for (const [position, share] of grant.nodeShares.entries()) {
    const holder = wish.holders[position];
    if (holder === undefined) throw new Error('a share without a holder');
    const info = nodeInfo(context, body.grantId, share.index, bodyHash);
    const plaintext = encodeNodeShare(curve, share);
    shareBlobs.push(await sealTo(holder.hpkeKey, { info, aad: NO_AAD, plaintext }));
    plaintext.fill(0);
  }
  const searchTokens = await sealTokens(curve, context, body.grantId, wish);
  const granteePlaintext = encodeGranteeShare(curve, { ...grant.granteeShare, searchTokens });
  const granteeBlob = await sealTo(wish.grantee.hpkeKey, {
    info: granteeInfo(context, body.grantId, wish.grantee.id, bodyHash),
    aad: NO_AAD,
    plaintext: granteePlaintext,
  });
  granteePlaintext.fill(0);
  curve.wipeScalar(grant.granteeShare.blinding);
  const copyBlob = sealCopy(curve, grant.copyKey, {
    body,
    labels: wish.labels.map(({ label }) => label),
  });
  const signers = grant.tagSeeds.map(signerOf);
  const { grantId } = body;
  return {
    grantId,
    signers,
    shareBlobs,
    granteeBlob,
    copyBlob,
    body: {
      type: 'grantAccess',
      grantId,
      grantee: wish.grantee.id,
      commitments: body.commitments.map((point) => curve.encodeG1(point)),
      holders: wish.holders.map(({ node }, position) => ({ index: position + 1, node })),
      from: wish.from,
      to: wish.to,
      tags: signers.map(({ key }) => key),
      bodyHash,
      blobHashes: shareBlobs.map(blobHash),
      granteeBlobHash: blobHash(granteeBlob),
      copyHash: blobHash(copyBlob),
    },
  };
}

/** A sealed token in the grantee's blob: which node takes it, what it is for, and its bytes. */
export interface HeldToken {
  readonly searchNode: Bytes;
  readonly hint: string;
  readonly sealed: Bytes;
}

async function sealTokens(
  curve: Curve,
  context: SuiteContext,
  grantId: GrantId,
  wish: GrantWish,
): Promise<readonly Bytes[]> {
  const { searchNode } = wish;
  if (searchNode === null) return [];
  const info = searchTokenInfo(context, grantId, searchNode.id);
  const held: Bytes[] = [];
  for (const { hint, make } of wish.tokens) {
    const plaintext = encodeSearchToken(curve, make(grantId));
    const sealed = await sealTo(searchNode.hpkeKey, { info, aad: NO_AAD, plaintext });
    held.push(encode([searchNode.id, hint, sealed]));
  }
  return held;
}

/** @throws CodecError */
export function decodeHeldToken(bytes: Bytes): HeldToken {
  const value = decode(bytes, { bytesMax: 4096, depthMax: 1 });
  const [searchNode, hint, sealed]: readonly unknown[] = Array.isArray(value) ? value : [];
  if (
    !(searchNode instanceof Uint8Array) ||
    typeof hint !== 'string' ||
    !(sealed instanceof Uint8Array)
  )
    throw new CodecError('malformed', 'a held token is [search node, hint, sealed]');
  return { searchNode, hint, sealed };
}

/** What the patient keeps of a grant at its nodes: the body, and the labels that its points hide. */
export interface GrantCopy {
  readonly body: GrantBody;
  readonly labels: readonly Label[];
}

function sealCopy(curve: Curve, key: Bytes, copy: GrantCopy): Bytes {
  const plaintext = encode([
    encodeGrantBody(curve, copy.body),
    copy.labels.map((label) => labelItems(label)),
  ]);
  return seal({ key, nonce: ZERO_NONCE, associatedData: copy.body.grantId, plaintext });
}

/** Her copy, or null when it was sealed under another first label. */
export function openCopy(input: {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly grantId: GrantId;
  /** D_ℓ of the grant's first label. */
  readonly conditionalKey: Parameters<typeof deriveCopyKey>[2];
  readonly sealed: Bytes;
}): GrantCopy | null {
  const { curve, context, grantId, conditionalKey, sealed } = input;
  const key = deriveCopyKey(curve, context, conditionalKey, grantId);
  const plaintext = open({ key, nonce: ZERO_NONCE, associatedData: grantId, sealed });
  if (plaintext === null) return null;
  try {
    const value = decode(plaintext);
    const [body, labels]: readonly unknown[] = Array.isArray(value) ? value : [];
    if (!(body instanceof Uint8Array) || !Array.isArray(labels)) return null;
    return {
      body: decodeGrantBody(curve, body),
      labels: labels.map((label: Cbor) => labelFromCbor(label)),
    };
  } catch (error) {
    if (error instanceof CodecError || error instanceof PointError) return null;
    throw error;
  }
}

/** Labels as keys of maps. */
export function labelKey(label: Label): string {
  return encodeLabel(label).join(',');
}
