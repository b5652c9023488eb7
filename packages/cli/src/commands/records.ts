/** Records: visits, writing, searching, opening, acknowledging. */
import { createReadStream, mkdirSync, openAsBlob, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseBundle } from '@yilian/client/content/fhir-bundle';
import { clinicalClassesOf } from '@yilian/client/content/clinical-record';
import { splitBundle } from '@yilian/client/content/split-bundle';
import { ClientError } from '@yilian/client/failure';
import type { CopyState } from '@yilian/client/copy-status';
import { parseKeyword } from '@yilian/client/patient';
import { replaceFile } from '@yilian/client/platform/node-platform';
import { type OpenRecord, readSection } from '@yilian/client/record-opening';
import { type RecordDraft, textSection } from '@yilian/client/record-sealing';
import { admitVisit } from '@yilian/client/visit-package';
import { visitOfPackage } from '@yilian/client/visit-for-writing';
import { toHex } from '@yilian/crypto/bytes';
import { OBJECTION_REASONS } from '@yilian/ledger/contracts/records/objection';
import type { StorageFinding } from '@yilian/ledger/contracts/records/storage-finding';
import { type RecordId, toGrantId, toRecordId } from '@yilian/crypto/ids';
import { type Command, type Options, parseHex } from '../command.ts';
import { EXIT, UsageError } from '../exit-code.ts';
import type { Session } from '../session.ts';

const visit: Command = {
  name: 'visit',
  usage: 'visit --hospital H [--month YYYY-MM]',
  summary: { en: 'the visit code to show at a hospital', zh: '生成在医院出示的就诊码' },
  options: { hospital: { type: 'string' }, month: { type: 'string' } },
  run: async (session, options) => {
    const patient = await session.patient();
    const month = options.text('month');
    const hospital = options.required('hospital');
    const { code, visit: note } = await patient.prepareVisit({
      hospital,
      ...(month === undefined ? {} : { month }),
    });
    session.answer({ code, visit: note }, [session.say('visitReady', { hospital }), code]);
    return EXIT.ok;
  },
};

/** Text itself, or the content of the file it names with @. */
function textOrFile(value: string): string {
  return value.startsWith('@') ? readFileSync(value.slice(1), 'utf8').trim() : value;
}

async function* fileContent(path: string): AsyncGenerator<Uint8Array> {
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 }))
    yield piece as Uint8Array;
}

const LARGE_BYTES = 16 * 1024 * 1024;

/** Drafts of a command line: one per visit of a bundle, or one of the named files. */
function draftsOf(options: Options): readonly RecordDraft[] {
  const bundle = options.text('bundle');
  const files = options.texts('section');
  const keywords = options.texts('keyword').map(parseKeyword);
  const attached = files.map((each) => {
    const [path, file] = each.split('=');
    if (path === undefined || file === undefined || path === '' || file === '')
      throw new UsageError('badSection');
    return { path, file, bytes: statSync(file).size };
  });
  const sections = attached.map(({ path, file }) => ({
    path,
    mediaType: 'application/octet-stream',
    content: fileContent(file),
  }));
  const isLarge = attached.some(({ bytes }) => bytes > LARGE_BYTES);
  if (bundle === undefined) {
    if (sections.length === 0) throw new UsageError('noContent');
    const classes = attached.map(({ path }) => path).filter((path) => /^[A-Z]/.test(path));
    return [
      {
        sections,
        classes,
        keywords,
        isLarge,
        attributes: ['files', basename(attached[0]?.file ?? '')],
      },
    ];
  }
  const records = splitBundle(parseBundle(readFileSync(bundle, 'utf8')));
  return records.map((record, position): RecordDraft => ({
    sections: [
      ...record.sections.map(({ path, content }) =>
        textSection(path, 'application/fhir+json', content),
      ),
      // Files go with the first visit of the bundle.
      ...(position === 0 ? sections : []),
    ],
    classes: clinicalClassesOf(record),
    keywords: [...keywords, ...record.keywords],
    attributes: [record.kind, record.title],
    isLarge: position === 0 && isLarge,
    ...(record.kind === 'summary' ? { isSummary: true } : {}),
  }));
}

