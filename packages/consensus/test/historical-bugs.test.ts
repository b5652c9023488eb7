/** Bugs that other PBFT implementations shipped, each as a script that ours must survive. */
import { type Bytes, CodecError, toHex } from '@yilian/crypto/bytes';
import { assert, boolean, integer, nat, property } from 'fast-check';
import { expect, test } from 'vitest';
import { headerId, proposalBody } from '../src/header.ts';
import { decodeMessage, encodeMessage } from '../src/pbft/message-codec.ts';
import type { Header } from '../src/header.ts';
import type { Message, NewView, PrePrepare, ViewChange } from '../src/pbft/messages.ts';
import { signedBody } from '../src/pbft/signed-body.ts';
import { viewTimeoutMs } from '../src/pbft/view-change.ts';
import {
  actorAt,
  createScript,
  effectsOf,
  type Packet,
  propose,
  type Script,
  sentBy,
  transaction,
} from './script.ts';

const ALL = [0, 1, 2, 3] as const;
const only =
  (...kinds: Message['kind'][]) =>
  ({ message }: Packet): boolean =>
    kinds.includes(message.kind);
const except =
  (...kinds: Message['kind'][]) =>
  ({ message }: Packet): boolean =>
    !kinds.includes(message.kind);

function must<T>(value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Error('missing');
  return value;
}

/** Everybody has prepared block 1, nobody has heard a commit. */
function prepareEverywhere(script: Script): PrePrepare {
  propose(script);
  script.deliver(only('prePrepare', 'prepare'));
  return must(sentBy(script, script.primary(0), 'prePrepare')[0]);
}

function expireAll(script: Script, indexes: readonly number[] = ALL): void {
  for (const index of indexes) script.expire(index, 'view');
}

/** The proposal of the primary with another header, signed anew as a lying primary could. */
function forgeProposal(
  script: Script,
  original: PrePrepare,
  change: Partial<Header>,
  transactions?: readonly Bytes[],
): PrePrepare {
  const primary = original.signer;
  const header = { ...original.block.header, ...change };
  const blockId = headerId(header);
  const { epoch, height, view } = original;
  const content = { kind: 'prePrepare', epoch, height, view, blockId } as const;
  const signature = must(script.keys.signers[primary])(proposalBody(header.chainId, blockId));
  return {
    ...content,
    signer: primary,
    signature: script.sign(primary, content),
    block: {
      ...original.block,
      header,
      signature,
      transactions: transactions ?? original.block.transactions,
    },
  };
}

function validViewChange(
  script: Script,
  signer: number,
  view: number,
  prepared: ViewChange['prepared'] = null,
): ViewChange {
  const { tip, height } = actorAt(script, signer).state;
  const content = {
    kind: 'viewChange',
    epoch: tip.validators.epoch,
    height,
    view,
    parentCertificate: tip.certificate,
    prepared,
  } as const;
  return { ...content, signer, signature: script.sign(signer, content), block: null };
}

test('bug 1: a view change keeps the prepared block (PB-12)', () => {
  const script = createScript({ validators: 4 });
  const { blockId } = prepareEverywhere(script);
  expireAll(script);
  script.deliver();
  for (const index of ALL) {
    const [first] = actorAt(script, index).blocks;
    expect(must(first).certificate).toMatchObject({ view: 1, blockId });
  }
});

test('bug 1: the prepared block survives even when the new primary never saw it', () => {
  const script = createScript({ validators: 4 });
  const next = script.primary(1);
  propose(script);
  script.deliver(
    ({ message, to }) => ['prePrepare', 'prepare'].includes(message.kind) && to !== next,
  );
  const { blockId } = must(sentBy(script, script.primary(0), 'prePrepare')[0]);
  expect(actorAt(script, next).state.work.proposals.size).toBe(0);
  expireAll(script);
  script.deliver();
  expect(must(actorAt(script, next).blocks[0]).certificate).toMatchObject({ view: 1, blockId });
});

test('bug 2: a vote whose signature does not hold is not counted (PB-1)', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  const primary = script.primary(0);
  const proposal = must(sentBy(script, primary, 'prePrepare')[0]);
  const [a, b] = ALL.filter((index) => index !== primary);
  script.inject(must(a), primary, proposal);
  const { epoch, height, view, blockId } = proposal;
  script.inject(must(a), must(b), {
    kind: 'prepare',
    epoch,
    height,
    view,
    blockId,
    signer: must(b),
    signature: new Uint8Array(64).fill(7),
  });
  expect(sentBy(script, must(a), 'commit')).toHaveLength(0);
});

