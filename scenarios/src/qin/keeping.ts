/** Data storage (QJ phase 2): visits under fresh pseudonyms, records sealed, stored, ordered, acknowledged. */
import { CLINICAL_CLASSES, type ClinicalRecord } from '@yilian/client/content/clinical-record';
import { toRecordDraft } from '@yilian/client/content/record-draft';
import { type OpenRecord, readSection } from '@yilian/client/record-opening';
import { visitOfPackage } from '@yilian/client/visit-for-writing';
import { admitVisit } from '@yilian/client/visit-package';
import { equalBytes, toHex } from '@yilian/crypto/bytes';
import type { MemberPerson } from '../people.ts';
import type { Report } from '../report.ts';
import { type Hospital, type PatientStory, type Story } from './story.ts';

/** Ambulatory care happens in the community, all other in the secondary hospital. */
export function hospitalOf(record: ClinicalRecord): Hospital {
  return record.kind === 'visit' && record.setting === 'ambulatory' ? 'community-1' : 'secondary-1';
}

/** One visit, one record. */
async function writeRecord(
  author: MemberPerson,
  patient: PatientStory,
  record: ClinicalRecord,
  hospital: Hospital,
): Promise<void> {
  const { curve } = author.network.platform;
  const { context } = author.network;
  const { code } = await patient.patient.prepareVisit({ hospital, month: record.month });
  const admitted = admitVisit({ curve, context, hospital, code });
  const visit = visitOfPackage(curve, admitted);
  const { recordId, final } = await author.doctor.issueRecord({
    visit,
    draft: toRecordDraft(record),
  });
  patient.written.push({
    receipt: final.receipt,
    hospital,
    record,
    recordId,
    visit,
    visitPackage: admitted.visitPackage,
  });
}

/** Whether every section of the open record is, byte for byte, what the doctor wrote. */
export async function isFaithful(open: OpenRecord, record: ClinicalRecord): Promise<boolean> {
  if (open.sections.length !== record.sections.length) return false;
  for (const { path, content } of record.sections) {
    const section = open.sections.find((each) => each.path === path);
    if (section === undefined || !equalBytes(await readSection(section), content)) return false;
  }
  return true;
}

function describeCase(patient: PatientStory): string {
  const classes = new Set(
    patient.written.flatMap(({ record }) => record.sections.map(({ path }) => path)),
  );
  const clinical = [...classes].filter((path) => CLINICAL_CLASSES.has(path)).length;
  const bytes = patient.written.reduce(
    (sum, { record }) =>
      sum + record.sections.reduce((inner, { content }) => inner + content.length, 0),
    0,
  );
  const months = patient.written
    .map(({ hospital, record }) => `${hospital} ${record.month}`)
    .join(', ');
  return `${months}; ${clinical} clinical classes, ${Math.round(bytes / 1024)} KiB`;
}

async function checkStored(report: Report, patient: PatientStory): Promise<void> {
  const { reader } = patient;
  for (const { recordId } of patient.written) {
    await patient.patient.acknowledge(recordId);
    const ledgerRecord = await reader.record(recordId, { fresh: true });
    if (ledgerRecord === undefined) throw new Error('an issued record is on chain');
    const stores = await Promise.all(ledgerRecord.stores.map((id) => reader.member(id)));
    const operators = new Set(stores.map((store) => store?.operator));
    if (operators.size < 2) report.check('each record is kept by two operators', false);
  }
  report.check(
    `${patient.source.source}: ${patient.written.length} records sealed, kept by two operators, ordered, opened and acknowledged by the patient`,
    patient.written.length > 0,
    describeCase(patient),
  );
}

export async function keepRecords(
  story: Pick<Story, 'report' | 'doctorA' | 'doctorC' | 'patients'>,
  visits: (
    patient: PatientStory,
  ) => readonly { readonly record: ClinicalRecord; readonly hospital: Hospital }[],
): Promise<void> {
  const { report } = story;
  report.act('Data storage: doctor A (community) and doctor C (secondary) write records');
  for (const patient of story.patients) {
    for (const { record, hospital } of visits(patient))
      await writeRecord(
        hospital === 'community-1' ? story.doctorA : story.doctorC,
        patient,
        record,
        hospital,
      );
    await checkStored(report, patient);
  }
  const pids = story.patients.flatMap(({ written }) =>
    written.map(({ visit }) => toHex(visit.pid)),
  );
  const keys = story.patients.flatMap(({ written }) =>
    written.map(({ visit }) => toHex(visit.visitKey)),
  );
  report.check(
    'QJ-3 every visit has a pseudonym and a key of its own',
    new Set(pids).size === pids.length && new Set(keys).size === keys.length,
    `${pids.length} visits, ${new Set(pids).size} pseudonyms`,
  );
  await readAsAuthor(story);
}

/** QJ-6: the author reads what he wrote without asking anybody. */
async function readAsAuthor({
  report,
  doctorA,
  doctorC,
  patients,
}: Pick<Story, 'report' | 'doctorA' | 'doctorC' | 'patients'>): Promise<void> {
  for (const [author, hospital, name] of [
    [doctorA, 'community-1', 'A'],
    [doctorC, 'secondary-1', 'C'],
  ] as const) {
    const own = patients
      .flatMap(({ written }) => written)
      .find((each) => each.hospital === hospital);
    if (own === undefined) continue;
    const open = await author.doctor.openOwnRecord(own.recordId);
    const faithful = await isFaithful(open, own.record);
    await open.stored.dispose();
    report.check(
      `doctor ${name} reads his own record by the author slot, without a grant`,
      faithful,
    );
  }
  const foreign = patients
    .flatMap(({ written }) => written)
    .find(({ hospital }) => hospital === 'secondary-1');
  if (foreign !== undefined)
    await report.refused('doctor A reads doctor C’s record as if it were his', ['notAuthor'], () =>
      doctorA.doctor.openOwnRecord(foreign.recordId),
    );
}

/** The registered consortium as the first act shows it. */
export async function showRegistration(story: Story): Promise<void> {
  const { report, main, nodes } = story;
  report.act('User registration: keys are made on people’s devices, the regulator certifies');
  report.note(nodes.map(({ name, tier }) => `${name} (${tier})`).join(', '));
  const { reader } = story.doctorB;
  const member = await reader.member(story.doctorB.doctor.id);
  report.check(
    'doctor B: key, role and institution on chain',
    member?.role === 'doctor' && member.institution === 'tertiary-1' && member.status === 'active',
  );
  const certificate = main.patient.keyring.current.certificate;
  report.check(
    'the patient has a certificate; the chain has a salted hash of it',
    certificate !== null,
  );
  await report.refused(
    'an enrolment with a secret that nobody handed out',
    ['enrolmentRefused'],
    async () => {
      const stranger = story.people.stranger();
      await stranger.patient.enrol({
        identity: 'SAMPLE-STRANGER',
        secret: story.platform.randomBytes(16),
      });
    },
  );
}
