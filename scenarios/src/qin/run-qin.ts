/**
 * Scenario `qin` (docs: README.md, "Try to break it"): Qin, Jin, Liu 2021, a stroke referral in a medical
 * treatment combination, with its dark side.
 */
import { ROUTES } from '@yilian/api/routes';
import { createNodePlatform } from '@yilian/client/platform/node-platform';
import type { ClinicalRecord } from '@yilian/client/content/clinical-record';
import { type Case, chooseVisits, generateCase, loadCases } from '../clinical-data.ts';
import { type Consortium, startConsortium } from '../consortium.ts';
import type { ScenarioOptions } from '../options.ts';
import { People } from '../people.ts';
import type { Report } from '../report.ts';
import { fromHex } from '@yilian/crypto/bytes';
import { toMemberId } from '@yilian/ledger/ids';
import { deriveRecordId, type GrantId } from '@yilian/crypto/ids';
import { runAfghBaseline } from './afgh-baseline.ts';
import { freshGrant, runConsent } from './consent.ts';
import { runCrashes } from './crash.ts';
import { hospitalOf, keepRecords, showRegistration } from './keeping.ts';
import { runReadAttacks } from './read-attacks.ts';
import { runRecordAttacks } from './record-attacks.ts';
import { runRecovery } from './recovery.ts';
import { runReferrals } from './referral.ts';
import { signerFor } from './release-request.ts';
import { runRequestAttacks } from './request-attacks.ts';
import { runResurrection } from './resurrection.ts';
import { runShareAttacks } from './share-attacks.ts';
import { runStoreAttacks } from './store-attacks.ts';
import { findTransaction, runTransactionAttacks } from './transaction-attacks.ts';
import { runLinkageTest } from './whole-chain.ts';
import { type Hospital, nodeNamed, type PatientStory, type Story } from './story.ts';

const DAY_MS = 86_400_000;

interface PlannedVisit {
  readonly record: ClinicalRecord;
  readonly hospital: Hospital;
}

/** Every case of the data; generated ones where there is none, or none with visits at two hospitals. */
function findCases(options: ScenarioOptions, report: Report, nowMs: number): readonly Case[] {
  const found = loadCases(options.data, (name, why) => report.note(`passed over ${name}: ${why}`));
  const hasStory = found.some(({ records }) => records.length > 1);
  const wanted = found.length === 0 ? options.generated : hasStory ? 0 : 1;
  const generated = Array.from({ length: wanted }, (_, i) =>
    generateCase(i + 1, nowMs - (40 + i) * DAY_MS),
  );
  return [...generated, ...found];
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
  for (const [i, source] of findCases(options, report, platform.nowMs()).entries()) {
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
  await runConsent(story);
  await showBaseline(story);
  await attack(story);
  await runCrashes(story);
  await runLinkageTest(story);
  await runRecovery(story);
}

/** Every attack, under a grant that stays valid throughout. */
async function attack(story: Story): Promise<void> {
  const grantId = await freshGrant(story);
  await runStoreAttacks(story, grantId);
  await runShareAttacks(story, grantId);
  await runReadAttacks(story, grantId);
  await runRequestAttacks(story, grantId);
  await runRecordAttacks(story);
  await attackLedger(story, grantId);
  await runResurrection(story);
  await story.main.patient.revoke(grantId);
}

async function attackLedger(story: Story, grantId: GrantId): Promise<void> {
  const { report, main, doctorA, platform } = story;
  report.act('Dark side: forged and copied transactions');
  const transactions: Uint8Array[] = [];
  const { height } = await main.reader.head({ fresh: true });
  for (let at = height; at >= 1n; at--)
    transactions.push(...(await main.reader.block(at)).transactions);
  const grant = findTransaction(transactions, 'grantAccess');
  const record = findTransaction(transactions, 'issueRecord');
  if (grant === undefined || record === undefined)
    throw new Error('the chain has a grant and a record');
  await runTransactionAttacks(report, {
    url: nodeNamed(story, 'tertiary-2').url,
    chainId: main.network.anchor.chainId,
    height: Number(height),
    curve: platform.curve,
    grant,
    record,
    recordId: deriveRecordId(main.network.context, record.body.capsule.c),
    granteeNode: toMemberId(fromHex(nodeNamed(story, 'tertiary-1').id)),
    doctor: signerFor(doctorA),
  });
  const after = await main.reader.grant(grantId, { fresh: true });
  report.check('the genuine grant stands as it stood', after !== undefined && !after.revoked);
}

/** Who leads at this moment, by the word of one node. */
async function leaderOf(story: Story): Promise<string> {
  const [node] = story.main.network.nodes;
  if (node === undefined) throw new Error('the consortium has nodes');
  const status = await story.main.network.transport.call(node, ROUTES.getStatus, { params: {} });
  const leader = story.nodes.find(({ consensusKey }) => consensusKey === status.primary);
  return leader?.name ?? 'the primary';
}

/** The paper's own scheme, as a profile. */
async function showBaseline(story: Story): Promise<void> {
  const { report, main, platform } = story;
  report.act('Profile QJ: the paper’s own re-encryption (AFGH06), one proxy, as a baseline');
  const [written] = main.written;
  const content = written?.record.sections[0]?.content;
  if (content === undefined) throw new Error('a record has sections');
  runAfghBaseline({
    report,
    curve: platform.curve,
    chainId: main.network.anchor.chainId,
    randomBytes: platform.randomBytes,
    content,
    primary: await leaderOf(story),
  });
}

export async function runQin(options: ScenarioOptions, report: Report): Promise<void> {
  report.act(
    'A consortium of its own: four hospitals and the regulator, each in a process of its own',
  );
  const consortium = await startConsortium(options.engine);
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