test('bug 2: a vote counts only when its signer is the authenticated sender (PB-1)', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  const primary = script.primary(0);
  const proposal = must(sentBy(script, primary, 'prePrepare')[0]);
  const [a, b, c] = ALL.filter((index) => index !== primary);
  script.inject(must(a), primary, proposal);
  const { epoch, height, view, blockId } = proposal;
  const content = { kind: 'prepare', epoch, height, view, blockId } as const;
  const genuine = { ...content, signer: must(b), signature: script.sign(must(b), content) };
  script.inject(must(a), must(c), genuine); // relayed by another
  expect(sentBy(script, must(a), 'commit')).toHaveLength(0);
  script.inject(must(a), must(b), genuine);
  expect(sentBy(script, must(a), 'commit')).toHaveLength(1);
});

test('bug 3: a prepare does not replay as a commit (PB-1)', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  const primary = script.primary(0);
  script.deliver(only('prePrepare'));
  const [a, b] = ALL.filter((index) => index !== primary);
  const vote = must(sentBy(script, must(b), 'prepare')[0]);
  const timeNs = script.nowNs;
  script.inject(must(a), must(b), { ...vote, kind: 'commit', timeNs });
  expect(actorAt(script, must(a)).state.work.commits.get(0)?.has(must(b)) ?? false).toBe(false);
});

test('bug 3: kind, chain, epoch, view and height are all under the signature (PB-1)', () => {
  const blockId = new Uint8Array(32);
  const base = { kind: 'prepare', epoch: 1, height: 5n, view: 2, blockId } as const;
  const bodies = [
    signedBody('chain', base),
    signedBody('chain', { ...base, kind: 'prePrepare' }),
    signedBody('chain', { ...base, kind: 'commit', timeNs: 0n }),
    signedBody('other', base),
    signedBody('chain', { ...base, epoch: 2 }),
    signedBody('chain', { ...base, view: 3 }),
    signedBody('chain', { ...base, height: 6n }),
    signedBody('chain', { ...base, blockId: new Uint8Array(32).fill(1) }),
  ];
  expect(new Set(bodies.map(toHex)).size).toBe(bodies.length);
});

test('bug 4: a replayed view change or new view moves no view backwards (PB-9)', () => {
  const script = createScript({ validators: 4 });
  expireAll(script);
  script.deliver(except('prePrepare'));
  const newView = must(sentBy(script, script.primary(1), 'newView')[0]);
  expireAll(script);
  script.deliver(except('prePrepare', 'newView'));
  expect(actorAt(script, 0).state.view).toBe(2);
  const to = must(ALL.find((index) => index !== script.primary(1) && index !== script.primary(2)));
  script.inject(to, script.primary(1), newView);
  for (const signer of ALL)
    for (const old of sentBy(script, signer, 'viewChange').filter(({ view }) => view === 1))
      script.inject(to, signer, old);
  expect(actorAt(script, to).state.view).toBe(2);
  expect(actorAt(script, to).state.work.status).toBe('viewChanging');
});

test('bug 4: a view change of one height means nothing at the next', () => {
  const script = createScript({ validators: 4 });
  expireAll(script);
  script.deliver();
  const olds = ALL.map((signer) => must(sentBy(script, signer, 'viewChange')[0]));
  expect(actorAt(script, 0).tip.height).toBeGreaterThan(0n);
  const { view, height } = actorAt(script, 0).state;
  for (const old of olds) script.inject(0, old.signer, old);
  expect(actorAt(script, 0).state.view).toBe(view);
  expect(actorAt(script, 0).state.height).toBe(height);
});

test('bug 5: a bad prepared certificate in one view change hides none of the good ones (PB-11)', () => {
  const script = createScript({ validators: 4 });
  const { blockId } = prepareEverywhere(script);
  const next = script.primary(1);
  const liar = must(ALL.find((index) => index !== next && index !== script.primary(0)));
  const honest = ALL.filter((index) => index !== liar);
  const genuine = must(actorAt(script, next).state.work.prepared).certificate;
  const forged = { ...genuine, blockId: new Uint8Array(32).fill(9) };
  script.inject(next, liar, validViewChange(script, liar, 1, forged));
  expireAll(script, honest);
  script.deliver(({ from }) => from !== liar);
  for (const index of honest)
    expect(must(actorAt(script, index).blocks[0]).certificate.blockId).toEqual(blockId);
  expect(actorAt(script, next).state.halted).toBe(false);
});

