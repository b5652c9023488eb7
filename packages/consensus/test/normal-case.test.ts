import { toHex } from '@yilian/crypto/bytes';
import { expect, test } from 'vitest';
import { medianTimeNs, verifyCertificate } from '../src/certificate.ts';
import { headerId } from '../src/header.ts';
import {
  actorAt,
  createEd25519Keys,
  createScript,
  effectsOf,
  hash,
  propose,
  sentBy,
  transaction,
} from './script.ts';

test('PB-8 a request becomes one block with one certificate at every replica', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  script.deliver();
  const ids = script.actors.map(({ blocks }) =>
    toHex(headerId(blocks[0]?.block.header ?? never())),
  );
  expect(new Set(ids).size).toBe(1);
  for (const { blocks, tip } of script.actors) {
    expect(blocks[0]?.block.transactions).toEqual([transaction(1)]);
    const { block, certificate } = blocks[0] ?? never();
    const verified = verifyCertificate({
      certificate,
      height: 1n,
      blockId: headerId(block.header),
      validators: tip.lastValidators, // nobody joined or left
      verifySignature: script.keys.verifySignature,
    });
    expect(verified.ok).toBe(true);
  }
});

function never(): never {
  throw new Error('missing');
}

test('PB-17 a proof block follows a block with transactions at once, and then the chain rests', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  script.deliver();
  for (const { blocks, tip } of script.actors) {
    expect(blocks.map(({ block }) => block.transactions.length)).toEqual([1, 0]);
    expect(blocks[1]?.block.header.appHash).toEqual(
      hash(
        Uint8Array.of(
          ...hash(new TextEncoder().encode('empty')),
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          1,
          ...transaction(1),
        ),
      ),
    );
    expect(tip.proofDue).toBe(false);
  }
});

test('PB-17 an idle chain makes a heartbeat block when its time has come', () => {
  const script = createScript({ validators: 4, settings: { heartbeatMs: 10_000 } });
  const primary = script.primary(0);
  expect(actorAt(script, primary).timers.get('propose')?.afterMs).toBe(10_000);
  script.expire(primary, 'propose');
  script.deliver();
  expect(script.actors.map(({ tip }) => tip.height)).toEqual([1n, 1n, 1n, 1n]);
});

test('QJ-9 a block is cut by count before its time', () => {
  const script = createScript({ validators: 4, settings: { blockCountMax: 3 } });
  const primary = script.primary(0);
  for (let i = 0; i < 3; i++) script.submit(primary, transaction(i));
  expect(sentBy(script, primary, 'prePrepare')[0]?.block.transactions).toHaveLength(3);
});

test('QJ-9 on a quiet chain a transaction waits for company only, and a busy one keeps its intervals', () => {
  const script = createScript({ validators: 4, settings: { blockIntervalMs: 1_000 } });
  const primary = script.primary(0);
  script.submit(primary, transaction(1));
  expect(actorAt(script, primary).timers.get('propose')?.afterMs).toBe(100);
  script.expire(primary, 'propose');
  script.deliver();
  // The proof block came at once and is no block with transactions.
  expect(actorAt(script, 0).tip.height).toBe(2n);
  const next = script.primary(0);
  script.nowNs += 300_000_000n;
  script.submit(next, transaction(2));
  expect(sentBy(script, next, 'prePrepare').at(-1)?.block.transactions ?? []).toEqual([]);
  expect(actorAt(script, next).timers.get('propose')?.afterMs).toBe(700);
  script.expire(next, 'propose');
  expect(sentBy(script, next, 'prePrepare').at(-1)?.block.transactions).toEqual([transaction(2)]);
});

test('QJ-9 a block is cut by bytes before its time', () => {
  const script = createScript({ validators: 4, settings: { blockBytesMax: 100 } });
  const primary = script.primary(0);
  script.submit(primary, new Uint8Array(60).fill(1));
  expect(sentBy(script, primary, 'prePrepare')).toHaveLength(0);
  script.submit(primary, new Uint8Array(60).fill(2));
  expect(sentBy(script, primary, 'prePrepare')[0]?.block.header.size).toBe(60);
});

