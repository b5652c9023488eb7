/** The look-ups that follow from log leaves alone: when a block is executed, and when a snapshot is restored. */
import { grantOfFact, type LogLeaf } from './log-leaf.ts';
import { lookups, putPosition, type State } from './state.ts';
import { keyToBytes, numberKey, type Overlay } from './store.ts';

/** Where a transaction and what happened to a grant stand in the log. */
export function indexLogLeaf(
  overlay: Overlay,
  state: State,
  leaf: Pick<LogLeaf, 'transaction' | 'facts'>,
  position: number,
): void {
  putPosition(overlay, lookups.transaction(leaf.transaction), position);
  const listed = new Set<string>();
  for (const fact of leaf.facts) {
    if (fact[0] === 'misbehaviour')
      state.append(lookups.misbehaviour(), keyToBytes(numberKey(position)));
    const grantId = grantOfFact(fact);
    if (grantId === undefined) continue;
    const list = lookups.grantEvents(grantId);
    if (!listed.has(list)) state.append(list, keyToBytes(numberKey(position)));
    listed.add(list);
    const [kind, , number] = fact;
    if (kind === 'access' && typeof number === 'number')
      putPosition(overlay, lookups.access(grantId, number), position);
  }
}
