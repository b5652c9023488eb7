/**
 * What audits find goes on chain, and the patient sees it: a store's own loss, the other operator's
 * finding, the return after a repair; and what a liar can and cannot do.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordId } from '@yilian/crypto/ids';
import { equalBytes } from '@yilian/crypto/bytes';
import { publicKey } from '@yilian/crypto/signature';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import type { StorageFinding } from '@yilian/ledger/contracts/records/storage-finding';
import type { ObjectCare } from '@yilian/node/stores/object-care';
import { CONFIRM_AFTER_MS } from '@yilian/node/stores/copy-audit';
import type { ObjectHoldings } from '@yilian/node/stores/object-holdings';
import { createSigner } from '@yilian/node/verification/verify-signature';
import type { YilianNode } from '@yilian/node/node';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Doctor } from '../src/doctor.ts';
import type { Patient } from '../src/patient.ts';
import { submitBody } from '../src/submission.ts';
import { type Cast, createCast, STROKE_DRAFT } from './support/cast.ts';
import { startConsortium, type TestConsortium } from './support/consortium.ts';

interface Keeper {
  readonly institution: string;
  readonly node: YilianNode;
  readonly care: ObjectCare;
  readonly objects: ObjectHoldings;
  readonly file: string;
}

let consortium: TestConsortium;
let cast: Cast;
let patient: Patient;
let author: Doctor;
let recordId: RecordId;
let record: LedgerRecord;
/** What everybody's clock is ahead of the real one. */
let aheadMs = 0;

/** The two operators that keep this record, as they run now. */
function keepers(): readonly [Keeper, Keeper] {
  const found = record.stores.flatMap((store): Keeper[] => {
    const running = consortium.nodes.find(({ node }) => {
      const own = node.services.store;
      return own !== null && equalBytes(own.member, store);
    });
    const care = running?.node.care ?? null;
    const objects = running?.node.services.store?.objects;
    if (running === undefined || care === null || objects === undefined) return [];
    const holding = objects.inventory.findByHeader(record.headerHash);
    const name = holding?.name ?? '';
    const { institution, node } = running;
    const data = join(consortium.home, 'nodes', institution, 'data');
    return [
      { institution, node, care, objects, file: join(data, 'objects', name.slice(0, 2), name) },
    ];
  });
  const [first, second] = found;
  if (first === undefined || second === undefined) throw new Error('two stores were named');
  return [first, second];
}

/** State of each keeper's copy, and who says what of it, as the patient's client proves it. */
async function seen(): Promise<readonly (readonly [string, string, ...string[]])[]> {
  const copies = await patient.copiesOf(recordId);
  return copies.map(({ institution, state, words }) => [
    institution,
    state,
    ...words.map((word) => `${word.institution}: ${word.finding}`),
  ]);
}

/** Until every node has worked off what is final, and the patient's client reads what is after it. */
async function settle(): Promise<void> {
  const tips = consortium.nodes.map(({ node }) => node.services.chain.tip().height);
  const height = Math.max(...tips);
  for (const { node } of consortium.nodes) {
    while (node.services.chain.tip().height < height)
      await new Promise((resolve) => setTimeout(resolve, 10));
    await node.settle();
  }
  cast.connection.reader.expectHeight(BigInt(height));
}

/** Lets a keeper audit the other's copy, whichever record a random sample finds first. */
async function auditUntilDoubted({ care }: Keeper): Promise<void> {
  for (let i = 0; i < 200 && care.copies.counts().doubted === 0; i++) await care.copies.round();
  expect(care.copies.counts().doubted).toBe(1);
}

/** The second look, which counts. */
async function confirm({ care }: Keeper): Promise<void> {
  aheadMs += CONFIRM_AFTER_MS + 1;
  await care.copies.round();
  await care.reporter.round();
  await settle();
}

function alter(file: string): void {
  const bytes = readFileSync(file);
  const at = bytes.length - 40;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

/** A keeper's node says so, whatever is true. */
async function say(liar: string, about: Keeper, finding: StorageFinding): Promise<string> {
  const seed = consortium.nodeSeed(liar);
  const store = about.node.services.store;
  if (store === null) throw new Error('it runs a store');
  const member = record.stores.find((id) => equalBytes(id, store.member));
  if (member === undefined) throw new Error('the record names it');
  const { network, reader } = cast.connection;
  return submitBody(
    network,
    reader,
    { type: 'reportStorage', record: recordId, store: member, finding },
    [{ key: publicKey(seed), sign: createSigner(seed) }],
  ).then(
    () => 'ok',
    (error: unknown) => (error as { code: string }).code,
  );
}

beforeAll(async () => {
  const realNow = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() + aheadMs);
  consortium = await startConsortium(60, () => Date.now());
  cast = await createCast(consortium);
  patient = await cast.patient('patient-1');
  author = await cast.doctor('community-1', 1);
});
afterAll(async () => {
  await consortium.stop();
  vi.restoreAllMocks();
});

/** Each test has a record of its own: a loss of one copy is reported once a day. */
beforeEach(async () => {
  const visit = await cast.visitAt(patient, 'community-1');
  ({ recordId } = await author.issueRecord({ visit, draft: STROKE_DRAFT }));
  const found = await cast.connection.reader.record(recordId, { fresh: true });
  if (found === undefined) throw new Error('it was issued');
  record = found;
  await settle();
});