test('bug 5: a prepared certificate of too little power or with a repeated signer is refused (PB-11)', () => {
  const script = createScript({ validators: 4 });
  prepareEverywhere(script);
  const next = script.primary(1);
  const other = must(ALL.find((index) => index !== next));
  const genuine = must(actorAt(script, other).state.work.prepared).certificate;
  const [one] = genuine.prepares;
  for (const prepares of [[], [must(one)], [must(one), must(one), must(one)]]) {
    script.inject(next, other, validViewChange(script, other, 1, { ...genuine, prepares }));
    expect(actorAt(script, next).state.work.viewChanges.has(other)).toBe(false);
  }
  script.inject(next, other, validViewChange(script, other, 1, genuine));
  expect(actorAt(script, next).state.work.viewChanges.has(other)).toBe(true);
});

test('bug 6: a block that arrives by commits and by transfer is delivered once (PB-10)', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  const late = must(ALL.find((index) => index !== script.primary(0)));
  const kept: Packet[] = [];
  script.deliver((packet) => {
    if (packet.to === late && packet.message.kind === 'commit') kept.push(packet);
    return !(packet.to === late && packet.message.kind === 'commit');
  });
  const peer = must(ALL.find((index) => index !== late));
  const { blocks } = actorAt(script, peer);
  script.inject(late, peer, { kind: 'blocks', blocks });
  for (const { from, message } of kept) script.inject(late, from, message);
  script.inject(late, peer, { kind: 'blocks', blocks });
  script.deliver();
  const heights = effectsOf(script, late, 'executeBlock').map(({ height }) => height);
  expect(heights).toEqual([1n, 2n]);
});

test('bug 7: a vote survives a restart and is not given to another block (PB-2)', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  const primary = script.primary(0);
  const proposal = must(sentBy(script, primary, 'prePrepare')[0]);
  const backup = must(ALL.find((index) => index !== primary));
  script.inject(backup, primary, proposal);
  const vote = must(sentBy(script, backup, 'prepare')[0]);
  script.restart(backup);
  const lie = forgeProposal(
    script,
    proposal,
    { size: 0, count: 0, transactionsRoot: emptyRoot() },
    [],
  );
  script.inject(backup, primary, lie);
  expect(sentBy(script, backup, 'prepare')).toEqual([vote]);
  script.inject(backup, primary, proposal);
  expect(sentBy(script, backup, 'prepare')).toEqual([vote]);
  script.deliver();
  expect(actorAt(script, backup).tip.height).toBeGreaterThan(0n);
});

test('bug 7: a restarted primary repeats its proposal and makes no second one (PB-2)', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  const primary = script.primary(0);
  script.wire.length = 0;
  script.restart(primary);
  script.submit(primary, transaction(2));
  script.deliver();
  const proposals = sentBy(script, primary, 'prePrepare').filter(({ height }) => height === 1n);
  expect(proposals).toHaveLength(1);
  expect(must(actorAt(script, 0).blocks[0]).block.transactions).toEqual([transaction(1)]);
});

test('bug 7: a restart does not return to a view that was left (PB-9)', () => {
  const script = createScript({ validators: 4 });
  const { blockId } = prepareEverywhere(script);
  const backup = must(ALL.find((index) => index !== script.primary(0)));
  script.wire.length = 0;
  script.expire(backup, 'view');
  script.restart(backup);
  expect(actorAt(script, backup).state).toMatchObject({ view: 1 });
  expect(actorAt(script, backup).state.work.status).toBe('viewChanging');
  expect(must(sentBy(script, backup, 'viewChange')[0]).prepared?.blockId).toEqual(blockId);
});

test('bug 8: a proposal changes nothing until it is decided (PB-8)', () => {
  const script = createScript({ validators: 4 });
  prepareEverywhere(script);
  for (const index of ALL) {
    expect(effectsOf(script, index, 'executeBlock')).toHaveLength(0);
    expect(effectsOf(script, index, 'commitBlock')).toHaveLength(0);
  }
});

const emptyRoot = (): Bytes => {
  const script = createScript({ validators: 1 });
  script.expire(0, 'propose');
  return must(actorAt(script, 0).blocks[0]).block.header.transactionsRoot;
};

