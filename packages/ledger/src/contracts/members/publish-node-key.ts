import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';

/** A node publishes the day's HPKE key for sealed shares; it erases the private part two days later. */
export interface PublishNodeKey {
  readonly type: 'publishNodeKey';
  /** X25519, 32 bytes. */
  readonly hpkeKey: Bytes;
  /** Days since 1970-01-01 UTC. */
  readonly day: number;
}

export function encodePublishNodeKey(body: PublishNodeKey): readonly Cbor[] {
  return [body.hpkeKey, body.day];
}

export function parsePublishNodeKey(items: Cbor): PublishNodeKey {
  const fields = Fields.of(items, 2);
  return { type: 'publishNodeKey', hpkeKey: fields.bytes(32), day: fields.whole(0xffffff) };
}
