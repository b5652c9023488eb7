/**
 * Exactly once: the id of every executed transaction stays in state until its expiry height has passed.
 * Expired ids are dropped in order, a few per transaction of a block, so that ids which many senders let
 * expire together never stall one block, and a block without transactions changes nothing.
 *
 * Which ids a block drops follows from the live ids and the log alone: those of lowest (expiry height,
 * inclusion height, index). So a replica that took a snapshot, and rebuilt the queues from both, drops what
 * the others drop. `DropHint` only spares the looking.
 */
import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import type { TransactionId } from './ids.ts';
import { type State, type ValueKey, stateKeys } from './state.ts';
import { type Overlay, numberKey, readNumber } from './store.ts';

const ID_LENGTH = 32;
const HEIGHT_LENGTH = 6;
/** Each transaction adds one id and drops up to four: the backlog only shrinks. */
const DROPS_PER_TRANSACTION = 4;

/** No live id has an expiry height below `from` or above `to`. */
export interface DropHint {
  readonly from: number;
  readonly to: number;
}

export const NO_DROPS: DropHint = { from: 1, to: 0 };

/** `key`: of `stateKeys.live`. */
export function isLive(state: State, key: ValueKey): boolean {
  return state.hasAt(key);
}

export function addLive(state: State, key: ValueKey, expiryHeight: number): void {
  state.putAt(key, encode([expiryHeight]));
}

/** The expiry height of an id that is still live. */
export function readLive(state: State, id: TransactionId): number | undefined {
  const value = state.get(stateKeys.live(id));
  return value === undefined ? undefined : Fields.of(decode(value), 1).whole();
}

function idsKey(expiryHeight: number, height: number): string {
  return `x${numberKey(expiryHeight)}${numberKey(height)}`;
}

function heightsKey(expiryHeight: number): string {
  return `X${numberKey(expiryHeight)}`;
}

/** Notes which ids of block `height` (or of the part of it that is known now) are to be dropped when. */
export function scheduleDrops(
  overlay: Overlay,
  height: number,
  executed: readonly { readonly id: TransactionId; readonly expiryHeight: number }[],
  hint: DropHint,
): DropHint {
  const byExpiry = new Map<number, Bytes[]>();
  let { from, to } = hint;
  if (from > to) from = Number.MAX_SAFE_INTEGER;
  for (const { id, expiryHeight } of executed) {
    const ids = byExpiry.get(expiryHeight);
    if (ids === undefined) byExpiry.set(expiryHeight, [id]);
    else ids.push(id);
    to = Math.max(to, expiryHeight);
    from = Math.min(from, expiryHeight);
  }
  for (const [expiryHeight, ids] of byExpiry) {
    const key = idsKey(expiryHeight, height);
    const known = overlay.get(key);
    overlay.put(key, concatBytes(known ?? new Uint8Array(0), ...ids));
    if (known !== undefined) continue;
    const heights = overlay.get(heightsKey(expiryHeight)) ?? new Uint8Array(0);
    const own = Uint8Array.from(numberKey(height), (character) => character.charCodeAt(0));
    overlay.put(heightsKey(expiryHeight), concatBytes(heights, own));
  }
  return { from, to };
}

/** Drops expired ids, oldest first. `executed`: how many transactions the block has. */
export function dropExpired(
  overlay: Overlay,
  state: State,
  block: { readonly height: number; readonly executed: number },
  hint: DropHint,
): DropHint {
  let budget = block.executed * DROPS_PER_TRANSACTION;
  const { to } = hint;
  let expiryHeight = hint.from;
  // Beyond `to` there is nothing: heights of an idle chain are not looked at one by one.
  const end = Math.min(block.height, to + 1);
  while (expiryHeight < end && budget > 0) {
    const heights = overlay.get(heightsKey(expiryHeight)) ?? new Uint8Array(0);
    let read = 0;
    while (read < heights.length && budget > 0) {
      const key = idsKey(expiryHeight, readNumber(heights, read));
      const ids = overlay.get(key) ?? new Uint8Array(0);
      const dropped = Math.min(budget, ids.length / ID_LENGTH);
      for (let i = 0; i < dropped; i++)
        state.delete(stateKeys.live(ids.subarray(i * ID_LENGTH, (i + 1) * ID_LENGTH)));
      budget -= dropped;
      const rest = ids.subarray(dropped * ID_LENGTH);
      if (rest.length > 0) {
        overlay.put(key, rest);
        break;
      }
      overlay.delete(key);
      read += HEIGHT_LENGTH;
    }
    if (read < heights.length) {
      overlay.put(heightsKey(expiryHeight), heights.subarray(read));
      return { from: expiryHeight, to };
    }
    if (read > 0) overlay.delete(heightsKey(expiryHeight));
    expiryHeight++;
  }
  return { from: expiryHeight, to };
}
