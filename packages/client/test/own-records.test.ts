/** What was issued a moment ago is hers, although what was read last is older. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toRecordId } from '@yilian/crypto/ids';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import type { ReadOptions } from '../src/chain-reader.ts';
import { findOwnRecord } from '../src/own-records.ts';
import { type Cast, createCast, STROKE_DRAFT } from './support/cast.ts';
import { startConsortium, type TestConsortium } from './support/consortium.ts';

let consortium: TestConsortium;
let home: Cast;
let hospital: Cast;

beforeAll(async () => {
  consortium = await startConsortium();
  home = await createCast(consortium);
  // Another device: what it submits tells hers nothing.
  hospital = await createCast(consortium);
});
afterAll(() => consortium.stop());

describe('a record that was issued a moment ago', () => {
  test('is found by a device that read the chain just before', async () => {
    const patient = await home.patient('patient-1');
    const author = await hospital.doctor('community-1', 1);
    const visit = await home.visitAt(patient, 'community-1');
    // The clock of what she read stands still: it is as good as new when she asks again.
    let nowMs = home.platform.nowMs();
    const slow = await createCast(consortium, { nowMs: () => nowMs });
    expect(await slow.connection.reader.record(toRecordId(new Uint8Array(32)))).toBeUndefined();
    const { recordId } = await author.issueRecord({ visit, draft: STROKE_DRAFT });
    expect(await slow.connection.reader.record(recordId)).toBeUndefined();
    const own = await findOwnRecord(slow.connection.reader, patient.visits(), recordId);
    expect(own.ledgerRecord.id).toEqual(recordId);
    nowMs += 10_000;
    expect(await slow.connection.reader.record(recordId)).toBeDefined();
  });

  test('is asked for at a fresh height once, and only when it was not there', async () => {
    const asked: (ReadOptions | undefined)[] = [];
    const id = toRecordId(new Uint8Array(32).fill(1));
    const reader = {
      record: (_id: unknown, options?: ReadOptions): Promise<LedgerRecord | undefined> => {
        asked.push(options);
        return Promise.resolve(undefined);
      },
    };
    await expect(findOwnRecord(reader, [], id)).rejects.toMatchObject({ code: 'noRecord' });
    expect(asked).toEqual([undefined, { fresh: true }]);
  });

  test('of somebody else stays nobody’s, however fresh', async () => {
    const [stranger, owner] = [await home.patient('patient-2'), await home.patient('patient-3')];
    const author = await hospital.doctor('community-1', 2);
    const visit = await home.visitAt(owner, 'community-1');
    const { recordId } = await author.issueRecord({ visit, draft: STROKE_DRAFT });
    await expect(
      findOwnRecord(home.connection.reader, stranger.visits(), recordId),
    ).rejects.toMatchObject({ code: 'noRecord' });
  });
});
