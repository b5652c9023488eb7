/** What one liar among four can send, beside what other implementations stumbled over. */
import { toHex } from '@yilian/crypto/bytes';
import { expect, test } from 'vitest';
import type { Block } from '../src/block.ts';
import { decodeMessage } from '../src/pbft/message-codec.ts';
import type { Message, ViewChange } from '../src/pbft/messages.ts';
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

const only =
  (...kinds: Message['kind'][]) =>
  ({ message }: Packet): boolean =>
    kinds.includes(message.kind);

function must<T>(value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Error('missing');
  return value;
}

/** Everybody has prepared block 1, nobody has heard a commit. */
function prepareEverywhere(script: Script): Block {
  propose(script);
  script.deliver(only('prePrepare', 'prepare'));
  return must(sentBy(script, script.primary(0), 'prePrepare')[0]).block;
}

/** A view change that `liar` signs, with its true prepared certificate and any block beside it. */
function viewChangeOf(script: Script, liar: number, view: number, block: Block): ViewChange {
  const { state } = actorAt(script, liar);
  const content = {
    kind: 'viewChange',
    epoch: 0,
    height: state.height,
    view,
    parentCertificate: state.tip.certificate,
    prepared: must(state.work.prepared).certificate,
  } as const;
  return { ...content, signer: liar, signature: script.sign(liar, content), block };
}

test('PB-11 a view change with the prepared header and other transactions changes nobody’s block', () => {
  const script = createScript({ validators: 4 });
  const block = prepareEverywhere(script);
  const primary = script.primary(0);
  const [liar = 0, victim = 0] = [0, 1, 2, 3].filter((index) => index !== primary);
  const forged = { ...block, transactions: [transaction(666)] };
  script.inject(victim, liar, viewChangeOf(script, liar, 1, forged));
  for (const index of [0, 1, 2, 3])
    if (index !== victim) script.inject(victim, index, must(sentBy(script, index, 'commit')[0]));
  const [decided] = actorAt(script, victim).blocks;
  expect(must(decided).block.transactions.map(toHex)).toEqual(block.transactions.map(toHex));
});

test.each([
  ['other transactions', { transactions: [transaction(666)] }],
  ['another signature', { signature: new Uint8Array(64).fill(7) }],
])('PB-12 a block with %s in a view change does not spoil the new primary’s proposal', (_, lie) => {
  const script = createScript({ validators: 4 });
  propose(script);
  const first = script.primary(0);
  const second = script.primary(1);
  const liar = must([0, 1, 2, 3].find((index) => index !== first && index !== second));
  // The new primary has not seen the proposal and hears of it from the view changes alone.
  script.deliver((packet) => only('prePrepare', 'prepare')(packet) && packet.to !== second);
  const { block } = must(sentBy(script, first, 'prePrepare')[0]);
  script.inject(second, liar, viewChangeOf(script, liar, 1, { ...block, ...lie }));
  for (const index of [0, 1, 2, 3]) if (index !== liar) script.expire(index, 'view');
  script.deliver(({ from }) => from !== liar);
  for (const index of [0, 1, 2, 3]) {
    if (index === liar) continue;
    expect(effectsOf(script, index, 'executeBlock').length).toBeGreaterThan(0);
    expect(must(actorAt(script, index).blocks[0]).certificate.view).toBe(1);
  }
});

test('PB-18 what a buffered proposal costs is measured over the whole of it', () => {
  const script = createScript({ validators: 4, settings: { bufferBytesMax: 64 * 1024 } });
  const block = prepareEverywhere(script);
  const [liar = 0, victim = 0] = [0, 1, 2, 3].filter((index) => index !== script.primary(0));
  // No transactions at all: the weight hides in a field of the header that has no length of its own.
  const heavy = {
    ...block,
    transactions: [],
    header: { ...block.header, puzzleNonce: new Uint8Array(40 * 1024) },
  };
  for (let view = 1; view <= 5; view++)
    script.inject(victim, liar, {
      kind: 'prePrepare',
      epoch: 0,
      height: 2n,
      view,
      blockId: new Uint8Array(32),
      signer: liar,
      signature: new Uint8Array(64),
      block: heavy,
    });
  expect(actorAt(script, victim).state.early.messages).toHaveLength(1);
});