test('PB-2 every vote is on the disk before it is on the wire', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  script.deliver();
  for (const { effects } of script.actors) {
    const persisted = new Set<unknown>();
    for (const effect of effects) {
      if (effect.kind === 'persist')
        for (const record of effect.records)
          if (record.kind === 'voted') persisted.add(record.message);
      if (
        effect.kind === 'broadcast' &&
        ['prePrepare', 'prepare', 'commit'].includes(effect.message.kind)
      )
        expect(persisted.has(effect.message)).toBe(true);
    }
    expect(persisted.size).toBeGreaterThan(2);
  }
});

test('PB-10 clients are answered only after the block is committed to disk', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  script.deliver();
  const kinds = actorAt(script, 0).effects.map(({ kind }) => kind);
  expect(kinds.indexOf('executeBlock')).toBeLessThan(kinds.indexOf('commitBlock'));
  expect(kinds.indexOf('commitBlock')).toBeLessThan(kinds.indexOf('reply'));
  expect(effectsOf(script, 0, 'reply')[0]?.transactionHashes).toEqual([hash(transaction(1))]);
});

test('PB-6 block time is the median of the parent’s commit timestamps, so one wrong clock moves nothing', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  script.deliver();
  const [first, second] = actorAt(script, 0).blocks;
  const { lastValidators } = actorAt(script, 0).tip;
  const parent = second?.block.parentCertificate ?? never();
  expect(second?.block.header.timeNs).toBe(medianTimeNs(parent, lastValidators));
  const signatures = parent.signatures.map((vote, index) =>
    index === 0 ? { ...vote, timeNs: vote.timeNs + 10n ** 18n } : vote,
  );
  const skewed = medianTimeNs({ ...parent, signatures }, lastValidators);
  const honest = parent.signatures.slice(1).map(({ timeNs }) => timeNs);
  expect(honest).toContain(skewed);
  expect(second?.block.header.timeNs).toBeGreaterThan(first?.block.header.timeNs ?? 0n);
});

test('PB-4 the primary’s prepare is not counted beside its proposal', () => {
  const script = createScript({ validators: 4 });
  const primary = script.primary(0);
  propose(script);
  const proposal = sentBy(script, primary, 'prePrepare')[0] ?? never();
  const backup = (primary + 1) % 4;
  script.inject(backup, primary, proposal);
  const { epoch, height, view, blockId } = proposal;
  const content = { kind: 'prepare', epoch, height, view, blockId } as const;
  script.inject(backup, primary, {
    ...content,
    signer: primary,
    signature: script.sign(primary, content),
  });
  // Proposal and own prepare make two; the primary's prepare must not be the third.
  expect(sentBy(script, backup, 'commit')).toHaveLength(0);
  const other = (primary + 2) % 4;
  script.inject(backup, other, {
    ...content,
    signer: other,
    signature: script.sign(other, content),
  });
  expect(sentBy(script, backup, 'commit')).toHaveLength(1);
});

test('PB-22 tertiary and secondary hospitals take turns, community hospitals never lead', () => {
  const script = createScript({ validators: 4, leaders: 3 });
  for (let i = 0; i < 12; i++) {
    propose(script, i);
    script.deliver();
  }
  const proposers = actorAt(script, 0).blocks.map(({ block }) => toHex(block.header.proposer));
  const leaders = script.keys.keys.slice(0, 3).map(toHex);
  for (const [index, proposer] of proposers.entries()) expect(proposer).toBe(leaders[index % 3]);
  expect(proposers.length).toBe(24);
  // The one that never leads has signed all the same.
  const signers = actorAt(script, 0).blocks.flatMap(({ certificate }) =>
    certificate.signatures.map(({ signer }) => signer),
  );
  expect(signers).toContain(3);
});

test('PB-22 the turn passes on every k blocks when k is set', () => {
  const script = createScript({ validators: 4, settings: { blocksPerTurn: 4 } });
  for (let i = 0; i < 6; i++) {
    propose(script, i);
    script.deliver();
  }
  const proposers = actorAt(script, 0).blocks.map(({ block }) => toHex(block.header.proposer));
  const leaders = script.keys.keys.map(toHex);
  expect(proposers).toEqual(proposers.map((_, index) => leaders[Math.floor(index / 4) % 4]));
});

