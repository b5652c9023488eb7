/** What one liar among four can send, beside what other implementations stumbled over. */
import { toHex } from '@yilian/crypto/bytes';
import { expect, test } from 'vitest';
import type { Block } from '../src/block.ts';
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
