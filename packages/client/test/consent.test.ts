import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toHex, utf8 } from '@yilian/crypto/bytes';
import { createAgent, importAuthority } from '../src/agent.ts';
import type { Doctor } from '../src/doctor.ts';
import { createKeyringSlot, importRecoveryKit } from '../src/keyring.ts';
import { createPatient, type Patient } from '../src/patient.ts';
import { monthsBackFrom, currentMonth } from '../src/patient-secrets.ts';
import type { Progress } from '../src/progress.ts';
import { findSection, readSection } from '../src/record-opening.ts';
import { drawVisit } from '../src/visit-for-writing.ts';
import { admitVisit } from '../src/visit-package.ts';
import { type Cast, createCast, hoursFromNow, STROKE_DRAFT } from './support/cast.ts';
import { startConsortium, type TestConsortium } from './support/consortium.ts';

let consortium: TestConsortium;
let cast: Cast;
let author: Doctor;
let second: Doctor;
let referred: Doctor;

beforeAll(async () => {
  consortium = await startConsortium();
  cast = await createCast(consortium);
  author = await cast.doctor('community-1', 1);
  second = await cast.doctor('secondary-1', 1);
  referred = await cast.doctor('tertiary-1', 1);
}, 120_000);

afterAll(async () => {
  await consortium.stop();
});

let patients = 0;

/** A patient with one record of the community hospital. */
async function patientWithRecord(): Promise<{
  readonly patient: Patient;
  readonly recordId: Awaited<ReturnType<Doctor['issueRecord']>>['recordId'];
}> {
  const patient = await cast.patient(`patient-${++patients}`);
  const visit = await cast.visitAt(patient, 'community-1');
  const { recordId } = await author.issueRecord({ visit, draft: STROKE_DRAFT });
  return { patient, recordId };
}

describe('what a grant covers', () => {
  test('QJ-7 one grant opens the records of two hospitals', async () => {
    const { patient, recordId } = await patientWithRecord();
    const visit = await cast.visitAt(patient, 'secondary-1');
    const other = await second.issueRecord({ visit, draft: STROKE_DRAFT });
    const { grantId } = await patient.grantAccess({
      grantee: referred.id,
      to: hoursFromNow(cast.platform, 1),
      purpose: 'referral',
    });
    await referred.receiveGrant(grantId);
    const hits = await referred.search(grantId);
    expect(new Set(hits.map((hit) => toHex(hit.recordId)))).toEqual(
      new Set([toHex(recordId), toHex(other.recordId)]),
    );
    for (const hit of hits) {
      const open = await referred.openRecord({ grantId, hit, purpose: 'referral' });
      expect(open.sections).toHaveLength(2);
      await open.stored.dispose();
    }
  });

  test('a class label opens that section and nothing else', async () => {
    const { patient, recordId } = await patientWithRecord();
    const { grantId } = await patient.grantAccess({
      grantee: referred.id,
      scope: { classes: ['Condition'] },
      to: hoursFromNow(cast.platform, 1),
      purpose: 'diagnosis only',
    });
    await referred.receiveGrant(grantId);
    const hit = (await referred.search(grantId)).find(
      (each) => toHex(each.recordId) === toHex(recordId),
    );
    if (hit === undefined) throw new Error('nothing found');
    const open = await referred.openRecord({ grantId, hit, purpose: 'diagnosis' });
    expect(open.manifest).toBeNull();
    expect(open.sections.map(({ path }) => path)).toEqual(['Condition']);
    expect(await readSection(findSection(open, 'Condition'))).toEqual(utf8('{"code":"I63.9"}'));
    expect(() => findSection(open, 'Observation')).toThrow();
    await open.stored.dispose();
  });

  test('a record outside the grant is refused before any event, and by every node', async () => {
    const { patient, recordId } = await patientWithRecord();
    const visit = await cast.visitAt(patient, 'community-1');
    const later = await author.issueRecord({ visit, draft: STROKE_DRAFT });
    const { grantId } = await patient.grantAccess({
      grantee: referred.id,
      to: hoursFromNow(cast.platform, 1),
      purpose: 'one record',
      records: [recordId],
    });
    await referred.receiveGrant(grantId);
    const hit = (await referred.search(grantId)).find(
      (each) => toHex(each.recordId) === toHex(later.recordId),
    );
    if (hit === undefined) throw new Error('nothing found');
    await expect(referred.openRecord({ grantId, hit, purpose: 'p' })).rejects.toMatchObject({
      code: 'notInGrant',
    });
    const own = await cast.connection.reader.grant(grantId, { fresh: true });
    expect(own?.accesses).toBe(0);
  });

  test('more labels than a grant takes are refused with the number', async () => {
    const { patient } = await patientWithRecord();
    const months = monthsBackFrom(currentMonth(cast.platform), 17);
    const labels = months.map((period) =>
      patient.secrets.label({
        kind: 'class',
        resourceType: 'Condition',
        hospitalId: utf8('community-1'),
        period,
      }),
    );
    await expect(
      patient.grantAccess({
        grantee: referred.id,
        labels,
        to: hoursFromNow(cast.platform, 1),
        purpose: 'p',
      }),
    ).rejects.toMatchObject({ code: 'tooManyLabels' });
  });

  test.each([
    ['over before it begins', -1],
    ['longer than 100 days', 24 * 101],
  ])('a period %s is refused', async (_name, hours) => {
    const { patient } = await patientWithRecord();
    await expect(
      patient.grantAccess({
        grantee: referred.id,
        to: hoursFromNow(cast.platform, hours),
        purpose: 'p',
      }),
    ).rejects.toMatchObject({ code: 'period' });
  });
});

