/** When and what a primary proposes. */
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import type { Block } from '../block.ts';
import { toApplicationBlock } from '../block.ts';
import { certificateHash, medianTimeNs } from '../certificate.ts';
import { type Header, HEADER_VERSION, headerId, proposalBody } from '../header.ts';
import { transactionsRoot } from '../transactions-root.ts';
import type { PrePrepare } from './messages.ts';
import { cutDueInMs, noteCut, takeCandidates } from './requests.ts';
import { broadcast, emit, isPrimary, mayVote, type ReplicaState, setTimer } from './state.ts';
import { ownVote, rememberOwn, signContent } from './voting.ts';

/** Why the next block should be made now, or in how many milliseconds to ask again. */
function dueInMs(state: ReplicaState): number {
  if (state.view > 0) return 0;
  if (state.tip.proofDue) return 0; // PB-17: the proof block comes at once
  return cutDueInMs(state);
}

/** PB-3, PB-12: the primary of the view proposes once: the required block, or a new one when it is due. */
export function tryPropose(state: ReplicaState): void {
  const { work, view } = state;
  if (!mayVote(state) || work.status !== 'normal' || !isPrimary(state)) return;
  if (work.proposals.has(view) || work.proposing === view) return;
  if (ownVote(state, 'prePrepare', view) !== undefined) return;
  if (work.requirement.kind === 'repropose') {
    const block = work.bodies.get(toHex(work.requirement.blockId));
    // The body comes with the view changes; until then there is nothing to propose.
    if (block !== undefined)
      propose(state, block, work.requirement.blockId, block.transactions.map(state.hash));
    return;
  }
  const waitMs = dueInMs(state);
  if (waitMs > 0) {
    if (!state.timers.has('propose')) setTimer(state, 'propose', waitMs);
    return;
  }
  work.proposing = view;
  const isCut = view > 0 || cutDueInMs(state) <= 0;
  const candidates = isCut ? takeCandidates(state) : [];
  const { height, tip } = state;
  emit(state, {
    kind: 'prepareProposal',
    height,
    view,
    block: toApplicationBlock(
      {
        header: { height, timeNs: nextTimeNs(state), proposer: state.key },
        transactions: candidates,
        parentCertificate: tip.certificate,
      },
      tip.lastValidators,
    ),
    bytesMax: state.settings.blockBytesMax,
  });
}

/** The application's choice of transactions becomes a signed block. */
export function onProposalPrepared(
  state: ReplicaState,
  answer: {
    readonly height: bigint;
    readonly view: number;
    readonly transactions: readonly Bytes[];
  },
): void {
  const { work, view } = state;
  if (answer.height !== state.height || answer.view !== view || work.proposing !== view) return;
  work.proposing = undefined;
  if (!mayVote(state) || work.status !== 'normal' || work.proposals.has(view)) return;
  const transactionHashes = answer.transactions.map(state.hash);
  const draft = draftBlock(state, answer.transactions, transactionHashes);
  const { settings, chainId } = state;
  if (draft.header.count > settings.blockCountMax || draft.header.size > settings.blockBytesMax)
    throw new Error('assertion: the application prepared more than a block holds');
  const blockId = headerId(draft.header);
  const block: Block = { ...draft, signature: state.sign(proposalBody(chainId, blockId)) };
  propose(state, block, blockId, transactionHashes);
}

function propose(
  state: ReplicaState,
  block: Block,
  blockId: Bytes,
  transactionHashes: readonly Bytes[],
): void {
  const { work, view, height } = state;
  if (!mayVote(state)) return;
  const { epoch } = state.tip.validators;
  const content = { kind: 'prePrepare', epoch, height, view, blockId } as const;
  const prePrepare: PrePrepare = {
    ...content,
    signer: state.self,
    signature: signContent(state, content),
    block,
  };
  rememberOwn(state, prePrepare);
  noteCut(state, block);
  work.bodies.set(toHex(blockId), block);
  work.proposals.set(view, {
    prePrepare,
    block,
    transactionHashes,
    validated: true,
  });
  emit(state, { kind: 'persist', records: [{ kind: 'voted', height, message: prePrepare }] });
  broadcast(state, prePrepare);
}

/** PB-6 */
function nextTimeNs({ tip }: ReplicaState): bigint {
  return tip.certificate === null ? tip.timeNs : medianTimeNs(tip.certificate, tip.lastValidators);
}

function draftBlock(
  state: ReplicaState,
  transactions: readonly Bytes[],
  transactionHashes: readonly Bytes[],
): Omit<Block, 'signature'> {
  const { tip, chainId } = state;
  const parent = tip.certificate;
  const header: Header = {
    version: HEADER_VERSION,
    chainId,
    height: state.height,
    previousId: tip.blockId,
    timeNs: nextTimeNs(state),
    transactionsRoot: transactionsRoot(transactionHashes, state.hash),
    appHash: tip.appHash,
    parentCertificateHash: parent === null ? null : certificateHash(chainId, parent),
    validatorsHash: tip.validators.hash,
    nextValidatorsHash: tip.nextValidators.hash,
    proposer: state.key,
    count: transactions.length,
    size: transactions.reduce((sum, { length }) => sum + length, 0),
    difficulty: 0,
    puzzleNonce: null,
  };
  return { header, transactions, parentCertificate: parent };
}