test.each<[string, Partial<Header>]>([
  ['another app hash', { appHash: new Uint8Array(32).fill(1) }],
  ['another parent', { previousId: new Uint8Array(32).fill(1) }],
  ['another chain', { chainId: 'other' }],
  ['another height', { height: 2n }],
  ['another time', { timeNs: 5n }],
  ['another validator set', { validatorsHash: new Uint8Array(32).fill(1) }],
  ['another next validator set', { nextValidatorsHash: new Uint8Array(32).fill(1) }],
  ['another transactions root', { transactionsRoot: new Uint8Array(32).fill(1) }],
  ['a wrong count', { count: 2 }],
  ['a wrong size', { size: 1 }],
  ['an unknown version', { version: 9 }],
  ['a parent certificate from nowhere', { parentCertificateHash: new Uint8Array(32) }],
  ['a proposer that is not the primary', { proposer: new Uint8Array(32).fill(1) }],
  ['an unwanted puzzle', { difficulty: 3 }],
])('bug 9: a header with %s is refused before Prepare (PB-5)', (_, change) => {
  const script = createScript({ validators: 4 });
  propose(script);
  const primary = script.primary(0);
  const lie = forgeProposal(script, must(sentBy(script, primary, 'prePrepare')[0]), change);
  const backup = must(ALL.find((index) => index !== primary));
  script.inject(backup, primary, lie);
  expect(sentBy(script, backup, 'prepare')).toHaveLength(0);
  expect(actorAt(script, backup).state.view).toBe(1);
});

test('bug 9: what the application refuses is not prepared, and the primary is replaced (PB-5)', () => {
  const script = createScript({ validators: 4 });
  for (const index of ALL) actorAt(script, index).accepts = (block) => block.txs.length === 0;
  const primary = script.primary(0);
  propose(script);
  script.wire.splice(
    0,
    script.wire.length,
    ...script.wire.filter(({ message }) => message.kind === 'prePrepare'),
  );
  script.deliver(except('request'));
  expect(
    sentBy(script, (primary + 1) % 4, 'prepare').filter(({ view }) => view === 0),
  ).toHaveLength(0);
  expect(actorAt(script, (primary + 1) % 4).tip.height).toBeGreaterThan(0n);
  expect(must(actorAt(script, (primary + 1) % 4).blocks[0]).certificate.view).toBeGreaterThan(0);
});

test('bug 10: after leaving a view, a replica commits nothing in it (PB-7)', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  const backup = must(ALL.find((index) => index !== script.primary(0)));
  const prepares: Packet[] = [];
  script.deliver((packet) => {
    if (packet.to === backup && packet.message.kind === 'prepare') prepares.push(packet);
    return packet.message.kind === 'prePrepare';
  });
  for (const other of ALL)
    for (const vote of sentBy(script, other, 'prepare'))
      if (other !== backup) prepares.push({ from: other, to: backup, message: vote });
  script.expire(backup, 'view');
  for (const { from, message } of prepares) script.inject(backup, from, message);
  expect(sentBy(script, backup, 'commit')).toHaveLength(0);
});

test('bug 10: who changes views at a decided height is answered with the proof (PB-10)', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  const late = must(ALL.find((index) => index !== script.primary(0)));
  script.deliver(({ message, to }) => !(to === late && message.kind === 'commit'));
  expect(actorAt(script, late).tip.height).toBe(0n);
  script.expire(late, 'view');
  script.deliver();
  expect(actorAt(script, late).tip.height).toBe(actorAt(script, script.primary(0)).tip.height);
});

test('bug 11: a view change needs no common checkpoint, before or after one is stable', () => {
  const script = createScript({ validators: 4, settings: { checkpointInterval: 2 } });
  propose(script);
  script.deliver(({ message, to }) => !(to === 3 && message.kind === 'checkpoint'));
  expect(actorAt(script, 0).state.stableHeight).toBe(2n);
  expect(actorAt(script, 3).state.stableHeight).toBe(0n);
  expireAll(script);
  script.deliver();
  expect(new Set(script.actors.map(({ tip }) => tip.height))).toEqual(new Set([3n]));
});

test('bug 12: one huge view number moves nobody and keeps one place (PB-14)', () => {
  const script = createScript({ validators: 4 });
  for (const view of [1_000, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER])
    script.inject(0, 3, validViewChange(script, 3, view));
  const { state } = actorAt(script, 0);
  expect(state.view).toBe(0);
  expect(state.work.viewChanges.size).toBe(1);
  propose(script);
  script.deliver();
  expect(actorAt(script, 0).tip.height).toBe(2n);
});

