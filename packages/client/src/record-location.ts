/**
 * Where a record's ciphertext lies. Its stores stand on chain (they attest that they keep it); what the
 * chain does not show is the object key, 32 bytes whose knowledge is the permission to fetch (R5). The
 * object key follows from LK, the secret that each keyword tag carries masked: whoever matched a tag,
 * and the author, can fetch; nobody else can even ask.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import { bindChain, type ChainContext } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { hkdf } from '@yilian/crypto/hash';
import { packEpochIndex, searchEpoch, type TagKey } from '@yilian/crypto/searchable-encryption';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import type { Platform } from './platform/platform.ts';

/** The object key, 32 bytes, from LK (16 bytes). */
export function deriveObjectKey(
  context: ChainContext,
  locationSecret: Bytes,
  recordId: Bytes,
): Bytes {
  return hkdf({
    ikm: locationSecret,
    info: bindChain(DOMAIN_TAGS.objectKey, context, recordId),
    length: 32,
  });
}

/** LK, when one of the record's tags matches `tagKey`. */
export function matchRecord(
  platform: Pick<Platform, 'primitives'>,
  record: Pick<LedgerRecord, 'id' | 'index'>,
  tagKey: TagKey,
): Bytes | undefined {
  const index = packEpochIndex([{ recordId: record.id, tags: record.index.tags }]);
  const [match] = searchEpoch(tagKey, index, (key, blocks) =>
    platform.primitives.encryptBlocks(key, blocks),
  );
  return match?.locationSecret;
}
