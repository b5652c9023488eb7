/** Repair of what a store lost: by the node itself from the other operator, by the patient, by the author. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ROUTES } from '@yilian/api/routes';
import { equalBytes, toHex } from '@yilian/crypto/bytes';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import type { RecordId } from '@yilian/crypto/ids';
import type { YilianNode } from '@yilian/node/node';
import type { ObjectHoldings } from '@yilian/node/stores/object-holdings';
import type { ObjectRepair } from '@yilian/node/stores/object-repair';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Doctor } from '../src/doctor.ts';
import type { Patient } from '../src/patient.ts';
import { type Cast, createCast, STROKE_DRAFT } from './support/cast.ts';
import { startConsortium, type TestConsortium } from './support/consortium.ts';
import { createWire, flipBit, type Wire } from './support/wire.ts';

interface StoreOfRecord {
  readonly institution: string;
  readonly url: string;
  readonly node: YilianNode;
  readonly repair: ObjectRepair;
  readonly objects: ObjectHoldings;
  /** The file that keeps the record. */
  readonly file: string;
}

let consortium: TestConsortium;
let cast: Cast;
const wire: Wire = createWire();
let patient: Patient;
let author: Doctor;
let recordId: RecordId;
let record: LedgerRecord;
let good: Buffer;
let copy: Blob;

/** The record's two stores as they run now. */
function stores(): readonly [StoreOfRecord, StoreOfRecord] {
  const found = consortium.nodes.flatMap(({ institution, url, node }): StoreOfRecord[] => {
    const { store } = node.services;
    const repair = node.care?.repair ?? null;
    if (store === null || repair === null) return [];
    if (!record.stores.some((id) => equalBytes(id, store.member))) return [];
    const holding = store.objects.inventory.findByHeader(record.headerHash);
    if (holding === undefined) throw new Error(`${institution} has no entry`);
    const file = join(
      consortium.home,
      'nodes',
      institution,
      'data',
      'objects',
      holding.name.slice(0, 2),
      holding.name,
    );
    return [{ institution, url, node, repair, objects: store.objects, file }];
  });
  const [first, second] = found;
  if (first === undefined || second === undefined) throw new Error('two stores were named');
  return [first, second];
}

