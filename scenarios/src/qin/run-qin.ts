/**
 * Scenario `qin` (docs: README.md, "Try to break it"): Qin, Jin, Liu 2021, a stroke referral in a medical
 * treatment combination, with its dark side.
 */
import { createNodePlatform } from '@yilian/client/platform/node-platform';
import type { ClinicalRecord } from '@yilian/client/content/clinical-record';
import { type Case, chooseVisits, generateCase, loadCases } from '../clinical-data.ts';
import { type Consortium, startConsortium } from '../consortium.ts';
import type { ScenarioOptions } from '../options.ts';
import { People } from '../people.ts';
import type { Report } from '../report.ts';
import { hospitalOf, keepRecords, showRegistration } from './keeping.ts';
import { runReferrals } from './referral.ts';
import type { Hospital, PatientStory, Story } from './story.ts';

const DAY_MS = 86_400_000;

interface PlannedVisit {
  readonly record: ClinicalRecord;
  readonly hospital: Hospital;
}

function findCases(options: ScenarioOptions, nowMs: number): readonly Case[] {
  const found = loadCases(options.data);
  if (found.length > 0) return found;
  return Array.from({ length: options.generated }, (_, i) =>
    generateCase(i + 1, nowMs - (40 + i) * DAY_MS),
  );
}

/**
 * Where each of the chosen visits took place. A story of two hospitals needs both: when all visits of a
 * person are of one kind, the first is given to the community hospital and the last to the secondary one.
 */
function planVisits(records: readonly ClinicalRecord[], most: number): readonly PlannedVisit[] {
  const chosen = chooseVisits(records, most);
  const planned = chosen.map((record) => ({ record, hospital: hospitalOf(record) }));
  const isMixed = new Set(planned.map(({ hospital }) => hospital)).size > 1;
  if (isMixed || planned.length < 2) return planned;
  return planned.map(({ record }, i) => ({
    record,
    hospital: i === planned.length - 1 ? 'secondary-1' : 'community-1',
  }));
}

async function gather(
  options: ScenarioOptions,
  report: Report,
  consortium: Consortium,
): Promise<Story> {
  const platform = await createNodePlatform();
  const listed = await consortium.list();
  const people = new People(platform, listed);
  const patients: PatientStory[] = [];
  for (const [i, source] of findCases(options, platform.nowMs()).entries()) {
    const identity = `SAMPLE-CARD-${String(i + 1).padStart(6, '0')}`;
    patients.push({
      ...(await people.enrolPatient(identity)),
      identity,
      source,
      written: [],
      referral: null,
    });
  }
  const main = patients.find(({ source }) => source.records.length > 1);
  if (main === undefined) throw new Error('no case has visits at two hospitals');
  return {
    report,
    consortium,
    nodes: listed.nodes,
    platform,
    people,
    doctorA: await people.enrolMember('doctor', 'community-1', 'Dr A'),
    doctorB: await people.enrolMember('doctor', 'tertiary-1', 'Dr B'),
    doctorC: await people.enrolMember('doctor', 'secondary-1', 'Dr C'),
    department: await people.enrolMember('department', 'tertiary-1', 'Stroke unit'),
    patients,
    main,
  };
}

async function play(options: ScenarioOptions, story: Story): Promise<void> {
  await showRegistration(story);
  await keepRecords(story, ({ source }) => planVisits(source.records, options.visits));
  await runReferrals(story);
}

export async function runQin(options: ScenarioOptions, report: Report): Promise<void> {
  report.act(
    'A consortium of its own: four hospitals and the regulator, each in a process of its own',
  );
  const consortium = await startConsortium();
  try {
    const story = await gather(options, report, consortium);
    report.note(
      `${story.patients.length} patients from ${options.data === undefined ? 'generated cases' : 'public bundles'}`,
    );
    await play(options, story);
  } finally {
    await consortium.close();
  }
}
