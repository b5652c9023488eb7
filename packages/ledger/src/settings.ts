/** What the contracts need to know of the consortium; set by the genesis, provable like all state. */
import type { Bytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type State, stateKeys } from './state.ts';

export interface Settings {
  /** f: how many of the consortium's nodes may be faulty, ⌊(n−1)/3⌋. */
  readonly faultsMax: number;
}

/** The value under `settings`. */
export function encodeSettings(settings: Settings): Bytes {
  return encode([settings.faultsMax]);
}

/** @throws CodecError */
export function parseSettings(value: Bytes): Settings {
  return { faultsMax: Fields.of(decode(value), 1).whole(0xff) };
}

export function getSettings(state: State): Settings {
  const value = state.get(stateKeys.settings());
  if (value === undefined) throw new Error('the chain has no settings: it was never initialised');
  return parseSettings(value);
}
