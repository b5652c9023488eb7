import { afterAll, beforeAll, expect, test } from 'vitest';
import { utf8 } from '@yilian/crypto/bytes';
import type { Connection } from '../src/connect.ts';
import { connectToDemo } from '../src/demo-consortium.ts';
import { createDoctor, type Doctor } from '../src/doctor.ts';
import { enrolMember } from '../src/enrolment.ts';
import { createKeyringSlot, createMemberKeyring, createPatientKeyring } from '../src/keyring.ts';
import { createPatient, type Patient } from '../src/patient.ts';
import { createNodePlatform } from '../src/platform/node-platform.ts';
import type { Platform } from '../src/platform/platform.ts';
import { readSection } from '../src/record-opening.ts';
import { textSection } from '../src/record-sealing.ts';
import { admitVisit } from '../src/visit-package.ts';
import { visitOfPackage } from '../src/visit-for-writing.ts';
import { startConsortium, type TestConsortium } from './support/consortium.ts';

let consortium: TestConsortium;
let platform: Platform;
let connection: Connection;
let patient: Patient;
let author: Doctor;
let referred: Doctor;

async function enrolDoctor(institution: string, number: number): Promise<Doctor> {
  const { network, reader } = connection;
  const keyring = createMemberKeyring({
    chainId: network.anchor.chainId,
    role: 'doctor',
    institution,
    operator: institution,
    name: `Dr ${institution}`,
    randomBytes: platform.randomBytes,
  });
  const enrolled = await enrolMember(network, reader, keyring, {
    secret: consortium.secret(`${institution}-doctor-${number}`),
    licence: 'L-1',
  });
  return createDoctor(network, reader, createKeyringSlot(enrolled));
}

beforeAll(async () => {
  consortium = await startConsortium();
  platform = await createNodePlatform();
  connection = connectToDemo(platform, consortium.document);
  const { network, reader } = connection;
  patient = createPatient(
    network,
    reader,
    createKeyringSlot(
      createPatientKeyring({
        chainId: network.anchor.chainId,
        curve: platform.curve,
        randomBytes: platform.randomBytes,
      }),
    ),
  );
  await patient.enrol({ identity: '110101195001011234', secret: consortium.secret('patient-1') });
  author = await enrolDoctor('community-1', 1);
  referred = await enrolDoctor('tertiary-1', 1);
}, 120_000);

afterAll(async () => {
  await consortium.stop();
});

test('a record written in a community hospital is opened by the doctor it was granted to', async () => {
  const { network } = connection;
  const { code } = await patient.prepareVisit({ hospital: 'community-1' });
  const visit = visitOfPackage(
    platform.curve,
    admitVisit({ curve: platform.curve, context: network.context, hospital: 'community-1', code }),
  );
  const issued = await author.issueRecord({
    visit,
    draft: {
      sections: [textSection('Condition', 'application/fhir+json', utf8('{"stroke":true}'))],
      classes: ['Condition'],
      keywords: [{ type: 'code', text: 'icd10#I63.9' }],
    },
  });
  const own = await patient.listRecords();
  expect(own).toHaveLength(1);
  await patient.acknowledge(issued.recordId);

  const { handle } = await patient.createHandle();
  await referred.requestAccess(handle, {
    purpose: 'stroke referral',
    hospitals: [],
    classes: [],
    keywords: [],
    until: Math.floor(platform.nowMs() / 1000) + 3600,
  });
  const [request] = await patient.listRequests();
  expect(request?.requester.name).toBe('Dr tertiary-1');
  const made = await patient.grantAccess({
    grantee: request?.wish.grantee ?? referred.id,
    to: Math.floor(platform.nowMs() / 1000) + 3600,
    purpose: 'stroke referral',
  });
  expect(made.acknowledged).toBeGreaterThanOrEqual(made.threshold);
  await referred.receiveGrant(made.grantId);
  const hits = await referred.search(made.grantId);
  expect(hits).toHaveLength(1);
  const [hit] = hits;
  if (hit === undefined) throw new Error('no hit');
  const opened = await referred.openRecord({ grantId: made.grantId, hit, purpose: 'referral' });
  const [section] = opened.sections;
  if (section === undefined) throw new Error('no section');
  expect(await readSection(section)).toEqual(utf8('{"stroke":true}'));
  expect(opened.author?.name).toBe('Dr community-1');
  const log = await patient.accessLog();
  expect(log).toHaveLength(1);
  expect(log[0]?.asked?.recordId).toEqual(issued.recordId);
  await patient.revoke(made.grantId);
  await expect(
    referred.openRecord({ grantId: made.grantId, hit, purpose: 'again' }),
  ).rejects.toMatchObject({ code: 'grantNotActive' });
  expect(network.lies).toEqual([]);
}, 60_000);