const issue: Command = {
  name: 'issue',
  usage:
    'issue --visit CODE|@FILE (--bundle FHIR.json | --section PATH=FILE…) [--keyword TYPE|TEXT]… [--amends RECORD]',
  summary: { en: 'seal a record to the patient and put it on chain', zh: '将病历加密给患者并上链' },
  options: {
    visit: { type: 'string' },
    bundle: { type: 'string' },
    section: { type: 'string', multiple: true },
    keyword: { type: 'string', multiple: true },
    amends: { type: 'string' },
  },
  run: async (session, options) => {
    const doctor = await session.doctor();
    const { curve } = session.platform;
    const { network } = doctor.connection;
    const admitted = admitVisit({
      curve,
      context: network.context,
      hospital: doctor.keyring.current.institution,
      code: textOrFile(options.required('visit')),
    });
    const amends = options.text('amends');
    const drafts = draftsOf(options);
    if (amends !== undefined && drafts.length !== 1) throw new UsageError('oneAmendment');
    const issued: { record: string; transaction: string; height: number }[] = [];
    for (const draft of drafts) {
      const { recordId, final } = await doctor.issueRecord({
        visit: visitOfPackage(curve, admitted),
        draft,
        ...(amends === undefined ? {} : { amends: recordIdOf(amends) }),
        onProgress: session.onProgress,
      });
      issued.push({
        record: toHex(recordId),
        transaction: toHex(final.transaction.id),
        height: final.leaf.height,
      });
    }
    session.answer(
      { records: issued },
      issued.map(({ record, height }) => session.say('issued', { record, height })),
    );
    return EXIT.ok;
  },
};

function recordIdOf(text: string): RecordId {
  return toRecordId(parseHex(text, 32, 'a record id'));
}

interface ListedCopy {
  readonly institution: string;
  readonly state: CopyState;
  readonly words: readonly {
    readonly institution: string;
    readonly finding: StorageFinding;
    readonly at: string;
  }[];
}

