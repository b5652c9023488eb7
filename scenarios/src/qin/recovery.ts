/** R3: from K_patient and a alone, a new device finds every visit, record, grant and access, and revokes. */
import { equalBytes, toHex } from '@yilian/crypto/bytes';
import type { PatientStory, Story } from './story.ts';
import { freshGrant } from './consent.ts';

function sameSet(left: readonly string[], right: readonly string[]): boolean {
  const [a, b] = [new Set(left), new Set(right)];
  return a.size === b.size && [...a].every((item) => b.has(item));
}

async function recoverOne(story: Story, patient: PatientStory): Promise<boolean> {
  const { report, people } = story;
  const device = people.recoverDevice(patient.patient.recoveryKit());
  await device.patient.recover({ identity: patient.identity });
  const visitsOf = (each: PatientStory['patient']): readonly string[] =>
    each.visits().map(({ hospital, month, pid }) => `${hospital} ${month} ${toHex(pid)}`);
  const written = patient.written.map(
    ({ hospital, record, visit }) => `${hospital} ${record.month} ${toHex(visit.pid)}`,
  );
  const visits = visitsOf(device.patient).filter((visit) => written.includes(visit));
  const records = (await device.patient.listRecords()).map(({ ledgerRecord }) =>
    toHex(ledgerRecord.id),
  );
  const known = (await patient.patient.listRecords()).map(({ ledgerRecord }) =>
    toHex(ledgerRecord.id),
  );
  const grants = (await device.patient.listGrants()).map(({ grantId }) => toHex(grantId));
  const knownGrants = (await patient.patient.listGrants()).map(({ grantId }) => toHex(grantId));
  const log = (await device.patient.accessLog()).map(
    ({ grantId, number, asked }) =>
      `${toHex(grantId)} ${number} ${asked === null ? '?' : toHex(asked.recordId)}`,
  );
  const knownLog = (await patient.patient.accessLog()).map(
    ({ grantId, number, asked }) =>
      `${toHex(grantId)} ${number} ${asked === null ? '?' : toHex(asked.recordId)}`,
  );
  const complete =
    sameSet(visits, written) &&
    sameSet(records, known) &&
    sameSet(grants, knownGrants) &&
    sameSet(log, knownLog);
  report.check(
    `${patient.source.source}: a new device knows what the old one knew`,
    complete,
    `${visits.length} visits, ${records.length} records, ${grants.length} grants, ${log.length} accesses`,
  );
  return complete;
}

export async function runRecovery(story: Story): Promise<void> {
  const { report, main, doctorB, people, patients } = story;
  report.act('Recovery from K_patient and a alone');
  for (const patient of patients) await recoverOne(story, patient);

  const grantId = await freshGrant(story);
  const device = people.recoverDevice(main.patient.recoveryKit());
  await device.patient.recover({ identity: main.identity });
  const found = (await device.patient.listGrants()).some((own) => equalBytes(own.grantId, grantId));
  report.check('the new device finds a grant that the old one made', found);
  await device.patient.revoke(grantId);
  const [hit] = main.referral?.hits ?? [];
  if (hit === undefined) throw new Error('the main patient was referred');
  await report.refused(
    'doctor B opens after the new device revoked',
    ['grantNotActive', 'grantRevoked'],
    () => doctorB.doctor.openRecord({ grantId, hit, purpose: 'too late' }),
  );
  const [written] = main.written;
  if (written === undefined) throw new Error('the main patient has records');
  const open = await device.patient.openRecord(written.recordId);
  await open.stored.dispose();
  report.check('and opens her records', open.sections.length === written.record.sections.length);
  const wrong = people.recoverDevice(main.patient.recoveryKit());
  await wrong.patient.recover({ identity: 'SAMPLE-CARD-OF-ANOTHER', hospitals: ['community-1'] });
  report.refusal(
    'recovery under another person’s card number',
    wrong.patient.visits().length === 0,
    'finds nothing',
  );
}