test('bug 12: votes for distant heights and views allocate nothing (PB-18, PB-19)', () => {
  const script = createScript({ validators: 4 });
  const blockId = new Uint8Array(32);
  for (const height of [10_000n, (1n << 64n) - 1n]) {
    const content = { kind: 'prepare', epoch: 0, height, view: 0, blockId } as const;
    script.inject(0, 3, { ...content, signer: 3, signature: script.sign(3, content) });
  }
  const content = {
    kind: 'commit',
    epoch: 0,
    height: 1n,
    view: 2 ** 50,
    blockId,
    timeNs: 1n,
  } as const;
  script.inject(0, 3, { ...content, signer: 3, signature: script.sign(3, content) });
  const { early, work } = actorAt(script, 0).state;
  expect(early.messages).toHaveLength(0);
  expect(work.commits.size).toBe(0);
});

test('bug 12: two of four must be ahead before a third follows, and it follows to where both are (PB-14)', () => {
  const script = createScript({ validators: 4 });
  script.inject(0, 3, validViewChange(script, 3, 9));
  expect(actorAt(script, 0).state.view).toBe(0);
  script.inject(0, 2, validViewChange(script, 2, 5));
  expect(actorAt(script, 0).state.view).toBe(5);
});

test('bug 13: patience doubles up to a cap and starts again with the next height (PB-13)', () => {
  const script = createScript({
    validators: 4,
    settings: { viewTimeoutMs: 1_000, viewTimeoutMaxMs: 8_000 },
  });
  const { state } = actorAt(script, 0);
  expect([0, 1, 2, 3, 4, 50, 1e6, 2 ** 50].map((view) => viewTimeoutMs(state, view))).toEqual([
    1_000, 2_000, 4_000, 8_000, 8_000, 8_000, 8_000, 8_000,
  ]);
  expireAll(script);
  script.deliver();
  expect(actorAt(script, 0).state.view).toBe(0);
  expect(actorAt(script, 0).timers.get('view')?.afterMs).toBeLessThanOrEqual(1_000 + 10_000);
});

test('bug 13: an isolated replica does not run away through the views (PB-13)', () => {
  const script = createScript({ validators: 4 });
  script.expire(0, 'view');
  expect(actorAt(script, 0).state.view).toBe(1);
  expect(actorAt(script, 0).timers.has('view')).toBe(false);
});

test('bug 13: a replica that stands further on counts for the quorum that starts the clock (PB-13)', () => {
  const script = createScript({ validators: 4 });
  script.expire(0, 'view');
  script.inject(0, 1, validViewChange(script, 1, 1));
  expect(actorAt(script, 0).timers.has('view')).toBe(false);
  script.inject(0, 2, validViewChange(script, 2, 3));
  expect(actorAt(script, 0).timers.has('view')).toBe(true);
});

test('bug 14: a replica that changes views alone comes back with the next block (PB-20)', () => {
  const script = createScript({ validators: 4 });
  const lonely = must(ALL.find((index) => index !== script.primary(0)));
  script.expire(lonely, 'view');
  script.wire.length = 0;
  propose(script);
  script.deliver(({ to }) => to !== lonely);
  expect(actorAt(script, lonely).state.work.status).toBe('viewChanging');
  script.expire(lonely, 'status');
  script.expire(lonely, 'status');
  script.deliver();
  expect(actorAt(script, lonely).tip.height).toBe(actorAt(script, script.primary(0)).tip.height);
  expect(actorAt(script, lonely).state.work.status).toBe('normal');
});

test('bug 14: lost view changes and new views are said again on status (PB-21)', () => {
  const script = createScript({ validators: 4 });
  expireAll(script);
  script.wire.length = 0; // all of them lost
  for (let i = 0; i < 3; i++) {
    for (const index of ALL) script.expire(index, 'status');
    script.deliver();
  }
  expect(actorAt(script, 0).tip.height).toBeGreaterThan(0n);
});