test('PB-18 one liar cannot make every step walk through a long list of early votes', () => {
  const script = createScript({ validators: 4 });
  prepareEverywhere(script);
  const [liar = 0, victim = 0] = [0, 1, 2, 3].filter((index) => index !== script.primary(0));
  let looks = 0;
  const vote = {
    kind: 'prepare',
    epoch: 0,
    height: 3n,
    view: 1,
    blockId: new Uint8Array(32),
    signer: liar,
    signature: new Uint8Array(64),
  } as const;
  for (let i = 0; i < 200; i++) script.inject(victim, liar, vote);
  const { early } = actorAt(script, victim).state;
  const { filter } = early.messages;
  early.messages.filter = ((...args: Parameters<typeof filter>) => {
    looks += 1;
    return filter.apply(early.messages, args);
  }) as typeof filter;
  for (let i = 0; i < 50; i++) script.inject(victim, liar, vote);
  expect(looks).toBe(0);
});

test('PB-18 a member that has committed in many views is heard in the next one', () => {
  const script = createScript({ validators: 4 });
  const block = prepareEverywhere(script);
  const blockId = must(sentBy(script, script.primary(0), 'prePrepare')[0]).blockId;
  const victim = 0;
  const others = [1, 2, 3];
  // Commits of view after view were lost to all but the victim, and never by a quorum at once.
  const commit = (signer: number, view: number): void => {
    const content = {
      kind: 'commit',
      epoch: 0,
      height: 1n,
      view,
      blockId,
      timeNs: block.header.timeNs + 5_000_000n,
    } as const;
    script.inject(victim, signer, {
      ...content,
      signer,
      signature: script.sign(signer, content),
    });
  };
  for (let view = 1; view <= 20; view++)
    for (const signer of others.slice(0, 2)) commit(signer, view);
  expect(effectsOf(script, victim, 'executeBlock')).toHaveLength(0);
  for (const signer of others) commit(signer, 30);
  expect(effectsOf(script, victim, 'executeBlock')).toHaveLength(1);
  for (const tally of actorAt(script, victim).state.work.commits.values())
    expect(tally.size).toBeLessThanOrEqual(4);
  expect(actorAt(script, victim).state.work.commits.size).toBeLessThanOrEqual(40);
});

test('PB-21 a peer that asks for one height after another is answered a few times, not each time', () => {
  const script = createScript({ validators: 4 });
  for (let number = 1; number <= 20; number++) {
    propose(script, number);
    script.deliver();
  }
  const top = Number(actorAt(script, 0).state.tip.height);
  expect(top).toBeGreaterThan(30);
  const answers = (): number => effectsOf(script, 0, 'sendBlocks').length;
  const ask = (): void => {
    for (let height = 1; height <= top; height++)
      script.inject(0, 1, { kind: 'fetchBlocks', fromHeight: BigInt(height) });
  };
  const before = answers();
  ask();
  const first = answers() - before;
  expect(first).toBeGreaterThan(0);
  expect(first).toBeLessThanOrEqual(8);
  script.nowNs += 1_000_000_000n;
  ask();
  expect(answers() - before).toBe(2 * first);
});

test('bug 20: a message whose bytes are all items is refused before it fills the memory', () => {
  const bytes = new Uint8Array(7 + 1_000_000).fill(0x40);
  bytes.set([0x82, 7, 0x9a, 0x00, 0x0f, 0x42, 0x40]);
  expect(() => decodeMessage(bytes)).toThrow('too many items');
});

test('PB-1 who sends a vote that it did not sign is blamed, and nobody for what others had put into it', () => {
  const script = createScript({ validators: 4 });
  prepareEverywhere(script);
  const [liar = 0, victim = 0, third = 0] = [0, 1, 2, 3].filter(
    (index) => index !== script.primary(0),
  );
  const blamed = (): readonly string[] =>
    effectsOf(script, victim, 'blame').map(({ key }) => toHex(key));
  const vote = must(sentBy(script, liar, 'commit')[0]);
  script.inject(victim, liar, { ...vote, signature: new Uint8Array(64) });
  expect(blamed()).toEqual([toHex(must(script.keys.keys[liar]))]);
  // What it says in another's name is dropped by the name alone, and costs nobody anything.
  script.inject(victim, liar, { ...vote, signer: third, signature: new Uint8Array(64) });
  script.inject(victim, liar, vote);
  expect(blamed()).toHaveLength(1);
});
