import { equalBytes, toHex } from '@yilian/crypto/bytes';
import { toRecordId } from '@yilian/crypto/ids';
import { LOSS_PAUSE_SECONDS } from '@yilian/ledger/contracts/records/report-storage';
import type { StorageFinding } from '@yilian/ledger/contracts/records/storage-finding';
import type { TransactionBody } from '@yilian/ledger/transaction';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Shelf, createShelf } from '../../src/services/service-store.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import { type StorageReporter, createStorageReporter } from '../../src/stores/storage-reporter.ts';
import { ChainModel, TestClock, person, randomBytes, recordingSender } from './support.ts';

const node = person('node', 'hospital-a');
const { id: own } = person('store', 'hospital-a').member;
const { id: other } = person('store', 'hospital-b').member;

let clock: TestClock;
let chain: ChainModel;
let shelf: Shelf;
let sender: ReturnType<typeof recordingSender>;
let refused: string[];
let outcomes: string[];
let reporter: StorageReporter;
const record = toRecordId(randomBytes(32));

/** As the ledger does: this auditor's word in place of its last one. */
function execute(body: TransactionBody): string {
  const outcome = outcomes.shift() ?? 'ok';
  if (body.type !== 'reportStorage' || outcome !== 'ok') return outcome;
  const key = toHex(body.record) + toHex(body.store);
  const before = chain.findings.get(key) ?? [];
  const last = before.find(({ auditor }) => equalBytes(auditor, own));
  const time = Math.floor(clock.ms / 1000);
  const lossTime = body.finding === 'restored' ? (last?.lossTime ?? 0) : time;
  chain.findings.set(key, [
    ...before.filter((each) => each !== last),
    { auditor: own, finding: body.finding, time, lossTime },
  ]);
  return outcome;
}

function open(): StorageReporter {
  return createStorageReporter({
    chain,
    shelf,
    sender,
    signer: node.signer,
    auditor: own,
    onRefused: (code) => refused.push(code),
  });
}

function said(): readonly (StorageFinding | null)[] {
  return sender.sent.map((body) => (body.type === 'reportStorage' ? body.finding : null));
}

beforeEach(() => {
  clock = new TestClock();
  chain = new ChainModel(clock);
  chain.addBlock();
  shelf = createShelf(createMemoryStore(), 'storage-findings');
  sender = recordingSender(chain, execute);
  refused = [];
  outcomes = [];
  reporter = open();
});

describe('what audits find is put on chain', () => {
  it('ST-16 a loss before its end, once each', async () => {
    await reporter.note(record, own, 'missing');
    await reporter.note(record, own, 'missing');
    await reporter.note(record, own, 'held');
    await reporter.round();
    await reporter.round();
    expect(said()).toEqual(['missing', 'restored']);
    expect(reporter.waiting()).toBe(0);
    expect(shelf.list()).toEqual([]);
  });

  it('ST-16 and is not forgotten when the process ends in between', async () => {
    await reporter.note(record, other, 'altered');
    await reporter.note(record, other, 'held');
    reporter = open();
    expect(reporter.waiting()).toBe(1);
    await reporter.round();
    expect(said()).toEqual(['altered', 'restored']);
  });

  it('nothing is said of what nobody missed', async () => {
    await reporter.note(record, own, 'held');
    await reporter.round();
    expect(said()).toEqual([]);
  });

  it('ST-19 an accusation of one’s own store is answered, one of another is not', async () => {
    const time = Math.floor(clock.ms / 1000);
    const finding = { auditor: other, finding: 'missing', time, lossTime: time } as const;
    chain.findings.set(toHex(record) + toHex(own), [finding]);
    const third = person('store', 'hospital-c').member.id;
    chain.findings.set(toHex(record) + toHex(third), [finding]);
    await reporter.note(record, own, 'held');
    await reporter.note(record, third, 'held');
    await reporter.round();
    expect(said()).toEqual(['restored']);
  });

  it('a lost disk is said a few copies at a time', async () => {
    for (let i = 0; i < 40; i++) await reporter.note(toRecordId(randomBytes(32)), own, 'missing');
    await reporter.round();
    expect(said()).toHaveLength(16);
    await reporter.round();
    await reporter.round();
    expect(said()).toHaveLength(40);
    expect(reporter.waiting()).toBe(0);
  });

  it('a copy that comes and goes is said once a day', async () => {
    await reporter.note(record, own, 'missing');
    await reporter.note(record, own, 'held');
    await reporter.round();
    // Lost and back within the day: that was said already.
    await reporter.note(record, own, 'missing');
    await reporter.note(record, own, 'held');
    await reporter.round();
    expect(said()).toEqual(['missing', 'restored']);
    expect(reporter.waiting()).toBe(0);
    // Lost for longer: it waits for the day to pass.
    await reporter.note(record, own, 'altered');
    await reporter.round();
    expect(said()).toEqual(['missing', 'restored']);
    expect(reporter.waiting()).toBe(1);
    clock.ms += LOSS_PAUSE_SECONDS * 1000;
    chain.addBlock();
    await reporter.round();
    expect(said()).toEqual(['missing', 'restored', 'altered']);
  });

  it('what is not final in time is sent again', async () => {
    outcomes = ['timeout', 'senderSuspended'];
    await reporter.note(record, own, 'missing');
    await reporter.round();
    await reporter.round();
    expect(reporter.waiting()).toBe(1);
    await reporter.round();
    expect(said()).toEqual(['missing', 'missing', 'missing']);
    expect(reporter.waiting()).toBe(0);
  });

  it('what the chain will never take is given up and told to the operator', async () => {
    outcomes = ['auditorNotAllowed'];
    await reporter.note(record, other, 'missing');
    await reporter.round();
    expect(refused).toEqual(['auditorNotAllowed']);
    expect(reporter.waiting()).toBe(0);
    expect(shelf.list()).toEqual([]);
  });

  it('what is lost again while its return is under way is said again', async () => {
    await reporter.note(record, own, 'missing');
    await reporter.round();
    await reporter.note(record, own, 'held');
    await reporter.note(record, own, 'altered');
    // The chain still says `missing`: that it came and went again is no news.
    await reporter.round();
    expect(said()).toEqual(['missing']);
    expect(chain.copyFindings(record, own)).toMatchObject([{ finding: 'missing' }]);
  });
});