test('bug 14: a lost proposal, prepare or commit is said again on status (PB-21)', () => {
  for (const lost of ['prePrepare', 'prepare', 'commit'] as const) {
    const script = createScript({ validators: 4 });
    propose(script);
    script.deliver(except(lost));
    expect(actorAt(script, 0).tip.height).toBe(0n);
    for (let i = 0; i < 3; i++) {
      for (const index of ALL) script.expire(index, 'status');
      script.deliver();
    }
    expect(actorAt(script, 0).tip.height).toBeGreaterThan(0n);
    expect(must(actorAt(script, 0).blocks[0]).certificate.view).toBe(0);
  }
});

test('bug 15: blocks that arrive out of order delay nothing for good (PB-20)', () => {
  const script = createScript({ validators: 4, extra: 1 });
  for (let i = 0; i < 3; i++) {
    propose(script, i);
    script.deliver(({ to }) => to !== 4);
  }
  const { blocks } = actorAt(script, 0);
  script.inject(4, 0, { kind: 'blocks', blocks: blocks.slice(3) });
  script.inject(4, 1, { kind: 'blocks', blocks: blocks.toReversed() });
  script.inject(4, 2, { kind: 'blocks', blocks });
  script.deliver();
  expect(actorAt(script, 4).tip.height).toBe(6n);
});

test('bug 16: votes that come before their height are kept and used (PB-18)', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  const slow = must(
    ALL.find((index) => index !== script.primary(0) && index !== script.primary(1)),
  );
  const kept: Packet[] = [];
  script.deliver((packet) => {
    if (packet.to === slow && packet.message.kind === 'commit' && packet.message.height === 1n) {
      kept.push(packet);
      return false;
    }
    return packet.message.kind !== 'blocks';
  });
  expect(actorAt(script, slow).tip.height).toBe(0n);
  expect(actorAt(script, slow).state.early.messages.length).toBeGreaterThan(0);
  for (const { from, message } of kept) script.inject(slow, from, message);
  expect(actorAt(script, slow).tip.height).toBe(2n);
});

test('bug 17: a decision in the middle of a view change ends it (PB-8)', () => {
  const script = createScript({ validators: 4 });
  prepareEverywhere(script);
  const backup = must(ALL.find((index) => index !== script.primary(0)));
  script.expire(backup, 'view');
  for (const other of ALL)
    if (other !== backup)
      for (const vote of sentBy(script, other, 'commit')) script.inject(backup, other, vote);
  expect(actorAt(script, backup).tip.height).toBe(1n);
  expect(actorAt(script, backup).state.view).toBe(0);
});

test('bug 18: a block proposed again an hour later is still valid (PB-6)', () => {
  const script = createScript({ validators: 4 });
  const { blockId } = prepareEverywhere(script);
  script.nowNs += 3_600_000_000_000n;
  expireAll(script);
  script.deliver();
  expect(must(actorAt(script, 0).blocks[0]).certificate.blockId).toEqual(blockId);
});

test('bug 19: commit quorum and timeout at the same instant, in either order, decide the block (PB-8)', () => {
  for (const timeoutFirst of [true, false]) {
    const script = createScript({ validators: 4 });
    prepareEverywhere(script);
    const backup = must(ALL.find((index) => index !== script.primary(0)));
    const token = must(actorAt(script, backup).timers.get('view')).token;
    const expiry = { kind: 'timerExpired', timer: 'view', token } as const;
    if (timeoutFirst) script.feed(backup, expiry);
    for (const other of ALL)
      if (other !== backup)
        for (const vote of sentBy(script, other, 'commit')) script.inject(backup, other, vote);
    if (!timeoutFirst) script.feed(backup, expiry);
    expect(actorAt(script, backup).tip.height).toBe(1n);
    expect(actorAt(script, backup).state.view).toBe(0);
  }
});

test('bug 20: damaged bytes are refused by the decoder and never crash a replica', () => {
  const script = createScript({ validators: 4 });
  prepareEverywhere(script);
  expireAll(script);
  script.deliver();
  const samples = new Map<string, Uint8Array>();
  for (const { sent } of script.actors)
    for (const { message } of sent) samples.set(message.kind, encodeMessage(message));
  const originals = [...samples.values()];
  expect(samples.size).toBeGreaterThanOrEqual(6);
  let accepted = 0;
  assert(
    property(
      nat(originals.length - 1),
      nat(),
      integer({ min: 1, max: 255 }),
      boolean(),
      (which, where, difference, truncate) => {
        const bytes = must(originals[which]).slice();
        const at = where % bytes.length;
        bytes[at] = must(bytes[at]) ^ difference;
        try {
          const message = decodeMessage(truncate ? bytes.subarray(0, at) : bytes);
          accepted++;
          for (const from of ALL)
            script.feed(0, {
              kind: 'messageReceived',
              from: must(script.keys.keys[from]),
              message,
            });
        } catch (error) {
          expect(error).toBeInstanceOf(CodecError);
        }
      },
    ),
    { numRuns: 2_000, seed: 20 },
  );
  expect(accepted).toBeGreaterThan(0);
  script.wire.length = 0;
  for (let i = 0; i < 4; i++) {
    for (const index of ALL) script.expire(index, 'status');
    script.deliver();
  }
  expect(new Set(script.actors.map(({ tip }) => toHex(tip.blockId))).size).toBe(1);
});

