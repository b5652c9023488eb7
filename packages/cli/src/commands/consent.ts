/** Consent: asking, granting, narrowing, revoking, and who looked. */
import { parseHandle } from '@yilian/client/access-request';
import type { GrantScope } from '@yilian/client/grant-scope';
import { parseKeyword } from '@yilian/client/patient';
import { describeLabel } from '@yilian/client/patient-secrets';
import { toHex } from '@yilian/crypto/bytes';
import { toMemberId } from '@yilian/ledger/ids';
import { type GrantId, toGrantId, toRecordId } from '@yilian/crypto/ids';
import { type Command, type Options, parseHex } from '../command.ts';
import { EXIT, UsageError } from '../exit-code.ts';
import type { Session } from '../session.ts';

const SECONDS_PER_DAY = 86_400;
const DAYS_DEFAULT = 7;

function untilOf(session: Session, options: Options): number {
  const until = options.whole('until');
  if (until !== undefined) return until;
  const days = options.whole('days') ?? DAYS_DEFAULT;
  return Math.floor(session.platform.nowMs() / 1000) + days * SECONDS_PER_DAY;
}

function grantIdOf(options: Options): GrantId {
  return toGrantId(parseHex(options.argument(0, 'GRANT'), 16, 'GRANT'));
}

const handle: Command = {
  name: 'handle',
  usage: 'handle',
  summary: { en: 'a one-time address for a request', zh: '生成一次性请求地址' },
  options: {},
  run: async (session) => {
    const { code, number } = await (await session.patient()).createHandle();
    session.answer({ code, number }, [session.say('handleReady'), code]);
    return EXIT.ok;
  },
};

const request: Command = {
  name: 'request',
  usage:
    'request --handle CODE --purpose TEXT [--hospital H]… [--class C]… [--keyword TYPE|TEXT]… [--days N]',
  summary: { en: 'ask a patient for access (doctor)', zh: '向患者申请访问（医生）' },
  options: {
    handle: { type: 'string' },
    purpose: { type: 'string' },
    hospital: { type: 'string', multiple: true },
    class: { type: 'string', multiple: true },
    keyword: { type: 'string', multiple: true },
    days: { type: 'string' },
    until: { type: 'string' },
    department: { type: 'string' },
  },
  run: async (session, options) => {
    const doctor = await session.doctor();
    const keywords = options.texts('keyword');
    keywords.forEach(parseKeyword);
    const department = options.text('department');
    const final = await doctor.requestAccess(parseHandle(options.required('handle')), {
      purpose: options.required('purpose'),
      hospitals: options.texts('hospital'),
      classes: options.texts('class'),
      keywords,
      until: untilOf(session, options),
      ...(department === undefined
        ? {}
        : { grantee: toMemberId(parseHex(department, 32, '--department')) }),
    });
    session.answer({ transaction: toHex(final.transaction.id), height: final.leaf.height }, [
      session.say('requested'),
    ]);
    return EXIT.ok;
  },
};

const inbox: Command = {
  name: 'inbox',
  usage: 'inbox',
  summary: { en: 'who asks for access (patient)', zh: '谁在申请访问（患者）' },
  options: {},
  run: async (session) => {
    const requests = (await (await session.patient()).listRequests()).map(
      ({ requester, wish, transactionId }) => ({
        request: toHex(transactionId),
        name: requester.name,
        role: requester.role,
        institution: requester.institution,
        licence: requester.licence,
        grantee: toHex(wish.grantee),
        purpose: wish.purpose,
        hospitals: wish.hospitals,
        classes: wish.classes,
        keywords: wish.keywords,
        until: new Date(wish.until * 1000).toISOString(),
      }),
    );
    session.answer(
      { requests },
      requests.length === 0
        ? [session.say('inboxEmpty')]
        : requests.map(
            (each) =>
              `${each.request} ${each.name} (${each.institution}) → ${each.purpose} ≤ ${each.until}`,
          ),
    );
    return EXIT.ok;
  },
};