interface ListedRecord {
  readonly record: string;
  readonly hospital: string;
  readonly month: string;
  readonly issuedAt: string;
  readonly answer: string;
  readonly copies: readonly ListedCopy[];
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

/** Nothing of a copy of which nobody ever said that it was lost. */
function describeCopy(session: Session, { institution, state, words }: ListedCopy): string[] {
  if (state === 'attested') return [];
  const told = words.map((word) =>
    session.say(`word.${word.finding}`, { auditor: word.institution, at: word.at }),
  );
  return [session.say(`copy.${state}`, { institution }), ...told].map((line, position) =>
    position === 0 ? `  ${line}` : `    ${line}`,
  );
}

const records: Command = {
  name: 'records',
  usage: 'records',
  summary: { en: 'my records (patient)', zh: '我的病历（患者）' },
  options: {},
  run: async (session) => {
    const patient = await session.patient();
    const list: ListedRecord[] = [];
    for (const { visit: visited, ledgerRecord } of await patient.listRecords())
      list.push({
        record: toHex(ledgerRecord.id),
        hospital: visited.hospital,
        month: visited.month,
        issuedAt: isoTime(ledgerRecord.issuedAt),
        answer: ledgerRecord.answer.kind,
        copies: (await patient.copiesOf(ledgerRecord.id)).map(({ institution, state, words }) => ({
          institution,
          state,
          words: words.map((word) => ({
            institution: word.institution,
            finding: word.finding,
            at: isoTime(word.time),
          })),
        })),
      });
    session.answer(
      { records: list },
      list.length === 0
        ? [session.say('nothingFound')]
        : list.flatMap((each) => [
            `${each.record} ${each.hospital} ${each.issuedAt} ${each.answer}`,
            ...each.copies.flatMap((copy) => describeCopy(session, copy)),
          ]),
    );
    return EXIT.ok;
  },
};

const search: Command = {
  name: 'search',
  usage: 'search --grant GRANT | search --keyword TYPE|TEXT',
  summary: {
    en: 'search what was granted (doctor), or my own records (patient)',
    zh: '检索授权内容（医生）或自己的病历（患者）',
  },
  options: { grant: { type: 'string' }, keyword: { type: 'string' } },
  run: async (session, options) => {
    const grant = options.text('grant');
    const found =
      grant === undefined
        ? (await (await session.patient()).search(parseKeyword(options.required('keyword')))).map(
            ({ ledgerRecord }) => ({
              record: toHex(ledgerRecord.id),
              hospital: ledgerRecord.institution,
              hints: [],
            }),
          )
        : await searchGrant(session, grant);
    session.answer(
      { found },
      found.length === 0
        ? [session.say('nothingFound')]
        : found.map(({ record, hospital, hints }) =>
            `${record} ${hospital} ${hints.join(' ')}`.trim(),
          ),
    );
    return EXIT.ok;
  },
};

async function searchGrant(
  session: Session,
  grant: string,
): Promise<readonly { record: string; hospital: string; hints: readonly string[] }[]> {
  const doctor = await session.doctor();
  const grantId = toGrantId(parseHex(grant, 16, '--grant'));
  await ensureReceived(session, grant);
  return (await doctor.search(grantId)).map(({ recordId, ledgerRecord, hints }) => ({
    record: toHex(recordId),
    hospital: ledgerRecord.institution,
    hints,
  }));
}

/** A grant that this keyring does not hold yet is received first. */
async function ensureReceived(session: Session, grant: string): Promise<void> {
  const doctor = await session.doctor();
  const isHeld = doctor.heldGrants().some((each) => toHex(each) === grant);
  if (isHeld) return;
  await doctor.receiveGrant(toGrantId(parseHex(grant, 16, '--grant')));
}

const open: Command = {
  name: 'open',
  usage: 'open --record RECORD [--grant GRANT --purpose TEXT [--clinician NAME]] [--out DIR]',
  summary: {
    en: 'open a record: by a grant, as its author, or as its patient',
    zh: '打开病历：凭授权、作为书写者或作为患者',
  },
  options: {
    record: { type: 'string' },
    grant: { type: 'string' },
    purpose: { type: 'string' },
    clinician: { type: 'string' },
    out: { type: 'string' },
  },
  run: async (session, options) => {
    const recordId = recordIdOf(options.required('record'));
    const grant = options.text('grant');
    if (grant !== undefined) return openGranted(session, options, grant, recordId);
    const { current } = await session.keyring();
    const record =
      current.kind === 'patient'
        ? await (await session.patient()).openRecord(recordId)
        : await (await session.doctor()).openOwnRecord(recordId);
    return show(session, options, record, {}, (author) => session.say('openedOwn', { author }));
  },
};

async function openGranted(
  session: Session,
  options: Options,
  grant: string,
  recordId: RecordId,
): Promise<number> {
  const grantId = toGrantId(parseHex(grant, 16, '--grant'));
  await ensureReceived(session, grant);
  const doctor = await session.doctor();
  const hit = (await doctor.search(grantId)).find(
    (each) => toHex(each.recordId) === toHex(recordId),
  );
  if (hit === undefined)
    throw new ClientError('notInGrant', 'no search token of this grant finds that record');
  const clinician = options.text('clinician');
  const record = await doctor.openRecord({
    grantId,
    hit,
    purpose: options.required('purpose'),
    ...(clinician === undefined ? {} : { clinician }),
    onProgress: session.onProgress,
  });
  const { accessNumber, servedBy } = record;
  return show(session, options, record, { accessNumber, servedBy }, (author) =>
    session.say('opened', { author, nodes: servedBy.join(', ') }),
  );
}

async function show(
  session: Session,
  options: Options,
  record: OpenRecord,
  facts: Readonly<Record<string, unknown>>,
  sentence: (author: string) => string,
): Promise<number> {
  try {
    const author = `${record.author?.name ?? '?'} (${record.author?.institution ?? '?'})`;
    const sections = record.sections.map(({ path, mediaType, length }) => ({
      path,
      mediaType,
      length,
    }));
    const directory = options.text('out');
    const files: string[] = [];
    if (directory !== undefined) {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      for (const section of record.sections) {
        // A path comes from the author of the record: nothing of it may leave the directory.
        const name = section.path.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^\.+/, '_');
        const file = join(directory, name);
        await replaceFile(file, await readSection(section));
        files.push(file);
      }
    }
    session.answer({ record: toHex(record.recordId), author, sections, files, ...facts }, [
      sentence(author),
      ...sections.map(({ path, mediaType, length }) => `${path} ${mediaType} ${length}`),
      ...files,
    ]);
    return EXIT.ok;
  } finally {
    await record.stored.dispose();
  }
}

