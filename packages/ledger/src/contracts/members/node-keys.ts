/** The HPKE keys to which shares are sealed: a node's newest and the one before. */
import type { Bytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';

/** Newest first, at most two. `day`: days since 1970. */
export type NodeKeys = readonly { readonly day: number; readonly hpkeKey: Bytes }[];

/** The value under `nodeKey/<member>`. */
export function encodeNodeKeys(keys: NodeKeys): Bytes {
  return encode(keys.map(({ day, hpkeKey }) => [day, hpkeKey]));
}

/** @throws CodecError */
export function parseNodeKeys(value: Bytes): NodeKeys {
  const fields = new Fields(decode(value), { min: 1, max: 2 });
  const keys: { day: number; hpkeKey: Bytes }[] = [];
  for (let i = 0; i < fields.count; i++) {
    const each = fields.nested(2);
    keys.push({ day: each.whole(0xffffff), hpkeKey: each.bytes(32) });
  }
  return keys;
}
