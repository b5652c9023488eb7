/** The referral played for real: three people with keys in this page, against the running consortium. */
import { describeResource } from '@yilian/client/content/describe';
import { parseBundle } from '@yilian/client/content/fhir-bundle';
import { isJsonObject, objectAt, objectsAt, parseJson } from '@yilian/client/content/json';
import { toRecordDraft } from '@yilian/client/content/record-draft';
import { generateSampleCase } from '@yilian/client/content/sample-bundle';
import { splitBundle } from '@yilian/client/content/split-bundle';
import { requestEnrolment } from '@yilian/client/demo-consortium';
import { createDoctor, type Doctor, type GrantedRecord } from '@yilian/client/doctor';
import { enrolMember } from '@yilian/client/enrolment';
import type { SearchHit } from '@yilian/client/granted-search';
import { probeHolders } from '@yilian/client/holder-probe';
import {
  createKeyringSlot,
  createMemberKeyring,
  createPatientKeyring,
} from '@yilian/client/keyring';
import { createPatient, type Patient } from '@yilian/client/patient';
import type { ReceivedRequest } from '@yilian/client/received-requests';
import { readSection } from '@yilian/client/record-opening';
import { toHex, utf8 } from '@yilian/client/shown-bytes';
import { visitOfPackage } from '@yilian/client/visit-for-writing';
import { admitVisit } from '@yilian/client/visit-package';
import type { Session } from '../session.ts';
import type { Cast, CheckLine, OpenedRecord, StepName, StepResult, StoryChoices } from './story.ts';

const AUTHOR_HOSPITAL = 'community-1';
const REFERRED_HOSPITAL = 'tertiary-1';
const SECONDS_BEFORE_NOW = 600;
const FACTS_SHOWN = 14;
const SERVED_TRIES = 10;
const SERVED_PAUSE_MS = 400;

/** A step was asked for before the one it stands on. */
class StoryOrderError extends Error {
  readonly code = 'storyOrder';
}

function need<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new StoryOrderError(`${what} comes first`);
  return value;
}

interface People {
  readonly patient: Patient;
  readonly author: Doctor;
  readonly referred: Doctor;
}

/** What each step leaves for the next ones. */
interface Progress {
  people?: People;
  visitCode?: string;
  recordId?: SearchHit['recordId'];
  request?: ReceivedRequest;
  grantId?: Parameters<Doctor['search']>[0];
  hit?: SearchHit;
  opened?: GrantedRecord;
}