const grant: Command = {
  name: 'grant',
  usage:
    'grant (--request ID | --to MEMBER --purpose TEXT) [--hospital H]… [--month M]… [--class C]… [--keyword K]… [--days N]',
  summary: { en: 'allow a doctor or department to open records', zh: '授权医生或科室打开病历' },
  options: {
    request: { type: 'string' },
    to: { type: 'string' },
    purpose: { type: 'string' },
    hospital: { type: 'string', multiple: true },
    month: { type: 'string', multiple: true },
    class: { type: 'string', multiple: true },
    keyword: { type: 'string', multiple: true },
    record: { type: 'string', multiple: true },
    days: { type: 'string' },
    until: { type: 'string' },
  },
  run: async (session, options) => {
    const patient = await session.patient();
    const asked = options.text('request');
    const from = asked === undefined ? undefined : await findRequest(session, asked);
    const listOr = (name: string, wished: readonly string[] | undefined): readonly string[] => {
      const given = options.texts(name);
      return given.length > 0 ? given : (wished ?? []);
    };
    const hospitals = listOr('hospital', from?.wish.hospitals);
    const classes = listOr('class', from?.wish.classes);
    const months = options.texts('month');
    const scope: GrantScope = {
      ...(hospitals.length === 0 ? {} : { hospitals }),
      ...(classes.length === 0 ? {} : { classes }),
      ...(months.length === 0 ? {} : { months }),
    };
    const records = options
      .texts('record')
      .map((each) => toRecordId(parseHex(each, 32, '--record')));
    const made = await patient.grantAccess({
      grantee: from?.wish.grantee ?? toMemberId(options.hex('to', 32)),
      scope,
      to:
        options.text('days') === undefined &&
        options.text('until') === undefined &&
        from !== undefined
          ? from.wish.until
          : untilOf(session, options),
      ...(records.length === 0 ? {} : { records }),
      purpose: options.text('purpose') ?? from?.wish.purpose ?? options.required('purpose'),
      keywords: listOr('keyword', from?.wish.keywords).map(parseKeyword),
      onProgress: session.onProgress,
    });
    const { grantId, threshold, holders, acknowledged, regulatorNamed } = made;
    const id = toHex(grantId);
    session.answer(
      {
        grant: id,
        transaction: toHex(made.final.transaction.id),
        threshold,
        holders,
        acknowledged,
        regulatorNamed,
        undelivered: made.undelivered,
      },
      [
        session.say('granted', { grant: id, threshold, holders, acknowledged }),
        ...(regulatorNamed === null
          ? []
          : [session.say('regulatorNamed', { why: regulatorNamed })]),
        ...(made.undelivered.length === 0
          ? []
          : [session.say('undelivered', { nodes: made.undelivered.join(', ') })]),
      ],
    );
    return EXIT.ok;
  },
};

async function findRequest(
  session: Session,
  id: string,
): Promise<Awaited<ReturnType<Awaited<ReturnType<Session['patient']>>['listRequests']>>[number]> {
  const found = (await (await session.patient()).listRequests()).find(
    ({ transactionId }) => toHex(transactionId) === id,
  );
  if (found === undefined) throw new UsageError('noRequest', { id });
  return found;
}

const grants: Command = {
  name: 'grants',
  usage: 'grants',
  summary: {
    en: 'my grants (patient), or grants to me (doctor)',
    zh: '我的授权（患者）或给我的授权（医生）',
  },
  options: { from: { type: 'string' } },
  run: async (session, options) => {
    const { current } = await session.keyring();
    const list =
      current.kind === 'patient'
        ? (await (await session.patient()).listGrants()).map((own) => ({
            grant: toHex(own.grantId),
            grantee: toHex(own.grant.grantee),
            stage: own.stage,
            to: new Date(own.grant.to * 1000).toISOString(),
            accesses: own.grant.accesses,
            labels: own.copy?.labels.map(describeLabel) ?? [],
          }))
        : (
            await (await session.doctor()).findGrants(BigInt(options.whole('from') ?? 1))
          ).grants.map((id) => ({ grant: toHex(id) }));
    session.answer(
      { grants: list },
      list.length === 0
        ? [session.say('nothingFound')]
        : list.map((each) => Object.values(each).join(' ')),
    );
    return EXIT.ok;
  },
};

