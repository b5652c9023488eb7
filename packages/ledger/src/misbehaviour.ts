/**
 * Misbehaviour that the engine has proof of, as a fact of the log: who, of what kind, at which height.
 * An engine names a validator by address; the ledger knows whose every address is or was, so that
 * evidence never comes too late. It is recorded once, and nobody loses anything by it here: what it costs
 * is decided elsewhere, by people (a consortium suspends, it does not slash).
 */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { type ChainContext, bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { Fields } from '@yilian/crypto/fields';
import { sha256 } from '@yilian/crypto/hash';
import type { Fact } from './contract.ts';
import { institutionOfAddress } from './contracts/governance/validators.ts';
import { type TransactionId, toTransactionId } from './ids.ts';
import type { Misbehaviour } from './ledger-port.ts';
import type { LogLeaf } from './log-leaf.ts';
import { type State, stateKeys } from './state.ts';

/** What an engine tells of another kind goes as `unknown`: codes are words of ours. */
export const MISBEHAVIOUR_KINDS = ['duplicateVote', 'lightClientAttack', 'unknown'] as const;
export type MisbehaviourKind = (typeof MISBEHAVIOUR_KINDS)[number];

/** Who did what, at which height. */
export interface Offence {
  readonly institution: string;
  readonly kind: MisbehaviourKind;
  readonly height: number;
}

/** Nobody sent a transaction, so this stands in the place of its id. */
function offenceId(context: ChainContext, { institution, kind, height }: Offence): TransactionId {
  const bound = bindChain(DOMAIN_TAGS.misbehaviour, context, institution, kind, height);
  return toTransactionId(sha256(bound));
}

/** The value under `misbehaviourCount`. @throws CodecError */
export function parseMisbehaviourCount(value: Bytes): number {
  return Fields.of(decode(value), 1).whole();
}

/** Leaves for what is new, in the order of the block; indexes follow those of its transactions. */
export function recordMisbehaviour(
  state: State,
  misbehaviour: readonly Misbehaviour[],
  place: {
    readonly chainId: string;
    readonly height: number;
    readonly index: number;
  },
): readonly LogLeaf[] {
  const leaves: LogLeaf[] = [];
  for (const told of misbehaviour) {
    const institution = institutionOfAddress(state, told.address);
    if (institution === undefined) continue;
    const kind = MISBEHAVIOUR_KINDS.find((each) => each === told.kind) ?? 'unknown';
    const offence = { institution, kind, height: Number(told.height) };
    const key = stateKeys.misbehaviour(institution, kind, told.height);
    if (state.has(key)) continue;
    state.put(key, encode([place.height]));
    const counted = state.get(stateKeys.misbehaviourCount());
    const count = counted === undefined ? 0 : parseMisbehaviourCount(counted);
    state.put(stateKeys.misbehaviourCount(), encode([count + 1]));
    leaves.push({
      transaction: offenceId(place, offence),
      height: place.height,
      index: place.index + leaves.length,
      outcome: 'ok',
      facts: [['misbehaviour', institution, kind, offence.height]],
    });
  }
  return leaves;
}

function readOffence(fact: Fact): Offence | undefined {
  const [name, institution, kind, height] = fact;
  const known = MISBEHAVIOUR_KINDS.find((each) => each === kind);
  return name === 'misbehaviour' &&
    typeof institution === 'string' &&
    known !== undefined &&
    typeof height === 'number'
    ? { institution, kind: known, height }
    : undefined;
}

/**
 * What a leaf says that no transaction stands behind; undefined of every other leaf, since no transaction
 * has such an id.
 */
export function offenceOf(context: ChainContext, leaf: LogLeaf): Offence | undefined {
  const [fact] = leaf.facts;
  const offence = fact === undefined ? undefined : readOffence(fact);
  if (offence === undefined) return undefined;
  return equalBytes(leaf.transaction, offenceId(context, offence)) ? offence : undefined;
}