export function createBrowserCast(session: Session): Cast {
  const { platform, network, reader, consortium } = session;
  const { curve, randomBytes } = platform;
  const { chainId } = consortium.anchor;
  const progress: Progress = {};
  const sample = generateSampleCase({
    seed: new DataView(randomBytes(4).slice().buffer).getUint32(0),
    admissionTimeMs: platform.nowMs() - SECONDS_BEFORE_NOW * 1000,
  });

  async function enrolDoctor(institution: string, name: string): Promise<Doctor> {
    const node = need(
      network.nodes.find((each) => each.institution === institution),
      `a node of ${institution}`,
    );
    const fresh = createMemberKeyring({
      chainId,
      role: 'doctor',
      institution,
      operator: node.operator,
      name,
      randomBytes,
    });
    const secret = await requestEnrolment(platform, '', { role: 'doctor', institution });
    const keyring = await enrolMember(network, reader, fresh, { secret, licence: 'sample' });
    return createDoctor(network, reader, createKeyringSlot(keyring));
  }

  async function register(): Promise<StepResult> {
    const keyring = createKeyringSlot(createPatientKeyring({ chainId, curve, randomBytes }));
    const patient = createPatient(network, reader, keyring);
    const identity = sample.person.healthCardNumber;
    const secret = await requestEnrolment(platform, '', { role: 'patient' });
    await patient.enrol({ identity, secret });
    const author = await enrolDoctor(AUTHOR_HOSPITAL, 'Chen Li 陈立 (sample)');
    const referred = await enrolDoctor(REFERRED_HOSPITAL, 'Zhao Min 赵敏 (sample)');
    progress.people = { patient, author, referred };
    session.traces = {
      confidential: [
        curve.encodeG1(patient.secrets.patientKey),
        utf8(identity),
        utf8(sample.person.name.zh),
        utf8(sample.person.name.en),
      ],
      pseudonymous: [],
    };
    return {
      checks: [
        {
          key: 'check.certified',
          values: { who: { key: 'who.patient' }, what: { key: 'check.certified.commitment' } },
        },
        {
          key: 'check.certified',
          values: { who: { key: 'who.doctorA' }, what: { key: 'check.certified.member' } },
        },
        {
          key: 'check.certified',
          values: { who: { key: 'who.doctorB' }, what: { key: 'check.certified.member' } },
        },
      ],
    };
  }

  async function visit(): Promise<StepResult> {
    const { patient } = need(progress.people, 'registration');
    const { code } = await patient.prepareVisit({ hospital: AUTHOR_HOSPITAL });
    progress.visitCode = code;
    const [own] = patient.visits();
    const pid = need(own, 'the visit').pid;
    session.traces = { ...session.traces, pseudonymous: [pid] };
    return {
      checks: [
        { key: 'check.package', values: { bytes: code.length } },
        { key: 'check.pseudonym', values: { pid: toHex(pid) } },
      ],
    };
  }

  async function issue(): Promise<StepResult> {
    const { patient, author } = need(progress.people, 'registration');
    const code = need(progress.visitCode, 'the visit');
    const admitted = admitVisit({
      curve,
      context: network.context,
      hospital: AUTHOR_HOSPITAL,
      code,
    });
    const [clinical] = splitBundle(parseBundle(JSON.stringify(sample.visits)));
    const draft = toRecordDraft(need(clinical, 'the sample record'));
    const { recordId, final } = await author.issueRecord({
      visit: visitOfPackage(curve, admitted),
      draft,
    });
    progress.recordId = recordId;
    const record = need(await reader.record(recordId), 'the record on chain');
    await patient.acknowledge(recordId);
    session.traces = {
      ...session.traces,
      pseudonymous: [...session.traces.pseudonymous, recordId],
    };
    return {
      checks: [
        { key: 'check.stored', values: { bytes: record.length } },
        { key: 'check.ordered', values: { height: final.leaf.height } },
        { key: 'check.acknowledged', values: {} },
      ],
    };
  }

  async function request(): Promise<StepResult> {
    const { patient, referred } = need(progress.people, 'registration');
    const { handle } = await patient.createHandle();
    const { timeMs } = await reader.head();
    await referred.requestAccess(handle, {
      purpose: 'Stroke referral 卒中转诊',
      hospitals: [AUTHOR_HOSPITAL],
      classes: [],
      keywords: ['text|卒中'],
      until: Math.floor(timeMs / 1000) + 86_400,
    });
    const [received] = await patient.listRequests();
    progress.request = need(received, 'the request in her inbox');
    const { requester, wish } = progress.request;
    return {
      checks: [
        { key: 'check.requested', values: {} },
        {
          key: 'check.seen',
          values: { who: `${requester.name}, ${requester.institution}`, purpose: wish.purpose },
        },
      ],
    };
  }

  async function grant(choices: StoryChoices): Promise<StepResult> {
    const { patient, referred } = need(progress.people, 'registration');
    const asked = need(progress.request, 'the request');
    const { timeMs } = await reader.head();
    const to = Math.floor(timeMs / 1000) + choices.grantSeconds;
    const made = await patient.grantAccess({
      grantee: asked.wish.grantee,
      to,
      purpose: asked.wish.purpose,
      keywords: [{ type: 'text', text: '卒中' }],
    });
    progress.grantId = made.grantId;
    await referred.receiveGrant(made.grantId, curve.encodeG1(patient.secrets.patientKey));
    return {
      checks: [
        { key: 'check.ordered', values: { height: made.final.leaf.height } },
        { key: 'check.granted', values: { t: made.acknowledged, n: made.holders } },
        { key: 'check.until', values: { time: { timeMs: to * 1000 } } },
      ],
    };
  }

  async function search(): Promise<StepResult> {
    const { referred } = need(progress.people, 'registration');
    const started = performance.now();
    const hits = await referred.search(need(progress.grantId, 'the grant'));
    progress.hit = need(hits[0], 'a hit');
    const ms = Math.round(performance.now() - started);
    return { checks: [{ key: 'check.found', values: { count: hits.length, ms } }] };
  }

  async function open(): Promise<StepResult> {
    const { referred } = need(progress.people, 'registration');
    const opened = await referred.openRecord({
      grantId: need(progress.grantId, 'the grant'),
      hit: need(progress.hit, 'the search'),
      purpose: 'Stroke referral 卒中转诊',
    });
    progress.opened = opened;
    const { author } = opened;
    const checks: CheckLine[] = [
      { key: 'check.twoStep', values: {} },
      { key: 'check.shares', values: { t: opened.servedBy.length } },
    ];
    if (author !== null) checks.push({ key: 'check.signature', values: {} });
    return { checks, record: await showRecord(opened) };
  }

  async function log(): Promise<StepResult> {
    const { patient } = need(progress.people, 'registration');
    let entries = await patient.accessLog();
    // Nodes state their releases on chain in the block after: asked and served are separate facts.
    for (
      let tries = 0;
      tries < SERVED_TRIES && entries.some(({ servedBy }) => servedBy.length === 0);
      tries++
    ) {
      // oxlint-disable-next-line no-await-in-loop -- waiting for the next block
      await platform.wait(SERVED_PAUSE_MS);
      // oxlint-disable-next-line no-await-in-loop -- as above
      entries = await patient.accessLog();
    }
    const nameOf = (member: Uint8Array): string => network.findNode(member)?.name ?? '?';
    return {
      checks: [
        ...entries.map((entry): CheckLine => ({
          key: 'check.access',
          values: {
            number: entry.number,
            time: { timeMs: entry.time * 1000 },
            nodes: entry.servedBy.map(nameOf).join(', '),
          },
        })),
        { key: 'check.complete', values: {} },
      ],
    };
  }

  async function revoke(): Promise<StepResult> {
    const { patient } = need(progress.people, 'registration');
    const final = await patient.revoke(need(progress.grantId, 'the grant'));
    return { checks: [{ key: 'check.revoked', values: { height: final.leaf.height } }] };
  }

  async function retry(): Promise<StepResult> {
    const { referred } = need(progress.people, 'registration');
    const grantId = need(progress.grantId, 'the grant');
    const hit = need(progress.hit, 'the search');
    const opened = need(progress.opened, 'an opening');
    const checks: CheckLine[] = [];
    try {
      await referred.openRecord({ grantId, hit, purpose: 'again' });
    } catch (error) {
      checks.push({ key: 'check.refused', values: { reason: { error } }, refused: true });
    }
    const onChain = need(await reader.grant(grantId, { fresh: true }), 'the grant on chain');
    const answers = await probeHolders(network, referred.keyring.current, {
      grant: onChain,
      number: opened.accessNumber,
    });
    for (const { node, refusal } of answers) {
      if (refusal === null) throw new Error(`${node} served a revoked grant`);
      checks.push({
        key: 'check.refused',
        values: { reason: { problem: refusal, node } },
        refused: true,
      });
    }
    return { checks };
  }

  const acts: Readonly<Record<StepName, (choices: StoryChoices) => Promise<StepResult>>> = {
    register,
    visit,
    issue,
    request,
    grant,
    search,
    open,
    log,
    revoke,
    retry,
  };
  return { perform: (step, choices) => acts[step](choices) };
}

/** The first lines of the opened record, by FHIR class. */
async function showRecord(opened: GrantedRecord): Promise<OpenedRecord> {
  const facts: { name: string; value: string }[] = [];
  for (const section of opened.sections) {
    if (facts.length >= FACTS_SHOWN) break;
    // oxlint-disable-next-line no-await-in-loop -- a record's sections in their order
    const text = new TextDecoder().decode(await readSection(section));
    const collection = parseJson(text);
    if (!isJsonObject(collection)) continue;
    for (const entry of objectsAt(collection, 'entry')) {
      const line = describeResource(objectAt(entry, 'resource'));
      if (facts.length >= FACTS_SHOWN) break;
      if (line.title !== '')
        facts.push({ name: line.resourceType, value: `${line.title} ${line.detail}`.trim() });
    }
  }
  return { facts };
}
