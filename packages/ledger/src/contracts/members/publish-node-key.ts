import {
  type Applied,
  type Contract,
  type ExecutionContext,
  NO_CHECKS,
  NO_COSIGNERS,
  accept,
} from '../../contract.ts';
import { reject } from '../../rejection.ts';
import { type State, stateKeys } from '../../state.ts';
import { activeSender } from './member.ts';
import { type NodeKeys, encodeNodeKeys, parseNodeKeys } from './node-keys.ts';
import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';

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

const DAY_SECONDS = 86_400;

/**
 * - PK-1 The sender is an active node.
 * - PK-2 The day is the block's or the next.
 * - PK-3 The day is later than the last one published.
 */
function applyPublishNodeKey(
  state: State,
  body: PublishNodeKey,
  context: ExecutionContext,
): Applied {
  const sender = activeSender(state, context, 'node');
  if (!sender.ok) return sender; // PK-1
  const today = Math.floor(context.time / DAY_SECONDS);
  if (body.day !== today && body.day !== today + 1) return reject('dayOutOfRange'); // PK-2
  const key = stateKeys.nodeKey(sender.member.id);
  const value = state.get(key);
  const published: NodeKeys = value === undefined ? [] : parseNodeKeys(value);
  const [latest] = published;
  if (latest !== undefined && latest.day >= body.day) return reject('dayPublished'); // PK-3
  const newest = { day: body.day, hpkeKey: body.hpkeKey };
  state.put(key, encodeNodeKeys(latest === undefined ? [newest] : [newest, latest]));
  return accept(['nodeKey', sender.member.id, body.day]);
}

export const publishNodeKey: Contract<PublishNodeKey> = {
  encodeBody: encodePublishNodeKey,
  parseBody: parsePublishNodeKey,
  cosigners: NO_COSIGNERS,
  checks: NO_CHECKS,
  apply: applyPublishNodeKey,
};
