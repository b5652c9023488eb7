/**
 * Sealed blobs of grants. Whatever is kept has its hash in a final grant; what comes before its grant
 * is final waits in memory for at most a minute, within a fixed number of bytes. Shares go to the
 * re-encryption service and are not kept here; the grantee's blob goes when the grant ends; the
 * patient's copy stays (her client reads it after the end, too).
 */
import type { BlobName } from '@yilian/api/parameter';
import { blobName } from '@yilian/api/parameter';
import { type Bytes, concatBytes, equalBytes, toHex, utf8 } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import { type Grant, hasEnded } from '@yilian/ledger/contracts/consent/grant';
import type { Clock } from '../clock.ts';
import type { ChainView, FinalBlockView } from './chain-view.ts';
import type { ReEncryptionService } from './re-encryption.ts';
import { type Served, refuse, served } from './served.ts';
import type { Shelf } from './service-store.ts';

const PENDING_MS_MAX = 60_000;
const PENDING_BYTES_MAX = 16 * 1024 * 1024;
const PENDING_PER_GRANT_MAX = 40;

export interface BlobShelf {
  put(grantId: Bytes, name: BlobName, blob: Bytes): Promise<Served<null>>;
  get(grantId: Bytes, name: BlobName): Served<Bytes>;
  /** A narrowing document by its hash on chain. */
  narrowing(grantId: Bytes, hash: Bytes): Bytes | undefined;
  /** Takes in what waited for this block; drops what ended. */
  tend(block: FinalBlockView): Promise<void>;
}

interface PendingBlob {
  readonly grantId: Bytes;
  readonly name: BlobName;
  readonly blob: Bytes;
  readonly atMs: number;
}

export interface BlobShelfOptions {
  readonly chain: ChainView;
  readonly clock: Clock;
  readonly shelf: Shelf;
  readonly reEncryption: () => Pick<ReEncryptionService, 'acceptShare'>;
}

function placeOf(grantId: Bytes, name: string): Bytes {
  return concatBytes(grantId, utf8(name));
}

function narrowingPlace(grantId: Bytes, hash: Bytes): Bytes {
  return placeOf(grantId, `narrowing/${toHex(hash)}`);
}

export function createBlobShelf(options: BlobShelfOptions): BlobShelf {
  const { chain, clock, shelf } = options;
  let pending: PendingBlob[] = [];

  const keep = async (place: Bytes, blob: Bytes): Promise<Served<null>> => {
    if (shelf.get(place) === undefined) await shelf.put(place, blob);
    return served(null);
  };

  /** Undefined: what the blob belongs to is not on chain (yet). */
  const take = async (
    grant: Grant,
    name: BlobName,
    blob: Bytes,
  ): Promise<Served<null> | undefined> => {
    const hash = sha256(blob);
    switch (name.kind) {
      case 'share':
        return options.reEncryption().acceptShare(grant, name.index, blob);
      case 'grantee':
        if (grant.revoked) return refuse('grantRevoked');
        if (hasEnded(grant, Math.floor(chain.tip().timeMs / 1000))) return refuse('grantExpired');
        if (!equalBytes(hash, grant.granteeBlobHash)) return refuse('blobMismatch');
        return keep(placeOf(grant.id, 'grantee'), blob);
      case 'copy':
        if (!equalBytes(hash, grant.copyHash)) return refuse('blobMismatch');
        return keep(placeOf(grant.id, 'copy'), blob);
      case 'narrowing':
        break;
    }
    if (!grant.narrowings.some((each) => equalBytes(each, hash))) return undefined;
    return keep(narrowingPlace(grant.id, hash), blob);
  };

  const forgetOld = (): void => {
    const nowMs = clock.nowMs();
    pending = pending.filter(({ atMs }) => nowMs - atMs <= PENDING_MS_MAX);
  };

  const wait = (grantId: Bytes, name: BlobName, blob: Bytes): Served<null> => {
    forgetOld();
    const same = pending.filter((each) => equalBytes(each.grantId, grantId));
    const repeated = same.some(
      (each) => blobName.format(each.name) === blobName.format(name) && equalBytes(each.blob, blob),
    );
    if (repeated) return served(null);
    const bytes = pending.reduce((sum, each) => sum + each.blob.length, blob.length);
    if (bytes > PENDING_BYTES_MAX || same.length >= PENDING_PER_GRANT_MAX)
      return refuse('poolFull', { retryAfterSeconds: 60 });
    pending.push({ grantId, name, blob, atMs: clock.nowMs() });
    return served(null);
  };

  return {
    put: async (grantId, name, blob) => {
      const grant = chain.grant(grantId);
      const taken = grant === undefined ? undefined : await take(grant, name, blob);
      return taken ?? wait(grantId, name, blob);
    },
    get: (grantId, name) => {
      if (name.kind === 'share') return refuse('blobUnknown');
      const newest = chain.grant(grantId)?.narrowings.at(-1);
      const place =
        name.kind === 'narrowing'
          ? newest && narrowingPlace(grantId, newest)
          : placeOf(grantId, name.kind);
      const blob = place === undefined ? undefined : shelf.get(place);
      return blob === undefined ? refuse('blobUnknown') : served(blob);
    },
    narrowing: (grantId, hash) => shelf.get(narrowingPlace(grantId, hash)),
    tend: async (block) => {
      forgetOld();
      for (const { transaction, outcome } of block.transactions) {
        const { body } = transaction;
        if (outcome !== 'ok') continue;
        if (body.type === 'revokeAccess') await shelf.delete(placeOf(body.grantId, 'grantee'));
        if (body.type !== 'grantAccess' && body.type !== 'narrowGrant') continue;
        const waiting = pending.filter((each) => equalBytes(each.grantId, body.grantId));
        pending = pending.filter((each) => !waiting.includes(each));
        const grant = chain.grant(body.grantId);
        if (grant === undefined) continue;
        for (const { name, blob } of waiting)
          if ((await take(grant, name, blob)) === undefined) wait(body.grantId, name, blob);
      }
      if (block.height % 256 !== 0) return;
      const seconds = Math.floor(block.timeMs / 1000);
      for (const { key } of shelf.list()) {
        const grantId = key.subarray(0, 16);
        const isGranteeBlob = equalBytes(key.subarray(16), utf8('grantee'));
        const grant = isGranteeBlob ? chain.grant(grantId) : undefined;
        if (grant !== undefined && hasEnded(grant, seconds)) await shelf.delete(key);
      }
    },
  };
}
