/** The linkage test on everything that a node has, block by block, as anybody may download it. */
import { encode } from '@yilian/crypto/cbor';
import { type Bytes, toHex, utf8 } from '@yilian/crypto/bytes';
import { encodeLabel, labelPoint } from '@yilian/crypto/label';
import { searchEpoch, packEpochIndex, type TagKey } from '@yilian/crypto/searchable-encryption';
import { deriveObjectKey } from '@yilian/client/record-location';
import { parseTransaction } from '@yilian/ledger/transaction-codec';
import type { TransactionBody } from '@yilian/ledger/transaction';
import { clinicalClassesOf } from '@yilian/client/content/clinical-record';
import { ByteWindows } from '../byte-windows.ts';
import { findTraces, searchKeysFromPackage, type Trace, tracesFromPackage } from './linkage.ts';
import type { PatientStory, Story } from './story.ts';

/** What concerns a patient's consent: none of it may point to her or to a record. */
const CONSENT_TYPES: ReadonlySet<TransactionBody['type']> = new Set<TransactionBody['type']>([
  'requestAccess',
  'grantAccess',
  'narrowGrant',
  'revokeAccess',
  'recordAccess',
  'nodeReport',
  'acknowledgeErasure',
]);

interface Download {
  readonly all: readonly Bytes[];
  readonly consent: readonly Bytes[];
  readonly grantIds: readonly Bytes[];
}

async function download(story: Story): Promise<Download> {
  const { reader } = story.people.connect({ only: ['tertiary-2'] });
  const { height } = await reader.head({ fresh: true });
  const all: Bytes[] = [];
  const consent: Bytes[] = [];
  const grantIds = new Map<string, Bytes>();
  for (let at = 1n; at <= height; at++)
    for (const bytes of (await reader.block(at)).transactions) {
      all.push(bytes);
      const parsed = parseTransaction(bytes);
      if (!parsed.ok || !CONSENT_TYPES.has(parsed.transaction.body.type)) continue;
      consent.push(bytes);
      const { body } = parsed.transaction;
      if (body.type === 'grantAccess') grantIds.set(toHex(body.grantId), body.grantId);
    }
  return { all, consent, grantIds: [...grantIds.values()] };
}

/** What the chain itself shows of her visits, and P, which hospitals and grantees know. */
function outsiderTraces(story: Story, patient: PatientStory): readonly Trace[] {
  const { curve } = story.platform;
  const name = patient.source.source;
  return [
    { name: `P of ${name}`, bytes: curve.encodeG1(patient.patient.secrets.patientKey) },
    ...patient.written.flatMap(({ visit, recordId }) => [
      { name: `a PID of ${name}`, bytes: visit.pid },
      { name: `a record id of ${name}`, bytes: recordId },
      { name: `a visit key of ${name}`, bytes: visit.visitKey },
    ]),
  ];
}

/** What only she and those whom she chose know: it must not stand there either. */
function innerTraces(story: Story, patient: PatientStory): readonly Trace[] {
  const { curve } = story.platform;
  const { context } = patient.network;
  const name = patient.source.source;
  const classes = [...new Set(patient.written.flatMap(({ record }) => clinicalClassesOf(record)))];
  const labels = patient.patient
    .visits()
    .flatMap((visit) => [
      visit.label({ kind: 'visit' }),
      visit.label({ kind: 'summary' }),
      ...classes.map((resourceType) => visit.label({ kind: 'class', resourceType })),
    ]);
  const objectKeys = (patient.referral?.hits ?? []).map((hit) =>
    deriveObjectKey(context, hit.locationSecret, hit.recordId),
  );
  return [
    { name: `the identity of ${name}`, bytes: utf8(patient.identity) },
    ...labels.flatMap((label) => [
      { name: `a label of ${name}`, bytes: encodeLabel(label) },
      { name: `β of a label of ${name}`, bytes: label.beta },
      {
        name: `the point of a label of ${name}`,
        bytes: curve.encodeG2(labelPoint(curve, context, label)),
      },
    ]),
    ...objectKeys.map((bytes) => ({ name: `an object key of ${name}`, bytes })),
    ...patient.written.flatMap(({ visitPackage }) => [
      { name: `β_v of ${name}`, bytes: visitPackage.beta },
      { name: `κ of ${name}`, bytes: visitPackage.keywordSecret },
      { name: `a label root of ${name}`, bytes: visitPackage.monthRoot },
    ]),
  ];
}

function windowsOf(transactions: readonly Bytes[]): ByteWindows {
  const windows = new ByteWindows();
  for (const bytes of transactions) windows.add(bytes);
  return windows;
}