test('bug 20: one sender cannot fill more than its share of the buffer (PB-18)', () => {
  const script = createScript({ validators: 4, settings: { bufferBytesMax: 10_000 } });
  propose(script);
  const proposal = must(sentBy(script, script.primary(0), 'prePrepare')[0]);
  const victim = must(ALL.find((index) => index !== proposal.signer));
  for (let view = 1; view < 100; view++) {
    const { epoch, height, blockId, block } = proposal;
    const content = { kind: 'prePrepare', epoch, height, view, blockId } as const;
    const signature = script.sign(proposal.signer, content);
    script.inject(victim, proposal.signer, {
      ...content,
      signer: proposal.signer,
      signature,
      block,
    });
  }
  const { early } = actorAt(script, victim).state;
  expect(Math.max(...early.bytesBySender.values())).toBeLessThanOrEqual(10_000);
  expect(early.messages.length).toBeLessThan(20);
});

test('bug 21: members change at a decided height, in the middle of a view change as well (PB-23)', () => {
  const script = createScript({ validators: 4, extra: 1 });
  const key = must(script.keys.keys[4]);
  for (const actor of script.actors)
    actor.updates = (height) => (height === 1n ? [{ key, power: 1n, leads: true }] : []);
  propose(script);
  script.deliver();
  expect(actorAt(script, 0).state).toMatchObject({ height: 3n });
  expect(actorAt(script, 0).tip.validators.validators).toHaveLength(5);
  expireAll(script, [0, 1, 2, 3, 4]);
  script.deliver();
  expect(new Set(script.actors.map(({ tip }) => tip.height))).toEqual(new Set([3n]));
  expect(must(actorAt(script, 0).blocks[2]).certificate.signatures.length).toBeGreaterThanOrEqual(
    4,
  );
});

test('bug 21: a vote of another epoch is not counted (PB-1, PB-23)', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  const primary = script.primary(0);
  const proposal = must(sentBy(script, primary, 'prePrepare')[0]);
  const [a, b] = ALL.filter((index) => index !== primary);
  script.inject(must(a), primary, proposal);
  const { height, view, blockId } = proposal;
  const content = { kind: 'prepare', epoch: 1, height, view, blockId } as const;
  script.inject(must(a), must(b), {
    ...content,
    signer: must(b),
    signature: script.sign(must(b), content),
  });
  expect(sentBy(script, must(a), 'commit')).toHaveLength(0);
});

test('a new view is sent once even where f+1 equals 2f', () => {
  const script = createScript({ validators: 4 });
  expireAll(script);
  script.deliver(except('prePrepare'));
  const primary = script.primary(1);
  for (const signer of ALL)
    for (const message of sentBy(script, signer, 'viewChange'))
      if (signer !== primary) script.inject(primary, signer, message);
  expect(sentBy(script, primary, 'newView')).toHaveLength(1);
});

