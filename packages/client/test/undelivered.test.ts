import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '@yilian/crypto/bytes';
import type { Grant } from '@yilian/ledger/contracts/consent/grant';
import type { Doctor } from '../src/doctor.ts';
import {
  createKeyringSlot,
  decodeKeyring,
  encodeKeyring,
  type PatientKeyring,
  type UndeliveredBlob,
} from '../src/keyring.ts';
import { createPatient, type Patient } from '../src/patient.ts';
import { createMemoryStorage, type Fetch } from '../src/platform/platform.ts';
import { connect } from '../src/connect.ts';
import { toGrantId } from '@yilian/crypto/ids';
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

describe('a device that stops between submission and delivery', () => {
  /** A patient on her own device, whose calls that `hangs` matches are never answered. */
  function deviceOf(hangs: (method: string, url: URL) => boolean): {
    readonly patient: Patient;
    /** What its disk holds when it is switched off now. */
    readonly disk: () => PatientKeyring;
  } {
    const { network: plain } = cast.connection;
    const fetch: Fetch = (target, init) =>
      hangs(init.method ?? 'GET', new URL(target))
        ? new Promise(() => undefined)
        : globalThis.fetch(target, init);
    const platform = { ...cast.platform, fetch, storage: createMemoryStorage() };
    const { network, reader } = connect({ platform, anchor: plain.anchor, nodes: plain.nodes });
    const keyring: PatientKeyring = { ...patient.keyring.current, undelivered: [] };
    let written = encodeKeyring(keyring);
    const slot = createKeyringSlot(keyring, (next) => {
      written = encodeKeyring(next);
      return Promise.resolve();
    });
    return {
      patient: createPatient(network, reader, slot),
      disk: () => {
        const read = decodeKeyring(written);
        if (read.kind !== 'patient') throw new Error('another keyring');
        return read;
      },
    };
  }

  test('loses nothing: the next run delivers every share, and the record opens', async () => {
    const { network, reader } = cast.connection;
    const isBlob = (method: string, url: URL): boolean =>
      method === 'PUT' && url.pathname.includes('/blobs/');
    const { patient: crashing, disk } = deviceOf(isBlob);
    const grantIds = async (): Promise<readonly string[]> =>
      (await patient.listGrants()).map((each) => toHex(each.grantId));
    const before = await grantIds();
    // It never comes back from this call.
    void crashing
      .grantAccess({ grantee: referred.id, to: hoursFromNow(cast.platform, 1), purpose: 'p' })
      .catch(() => undefined);
    await expect
      .poll(async () => (await grantIds()).length, { timeout: 20_000 })
      .toBeGreaterThan(before.length);
    const kept = disk();
    const [first] = kept.undelivered;
    if (first === undefined) throw new Error('nothing was kept');
    const grantId = toGrantId(first.grantId);
    const onChain = await reader.grant(grantId, { fresh: true });
    if (onChain === undefined) throw new Error('the grant is not on chain');
    expect(onChain.holders.some(({ acknowledged }) => acknowledged)).toBe(false);
    // Share, grantee's blob and copy of each holder.
    expect(kept.undelivered).toHaveLength(3 * onChain.holders.length);

    const later = createPatient(network, reader, createKeyringSlot(kept));
    const { waiting, tooLate } = await later.deliverUndelivered();
    expect({ waiting, tooLate }).toEqual({ waiting: [], tooLate: [] });
    expect(later.keyring.current.undelivered).toEqual([]);
    await expect
      .poll(
        async () =>
          (await reader.grant(grantId, { fresh: true }))?.holders.every(
            ({ acknowledged }) => acknowledged,
          ),
        { timeout: 20_000 },
      )
      .toBe(true);
    await referred.receiveGrant(grantId);
    expect(await referred.search(grantId)).toHaveLength(1);
  }, 60_000);

  test('before the submission: the blobs are kept, and given up when no such grant comes', async () => {
    const { patient: crashing, disk } = deviceOf(
      (method, url) =>
        (method === 'POST' && url.pathname.endsWith('/transactions')) || method === 'PUT',
    );
    void crashing
      .grantAccess({ grantee: referred.id, to: hoursFromNow(cast.platform, 1), purpose: 'p' })
      .catch(() => undefined);
    await expect.poll(() => disk().undelivered.length, { timeout: 20_000 }).toBeGreaterThan(0);
    const late = createKeyringSlot({
      ...disk(),
      undelivered: disk().undelivered.map((each) => ({ ...each, until: 1 })),
    });
    await deliverUndelivered(cast.connection.network, late);
    expect(late.current.undelivered).toEqual([]);
  }, 60_000);
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
    const grantId = toGrantId(blob.grantId);
    const other = { ...blob, grantId: cast.platform.randomBytes(16) };
    await keepUndelivered(slot, toGrantId(other.grantId), [other]);
    await keepUndelivered(slot, grantId, [{ ...blob, until: blob.until + 1 }]);
    expect(slot.current.undelivered).toEqual([other, { ...blob, until: blob.until + 1 }]);
    await keepUndelivered(slot, grantId, []);
    expect(slot.current.undelivered).toEqual([other]);
  });
});
