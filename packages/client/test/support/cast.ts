/** Sample people on a test consortium. */
import type { Connection } from '../../src/connect.ts';
import { connectToDemo } from '../../src/demo-consortium.ts';
import { createDoctor, type Doctor } from '../../src/doctor.ts';
import { enrolMember } from '../../src/enrolment.ts';
import { createKeyringSlot, createMemberKeyring, createPatientKeyring } from '../../src/keyring.ts';
import { createPatient, type Patient } from '../../src/patient.ts';
import { createNodePlatform } from '../../src/platform/node-platform.ts';
import type { Platform } from '../../src/platform/platform.ts';
import { type RecordDraft, textSection } from '../../src/record-sealing.ts';
import { type VisitForWriting, visitOfPackage } from '../../src/visit-for-writing.ts';
import { admitVisit } from '../../src/visit-package.ts';
import { utf8 } from '@yilian/crypto/bytes';
import type { TestConsortium } from './consortium.ts';

export interface Cast {
  readonly platform: Platform;
  readonly connection: Connection;
  patient(name: string): Promise<Patient>;
  doctor(institution: string, number: number): Promise<Doctor>;
  visitAt(patient: Patient, hospital: string, month?: string): Promise<VisitForWriting>;
}

export async function createCast(
  consortium: TestConsortium,
  overrides: Partial<Platform> = {},
): Promise<Cast> {
  const platform = await createNodePlatform(overrides);
  const connection = connectToDemo(platform, consortium.document, { timeoutMs: 20_000 });
  const { network, reader } = connection;
  const { chainId } = network.anchor;
  const { randomBytes, curve } = platform;
  return {
    platform,
    connection,
    patient: async (name) => {
      const patient = createPatient(
        network,
        reader,
        createKeyringSlot(createPatientKeyring({ chainId, curve, randomBytes })),
      );
      await patient.enrol({ identity: `id-${name}`, secret: consortium.secret(name) });
      return patient;
    },
    doctor: async (institution, number) => {
      const keyring = createMemberKeyring({
        chainId,
        role: 'doctor',
        institution,
        operator: institution,
        name: `Dr ${institution}-${number}`,
        randomBytes,
      });
      const secret = consortium.secret(`${institution}-doctor-${number}`);
      const enrolled = await enrolMember(network, reader, keyring, { secret, licence: 'L' });
      return createDoctor(network, reader, createKeyringSlot(enrolled));
    },
    visitAt: async (patient, hospital, month) => {
      const { code } = await patient.prepareVisit({
        hospital,
        ...(month === undefined ? {} : { month }),
      });
      return visitOfPackage(curve, admitVisit({ curve, context: network.context, hospital, code }));
    },
  };
}

export const STROKE_DRAFT: RecordDraft = {
  sections: [
    textSection('Condition', 'application/fhir+json', utf8('{"code":"I63.9"}')),
    textSection('Observation', 'application/fhir+json', utf8('{"nihss":12}')),
  ],
  classes: ['Condition', 'Observation'],
  keywords: [{ type: 'code', text: 'icd10#I63.9' }],
};

export function hoursFromNow(platform: Platform, hours: number): number {
  return Math.floor(platform.nowMs() / 1000) + hours * 3600;
}