test('PB-12 a new view without a quorum, out of order or from someone else is refused', () => {
  const script = createScript({ validators: 4 });
  expireAll(script);
  script.deliver(except('newView', 'prePrepare'));
  const primary = script.primary(1);
  const genuine = must(sentBy(script, primary, 'newView')[0]);
  const backup = must(ALL.find((index) => index !== primary));
  const { epoch, height, view, viewChanges } = genuine;
  const sign = (signer: number, nested: readonly ViewChange[]): NewView => {
    const content = { kind: 'newView', epoch, height, view, viewChanges: nested } as const;
    return { ...content, signer, signature: script.sign(signer, content) };
  };
  const lies = [
    sign(primary, viewChanges.slice(0, 2)),
    sign(primary, [must(viewChanges[0]), must(viewChanges[0]), must(viewChanges[1])]),
    sign(primary, viewChanges.toReversed()),
    sign(
      primary,
      viewChanges.map((nested, i) => (i === 0 ? { ...nested, view: 2 } : nested)),
    ),
    sign(
      primary,
      viewChanges.map((nested, i) =>
        i === 1 ? { ...nested, signature: new Uint8Array(64) } : nested,
      ),
    ),
    { ...genuine, signature: new Uint8Array(64) },
  ];
  for (const lie of lies) {
    script.inject(backup, primary, lie);
    expect(actorAt(script, backup).state.work.status).toBe('viewChanging');
  }
  const other = must(ALL.find((index) => index !== primary && index !== backup));
  script.inject(backup, other, sign(other, viewChanges));
  expect(actorAt(script, backup).state.work.status).toBe('viewChanging');
  script.inject(backup, primary, genuine);
  expect(actorAt(script, backup).state.work.status).toBe('normal');
});

test('PB-12 a new primary that proposes another block than the prepared one is refused', () => {
  const script = createScript({ validators: 4 });
  const original = prepareEverywhere(script);
  expireAll(script);
  script.deliver(except('prePrepare'));
  const primary = script.primary(1);
  const backup = must(ALL.find((index) => index !== primary));
  const lie = forgeProposal(
    script,
    { ...original, view: 1, signer: primary },
    { proposer: must(script.keys.keys[primary]) },
  );
  script.inject(backup, primary, lie);
  expect(sentBy(script, backup, 'prepare').filter(({ view }) => view === 1)).toHaveLength(0);
  expect(actorAt(script, backup).state.view).toBe(2);
});

test('PB-15 two proposals of one primary lead to no disagreement and to evidence', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  const primary = script.primary(0);
  const original = must(sentBy(script, primary, 'prePrepare')[0]);
  const lie = forgeProposal(
    script,
    original,
    { size: 0, count: 0, transactionsRoot: emptyRoot() },
    [],
  );
  const [a, b, c] = ALL.filter((index) => index !== primary);
  script.wire.length = 0;
  script.inject(must(a), primary, original);
  script.inject(must(b), primary, original);
  script.inject(must(c), primary, lie);
  script.inject(must(b), primary, lie);
  expect(effectsOf(script, must(b), 'reportEquivocation')).toHaveLength(1);
  script.deliver(({ from }) => from !== primary);
  const honest = [must(a), must(b), must(c)];
  expireAll(script, honest);
  script.deliver(({ from }) => from !== primary);
  expect(new Set(honest.map((index) => toHex(actorAt(script, index).tip.blockId))).size).toBe(1);
  expect(actorAt(script, must(a)).tip.height).toBeGreaterThan(0n);
});

test('PB-22 a silent primary is replaced, and skipped for a while', () => {
  const script = createScript({ validators: 4, settings: { skipBlocks: 10 } });
  const dead = script.primary(0);
  const alive = ALL.filter((index) => index !== dead);
  const lives = ({ from, to }: Packet): boolean => from !== dead && to !== dead;
  expireAll(script, alive);
  script.deliver(lives);
  const witness = must(alive[0]);
  for (let i = 0; i < 4; i++) {
    const primary = must(
      alive.find((index) => toHex(must(script.keys.keys[index])) === primaryKey(script, witness)),
    );
    script.submit(primary, transaction(i));
    if (actorAt(script, primary).timers.has('propose')) script.expire(primary, 'propose');
    script.deliver(lives);
  }
  const views = actorAt(script, witness).blocks.map(({ certificate }) => certificate.view);
  expect(views[0]).toBe(1);
  expect(views.slice(2).every((view) => view === 0)).toBe(true);
  expect(actorAt(script, witness).tip.skipped.map(({ key }) => toHex(key))).toEqual([
    toHex(must(script.keys.keys[dead])),
  ]);
});

function primaryKey(script: Script, witness: number): string {
  const { state } = actorAt(script, witness);
  const { validators } = state.tip.validators;
  const order = validators.filter(({ leads }) => leads);
  const turn = Number(state.tip.height % BigInt(order.length));
  const rotated = [...order.slice(turn), ...order.slice(0, turn)];
  const skipped = new Set(
    state.tip.skipped
      .filter(({ untilHeight }) => untilHeight > state.height)
      .map(({ key }) => toHex(key)),
  );
  return must(rotated.map(({ key }) => toHex(key)).find((key) => !skipped.has(key)));
}