describe('ending a grant', () => {
  test('revoked: the next attempt is refused, the doctor erases and says so', async () => {
    const { patient } = await patientWithRecord();
    const { grantId } = await patient.grantAccess({
      grantee: referred.id,
      to: hoursFromNow(cast.platform, 1),
      purpose: 'p',
    });
    await referred.receiveGrant(grantId);
    const [hit] = await referred.search(grantId);
    if (hit === undefined) throw new Error('nothing found');
    await patient.revoke(grantId);
    await expect(referred.openRecord({ grantId, hit, purpose: 'p' })).rejects.toMatchObject({
      code: 'grantNotActive',
    });
    await referred.eraseGrant(grantId);
    expect(referred.heldGrants().map(toHex)).not.toContain(toHex(grantId));
    const grant = await cast.connection.reader.grant(grantId, { fresh: true });
    expect(grant?.granteeErased).toBe(true);
  });

  test('narrowed to another record: nodes refuse what is outside', async () => {
    const { patient, recordId } = await patientWithRecord();
    const { grantId } = await patient.grantAccess({
      grantee: referred.id,
      to: hoursFromNow(cast.platform, 1),
      purpose: 'p',
    });
    await referred.receiveGrant(grantId);
    const [hit] = await referred.search(grantId);
    if (hit === undefined) throw new Error('nothing found');
    const none = new Uint8Array(32) as typeof recordId;
    await patient.narrow(grantId, { records: [none] });
    await expect(referred.openRecord({ grantId, hit, purpose: 'p' })).rejects.toMatchObject({
      code: 'notEnoughShares',
      message: expect.stringContaining('recordNotCovered') as string,
    });
  });
});

describe('agents', () => {
  test('R1 a grant by an honest agent appears in her own walk, and she ends it', async () => {
    const { patient } = await patientWithRecord();
    const { network, reader } = cast.connection;
    const code = patient.exportAuthority({}, true);
    const authority = importAuthority(cast.platform.curve, network.context, 'mother', code);
    const agent = createAgent(network, reader, authority);
    const { grantId } = await agent.grantAccess({
      grantee: referred.id,
      to: hoursFromNow(cast.platform, 1),
      purpose: 'she cannot speak',
    });
    const own = await patient.listGrants();
    expect(own.map((each) => toHex(each.grantId))).toContain(toHex(grantId));
    await patient.revoke(grantId);
    expect((await reader.grant(grantId, { fresh: true }))?.revoked).toBe(true);
  });

  test('F21 without "may grant" no grant is made; a label beyond his list is refused', async () => {
    const { patient } = await patientWithRecord();
    const { network, reader } = cast.connection;
    const { curve } = cast.platform;
    const to = hoursFromNow(cast.platform, 1);
    const reading = createAgent(
      network,
      reader,
      importAuthority(curve, network.context, 'm', patient.exportAuthority({}, false)),
    );
    await expect(
      reading.grantAccess({ grantee: referred.id, to, purpose: 'p' }),
    ).rejects.toMatchObject({ code: 'mayNotGrant' });
    const granting = createAgent(
      network,
      reader,
      importAuthority(curve, network.context, 'm', patient.exportAuthority({}, true)),
    );
    const beyond = patient.labelsOf({ classes: ['Observation'] });
    await expect(
      granting.grantAccess({ labels: beyond, grantee: referred.id, to, purpose: 'p' }),
    ).rejects.toMatchObject({ code: 'mayNotGrant' });
  });

  test('an authority with another patient’s key is refused', async () => {
    const { patient } = await patientWithRecord();
    const { network } = cast.connection;
    const code = patient.exportAuthority({}, true);
    const last = code.at(-10) === 'A' ? 'B' : 'A';
    const altered = `${code.slice(0, -10)}${last}${code.slice(-9)}`;
    expect(() => importAuthority(cast.platform.curve, network.context, 'm', altered)).toThrow(
      expect.objectContaining({ code: 'badAuthority' }) as Error,
    );
  });
});

