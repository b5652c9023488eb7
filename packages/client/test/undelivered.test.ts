import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '@yilian/crypto/bytes';
import type { Grant } from '@yilian/ledger/contracts/consent/grant';
import type { Doctor } from '../src/doctor.ts';
import {
  createKeyringSlot,
  decodeKeyring,
  encodeKeyring,
  type UndeliveredBlob,
} from '../src/keyring.ts';
import { createPatient, type Patient } from '../src/patient.ts';
import { deliverUndelivered, keepUndelivered } from '../src/undelivered.ts';
import { type Cast, createCast, hoursFromNow, STROKE_DRAFT } from './support/cast.ts';
import { startConsortium, type TestConsortium } from './support/consortium.ts';

let consortium: TestConsortium;
let cast: Cast;
let patient: Patient;
let referred: Doctor;

beforeAll(async () => {
  consortium = await startConsortium();
  cast = await createCast(consortium);
  patient = await cast.patient('patient-1');
  const author = await cast.doctor('community-1', 1);
  referred = await cast.doctor('tertiary-1', 1);
  const visit = await cast.visitAt(patient, 'community-1');
  await author.issueRecord({ visit, draft: STROKE_DRAFT });
}, 120_000);

afterAll(() => consortium.stop());

function acknowledgedBy(grant: Grant | undefined, node: Uint8Array): boolean | undefined {
  return grant?.holders.find((holder) => toHex(holder.node) === toHex(node))?.acknowledged;
}

describe('a holder that was down while a grant was made', () => {
  test('gets its share on the next run, from the keyring, and acknowledges it', async () => {
    const { network, reader } = cast.connection;
    const down = 'secondary-1';
    const node = network.nodes.find(({ name }) => name === down);
    if (node === undefined) throw new Error('no such node');
    await consortium.stopNode(down);
    const made = await patient.grantAccess({
      grantee: referred.id,
      to: hoursFromNow(cast.platform, 1),
      purpose: 'p',
    });
    // She is told, and the grant works without it.
    expect(made.undelivered).toEqual([down]);
    expect(made.acknowledged).toBeGreaterThanOrEqual(made.threshold);
    expect(acknowledgedBy(await reader.grant(made.grantId, { fresh: true }), node.memberId)).toBe(
      false,
    );

    // The device is switched off and on again.
    const kept = decodeKeyring(encodeKeyring(patient.keyring.current));
    if (kept.kind !== 'patient') throw new Error('another keyring');
    expect(kept.undelivered.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['grantee', 'copy']),
    );
    expect(kept.undelivered.every((each) => toHex(each.node) === toHex(node.memberId))).toBe(true);
    const later = createPatient(network, reader, createKeyringSlot(kept));

    // Still down: nothing is lost.
    expect(await later.deliverUndelivered()).toEqual({
      delivered: [],
      waiting: [down],
      tooLate: [],
    });
    expect(later.keyring.current.undelivered).toEqual(kept.undelivered);

    await consortium.startNode(down);
    for (let attempt = 0; later.keyring.current.undelivered.length > 0; attempt++) {
      if (attempt > 50) throw new Error('it was never delivered');
      await later.listGrants();
      await cast.platform.wait(100);
    }
    for (let attempt = 0; ; attempt++) {
      const grant = await reader.grant(made.grantId, { fresh: true });
      if (acknowledgedBy(grant, node.memberId) === true) break;
      if (attempt > 100) throw new Error('it was never acknowledged');
      await cast.platform.wait(50);
    }
    expect(await later.deliverUndelivered()).toEqual({ delivered: [], waiting: [], tooLate: [] });
  }, 120_000);
});

describe('what is kept', () => {
  function slotWith(...blobs: readonly UndeliveredBlob[]): Patient['keyring'] {
    return createKeyringSlot({ ...patient.keyring.current, undelivered: blobs });
  }

  async function someBlob(change: Partial<UndeliveredBlob> = {}): Promise<UndeliveredBlob> {
    const [own] = await patient.listGrants();
    const [holder] = own?.grant.holders ?? [];
    if (own === undefined || holder === undefined) throw new Error('no grant');
    return {
      grantId: own.grantId,
      node: holder.node,
      name: `share-${holder.index}`,
      blob: new Uint8Array(100),
      until: hoursFromNow(cast.platform, 1),
      ...change,
    };
  }

  test.each([
    ['is too old', { until: 1 }],
    ['is not the one in the grant', { name: 'grantee' }],
    ['has no such name', { name: 'share-0' }],
  ] as const)('is given up when it %s', async (_why, change) => {
    const slot = slotWith(await someBlob(change));
    const { tooLate, delivered } = await deliverUndelivered(cast.connection.network, slot);
    expect(tooLate).toHaveLength(1);
    expect(delivered).toEqual([]);
    expect(slot.current.undelivered).toEqual([]);
  });

  test('waits while nobody knows its node', async () => {
    const node = cast.platform.randomBytes(32);
    const slot = slotWith(await someBlob({ node }));
    const { waiting } = await deliverUndelivered(cast.connection.network, slot);
    expect(waiting).toEqual([toHex(node)]);
    expect(slot.current.undelivered).toHaveLength(1);
  });

  test('stands there once, however often it is kept', async () => {
    const blob = await someBlob();
    const slot = slotWith(blob);
    await keepUndelivered(slot, [{ ...blob, until: blob.until + 1 }]);
    expect(slot.current.undelivered).toEqual([{ ...blob, until: blob.until + 1 }]);
  });
});