describe('ST-16 a store says itself what it lost, and that it is there again', () => {
  test('a loss that is repaired in the same round is on chain all the same', async () => {
    const [one, other] = keepers();
    const good = readFileSync(one.file);
    rmSync(one.file);
    await one.care.repair.round();
    expect(readFileSync(one.file).equals(good)).toBe(true);
    await one.care.reporter.round();
    await settle();
    expect(await seen()).toEqual([
      [one.institution, 'restored', `${one.institution}: restored`],
      [other.institution, 'attested'],
    ]);
    expect(one.care.reporter.waiting()).toBe(0);
  });

  test('a loss that nobody can repair stands until the patient repairs it from her copy', async () => {
    const [one, other] = keepers();
    const opened = await patient.openRecord(recordId);
    const copy = new Blob([await opened.stored.object.arrayBuffer()]);
    await opened.stored.dispose();
    for (const { file } of [one, other]) rmSync(file);
    for (const { care } of [one, other]) {
      await care.repair.round();
      await care.reporter.round();
    }
    await settle();
    expect((await seen()).map(([, state]) => state)).toEqual(['lost', 'lost']);
    await patient.repairRecord(recordId, copy);
    for (const { care } of [one, other]) await care.reporter.round();
    await settle();
    expect((await seen()).map(([, state]) => state)).toEqual(['restored', 'restored']);
  });

  test('what was noted outlives the process', async () => {
    const [one] = keepers();
    alter(one.file);
    // The reader's access marks it; the node ends before it could say so.
    await expect(
      one.objects.openRecord(record).then(async (object) => {
        for await (const part of object?.read({ start: 0, end: record.length }) ?? []) void part;
      }),
    ).rejects.toMatchObject({ code: 'corrupted' });
    await consortium.stopNode(one.institution);
    await consortium.startNode(one.institution);
    const [again] = keepers();
    await again.care.copies.round();
    await again.care.reporter.round();
    await settle();
    expect((await seen())[0]?.slice(1)).toEqual(['lost', `${one.institution}: altered`]);
    await again.care.round();
    await settle();
    expect((await seen())[0]?.slice(1)).toEqual(['restored', `${one.institution}: restored`]);
  });
});

describe('ST-17 operators audit each other', () => {
  test('ST-18 what fails an audit twice is reported, and taken back when it is there again', async () => {
    const [one, other] = keepers();
    const good = readFileSync(one.file);
    rmSync(one.file);
    await auditUntilDoubted(other);
    await other.care.reporter.round();
    await settle();
    // The first look is none that counts.
    expect((await seen())[0]?.[1]).toBe('attested');
    await confirm(other);
    expect((await seen())[0]).toContain(`${other.institution}: missing`);
    writeFileSync(one.file, good);
    // The accused reads its copy whole, which is good, and says so.
    await one.care.copies.round();
    await one.care.reporter.round();
    await settle();
    const words = (await seen())[0];
    expect(words).toContain(`${one.institution}: restored`);
    // And its accuser looks again.
    await confirm(other);
    aheadMs += 3_600_000;
    await confirm(other);
    expect((await seen())[0]).toContain(`${other.institution}: restored`);
    expect((await seen())[0]?.[1]).toBe('restored');
  });

  test('ST-18 a store that gives other bytes is found out, however well it keeps its own peace', async () => {
    const [one, other] = keepers();
    const { store } = one.node.services;
    if (store === null) throw new Error('it runs a store');
    const honest = { ...store.objects };
    Object.assign(store.objects, {
      openRecord: async (asked: LedgerRecord) => {
        const object = await honest.openRecord(asked);
        return object === null || !equalBytes(asked.id, recordId)
          ? object
          : {
              ...object,
              read: async function* read(range: { readonly start: number; readonly end: number }) {
                await Promise.resolve();
                yield new Uint8Array(range.end - range.start);
              },
            };
      },
    });
    try {
      await auditUntilDoubted(other);
      await confirm(other);
    } finally {
      Object.assign(store.objects, honest);
    }
    expect((await seen())[0]).toContain(`${other.institution}: altered`);
  });

  test('ST-18 a store that is out of reach has lost nothing', async () => {
    const [one, other] = keepers();
    await consortium.stopNode(one.institution);
    const before = other.care.copies.counts().unanswered;
    for (let i = 0; i < 20; i++) await other.care.copies.round();
    expect(other.care.copies.counts().unanswered).toBeGreaterThan(before);
    aheadMs += CONFIRM_AFTER_MS;
    await other.care.copies.round();
    await other.care.reporter.round();
    await consortium.startNode(one.institution);
    await settle();
    expect((await seen()).map(([, state]) => state)).toEqual(['attested', 'attested']);
  });
});

describe('ST-19 a liar', () => {
  test('stands with its word beside that of the store, which answers, and may not repeat it', async () => {
    const [one, other] = keepers();
    expect(await say(other.institution, one, 'altered')).toBe('ok');
    await settle();
    expect((await seen())[0]?.[1]).toBe('reported');
    // Nobody told it to look: the report on chain does.
    await one.care.copies.round();
    await one.care.reporter.round();
    await settle();
    expect((await seen())[0]).toEqual([
      one.institution,
      'disputed',
      `${other.institution}: altered`,
      `${one.institution}: restored`,
    ]);
    expect(await say(other.institution, one, 'missing')).toBe('findingTooSoon');
    expect(await say(other.institution, one, 'altered')).toBe('findingKnown');
    // And the record is read as before.
    const opened = await patient.openRecord(recordId);
    await opened.stored.dispose();
    expect((await patient.repairRecord(recordId)).map(({ found }) => found)).toEqual([
      'good',
      'good',
    ]);
  });

  test('that keeps no copy of the record is not heard', async () => {
    const [one, other] = keepers();
    const stranger = consortium.nodes.find(
      ({ institution, node }) =>
        node.care !== null && institution !== one.institution && institution !== other.institution,
    );
    expect(await say(stranger?.institution ?? '', one, 'missing')).toBe('auditorNotAllowed');
    expect(await seen()).toEqual([
      [one.institution, 'attested'],
      [other.institution, 'attested'],
    ]);
  });
});