const revoke: Command = {
  name: 'revoke',
  usage: 'revoke GRANT',
  summary: { en: 'end a grant at once', zh: '立即撤销授权' },
  options: {},
  run: async (session, options) => {
    const grantId = grantIdOf(options);
    const final = await (await session.patient()).revoke(grantId);
    const id = toHex(grantId);
    session.answer({ grant: id, transaction: toHex(final.transaction.id) }, [
      session.say('revoked', { grant: id }),
    ]);
    return EXIT.ok;
  },
};

const narrow: Command = {
  name: 'narrow',
  usage: 'narrow GRANT [--until SECONDS | --days N] [--record RECORD]… [--label NUMBER]…',
  summary: { en: 'shorten a grant or narrow what it covers', zh: '缩短或缩小授权' },
  options: {
    until: { type: 'string' },
    days: { type: 'string' },
    record: { type: 'string', multiple: true },
    label: { type: 'string', multiple: true },
  },
  run: async (session, options) => {
    const grantId = grantIdOf(options);
    const hasEnd = options.text('until') !== undefined || options.text('days') !== undefined;
    const records = options
      .texts('record')
      .map((each) => toRecordId(parseHex(each, 32, '--record')));
    const labels = options.texts('label').map(Number);
    if (!hasEnd && records.length === 0 && labels.length === 0)
      throw new UsageError('nothingNarrower');
    const final = await (
      await session.patient()
    ).narrow(grantId, {
      ...(hasEnd ? { to: untilOf(session, options) } : {}),
      ...(records.length === 0 ? {} : { records }),
      ...(labels.length === 0 ? {} : { labels }),
    });
    const id = toHex(grantId);
    session.answer({ grant: id, transaction: toHex(final.transaction.id) }, [
      session.say('narrowed', { grant: id }),
    ]);
    return EXIT.ok;
  },
};

const log: Command = {
  name: 'log',
  usage: 'log',
  summary: { en: 'who looked at what, with proofs (patient)', zh: '谁查看了什么，附证明（患者）' },
  options: {},
  run: async (session) => {
    const patient = await session.patient();
    const { reader, network } = patient.connection;
    const names = new Map<string, string>();
    const entries = [];
    for (const entry of await patient.accessLog()) {
      const grantee = toHex(entry.grantee);
      if (!names.has(grantee)) {
        const { subject } = (await reader.certificate(entry.grantee)).content;
        names.set(grantee, `${subject.name} (${subject.institution})`);
      }
      entries.push({
        time: new Date(entry.time * 1000).toISOString(),
        grant: toHex(entry.grantId),
        number: entry.number,
        who: names.get(grantee) ?? grantee,
        record: entry.asked === null ? null : toHex(entry.asked.recordId),
        purpose: entry.asked?.purpose ?? null,
        servedBy: entry.servedBy.map((node) => network.findNode(node)?.name ?? toHex(node)),
        transaction: toHex(entry.transactionId),
      });
    }
    session.answer(
      { entries },
      entries.length === 0
        ? [session.say('nobodyLooked')]
        : entries.map(
            (each) =>
              `${each.time} ${each.who} ${each.record ?? '?'} "${each.purpose ?? '?'}" ← ${each.servedBy.join(', ')}`,
          ),
    );
    return EXIT.ok;
  },
};

const erase: Command = {
  name: 'erase',
  usage: 'erase GRANT',
  summary: {
    en: 'erase an ended grant from this keyring and say so on chain (doctor)',
    zh: '删除已结束的授权并在链上声明（医生）',
  },
  options: {},
  run: async (session, options) => {
    const grantId = grantIdOf(options);
    await (await session.doctor()).eraseGrant(grantId);
    const id = toHex(grantId);
    session.answer({ grant: id }, [session.say('erased', { grant: id })]);
    return EXIT.ok;
  },
};

export const CONSENT_COMMANDS: readonly Command[] = [
  handle,
  request,
  inbox,
  grant,
  grants,
  revoke,
  narrow,
  log,
  erase,
];
