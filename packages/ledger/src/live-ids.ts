/**
 * Exactly once: the id of every executed transaction stays in state until its expiry height has passed.
 * Expired ids are dropped in order, a few per transaction of a block, so that ids which many senders let
 * expire together never stall one block, and a block without transactions changes nothing.
 */
import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import type { TransactionId } from './ids.ts';
import { type State, type ValueKey, stateKeys } from './state.ts';
import { type Overlay, numberKey, readNumber } from './store.ts';

const ID_LENGTH = 32;
const HEIGHT_LENGTH = 6;
/** Each transaction adds one id and drops up to four: the backlog only shrinks. */
const DROPS_PER_TRANSACTION = 4;
const HEIGHTS_SCANNED_MAX = 1_024;

/** `key`: of `stateKeys.live`. */
export function isLive(state: State, key: ValueKey): boolean {
  return state.hasAt(key);
}

export function addLive(state: State, key: ValueKey, expiryHeight: number): void {
  state.putAt(key, encode([expiryHeight]));
}

function idsKey(expiryHeight: number, height: number): string {
  return `x${numberKey(expiryHeight)}${numberKey(height)}`;
}

function heightsKey(expiryHeight: number): string {
  return `X${numberKey(expiryHeight)}`;
}

/** Notes which ids of block `height` are to be dropped when. */
export function scheduleDrops(
  overlay: Overlay,
  height: number,
  executed: readonly { readonly id: TransactionId; readonly expiryHeight: number }[],
): void {
  const byExpiry = new Map<number, Bytes[]>();
  for (const { id, expiryHeight } of executed) {
    const ids = byExpiry.get(expiryHeight);
    if (ids === undefined) byExpiry.set(expiryHeight, [id]);
    else ids.push(id);
  }
  for (const [expiryHeight, ids] of byExpiry) {
    overlay.putNew(idsKey(expiryHeight, height), concatBytes(...ids));
    const heights = overlay.get(heightsKey(expiryHeight)) ?? new Uint8Array(0);
    const own = Uint8Array.from(numberKey(height), (character) => character.charCodeAt(0));
    overlay.put(heightsKey(expiryHeight), concatBytes(heights, own));
  }
}

/**
 * Drops expired ids, beginning with expiry height `cursor`; returns the next cursor. `executed`: how
 * many transactions the block has.
 */
export function dropExpired(
  overlay: Overlay,
  state: State,
  block: { readonly height: number; readonly executed: number },
  cursor: number,
): number {
  let budget = block.executed * DROPS_PER_TRANSACTION;
  let expiryHeight = cursor;
  const end = Math.min(block.height, cursor + HEIGHTS_SCANNED_MAX);
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
      return expiryHeight;
    }
    if (read > 0) overlay.delete(heightsKey(expiryHeight));
    expiryHeight++;
  }
  return expiryHeight;
}