const keep: Command = {
  name: 'keep',
  usage: 'keep --record RECORD --out FILE',
  summary: {
    en: 'keep a sealed copy of a record, to repair stores from',
    zh: '保存病历的密文副本，用于修复存储',
  },
  options: { record: { type: 'string' }, out: { type: 'string' } },
  run: async (session, options) => {
    const recordId = recordIdOf(options.required('record'));
    const file = options.required('out');
    const { current } = await session.keyring();
    const record =
      current.kind === 'patient'
        ? await (await session.patient()).openRecord(recordId)
        : await (await session.doctor()).openOwnRecord(recordId);
    try {
      await replaceFile(file, new Uint8Array(await record.stored.object.arrayBuffer()));
    } finally {
      await record.stored.dispose();
    }
    session.answer({ record: toHex(recordId), file }, [session.say('copyKept', { file })]);
    return EXIT.ok;
  },
};

const repair: Command = {
  name: 'repair',
  usage: 'repair --record RECORD [--from FILE]',
  summary: {
    en: 'give stores that lost a record its bytes again (patient or author)',
    zh: '为丢失病历的存储恢复密文（患者或书写者）',
  },
  options: { record: { type: 'string' }, from: { type: 'string' } },
  run: async (session, options) => {
    const recordId = recordIdOf(options.required('record'));
    const from = options.text('from');
    const copy = from === undefined ? undefined : await openAsBlob(from);
    const { current } = await session.keyring();
    const stores =
      current.kind === 'patient'
        ? await (await session.patient()).repairRecord(recordId, copy)
        : await (await session.doctor()).repairRecord(recordId, copy);
    session.answer(
      { record: toHex(recordId), stores },
      stores.map(({ node, found, outcome, code }) =>
        `${node} ${found} ${outcome} ${code ?? ''}`.trimEnd(),
      ),
    );
    const isWhole = stores.every(({ outcome }) => outcome === 'unneeded' || outcome === 'repaired');
    return isWhole ? EXIT.ok : EXIT.refused;
  },
};

const acknowledge: Command = {
  name: 'acknowledge',
  usage: 'acknowledge RECORD',
  summary: { en: 'co-sign a record after trying every slot', zh: '检查所有密钥槽后确认病历' },
  options: {},
  run: async (session, options) => {
    const record = options.argument(0, 'RECORD');
    await (await session.patient()).acknowledge(recordIdOf(record));
    session.answer({ record }, [session.say('acknowledged', { record })]);
    return EXIT.ok;
  },
};

const object: Command = {
  name: 'object',
  usage: 'object RECORD --reason notMine|wrongContent|wrongKey|unreadable',
  summary: { en: 'object to a record', zh: '对病历提出异议' },
  options: { reason: { type: 'string' } },
  run: async (session, options) => {
    const record = options.argument(0, 'RECORD');
    const wished = options.required('reason');
    const reason = OBJECTION_REASONS.find((each) => each === wished);
    if (reason === undefined)
      throw new UsageError('notOneOf', { name: 'reason', values: OBJECTION_REASONS.join(', ') });
    await (await session.patient()).object(recordIdOf(record), reason);
    session.answer({ record }, [session.say('objected', { record })]);
    return EXIT.ok;
  },
};

export const RECORD_COMMANDS: readonly Command[] = [
  visit,
  { ...visit, name: 'package', usage: visit.usage.replace('visit', 'package') },
  issue,
  records,
  search,
  open,
  keep,
  repair,
  acknowledge,
  object,
];
