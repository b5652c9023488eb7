/** Who I am: connection, keys, enrolment, recovery, status. */
import { existsSync, readFileSync } from 'node:fs';
import { type DemoConsortium, demoConsortium } from '@yilian/api/documents';
import { fetchConsortium } from '@yilian/client/demo-consortium';
import { enrolMember, enrolPatient } from '@yilian/client/enrolment';
import { NetworkError, ProblemError } from '@yilian/client/failure';
import {
  createMemberKeyring,
  createPatientKeyring,
  exportRecoveryKit,
  importRecoveryKit,
} from '@yilian/client/keyring';
import { replaceFile } from '@yilian/client/platform/node-platform';
import {
  checkAnchorAge,
  checkSameChain,
  encodeTrustAnchor,
  trustAnchorFromHex,
} from '@yilian/client/trust-anchor';
import { ROUTES } from '@yilian/api/routes';
import { fromBase64Url, toBase64Url, toHex } from '@yilian/crypto/bytes';
import { deriveMemberId } from '@yilian/ledger/ids';
import { publicKey } from '@yilian/crypto/signature';
import type { Command } from '../command.ts';
import { readAnchor } from './anchor.ts';
import { EXIT, UsageError } from '../exit-code.ts';
import type { Session } from '../session.ts';

/** What `network init` wrote for its people. @throws UsageError */
function readConsortium(path: string): DemoConsortium {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    throw new UsageError('unreadableJson', { path }, 'nextConsortium');
  }
  const parsed = demoConsortium.safeParse(value);
  if (!parsed.success) throw new UsageError('describesNoConsortium', { path }, 'nextConsortium');
  return parsed.data;
}

