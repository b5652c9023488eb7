/**
 * The exact bytes under each signature. Every body starts with a tag of its own and names chain, epoch,
 * view and height, so that no vote can be replayed as another kind, on another chain, in another
 * membership, view or height (PB-1).
 */
import type { Bytes } from '@yilian/crypto/bytes';
import { type Cbor, encode } from '@yilian/crypto/cbor';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { sha256 } from '@yilian/crypto/hash';
import { certificateToCbor, commitBody } from '../certificate.ts';
import type {
  Checkpoint,
  Commit,
  NewView,
  Prepare,
  PreparedCertificate,
  PrePrepare,
  ViewChange,
} from './messages.ts';

type Unsigned<M> = M extends unknown ? Omit<M, 'signature' | 'signer' | 'block'> : never;

export type SignedContent = Unsigned<
  PrePrepare | Prepare | Commit | ViewChange | NewView | Checkpoint
>;

export function preparedToCbor(prepared: PreparedCertificate): Cbor {
  return [
    prepared.height,
    prepared.view,
    prepared.blockId,
    prepared.primary,
    prepared.primarySignature,
    prepared.prepares.map(({ signer, signature }) => [signer, signature]),
  ];
}

/** A view change as it is nested in a NewView: whole, without the block that rides along. */
export function viewChangeToCbor(message: ViewChange): Cbor {
  return [
    message.epoch,
    message.height,
    message.view,
    message.parentCertificate === null ? null : certificateToCbor(message.parentCertificate),
    message.prepared === null ? null : preparedToCbor(message.prepared),
    message.signer,
    message.signature,
  ];
}

function hashViewChanges(chainId: string, viewChanges: readonly ViewChange[]): Bytes {
  return sha256(encode([DOMAIN_TAGS.pbftViewChanges, chainId, viewChanges.map(viewChangeToCbor)]));
}

export function signedBody(chainId: string, content: SignedContent): Bytes {
  const { epoch, height } = content;
  switch (content.kind) {
    case 'prePrepare':
      return encode([
        DOMAIN_TAGS.pbftPrePrepare,
        chainId,
        epoch,
        content.view,
        height,
        content.blockId,
      ]);
    case 'prepare':
      return encode([
        DOMAIN_TAGS.pbftPrepare,
        chainId,
        epoch,
        content.view,
        height,
        content.blockId,
      ]);
    case 'commit':
      return commitBody({ chainId, ...content });
    case 'checkpoint':
      return encode([
        DOMAIN_TAGS.pbftCheckpoint,
        chainId,
        epoch,
        height,
        content.blockId,
        content.appHash,
      ]);
    case 'viewChange':
      return encode([
        DOMAIN_TAGS.pbftViewChange,
        chainId,
        epoch,
        content.view,
        height,
        content.parentCertificate === null ? null : certificateToCbor(content.parentCertificate),
        content.prepared === null ? null : preparedToCbor(content.prepared),
      ]);
    case 'newView':
      return encode([
        DOMAIN_TAGS.pbftNewView,
        chainId,
        epoch,
        content.view,
        height,
        hashViewChanges(chainId, content.viewChanges),
      ]);
  }
}
