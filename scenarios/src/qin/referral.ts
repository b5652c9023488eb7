/** The referral (QJ phases 3 and 4): request, grant, search, two-step check, re-encryption, opening. */
import { equalBytes, toHex } from '@yilian/crypto/bytes';
import type { Keyword } from '@yilian/crypto/keyword';
import type { SearchHit } from '@yilian/client/granted-search';
import type { MemberPerson } from '../people.ts';
import { isFaithful } from './keeping.ts';
import { nowSeconds, type PatientStory, type Story, type WrittenRecord } from './story.ts';

const HOUR = 3_600;

/** A word that some, and where possible not all, of her records carry. */
function wordFor(patient: PatientStory): Keyword {
  const stroke: Keyword = { type: 'text', text: '卒中' };
  const has = (keyword: Keyword): number =>
    patient.written.filter((each) => carries(each, keyword)).length;
  if (has(stroke) > 0) return stroke;
  return patient.written[0]?.record.keywords[0] ?? stroke;
}

function carries({ record }: WrittenRecord, { type, text }: Keyword): boolean {
  return record.keywords.some((each) => each.type === type && each.text === text);
}

export function writtenBy(patient: PatientStory, hit: Pick<SearchHit, 'recordId'>): WrittenRecord {
  const written = patient.written.find(({ recordId }) => equalBytes(recordId, hit.recordId));
  if (written === undefined) throw new Error('a hit that is none of the patient’s records');
  return written;
}

function sameRecords(hits: readonly SearchHit[], written: readonly WrittenRecord[]): boolean {
  const found = new Set(hits.map(({ recordId }) => toHex(recordId)));
  return (
    found.size === written.length && written.every(({ recordId }) => found.has(toHex(recordId)))
  );
}

/** From the request to the last opened record. */
async function refer(story: Story, patient: PatientStory): Promise<void> {
  const { report, doctorB } = story;
  const word = wordFor(patient);
  const until = nowSeconds(story) + 24 * HOUR;
  const { handle } = await patient.patient.createHandle();
  await doctorB.doctor.requestAccess(handle, {
    purpose: 'stroke referral 卒中转诊',
    hospitals: ['community-1', 'secondary-1'],
    classes: [],
    keywords: [`${word.type}|${word.text}`],
    until,
  });
  const request = (await patient.patient.listRequests()).find(({ wish }) => wish.until === until);
  if (request === undefined) throw new Error('the request did not reach the patient');
  const asked = request.requester;
  const isB = equalBytes(asked.member, doctorB.doctor.id) && asked.institution === 'tertiary-1';

  const startedMs = story.platform.nowMs();
  const made = await patient.patient.grantAccess({
    grantee: request.wish.grantee,
    to: until,
    purpose: request.wish.purpose,
    keywords: [word],
  });
  const received = await doctorB.doctor.receiveGrant(made.grantId);
  const hits = await doctorB.doctor.search(made.grantId);
  const byWord = hits.filter(({ hints }) => hints.includes(`${word.type}|${word.text}`));
  const byVisit = hits.filter(({ hints }) => hints.some((hint) => hint.startsWith('visit|')));
  const expected = patient.written.filter((each) => carries(each, word));

  let openedAll = true;
  let servedBy: readonly string[] = [];
  for (const hit of hits) {
    const open = await doctorB.doctor.openRecord({
      grantId: made.grantId,
      hit,
      purpose: 'referral',
    });
    const { record, hospital } = writtenBy(patient, hit);
    const isRight =
      (await isFaithful(open, record)) &&
      open.author?.institution === hospital &&
      open.servedBy.length >= made.threshold;
    openedAll &&= isRight;
    ({ servedBy } = open);
    await open.stored.dispose();
  }
  const seconds = ((story.platform.nowMs() - startedMs) / 1000).toFixed(1);
  const hospitals = new Set(patient.written.map(({ hospital }) => hospital));
  report.check(
    `${patient.source.source}: the request reaches her with doctor B’s certificate`,
    isB,
  );
  report.check(
    `granted by one consent over ${hospitals.size === 1 ? 'one hospital' : 'two hospitals'}, ${made.threshold} of ${made.holders} holders needed`,
    made.acknowledged >= made.threshold && received.share.labels.length === patient.written.length,
    `${made.acknowledged} acknowledged`,
  );
  report.check(
    `found by pseudonym: all ${patient.written.length}`,
    sameRecords(byVisit, patient.written),
  );
  report.check(
    `found by ${word.type}|${word.text}: ${expected.length}`,
    sameRecords(byWord, expected),
  );
  report.check(
    'QJ-6 authorised, ciphertext as on chain, re-encrypted, opened byte for byte, author’s signature verified',
    openedAll && hits.length === patient.written.length,
    `served by ${servedBy.join(', ')}; grant to last opened record ${seconds} s`,
  );
  patient.referral = { grantId: made.grantId, hits };
}

/** She sees every opening, and who served it, with a proof that nothing is missing. */
async function checkLog(
  story: Story,
  patient: PatientStory,
  grantee: MemberPerson,
  openings: number,
): Promise<void> {
  const wanted = 2;
  let entries = await patient.patient.accessLog();
  // Releases follow in the nodes' next reports.
  for (let tries = 0; tries < 40; tries++) {
    if (entries.every(({ servedBy }) => servedBy.length >= wanted)) break;
    await story.platform.wait(250);
    entries = await patient.patient.accessLog();
  }
  const own = entries.filter((entry) => equalBytes(entry.grantee, grantee.doctor.id));
  const known = new Set(patient.written.map(({ recordId }) => toHex(recordId)));
  story.report.check(
    `the patient sees ${openings} openings, each with record, purpose and the nodes that served it`,
    own.length === openings &&
      own.every(
        ({ asked, servedBy }) =>
          asked !== null && known.has(toHex(asked.recordId)) && servedBy.length >= wanted,
      ),
    `${own.length} entries, numbered without a gap`,
  );
}

export async function runReferrals(story: Story): Promise<void> {
  story.report.act(
    'Request access and request processing: every patient is referred to doctor B (tertiary)',
  );
  for (const patient of story.patients) {
    await refer(story, patient);
    await checkLog(story, patient, story.doctorB, patient.written.length);
  }
}