test('PB-24 an observer follows the chain and never votes', () => {
  const script = createScript({ validators: 4, extra: 1 });
  propose(script);
  script.deliver();
  expect(actorAt(script, 4).tip.height).toBe(2n);
  const kinds = new Set(actorAt(script, 4).sent.map(({ message }) => message.kind));
  for (const kind of ['prePrepare', 'prepare', 'commit', 'viewChange', 'newView', 'checkpoint'])
    expect(kinds.has(kind as never)).toBe(false);
  expect(actorAt(script, 4).wal).toHaveLength(0);
});

test('a single replica decides alone', () => {
  const script = createScript({ validators: 1 });
  propose(script);
  script.deliver();
  expect(actorAt(script, 0).tip.height).toBe(2n);
});

test('PB-23 a new member votes two heights after the block that admitted it, in a new epoch', () => {
  const script = createScript({ validators: 4, extra: 1 });
  const key = script.keys.keys[4] ?? never();
  for (const actor of script.actors)
    actor.updates = (height) => (height === 1n ? [{ key, power: 1n, leads: false }] : []);
  propose(script);
  script.deliver();
  for (let i = 2; i < 4; i++) {
    propose(script, i);
    script.deliver();
  }
  const { blocks, tip } = actorAt(script, 4);
  const at = (height: number): string =>
    toHex(blocks[height - 1]?.block.header.validatorsHash ?? never());
  expect(at(2)).toBe(at(1));
  expect(at(3)).not.toBe(at(2));
  expect(blocks[0]?.block.header.nextValidatorsHash).toEqual(
    blocks[1]?.block.header.validatorsHash,
  );
  expect(blocks[1]?.block.header.nextValidatorsHash).toEqual(
    blocks[2]?.block.header.validatorsHash,
  );
  expect(tip.validators.epoch).toBe(1);
  expect(tip.validators.validators).toHaveLength(5);
  expect(
    sentBy(script, 4, 'commit').every(({ height, epoch }) => height >= 3n && epoch === 1),
  ).toBe(true);
  expect(sentBy(script, 4, 'commit').length).toBeGreaterThan(0);
});

test('PB-16 a request goes to all that may lead, and to everybody when it waits too long', () => {
  const script = createScript({ validators: 4, leaders: 2 });
  script.submit(3, transaction(7));
  const forwarded = (): number[] =>
    actorAt(script, 3)
      .sent.filter(({ message }) => message.kind === 'request')
      .map(({ to }) => to);
  expect(forwarded()).toEqual([0, 1]);
  script.wire.length = 0;
  script.expire(3, 'requests');
  expect(forwarded().slice(2)).toEqual([0, 1, 2]);
});

test('PB-16 a full pool refuses instead of growing', () => {
  const script = createScript({ validators: 4, settings: { requestsCountMax: 2 } });
  const backup = (script.primary(0) + 1) % 4;
  for (let i = 0; i < 3; i++) script.submit(backup, transaction(i));
  expect(actorAt(script, backup).state.requests.pending.size).toBe(2);
  expect(effectsOf(script, backup, 'refuseRequest')).toEqual([
    { kind: 'refuseRequest', hash: hash(transaction(2)) },
  ]);
});

test('PB-16 a censored request ends in a view change, although blocks arrive', () => {
  const script = createScript({
    validators: 4,
    settings: { blocksPerTurn: 1_000, requestRelayMs: 1_000, requestComplainMs: 3_000 },
  });
  const primary = script.primary(0);
  const backup = (primary + 1) % 4;
  script.submit(backup, transaction(99));
  const isRequest = ({ message, to }: { message: { kind: string }; to: number }): boolean =>
    !(message.kind === 'request' && to === primary);
  script.deliver(isRequest);
  for (let i = 0; i < 4; i++) {
    propose(script, i); // the primary makes blocks, of other requests
    script.deliver(isRequest);
    for (const index of [0, 1, 2, 3])
      if (actorAt(script, index).timers.has('requests')) script.expire(index, 'requests');
    script.deliver(isRequest);
  }
  const executed = actorAt(script, 0).blocks.flatMap(({ block }) => block.transactions.map(toHex));
  expect(executed).toContain(toHex(transaction(99)));
  expect(actorAt(script, 0).blocks.some(({ certificate }) => certificate.view > 0)).toBe(true);
});

test('PB-19 replicas agree on a checkpoint every k heights', () => {
  const script = createScript({ validators: 4, settings: { checkpointInterval: 2 } });
  propose(script);
  script.deliver();
  for (const index of [0, 1, 2, 3]) {
    expect(effectsOf(script, index, 'checkpointStable').map(({ height }) => height)).toEqual([2n]);
    expect(actorAt(script, index).state.stableHeight).toBe(2n);
  }
});

