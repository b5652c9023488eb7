/**
 * What the patient does with her consent (QJ-7): a department, a family agent, narrowing, revocation at
 * once, expiry by block time on an idle chain.
 */
import { createAgent, importAuthority } from '@yilian/client/agent';
import type { SearchHit } from '@yilian/client/granted-search';
import { equalBytes } from '@yilian/crypto/bytes';
import { acknowledgementsOf } from '@yilian/ledger/contracts/consent/grant';
import type { GrantId } from '@yilian/crypto/ids';
import type { MemberPerson } from '../people.ts';
import { isFaithful } from './keeping.ts';
import { writtenBy } from './referral.ts';
import { refusedByEveryHolder } from './release-request.ts';
import { nowSeconds, type PatientStory, type Story } from './story.ts';

const HOUR = 3_600;
const EXPIRY_SECONDS = 12;

/** The hits of the referral: where the main patient's records lie, at one hospital and at the other. */
function hitsByHospital(patient: PatientStory): {
  readonly community: SearchHit;
  readonly secondary: SearchHit;
} {
  const hits = patient.referral?.hits ?? [];
  const at = (hospital: string): SearchHit => {
    const hit = hits.find((each) => writtenBy(patient, each).hospital === hospital);
    if (hit === undefined) throw new Error(`no record of ${hospital} was found`);
    return hit;
  };
  return { community: at('community-1'), secondary: at('secondary-1') };
}

async function opens(
  grantee: MemberPerson,
  patient: PatientStory,
  grantId: GrantId,
  hit: SearchHit,
  clinician?: string,
): Promise<boolean> {
  const open = await grantee.doctor.openRecord({
    grantId,
    hit,
    purpose: 'treatment',
    ...(clinician === undefined ? {} : { clinician }),
  });
  const faithful = await isFaithful(open, writtenBy(patient, hit).record);
  await open.stored.dispose();
  return faithful;
}

async function grantToDepartment(story: Story): Promise<void> {
  const { report, main, department } = story;
  report.act('A grant to a department: each clinician’s opening is recorded');
  const made = await main.patient.grantAccess({
    grantee: department.doctor.id,
    to: nowSeconds(story) + HOUR,
    purpose: 'stroke unit',
  });
  await department.doctor.receiveGrant(made.grantId);
  const { secondary } = hitsByHospital(main);
  const opened = await opens(department, main, made.grantId, secondary, 'Dr Night');
  const entry = (await main.patient.accessLog()).find(({ grantee }) =>
    equalBytes(grantee, department.doctor.id),
  );
  report.check(
    'the stroke unit opens a record; the patient reads which clinician it was',
    opened && entry?.asked?.purpose.startsWith('Dr Night') === true,
  );
  await report.refused('doctor B receives the department’s grant', ['grantVoid'], () =>
    story.doctorB.doctor.receiveGrant(made.grantId),
  );
  await main.patient.revoke(made.grantId);
}

async function actThroughAgent(story: Story): Promise<void> {
  const { report, main, doctorB, people } = story;
  report.act('A family agent acts for a patient who cannot');
  const { network, reader } = people.connect();
  const { curve } = story.platform;
  const text = main.patient.exportAuthority({ hospitals: ['secondary-1'] }, true);
  const agent = createAgent(
    network,
    reader,
    importAuthority(curve, network.context, 'mother', text),
  );
  const made = await agent.grantAccess({
    grantee: doctorB.doctor.id,
    to: nowSeconds(story) + HOUR,
    purpose: 'she cannot speak',
  });
  await doctorB.doctor.receiveGrant(made.grantId);
  const { secondary, community } = hitsByHospital(main);
  report.check(
    'the agent grants, doctor B opens',
    await opens(doctorB, main, made.grantId, secondary),
  );
  await report.refused(
    'doctor B opens under the agent’s grant what the agent has no key for',
    ['notInGrant', 'notEnoughShares'],
    () =>
      doctorB.doctor.openRecord({ grantId: made.grantId, hit: community, purpose: 'curiosity' }),
  );
  await report.refused('an agent grants a label she was not given', ['mayNotGrant'], () =>
    agent.grantAccess({
      labels: main.patient.labelsOf({ hospitals: ['community-1'] }),
      grantee: doctorB.doctor.id,
      to: nowSeconds(story) + HOUR,
      purpose: 'more',
    }),
  );
  const seen = (await main.patient.listGrants()).some(({ grantId }) =>
    equalBytes(grantId, made.grantId),
  );
  report.check('R1 the patient’s own walk finds the agent’s grant', seen);
  await main.patient.revoke(made.grantId);
  await refusedByEveryHolder(
    report,
    'the agent’s grant after the patient ended it',
    ['grantRevoked'],
    { person: doctorB, grantId: made.grantId, number: 1 },
  );
}

