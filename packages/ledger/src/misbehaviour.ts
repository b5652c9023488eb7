/**
 * Misbehaviour that the engine has proof of, as a fact of the log: who, of what kind, at which height.
 * An engine names a validator by address; the ledger knows whose every address is or was, so that
 * evidence never comes too late. It is recorded once, and nobody loses anything by it here: what it costs
 * is decided elsewhere, by people (a consortium suspends, it does not slash).
 */
import type { Bytes } from '@yilian/crypto/bytes';
import { bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { sha256 } from '@yilian/crypto/hash';
import { institutionOfAddress } from './contracts/governance/validators.ts';
import { toTransactionId } from './ids.ts';
import type { Misbehaviour } from './ledger-port.ts';
import { encodeLogLeaf } from './log-leaf.ts';
import { type State, lookups, stateKeys } from './state.ts';
import { keyToBytes, numberKey } from './store.ts';
import { encode } from '@yilian/crypto/cbor';

/** A kind of another engine version goes as `unknown`: codes are words of ours. */
const KINDS: readonly string[] = ['duplicateVote', 'lightClientAttack'];

/**
 * Leaves for what is new, in the order of the block. Nobody sent a transaction, so in the place of its id
 * stands SHA-256([tag, chain, institution, kind, height]), and indexes follow those of the transactions.
 */
export function recordMisbehaviour(
  state: State,
  misbehaviour: readonly Misbehaviour[],
  place: {
    readonly chainId: string;
    readonly height: number;
    readonly index: number;
    readonly position: number;
  },
): readonly Bytes[] {
  const leaves: Bytes[] = [];
  for (const { kind: told, address, height } of misbehaviour) {
    const institution = institutionOfAddress(state, address);
    if (institution === undefined) continue;
    const kind = KINDS.includes(told) ? told : 'unknown';
    const key = stateKeys.misbehaviour(institution, kind, height);
    if (state.has(key)) continue;
    state.put(key, encode([place.height]));
    state.append(lookups.misbehaviour(), keyToBytes(numberKey(place.position + leaves.length)));
    const about = [institution, kind, height] as const;
    leaves.push(
      encodeLogLeaf({
        transaction: toTransactionId(sha256(bindChain(DOMAIN_TAGS.misbehaviour, place, ...about))),
        height: place.height,
        index: place.index + leaves.length,
        outcome: 'ok',
        facts: [['misbehaviour', ...about]],
      }),
    );
  }
  return leaves;
}