async function findConsortium(session: Session, place: string): Promise<DemoConsortium> {
  if (existsSync(place)) return readConsortium(place);
  if (/^https?:\/\//.test(place)) return fetchConsortium(session.platform, place);
  throw new UsageError('neitherFileNorUrl', { place }, 'nextConsortium');
}

const connect: Command = {
  name: 'connect',
  usage: 'connect URL|FILE [--anchor TEXT|FILE]',
  summary: { en: 'remember a consortium and its trust anchor', zh: '记住一个联盟及其信任锚' },
  options: { anchor: { type: 'string' } },
  run: async (session, options) => {
    const wished = options.text('anchor');
    // Before anything is fetched: a wrong anchor is wrong without a network too.
    const given = wished === undefined ? undefined : readAnchor(wished);
    if (given !== undefined) checkAnchorAge(given, session.platform.nowMs());
    const consortium = await findConsortium(session, options.argument(0, 'URL or FILE'));
    const found = trustAnchorFromHex(consortium.anchor);
    if (given !== undefined) checkSameChain(given, found);
    const anchor = given ?? found;
    await session.saveConsortium(consortium, anchor);
    const { chainId } = anchor;
    session.answer({ chainId, nodes: consortium.nodes.length, anchor: encodeTrustAnchor(anchor) }, [
      session.say('connected', { chain: chainId, nodes: consortium.nodes.length }),
    ]);
    return EXIT.ok;
  },
};

const keys: Command = {
  name: 'keys',
  usage:
    'keys create --role patient|doctor|department [--institution I --name N] | keys list | keys show | keys kit --out FILE',
  summary: {
    en: 'make, list or show keyrings; write the recovery kit',
    zh: '生成、列出或查看密钥环；导出恢复包',
  },
  options: {
    role: { type: 'string' },
    institution: { type: 'string' },
    operator: { type: 'string' },
    name: { type: 'string' },
    out: { type: 'string' },
  },
  run: async (session, options) => {
    const action = options.argument(0, 'create, list, show or kit');
    switch (action) {
      case 'create': {
        if (session.hasKeyring(session.keyringName))
          throw new UsageError('keyringExists', { name: session.keyringName });
        const { chainId } = session.connect().network.anchor;
        const { randomBytes, curve } = session.platform;
        const role = options.required('role');
        if (role !== 'patient' && role !== 'doctor' && role !== 'department')
          throw new UsageError('notOneOf', { name: 'role', values: 'patient, doctor, department' });
        const keyring =
          role === 'patient'
            ? createPatientKeyring({ chainId, curve, randomBytes })
            : createMemberKeyring({
                chainId,
                role,
                institution: options.required('institution'),
                operator: options.text('operator') ?? options.required('institution'),
                name: options.required('name'),
                randomBytes,
              });
        await session.writeKeyring(session.keyringName, keyring);
        const file = session.keyringFile(session.keyringName);
        session.answer({ keyring: session.keyringName, file }, [
          session.say('keysMade', { name: session.keyringName, file }),
        ]);
        return EXIT.ok;
      }
      case 'list':
        session.answer({ keyrings: session.keyringNames() }, session.keyringNames());
        return EXIT.ok;
      case 'show': {
        const { current } = await session.keyring();
        const isEnrolled = current.certificate !== null;
        const member =
          current.kind === 'member'
            ? toHex(deriveMemberId(current, publicKey(current.signingSeed)))
            : null;
        const role = current.kind === 'member' ? current.role : 'patient';
        session.answer({ role, enrolled: isEnrolled, member }, [
          `${role} ${member ?? ''} ${isEnrolled ? '' : session.say('nextEnrol')}`.trim(),
        ]);
        return EXIT.ok;
      }
      case 'kit': {
        const { current } = await session.keyring();
        if (current.kind !== 'patient') throw new UsageError('noRecoveryKit');
        const file = options.required('out');
        const text = `${toBase64Url(exportRecoveryKit(current))}\n`;
        await replaceFile(file, new TextEncoder().encode(text));
        session.answer({ file }, [session.say('kitWritten', { file })]);
        return EXIT.ok;
      }
      default:
        throw new UsageError('noAction', { command: 'keys', action });
    }
  },
};

const enrol: Command = {
  name: 'enrol',
  usage: 'enrol --secret HEX [--identity ID] [--licence L]',
  summary: { en: 'have the regulator certify this keyring', zh: '由监管方认证此密钥环' },
  options: {
    secret: { type: 'string' },
    identity: { type: 'string' },
    licence: { type: 'string' },
  },
  run: async (session, options) => {
    const slot = await session.keyring();
    const { network, reader } = session.connect();
    const secret = options.hex('secret', 16);
    const { current } = slot;
    const licence = options.text('licence');
    await slot.update(
      current.kind === 'patient'
        ? await enrolPatient(network, reader, current, {
            identity: options.required('identity'),
            secret,
          })
        : await enrolMember(network, reader, current, {
            secret,
            ...(licence === undefined ? {} : { licence }),
          }),
    );
    const member =
      current.kind === 'member'
        ? toHex(deriveMemberId(current, publicKey(current.signingSeed)))
        : null;
    session.answer({ enrolled: true, member }, [
      session.say('enrolled', { name: session.keyringName }),
      ...(member === null ? [] : [member]),
    ]);
    return EXIT.ok;
  },
};

const recover: Command = {
  name: 'recover',
  usage: 'recover --kit FILE --identity ID [--hospital H]…',
  summary: {
    en: 'find everything again on a new device, from the recovery kit alone',
    zh: '仅凭恢复包在新设备上找回全部内容',
  },
  options: {
    kit: { type: 'string' },
    identity: { type: 'string' },
    hospital: { type: 'string', multiple: true },
  },
  run: async (session, options) => {
    if (session.hasKeyring(session.keyringName))
      throw new UsageError('keyringTaken', { name: session.keyringName });
    const kit = readFileSync(options.required('kit'), 'utf8').trim();
    const keyring = importRecoveryKit(fromBase64Url(kit));
    await session.writeKeyring(session.keyringName, keyring);
    const patient = await session.patient();
    const hospitals = options.texts('hospital');
    await patient.recover({
      identity: options.required('identity'),
      ...(hospitals.length === 0 ? {} : { hospitals }),
      onProgress: session.onProgress,
    });
    const visits = patient.visits().length;
    const records = (await patient.listRecords()).length;
    const grants = (await patient.listGrants()).length;
    session.answer({ visits, records, grants }, [
      session.say('recovered', { visits, records, grants }),
    ]);
    return EXIT.ok;
  },
};

const status: Command = {
  name: 'status',
  usage: 'status',
  summary: { en: 'how the nodes do, and the verified height', zh: '节点状态与已验证高度' },
  options: {},
  run: async (session) => {
    const { network, reader } = session.connect();
    const nodes: { name: string; height: string | null; role: string | null }[] = [];
    for (const node of network.nodes)
      try {
        const document = await network.transport.call(node, ROUTES.getStatus, {
          params: {},
          timeoutMs: 3_000,
        });
        nodes.push({ name: node.name, height: document.height, role: document.role });
      } catch (error) {
        if (!(error instanceof NetworkError) && !(error instanceof ProblemError)) throw error;
        nodes.push({ name: node.name, height: null, role: null });
      }
    const { height } = await reader.head({ fresh: true });
    const { chainId } = network.anchor;
    session.answer({ chainId, verifiedHeight: String(height), nodes }, [
      `${chainId} ${height}`,
      ...nodes.map(({ name, height: at, role }) =>
        at === null || role === null
          ? session.say('nodeDown', { name })
          : session.say('nodeUp', { name, height: at, role }),
      ),
    ]);
    return EXIT.ok;
  },
};

export const IDENTITY_COMMANDS: readonly Command[] = [connect, keys, enrol, recover, status];