async function narrowAndRevoke(story: Story): Promise<void> {
  const { report, main, doctorB } = story;
  report.act('Narrowing and revocation');
  const { community, secondary } = hitsByHospital(main);
  const made = await main.patient.grantAccess({
    grantee: doctorB.doctor.id,
    to: nowSeconds(story) + HOUR,
    purpose: 'follow-up',
  });
  const { grantId } = made;
  await doctorB.doctor.receiveGrant(grantId);
  report.check(
    'before narrowing doctor B opens the community record',
    await opens(doctorB, main, grantId, community),
  );
  await main.patient.narrow(grantId, { records: [secondary.recordId] });
  report.check(
    'after narrowing he opens the secondary record',
    await opens(doctorB, main, grantId, secondary),
  );
  await report.refused(
    'doctor B opens a record that the grant was narrowed away from',
    ['notEnoughShares'],
    () => doctorB.doctor.openRecord({ grantId, hit: community, purpose: 'again' }),
  );
  const grant = await doctorB.reader.grant(grantId, { fresh: true });
  await refusedByEveryHolder(
    report,
    'the access to the narrowed record, asked of each node',
    ['recordNotCovered'],
    {
      person: doctorB,
      grantId,
      number: grant?.accesses ?? 0,
    },
  );
  await main.patient.revoke(grantId);
  await report.refused(
    'doctor B opens under the revoked grant',
    ['grantNotActive', 'grantRevoked'],
    () => doctorB.doctor.openRecord({ grantId, hit: secondary, purpose: 'again' }),
  );
  await refusedByEveryHolder(
    report,
    'a share of the revoked grant for an access made before, asked of each node',
    ['grantRevoked'],
    {
      person: doctorB,
      grantId,
      number: 2,
    },
  );
  await awaitErasure(story, grantId, 'revoked');
}

/** Nodes erase the share key and say so on chain (F15). */
async function awaitErasure(story: Story, grantId: GrantId, why: string): Promise<void> {
  let erased = 0;
  for (let tries = 0; tries < 120 && erased < 3; tries++) {
    const grant = await story.doctorB.reader.grant(grantId, { fresh: true });
    erased = grant?.holders.filter(({ share }) => share === 'erased').length ?? 0;
    if (erased < 3) await story.platform.wait(250);
  }
  story.report.check(
    `F15 every holder of the ${why} grant erased its share and says so on chain`,
    erased === 3,
    `${erased} of 3`,
  );
}

interface ShortGrant {
  readonly made: { readonly grantId: GrantId };
  readonly to: number;
  readonly opened: boolean;
}

async function letExpire(story: Story): Promise<void> {
  const { report, main, doctorB, platform } = story;
  report.act('Expiry by block time, on an idle chain');
  const { secondary } = hitsByHospital(main);
  const short = async (seconds: number): Promise<ShortGrant> => {
    const to = nowSeconds(story) + seconds;
    const made = await main.patient.grantAccess({
      grantee: doctorB.doctor.id,
      to,
      purpose: 'a few seconds',
    });
    await doctorB.doctor.receiveGrant(made.grantId);
    const opened = await opens(doctorB, main, made.grantId, secondary).catch(() => false);
    return { made, to, opened };
  };
  // On a busy machine a few seconds are over before he is served: then it is tried with a longer period.
  let grant = await short(EXPIRY_SECONDS);
  for (let factor = 4; !grant.opened && factor <= 16; factor *= 4)
    grant = await short(EXPIRY_SECONDS * factor);
  const { made, to, opened } = grant;
  report.check('within the period doctor B opens', opened);
  const before = await doctorB.reader.head({ fresh: true });
  await platform.wait(Math.max(0, to * 1000 - platform.nowMs()) + 500);
  await refusedByEveryHolder(
    report,
    'a share after the end, though block time may lag behind the clock',
    ['grantExpired', 'nodeBehind'],
    {
      person: doctorB,
      grantId: made.grantId,
      number: 1,
    },
  );
  for (let tries = 0; tries < 200; tries++) {
    const { timeMs } = await doctorB.reader.head({ fresh: true });
    if (timeMs >= to * 1000) break;
    await platform.wait(250);
  }
  const after = await doctorB.reader.head({ fresh: true });
  report.check(
    'heartbeat blocks carried the time past the end without a transaction of ours',
    after.timeMs >= to * 1000,
    `heights ${before.height} to ${after.height}`,
  );
  await report.refused(
    'doctor B opens under the expired grant',
    ['grantNotActive', 'grantExpired'],
    () => doctorB.doctor.openRecord({ grantId: made.grantId, hit: secondary, purpose: 'late' }),
  );
  await awaitErasure(story, made.grantId, 'expired');
}

export async function runConsent(story: Story): Promise<void> {
  await grantToDepartment(story);
  await actThroughAgent(story);
  await narrowAndRevoke(story);
  await letExpire(story);
}

/** A grant for the attacks that follow, acknowledged and received. */
export async function freshGrant(
  story: Story,
  patient: PatientStory = story.main,
): Promise<GrantId> {
  const { doctorB } = story;
  const made = await patient.patient.grantAccess({
    grantee: doctorB.doctor.id,
    to: nowSeconds(story) + HOUR,
    purpose: 'for the attacks',
  });
  await doctorB.doctor.receiveGrant(made.grantId);
  const grant = await doctorB.reader.grant(made.grantId, { fresh: true });
  if (grant === undefined || acknowledgementsOf(grant) < made.threshold)
    throw new Error('the grant is not active');
  return made.grantId;
}