function alter(file: string, at = -40): void {
  const bytes = readFileSync(file);
  const position = at < 0 ? bytes.length + at : at;
  bytes[position] = (bytes[position] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

/** Rounds until the store was read whole: each reads one object, chosen at random. */
async function rounds({ repair }: StoreOfRecord, count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await repair.round();
}

beforeAll(async () => {
  consortium = await startConsortium();
  cast = await createCast(consortium, { fetch: wire.fetch });
  patient = await cast.patient('patient-1');
  author = await cast.doctor('community-1', 1);
  const visit = await cast.visitAt(patient, 'community-1');
  ({ recordId } = await author.issueRecord({ visit, draft: STROKE_DRAFT }));
  const found = await cast.connection.reader.record(recordId);
  if (found === undefined) throw new Error('it was issued');
  record = found;
  for (const { node } of consortium.nodes) {
    await node.settle();
  }
  const opened = await patient.openRecord(recordId);
  copy = new Blob([await opened.stored.object.arrayBuffer()]);
  await opened.stored.dispose();
  good = readFileSync(stores()[0].file);
});
afterAll(() => consortium.stop());
beforeEach(() => {
  wire.heal();
  for (const { file } of stores()) writeFileSync(file, good);
});

describe('a store repairs itself from the other operator', () => {
  test('a record that is missing', async () => {
    const [one, other] = stores();
    rmSync(one.file);
    await rounds(one);
    expect(readFileSync(one.file).equals(good)).toBe(true);
    expect(one.repair.counts()).toMatchObject({ missing: 0, damaged: 0 });
    expect(readFileSync(other.file).equals(good)).toBe(true);
  });

  test('a record of which one bit changed', async () => {
    const [one] = stores();
    alter(one.file);
    await rounds(one);
    expect(readFileSync(one.file).equals(good)).toBe(true);
    expect(one.repair.counts().damaged).toBe(0);
  });

  test('a file that was emptied', async () => {
    const [one] = stores();
    writeFileSync(one.file, '');
    await rounds(one);
    expect(readFileSync(one.file).equals(good)).toBe(true);
  });

  test('its whole disk of objects and the memory of them, by the names that the other one knows', async () => {
    const { institution, file } = stores()[0];
    await consortium.stopNode(institution);
    const data = join(consortium.home, 'nodes', institution, 'data');
    rmSync(join(data, 'objects'), { recursive: true });
    rmSync(join(data, 'services'), { recursive: true });
    await consortium.startNode(institution);
    const running = consortium.nodes.find((each) => each.institution === institution)?.node;
    const care = running?.care;
    if (running === undefined || care === undefined || care === null)
      throw new Error('it runs a store');
    const tip = running.services.chain.tip();
    await care.repair.tend(tip);
    expect(care.repair.counts().missing).toBe(1);
    await care.repair.round();
    expect(care.repair.counts().missing).toBe(0);
    expect(readFileSync(file).equals(good)).toBe(true);
  });

  test('ST-12 but not from a liar: what it offers is refused, and the loss stays counted', async () => {
    const [one, liar] = stores();
    const { refusedCopies } = one.repair.counts();
    rmSync(one.file);
    // The liar's own node would notice: so its disk and its memory agree on other bytes of that length.
    const route = liar.node.services.store;
    if (route === null) throw new Error('it runs a store');
    const honest = { ...route.objects };
    const lie = Buffer.from(good.subarray(72));
    lie[lie.length - 9] = (lie[lie.length - 9] ?? 0) ^ 1;
    Object.assign(route.objects, {
      openRecord: async (asked: LedgerRecord) => {
        const object = await honest.openRecord(asked);
        return object === null
          ? null
          : {
              ...object,
              read: async function* read() {
                yield await Promise.resolve(new Uint8Array(lie));
              },
            };
      },
    });
    try {
      await rounds(one);
      expect(one.repair.counts()).toMatchObject({ missing: 1, refusedCopies: refusedCopies + 1 });
      expect(readdirSync(join(one.file, '..'))).toEqual([]);
    } finally {
      Object.assign(route.objects, honest);
    }
    const metrics = await fetch(`${one.url}/metrics`).then((answer) => answer.text());
    expect(metrics).toMatch(/^yilian_store_objects_missing 1$/m);
    expect(metrics).toMatch(/^yilian_store_copies_refused [1-9]/m);
    // Not asked again at once; the patient may repair it meanwhile.
    expect(await patient.repairRecord(recordId)).toContainEqual(
      expect.objectContaining({ node: one.institution, found: 'missing', outcome: 'repaired' }),
    );
    expect(one.repair.counts().missing).toBe(0);
  });

  test('ST-13 and an operator whose store the record does not name gets no copy', async () => {
    const { network } = cast.connection;
    const strangers = consortium.nodes.filter(
      ({ node }) =>
        node.services.store !== null &&
        !record.stores.some((id) =>
          equalBytes(id, node.services.store?.member ?? new Uint8Array(0)),
        ),
    );
    expect(strangers.length).toBeGreaterThan(0);
    const keeper = network.nodes.find(({ name }) => name === stores()[0].institution);
    if (keeper === undefined) throw new Error('it is configured');
    const { createSigner } = await import('@yilian/node/verification/verify-signature');
    const { publicKey } = await import('@yilian/crypto/signature');
    const read = async (seed: Uint8Array): Promise<number> => {
      let length = 0;
      for await (const piece of network.transport.download(keeper, ROUTES.getStoredCopy, {
        params: { recordId },
        signer: { key: publicKey(seed), sign: createSigner(seed) },
      }))
        length += piece.length;
      return length;
    };
    const [stranger] = strangers;
    await expect(read(consortium.nodeSeed(stranger?.institution ?? ''))).rejects.toMatchObject({
      code: 'notPermitted',
    });
    expect(await read(consortium.nodeSeed(stores()[1].institution))).toBe(record.length);
    await expect(read(author.keyring.current.signingSeed)).rejects.toMatchObject({
      code: 'notPermitted',
    });
  });
});

describe('the patient and the author repair stores', () => {
  test.each<[string, (file: string) => void, string]>([
    ['missing', (file) => rmSync(file), 'missing'],
    ['altered', (file) => alter(file), 'altered'],
    ['cut', (file) => writeFileSync(file, readFileSync(file).subarray(0, -1)), 'altered'],
    ['altered in its head', (file) => alter(file, 3), 'altered'],
  ])('from the other store, where it is %s at one', async (_how, damage, found) => {
    for (const who of [patient, author]) {
      const [one, other] = stores();
      damage(one.file);
      const repairs = await who.repairRecord(recordId);
      expect(repairs).toContainEqual({
        node: one.institution,
        found,
        outcome: 'repaired',
        code: null,
      });
      expect(repairs).toContainEqual({
        node: other.institution,
        found: 'good',
        outcome: 'unneeded',
        code: null,
      });
      expect(readFileSync(one.file).equals(good)).toBe(true);
    }
  });

  test('ST-14 from a sealed copy, when both stores lost it; without one nobody can', async () => {
    for (const { file } of stores()) rmSync(file);
    const without = await patient.repairRecord(recordId);
    expect(without.map(({ outcome }) => outcome)).toEqual(['impossible', 'impossible']);
    const repairs = await author.repairRecord(recordId, copy);
    expect(repairs.map(({ outcome }) => outcome)).toEqual(['repaired', 'repaired']);
    for (const { file } of stores()) expect(readFileSync(file).equals(good)).toBe(true);
  });

  test('not from a copy of something else', async () => {
    rmSync(stores()[0].file);
    const bytes = new Uint8Array(await copy.arrayBuffer());
    for (const wrong of [bytes.slice(0, -1), flipBit(0.9)(bytes), flipBit(0.1)(bytes)])
      await expect(patient.repairRecord(recordId, new Blob([wrong.slice()]))).rejects.toMatchObject(
        {
          code: 'badCopy',
        },
      );
    await patient.repairRecord(recordId, copy);
  });

  test('and a store that only says so is not believed', async () => {
    const [one] = stores();
    rmSync(one.file);
    wire.alter(
      (method, url) => method === 'GET' && url.href.startsWith(`${one.url}/v1/ciphertexts/`),
      flipBit(0.9),
    );
    expect(await patient.repairRecord(recordId)).toContainEqual(
      expect.objectContaining({ node: one.institution, outcome: 'failed', code: 'digest' }),
    );
  });

  const put = (
    store: StoreOfRecord,
    objectKey: string,
    body: Uint8Array<ArrayBuffer>,
    ofRecord: string = toHex(recordId),
  ): Promise<{ readonly code: string }> =>
    fetch(`${store.url}/v1/ciphertexts/${objectKey}/repairs/${ofRecord}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
      body,
    }).then(async (answer) =>
      answer.ok ? { code: 'ok' } : ((await answer.json()) as { code: string }),
    );

  test('and whoever offers other bytes as a repair, or under another key, is refused', async () => {
    const [one] = stores();
    const [, key = ''] =
      wire.requests
        .map(({ url }) => /\/ciphertexts\/([0-9a-f]{64})$/.exec(url.pathname))
        .findLast((match) => match !== null) ?? [];
    rmSync(one.file);
    const bytes = new Uint8Array(await copy.arrayBuffer());
    const stranger = 'ab'.repeat(32);
    expect(await put(one, key, flipBit(0.9)(bytes).slice())).toMatchObject({
      code: 'digestMismatch',
    });
    expect(await put(one, key, bytes.slice(0, -1))).toMatchObject({ code: 'digestMismatch' });
    expect(await put(one, key, bytes, stranger)).toMatchObject({ code: 'recordUnknown' });
    expect(await put(one, stranger, bytes)).toMatchObject({ code: 'alreadyStored' });
    expect(readdirSync(join(one.file, '..'))).toEqual([]);
    expect(await put(one, key, bytes)).toEqual({ code: 'ok' });
    expect(readFileSync(one.file).equals(good)).toBe(true);
    // Nothing is lost now: the answer is the attestation, and nothing is written.
    expect(await put(one, key, flipBit(0.9)(bytes).slice())).toEqual({ code: 'ok' });
    expect(readFileSync(one.file).equals(good)).toBe(true);
  });

  test('and a store whose record was erased on purpose takes no repair', async () => {
    const [one] = stores();
    const [, key = ''] =
      wire.requests
        .map(({ url }) => /\/ciphertexts\/([0-9a-f]{64})$/.exec(url.pathname))
        .findLast((match) => match !== null) ?? [];
    const bytes = Uint8Array.from(Buffer.from(key, 'hex'));
    expect(await one.objects.erase(bytes)).toBe(true);
    expect(await patient.repairRecord(recordId, copy)).toContainEqual(
      expect.objectContaining({
        node: one.institution,
        found: 'missing',
        outcome: 'failed',
        code: 'alreadyStored',
      }),
    );
    await rounds(one);
    expect(readdirSync(join(one.file, '..'))).toEqual([]);
    expect(one.repair.counts().missing).toBe(0);
  });
});