describe('records', () => {
  test('the author reads without asking; another doctor does not', async () => {
    const { recordId } = await patientWithRecord();
    const open = await author.openOwnRecord(recordId);
    expect(open.sections).toHaveLength(2);
    await open.stored.dispose();
    await expect(second.openOwnRecord(recordId)).rejects.toMatchObject({ code: 'notAuthor' });
  });

  test('an amendment is a new version under the same visit', async () => {
    const patient = await cast.patient(`patient-${++patients}`);
    const visit = await cast.visitAt(patient, 'community-1');
    const { recordId } = await author.issueRecord({ visit, draft: STROKE_DRAFT });
    const amended = await author.issueRecord({ visit, draft: STROKE_DRAFT, amends: recordId });
    const records = await patient.listRecords();
    expect(records).toHaveLength(2);
    const version = records.find(
      ({ ledgerRecord }) => toHex(ledgerRecord.id) === toHex(amended.recordId),
    );
    expect(version?.ledgerRecord.amends).toEqual(recordId);
    expect(version?.ledgerRecord.number).toBe(1);
  });

  test('R3 R10 a visit of an earlier month is found again with its month', async () => {
    const patient = await cast.patient(`patient-${++patients}`);
    const [, , month] = monthsBackFrom(currentMonth(cast.platform), 3);
    const visit = await cast.visitAt(patient, 'community-1', month);
    await author.issueRecord({ visit, draft: STROKE_DRAFT });
    const { network, reader } = cast.connection;
    const fresh = createPatient(
      network,
      reader,
      createKeyringSlot(importRecoveryKit(patient.recoveryKit())),
    );
    await fresh.recover({ identity: patient.keyring.current.identity });
    expect(fresh.visits().map((each) => each.month)).toEqual([month]);
    expect(await fresh.search({ type: 'code', text: 'icd10#I63.9' })).toHaveLength(1);
    expect(await fresh.search({ type: 'code', text: 'icd10#I61.9' })).toHaveLength(0);
  });

  test('R3 a visit that the hospital drew is found and opened, and by nobody else', async () => {
    const patient = await cast.patient(`patient-${++patients}`);
    const stranger = await cast.patient(`patient-${++patients}`);
    const { network } = cast.connection;
    const visit = drawVisit({
      context: network.context,
      hospital: 'community-1',
      month: currentMonth(cast.platform),
      identity: patient.keyring.current.identity,
      patientKey: patient.secrets.patientKey,
      randomBytes: cast.platform.randomBytes,
    });
    const { recordId } = await author.issueRecord({ visit, draft: STROKE_DRAFT });
    expect(await stranger.findDrawnVisits()).toBe(0);
    expect(await patient.findDrawnVisits()).toBe(1);
    const open = await patient.openRecord(recordId);
    expect(open.sections).toHaveLength(2);
    await open.stored.dispose();
    await patient.acknowledge(recordId);
    const { grantId } = await patient.grantAccess({
      grantee: referred.id,
      to: hoursFromNow(cast.platform, 1),
      purpose: 'p',
    });
    await referred.receiveGrant(grantId);
    expect((await referred.search(grantId)).map((hit) => toHex(hit.recordId))).toEqual([
      toHex(recordId),
    ]);
  });

  test('three megabytes stream through and come out the same', async () => {
    const patient = await cast.patient(`patient-${++patients}`);
    const visit = await cast.visitAt(patient, 'community-1');
    const piece = cast.platform.randomBytes(65_536);
    const content = Array.from({ length: 48 }, () => piece);
    const { recordId } = await author.issueRecord({
      visit,
      draft: {
        sections: [{ path: 'ct', mediaType: 'application/dicom', content }],
        classes: [],
        keywords: [],
        isLarge: true,
      },
    });
    const open = await patient.openRecord(recordId);
    let length = 0;
    for await (const got of findSection(open, 'ct').read()) {
      expect(toHex(got.slice(0, 16))).toBe(
        toHex(piece.subarray(length % 65_536, (length % 65_536) + 16)),
      );
      length += got.length;
    }
    expect(length).toBe(48 * 65_536);
    await open.stored.dispose();
  });

  test('long work says how far it is: issuing, granting, opening', async () => {
    const told: Progress[] = [];
    const stepsTold = (): readonly string[] => {
      const steps = [...new Set(told.map(({ step }) => step))];
      const isForward = told.every(
        ({ step, done, total }, at) =>
          (total === undefined || done <= total) &&
          told.slice(0, at).every((before) => before.step !== step || before.done <= done),
      );
      told.length = 0;
      return isForward ? steps : ['backwards'];
    };
    const onProgress = (progress: Progress): void => void told.push(progress);
    const patient = await cast.patient(`patient-${++patients}`);
    const visit = await cast.visitAt(patient, 'community-1');
    await author.issueRecord({ visit, draft: STROKE_DRAFT, onProgress });
    expect(told.at(-1)).toEqual({ step: 'final', done: 1, total: 1 });
    expect(stepsTold()).toEqual(['sealing', 'storing', 'signing', 'final']);
    const { grantId } = await patient.grantAccess({
      grantee: referred.id,
      to: hoursFromNow(cast.platform, 1),
      purpose: 'p',
      onProgress,
    });
    expect(stepsTold()).toEqual(['granting', 'acknowledged']);
    await referred.receiveGrant(grantId);
    const [hit] = await referred.search(grantId);
    if (hit === undefined) throw new Error('nothing was found');
    const open = await referred.openRecord({ grantId, hit, purpose: 'p', onProgress });
    expect(stepsTold()).toEqual(['fetching', 'access', 'shares', 'opening']);
    await open.stored.dispose();
  });
});

