/** From a commit quorum to a block that the application executes: the one gate of delivery (PB-10). */
import { equalBytes, toHex } from '@yilian/crypto/bytes';
import type { CertifiedBlock } from '../block.ts';
import { toApplicationBlock } from '../block.ts';
import type { Certificate } from '../certificate.ts';
import { cancelTimer, emit, type ReplicaState } from './state.ts';
import { committedId, hasQuorum, votesFor } from './voting.ts';

/**
 * PB-10: whatever proves a block (own quorum, state transfer), it is delivered here, once, and only at
 * the next height.
 */
export function decide(state: ReplicaState, decided: CertifiedBlock): void {
  const { work } = state;
  if (work.executing !== undefined || state.halted) return;
  if (decided.certificate.height !== state.height) return;
  work.executing = decided;
  cancelTimer(state, 'view');
  cancelTimer(state, 'propose');
  emit(state, {
    kind: 'executeBlock',
    height: state.height,
    blockId: decided.certificate.blockId,
    block: toApplicationBlock(decided.block, state.tip.lastValidators),
  });
}

/**
 * PB-8: commits of more than two thirds of the power in one view decide their block, whatever view
 * this replica is in: a certificate is a proof, not a vote.
 */
export function tryDecide(state: ReplicaState): void {
  const { work } = state;
  if (work.executing !== undefined || state.halted) return;
  for (const [view, tally] of work.commits) {
    const blockId = committedId(state, view);
    if (blockId === undefined) continue;
    const block = work.bodies.get(toHex(blockId));
    if (block === undefined) {
      work.bodyMissing = true;
      continue;
    }
    const signatures = votesFor(tally, blockId).map(({ signer, timeNs, signature }) => ({
      signer,
      timeNs,
      signature,
    }));
    const certificate: Certificate = { height: state.height, view, blockId, signatures };
    decide(state, { block, certificate });
    return;
  }
}

/** Whether prepares of more than two thirds of the power, the primary's proposal included, stand for it. */
export function isPrepared(state: ReplicaState, view: number, primary: number): boolean {
  const proposal = state.work.proposals.get(view);
  if (proposal === undefined) return false;
  const { blockId } = proposal.prePrepare;
  const prepares = votesFor(state.work.prepares.get(view), blockId);
  return (
    proposal.prePrepare.signer === primary &&
    equalBytes(proposal.prePrepare.blockId, blockId) &&
    hasQuorum(state, [primary, ...prepares.map(({ signer }) => signer)])
  );
}
