/**
 * What must hold after every event, computed from messages and disks alone and never from what a replica
 * believes. Labels are those of the invariants in docs/spec/pbft.md.
 */
import type { CertifiedBlock } from '@yilian/consensus/block';
import type { ChainTip } from '@yilian/consensus/chain-tip';
import { headerId } from '@yilian/consensus/header';
import { encodeMessage } from '@yilian/consensus/pbft/message-codec';
import type { Commit, Message, Vote } from '@yilian/consensus/pbft/messages';
import type { ReplicaState } from '@yilian/consensus/pbft/state';
import type { WalRecord } from '@yilian/consensus/pbft/wal';
import { toHex } from '@yilian/crypto/bytes';
import { nativeSha256 } from './keys.ts';
import type { Observer, SimulatedNode } from './node.ts';

/** Thrown by a checker: the run has shown a bug. */
export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`);
    this.name = 'Violation';
    this.invariant = invariant;
  }
}

export interface Checkers {
  readonly observer: Observer;
  /** Decided block of each height, as the first node that had it durably. */
  readonly decided: ReadonlyMap<bigint, { readonly blockId: string; readonly appHash: string }>;
  /** How often interesting things happened: a night with zero hits has tested nothing. */
  readonly counts: ReadonlyMap<string, number>;
  readonly count: (what: string) => void;
  /** Running hash over everything that was sent and committed. */
  readonly traceHash: () => string;
}

export interface CheckerOptions {
  /** Nodes whose words are not checked, because they lie on purpose. */
  readonly byzantine?: ReadonlySet<number>;
}

function isVote(message: Message): message is Vote {
  return (
    message.kind === 'prePrepare' ||
    message.kind === 'prepare' ||
    message.kind === 'commit' ||
    message.kind === 'viewChange' ||
    message.kind === 'newView'
  );
}

/** What a vote says, as text: equal votes say the same. */
function contentOf(vote: Vote): string {
  switch (vote.kind) {
    case 'prePrepare':
    case 'prepare':
      return toHex(vote.blockId);
    case 'commit':
      return `${toHex(vote.blockId)}@${vote.timeNs}`;
    case 'viewChange':
    case 'newView':
      return toHex(vote.signature);
  }
}

function bare(message: Vote): Vote {
  return message.kind === 'viewChange' ? { ...message, block: null } : message;
}

function nameOf(vote: Vote): string {
  return toHex(nativeSha256(encodeMessage(bare(vote))));
}

/** S12: the application saw no transaction twice. */
function checkExactlyOnce(node: SimulatedNode): void {
  const executed = node.application().executed();
  if (new Set(executed).size !== executed.length)
    throw new Violation('S12 exactly once', `node ${node.index} executed a transaction twice`);
}

export function createCheckers(options: CheckerOptions = {}): Checkers {
  const byzantine = options.byzantine ?? new Set<number>();
  const decided = new Map<bigint, { readonly blockId: string; readonly appHash: string }>();
  const counts = new Map<string, number>();
  const said = new Map<string, string>();
  const durable = new Map<number, Set<string>>();
  const commits = new Map<string, Commit>();
  const prepared = new Set<string>();
  const preparedIds = new Map<string, string>();
  const leftViews = new Map<string, number>();
  const heights = new Map<number, bigint>();
  const highest = new Map<number, { height: bigint; view: number }>();
  let trace: Uint8Array = new Uint8Array(32);
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
  const record = (text: string): void => {
    const bytes = new TextEncoder().encode(text);
    const joined = new Uint8Array(trace.length + bytes.length);
    joined.set(trace);
    joined.set(bytes, trace.length);
    trace = nativeSha256(joined);
  };

  const onSend = (node: SimulatedNode, message: Message): void => {
    record(`${node.index} ${message.kind}`);
    if (!isVote(message) || byzantine.has(node.index)) return;
    // S3: one word per (kind, height, view), whatever crashes lie between.
    const place = `${node.index}/${message.kind}/${message.height}/${message.view}`;
    const before = said.get(place);
    const content = contentOf(message);
    if (before === undefined) {
      said.set(place, content);
      record(`${place} ${content}`);
      count(message.kind);
      if (message.kind === 'newView')
        count(
          message.viewChanges.some(({ prepared }) => prepared !== null)
            ? 'newView with a prepared certificate'
            : 'newView without one',
        );
    } else if (before !== content)
      throw new Violation('S3 sign-once', `${place} said ${before}, now ${content}`);
    else count('vote repeated');
    // S4: durable before sent.
    if (durable.get(node.index)?.has(nameOf(message)) !== true)
      throw new Violation('S4 persist-before-send', place);
    // S5: who commits can show for ever why.
    if (
      message.kind === 'commit' &&
      !prepared.has(`${node.index}/${message.height}/${message.view}/${toHex(message.blockId)}`)
    )
      throw new Violation('S5 prepared', `${place} without a durable prepared certificate`);
    // S9: no vote in a view that was left.
    const left = `${node.index}/${message.height}`;
    if (message.kind === 'viewChange')
      leftViews.set(left, Math.max(leftViews.get(left) ?? 0, message.view));
    else if (before === undefined && message.view < (leftViews.get(left) ?? 0))
      throw new Violation('S9 view monotone', `${place} after leaving it`);
    if (message.kind === 'commit')
      commits.set(
        `${node.index}/${message.height}/${message.view}/${toHex(message.blockId)}/${message.timeNs}`,
        message,
      );
  };

  const onPersisted = (node: SimulatedNode, entry: WalRecord): void => {
    if (byzantine.has(node.index)) return;
    if (entry.kind === 'voted') {
      let set = durable.get(node.index);
      if (set === undefined) durable.set(node.index, (set = new Set()));
      set.add(nameOf(entry.message));
      return;
    }
    // S7: one prepared block per (height, view) among all correct nodes.
    const place = `${entry.height}/${entry.certificate.view}`;
    const id = toHex(entry.certificate.blockId);
    const before = preparedIds.get(place);
    if (before !== undefined && before !== id)
      throw new Violation('S7 unique prepared certificate', `${place} has ${before} and ${id}`);
    preparedIds.set(place, id);
    prepared.add(`${node.index}/${place}/${id}`);
  };

  /** S6: every signature in a certificate was really sent or kept by that member, and they are a quorum. */
  const checkCertificate = (
    node: SimulatedNode,
    { block, certificate }: CertifiedBlock,
    tip: ChainTip,
  ): void => {
    const set = tip.lastValidators;
    const power = new Map(set.validators.map((validator, index) => [index, validator.power]));
    let total = 0n;
    for (const each of power.values()) total += each;
    let sum = 0n;
    const seen = new Set<number>();
    for (const { signer, timeNs } of certificate.signatures) {
      const key = set.validators[signer]?.key;
      if (key === undefined || seen.has(signer))
        throw new Violation('S6 committed', `signer ${signer} twice or unknown`);
      seen.add(signer);
      sum += power.get(signer) ?? 0n;
      const who = indexByKey.get(toHex(key));
      if (who === undefined || byzantine.has(who)) continue;
      const place = `${who}/${certificate.height}/${certificate.view}/${toHex(certificate.blockId)}/${timeNs}`;
      if (!commits.has(place))
        throw new Violation('S6 committed', `node ${who} never sent ${place}`);
    }
    if (3n * sum <= 2n * total)
      throw new Violation(
        'S6 committed',
        `power ${sum} of ${total} at ${certificate.height} on node ${node.index}`,
      );
    if (toHex(headerId(block.header)) !== toHex(certificate.blockId))
      throw new Violation('S6 committed', 'the certificate is for another block');
  };

  const indexByKey = new Map<string, number>();

  const onCommitted = (node: SimulatedNode, pair: CertifiedBlock, tip: ChainTip): void => {
    if (byzantine.has(node.index)) return;
    const { header } = pair.block;
    const blockId = toHex(pair.certificate.blockId);
    const appHash = toHex(tip.appHash);
    record(`${node.index} committed ${header.height} ${blockId} ${appHash}`);
    count('block committed');
    if (pair.certificate.view > 0) count('block committed after a view change');
    // S2: one height at a time.
    const height = (heights.get(node.index) ?? 0n) + 1n;
    if (header.height !== height)
      throw new Violation(
        'S2 order',
        `node ${node.index} went to ${header.height}, expected ${height}`,
      );
    heights.set(node.index, height);
    // S1: one block and one state per height.
    const first = decided.get(height);
    if (first === undefined) decided.set(height, { blockId, appHash });
    else if (first.blockId !== blockId)
      throw new Violation('S1 agreement', `height ${height}: ${first.blockId} and ${blockId}`);
    else if (first.appHash !== appHash)
      throw new Violation('S2 order', `height ${height}: app hash ${first.appHash} and ${appHash}`);
    const below = decided.get(height - 1n);
    if (below !== undefined && below.blockId !== toHex(header.previousId))
      throw new Violation('S2 order', `height ${height} does not stand on the block below`);
    if (below !== undefined && below.appHash !== toHex(header.appHash))
      throw new Violation(
        'S2 order',
        `height ${height} carries another app hash than ${height - 1n} gave`,
      );
    if (tip.validators.epoch > tip.lastValidators.epoch) count('epoch changed');
    checkCertificate(node, pair, tip);
    checkExactlyOnce(node);
  };

  const onStep = (node: SimulatedNode, state: ReplicaState): void => {
    indexByKey.set(toHex(node.key), node.index);
    if (byzantine.has(node.index)) return;
    // S9 for the running process; across a crash the durable votes count, checked at sending.
    const before = highest.get(node.index);
    if (
      before !== undefined &&
      before.height === state.height &&
      state.view < before.view &&
      state.view < (leftViews.get(`${node.index}/${state.height}`) ?? 0)
    )
      throw new Violation('S9 view monotone', `node ${node.index} fell to view ${state.view}`);
    highest.set(node.index, { height: state.height, view: state.view });
    // S20: bounded buffers.
    for (const bytes of state.early.bytesBySender.values())
      if (bytes > state.settings.bufferBytesMax)
        throw new Violation('S20 bounded memory', `node ${node.index} buffers ${bytes} bytes`);
  };

  return {
    decided,
    counts,
    count,
    traceHash: () => toHex(trace),
    observer: {
      onSend,
      onPersisted,
      onCommitted,
      onStep,
      onEffect: (node, effect) => {
        if (effect.kind === 'halt' && !byzantine.has(node.index))
          throw new Violation(
            'S2 order',
            `node ${node.index} halted: ${effect.reason} ${effect.detail}`,
          );
        if (effect.kind === 'blame') {
          const blamed = indexByKey.get(toHex(effect.key));
          if (blamed === undefined || !byzantine.has(blamed))
            throw new Violation('S19 evidence', `node ${node.index} blames ${blamed}`);
        }
        if (effect.kind === 'reportEquivocation') {
          const liar = indexByKey.get(toHex(effect.evidence.key));
          if (liar !== undefined && !byzantine.has(liar))
            throw new Violation('S19 evidence', `against the correct node ${liar}`);
          count('equivocation reported');
        }
        if (effect.kind === 'reply' && node.height() < effect.height)
          throw new Violation(
            'S21 durability',
            `node ${node.index} answers before the disk has it`,
          );
        if (effect.kind === 'checkpointStable') count('checkpoint stable');
        if (effect.kind === 'sendBlocks') count('blocks served');
      },
    },
  };
}