test('PB-19 a replica whose state diverges from a quorum halts instead of voting on', () => {
  const script = createScript({ validators: 4, settings: { checkpointInterval: 1 } });
  const liar = actorAt(script, 3);
  liar.appHash = () => hash(Uint8Array.of(66));
  propose(script);
  script.deliver();
  expect(effectsOf(script, 3, 'halt')[0]?.reason).toBe('appHashDiffers');
  const before = liar.sent.length;
  propose(script, 2);
  script.deliver();
  expect(liar.sent.slice(before).filter(({ message }) => message.kind === 'commit')).toHaveLength(
    0,
  );
  expect(actorAt(script, 0).tip.height).toBeGreaterThanOrEqual(3n);
});

test('PB-1 with real Ed25519 keys the same script decides, and a wrong key stops a vote', () => {
  const script = createScript({ validators: 4, createKeys: createEd25519Keys });
  propose(script);
  script.deliver();
  expect(script.actors.map(({ tip }) => tip.height)).toEqual([2n, 2n, 2n, 2n]);
  const { state } = actorAt(script, 0);
  const content = {
    kind: 'viewChange',
    epoch: 0,
    height: state.height,
    view: 1,
    parentCertificate: state.tip.certificate,
    prepared: null,
  } as const;
  const forge = (by: number): void =>
    script.inject(0, 1, {
      ...content,
      signer: 1,
      signature: script.sign(by, content),
      block: null,
    });
  forge(2);
  expect(state.work.viewChanges.size).toBe(0);
  forge(1);
  expect(state.work.viewChanges.size).toBe(1);
});

test('PB-16 a request that nobody else wants is given up and its client told', () => {
  const script = createScript({
    validators: 4,
    settings: { requestRelayMs: 1_000, requestComplainMs: 2_000 },
  });
  script.submit(1, transaction(5));
  for (let i = 0; i < 20 && actorAt(script, 1).timers.has('requests'); i++) {
    script.expire(1, 'requests');
    script.wire.length = 0;
  }
  expect(actorAt(script, 1).state.requests.pending.size).toBe(0);
  expect(effectsOf(script, 1, 'refuseRequest')).toHaveLength(1);
});

test('PB-18 blocks that nobody asked for do not fill the queue', () => {
  const script = createScript({ validators: 4, extra: 1 });
  for (let i = 0; i < 3; i++) {
    propose(script, i);
    script.deliver(({ to }) => to !== 4);
  }
  const { blocks } = actorAt(script, 0);
  const first = blocks[0] ?? never();
  const second = blocks[1] ?? never();
  const forged = { ...first, block: { ...first.block, transactions: [transaction(9)] } };
  script.inject(4, 1, { kind: 'blocks', blocks: [forged, second] });
  expect(actorAt(script, 4).tip.height).toBe(0n);
  expect(actorAt(script, 4).state.transfer.queue).toHaveLength(0);
  expect(actorAt(script, 4).state.halted).toBe(false);
  script.inject(4, 0, { kind: 'blocks', blocks });
  expect(actorAt(script, 4).tip.height).toBe(6n);
});

test('PB-21 a peer that asks the same again and again is not answered each time', () => {
  const script = createScript({ validators: 4 });
  propose(script);
  script.deliver();
  const before = effectsOf(script, 0, 'sendBlocks').length;
  for (let i = 0; i < 10; i++) script.inject(0, 3, { kind: 'fetchBlocks', fromHeight: 1n });
  expect(effectsOf(script, 0, 'sendBlocks').length).toBe(before + 1);
  script.inject(0, 3, { kind: 'fetchBlocks', fromHeight: 2n });
  expect(effectsOf(script, 0, 'sendBlocks').length).toBe(before + 2);
});

test('PB-16 complaints about many requests change the view once, not once each', () => {
  const script = createScript({
    validators: 4,
    settings: { requestRelayMs: 1_000, requestComplainMs: 3_000 },
  });
  for (let i = 0; i < 8; i++) {
    script.submit(1, transaction(i));
    script.expire(1, 'requests');
    script.wire.length = 0;
  }
  expect(actorAt(script, 1).state.view).toBe(1);
});