export async function runLinkageTest(story: Story): Promise<void> {
  const { report, patients } = story;
  report.act('Linkage test over the whole chain, downloaded from one node');
  const { all, consent, grantIds } = await download(story);
  report.note(
    `${all.length} transactions, ${consent.length} of them about consent, ${grantIds.length} grants`,
  );
  const [everything, consentOnly] = [windowsOf(all), windowsOf(consent)];
  const { context } = story.main.network;
  const outsider = patients.flatMap((patient) => outsiderTraces(story, patient));
  const inner = patients.flatMap((patient) => innerTraces(story, patient));

  const [first] = outsider;
  if (first === undefined) throw new Error('there are traces to look for');
  const planted = windowsOf([...consent, encode(['planted', first.bytes])]);
  const control = findTraces({ context, haystack: planted, traces: [first], companions: [] });
  report.check('control: a value that is planted is found', control.length === 1);

  const inConsent = findTraces({
    context,
    haystack: consentOnly,
    traces: outsider,
    companions: grantIds.slice(0, 4),
  });
  report.check(
    'F4 no P, PID, record id or visit key, nor a hash or key made of one, in any request, grant or access',
    inConsent.length === 0,
    inConsent.length === 0
      ? `${outsider.length} values × every domain tag`
      : inConsent.slice(0, 3).join('; '),
  );
  const persons = outsider.filter(({ name }) => name.startsWith('P '));
  const ofPersons = findTraces({ context, haystack: everything, traces: persons, companions: [] });
  report.check(
    'F1 no P, nor a hash of one, anywhere on the chain',
    ofPersons.length === 0,
    `${persons.length} patients`,
  );
  const secrets = inner.filter(({ bytes }) => everything.has(bytes));
  report.check(
    'R5 no identity, label, label point, object key or key of a visit package anywhere on the chain',
    secrets.length === 0,
    secrets.length === 0
      ? `${inner.length} values`
      : secrets
          .slice(0, 3)
          .map(({ name }) => name)
          .join('; '),
  );

  checkPackages(story, consentOnly, everything);
  checkNames(story, all);
}

/** Each hospital, with what it was shown of her, against each record that it did not write. */
function checkPackages(story: Story, consent: ByteWindows, everything: ByteWindows): void {
  const { report, patients, platform } = story;
  const { context } = story.main.network;
  const found: string[] = [];
  let pairs = 0;
  for (const { written } of patients)
    for (const own of written)
      for (const other of written) {
        if (own.hospital === other.hospital) continue;
        pairs += 1;
        const foreign = {
          visitKey: other.visit.visitKey,
          classes: clinicalClassesOf(other.record),
          keywords: other.record.keywords,
        };
        const traces = tracesFromPackage(platform.curve, context, own.visitPackage, foreign);
        found.push(...findTraces({ context, haystack: consent, traces, companions: [] }));
        found.push(...traces.filter(({ bytes }) => everything.has(bytes)).map(({ name }) => name));
        const ledgerRecord = [...story.patients]
          .flatMap(({ referral }) => referral?.hits ?? [])
          .find(({ recordId }) => toHex(recordId) === toHex(other.recordId))?.ledgerRecord;
        if (ledgerRecord === undefined) continue;
        const index = packEpochIndex([
          { recordId: ledgerRecord.id, tags: ledgerRecord.index.tags },
        ]);
        for (const key of searchKeysFromPackage(context, own.visitPackage, foreign))
          if (
            searchEpoch(key as TagKey, index, (secret, blocks) =>
              platform.primitives.encryptBlocks(secret, blocks),
            ).length > 0
          )
            found.push('a search tag');
      }
  report.check(
    'a hospital finds nothing of her records elsewhere with what her visit package gave it',
    found.length === 0 && pairs > 0,
    found.length === 0 ? `${pairs} pairs of visits` : [...new Set(found)].slice(0, 3).join('; '),
  );
}

/** Nothing readable either: names, card numbers, words of the records. */
function checkNames(story: Story, all: readonly Bytes[]): void {
  const { report, patients } = story;
  const haystack = Buffer.concat(all.map((bytes) => Buffer.from(bytes))).toString('latin1');
  const words = new Set<string>();
  for (const { identity, source, written } of patients) {
    words.add(identity);
    for (const part of source.source.split('_')) if (part.length >= 6) words.add(part);
    for (const { record } of written)
      for (const { type, text } of record.keywords)
        if (type !== 'class' && text.length >= 6) words.add(text);
  }
  const found = [...words].filter((word) =>
    haystack.includes(Buffer.from(word, 'utf8').toString('latin1')),
  );
  report.check(
    'nothing to read: no name, card number, code or word of any record',
    found.length === 0,
    found.length === 0 ? `${words.size} words` : found.slice(0, 3).join(', '),
  );
}