describe('visit codes', () => {
  test('a code for one hospital is refused at another, and a changed one anywhere', async () => {
    const { patient } = await patientWithRecord();
    const { network } = cast.connection;
    const { curve } = cast.platform;
    const { code } = await patient.prepareVisit({ hospital: 'community-1' });
    expect(code.length).toBeLessThan(1_000);
    const admit = (hospital: string, text: string): unknown =>
      admitVisit({ curve, context: network.context, hospital, code: text });
    const refused = expect.objectContaining({ code: 'badVisitPackage' }) as Error;
    expect(() => admit('tertiary-1', code)).toThrow(refused);
    for (const at of [20, 100, 300, 500, code.length - 20]) {
      const other = code[at] === 'A' ? 'B' : 'A';
      const changed = `${code.slice(0, at)}${other}${code.slice(at + 1)}`;
      expect(() => admit('community-1', changed), String(at)).toThrow(refused);
    }
  });
});

describe('with one node down', () => {
  test('R16 four hospitals: a grant still works', async () => {
    const { patient, recordId } = await patientWithRecord();
    await consortium.stopNode('tertiary-2');
    const made = await patient.grantAccess({
      grantee: referred.id,
      to: hoursFromNow(cast.platform, 1),
      purpose: 'p',
    });
    expect(made.holders).toBe(3);
    expect(made.acknowledged).toBe(2);
    expect(made.undelivered).toEqual(['tertiary-2']);
    await referred.receiveGrant(made.grantId);
    // The search node may be the one that is down: the patient's own list gives the location too.
    const [own] = await patient.listRecords();
    expect(toHex(own?.ledgerRecord.id ?? new Uint8Array())).toBe(toHex(recordId));
  });
});
