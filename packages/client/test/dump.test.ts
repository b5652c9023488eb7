/**
 * What lies on the disks of a consortium that real clients have used, and what anybody may ask of it:
 * no key and no word of a patient. The consortium is the built program, one process per node.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ListName } from '@yilian/api/parameter';
import { ROUTES } from '@yilian/api/routes';
import type { DemoConsortium } from '@yilian/api/documents';
import { type Bytes, fromHex, toBase64Url, toHex, utf8 } from '@yilian/crypto/bytes';
import type { GrantId } from '@yilian/crypto/ids';
import { parseTransaction } from '@yilian/ledger/transaction-codec';
import { SupervisorProcess } from '@yilian/node/demo/supervisor-process';
import { isAlive, until } from '../../node/test/processes.ts';
import type { Connection } from '../src/connect.ts';
import { connectToDemo } from '../src/demo-consortium.ts';
import { createDoctor, type Doctor } from '../src/doctor.ts';
import { enrolMember } from '../src/enrolment.ts';
import { createKeyringSlot, createMemberKeyring, createPatientKeyring } from '../src/keyring.ts';
import { createPatient, type Patient } from '../src/patient.ts';
import { createNodePlatform } from '../src/platform/node-platform.ts';
import type { Platform } from '../src/platform/platform.ts';
import { deriveObjectKey } from '../src/record-location.ts';
import { textSection } from '../src/record-sealing.ts';
import { visitOfPackage } from '../src/visit-for-writing.ts';
import { admitVisit } from '../src/visit-package.ts';

const IDENTITY = 'canary-identity-of-hers';
const CONTENT = 'canary-content-of-the-record';
const PURPOSE = 'canary-purpose-of-the-access';
const WISH = 'canary-wish-of-the-doctor';
const GRANT_PURPOSE = 'canary-purpose-of-the-grant';
const KEYWORD = 'canary-keyword';

const LISTS: readonly ListName[] = ['members', 'epochs', 'epoch-records'];

const root = mkdtempSync(join(tmpdir(), 'yilian-dump-'));
const home = join(root, 'home');
let supervisor: SupervisorProcess;
let demo: DemoConsortium;
let platform: Platform;
let connection: Connection;
let author: Doctor;
let referred: Doctor;
let patient: Patient;
let recordId: Bytes;
let grantId: GrantId;
/** Secrets by name: none may be found. */
const secrets = new Map<string, Bytes>();

function noNode(): never {
  throw new Error('no node');
}

function ticket(person: string): Bytes {
  const found = demo.enrolmentSecrets.find((each) => each.person === person);
  if (found === undefined) throw new Error(`no ticket for ${person}`);
  return fromHex(found.secret);
}

async function enrolDoctor(institution: string): Promise<Doctor> {
  const { network, reader } = connection;
  const keyring = createMemberKeyring({
    chainId: network.anchor.chainId,
    role: 'doctor',
    institution,
    operator: institution,
    name: `Dr ${institution}`,
    randomBytes: platform.randomBytes,
  });
  secrets.set(`signing seed of ${institution}`, keyring.signingSeed);
  secrets.set(`HPKE seed of ${institution}`, keyring.hpkeSeed);
  const secret = ticket(`${institution}-doctor-1`);
  const enrolled = await enrolMember(network, reader, keyring, { secret, licence: 'L' });
  return createDoctor(network, reader, createKeyringSlot(enrolled));
}

beforeAll(async () => {
  supervisor = new SupervisorProcess({ home, heartbeatMs: 2_000 });
  demo = await supervisor.consortium();
  platform = await createNodePlatform();
  connection = connectToDemo(platform, demo, { timeoutMs: 20_000 });
  const { network, reader } = connection;
  const { curve, randomBytes } = platform;
  const { chainId } = network.anchor;
  const keyring = createPatientKeyring({ chainId, curve, randomBytes });
  patient = createPatient(network, reader, createKeyringSlot(keyring));
  await patient.enrol({ identity: IDENTITY, secret: ticket('patient-1') });
  author = await enrolDoctor('community-1');
  referred = await enrolDoctor('tertiary-1');

  const hospital = 'community-1';
  const { code } = await patient.prepareVisit({ hospital });
  const admitted = admitVisit({ curve, context: network.context, hospital, code });
  const visit = visitOfPackage(curve, admitted);
  const issued = await author.issueRecord({
    visit,
    draft: {
      sections: [textSection('Condition', 'text/plain', utf8(CONTENT))],
      classes: ['Condition'],
      keywords: [{ type: 'code', text: KEYWORD }],
    },
  });
  recordId = issued.recordId;
  const { handle } = await patient.createHandle();
  await referred.requestAccess(handle, {
    purpose: WISH,
    hospitals: [],
    classes: [],
    keywords: [],
    until: Math.floor(platform.nowMs() / 1000) + 3600,
  });
  expect((await patient.listRequests()).map(({ wish }) => wish.purpose)).toEqual([WISH]);
  const granted = await patient.grantAccess({
    grantee: referred.id,
    to: Math.floor(platform.nowMs() / 1000) + 3600,
    purpose: GRANT_PURPOSE,
    keywords: [{ type: 'code', text: KEYWORD }],
  });
  ({ grantId } = granted);
  const { share } = await referred.receiveGrant(granted.grantId);
  const [hit] = await referred.search(granted.grantId);
  if (hit === undefined) throw new Error('the record was not found');
  const opened = await referred.openRecord({ grantId: granted.grantId, hit, purpose: PURPOSE });
  await opened.stored.dispose();

  secrets.set('P', curve.encodeG1(patient.secrets.patientKey));
  secrets.set('K_patient', keyring.patientSecret);
  secrets.set('a', keyring.scalar);
  secrets.set('blinding d of the grant', curve.encodeScalar(share.blinding));
  secrets.set('salt of the grant', share.salt);
  secrets.set('LK', hit.locationSecret);
  secrets.set('object key', deriveObjectKey(network.context, hit.locationSecret, hit.recordId));
  for (const word of [IDENTITY, CONTENT, PURPOSE, WISH, GRANT_PURPOSE, KEYWORD])
    secrets.set(word, utf8(word));
}, 180_000);

afterAll(async () => {
  const pids = supervisor.nodeProcesses();
  await supervisor.send('SIGTERM');
  await until(() => !pids.some(isAlive));
  rmSync(root, { recursive: true, force: true });
});

/** Every way in which bytes are usually written down. */
function spellings(secret: Bytes): readonly Buffer[] {
  const buffer = Buffer.from(secret);
  return [
    buffer,
    Buffer.from(toHex(secret)),
    Buffer.from(toHex(secret).toUpperCase()),
    Buffer.from(toBase64Url(secret)),
    Buffer.from(buffer.toString('base64').replace(/=+$/, '')),
  ];
}

/** Names of the secrets that stand in the bytes. */
function found(bytes: Buffer): readonly string[] {
  return [...secrets]
    .filter(([, secret]) => spellings(secret).some((each) => bytes.includes(each)))
    .map(([name]) => name);
}

function filesBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile());
}

describe('the disks of all nodes', () => {
  test('hold no key of a patient or doctor and no word of hers, in any spelling', () => {
    const files = filesBelow(home);
    expect(files.length).toBeGreaterThan(20);
    const leaks = files.flatMap((path) =>
      found(Buffer.concat([Buffer.from(path), readFileSync(path)])).map(
        (name) => `${name} in ${path.slice(home.length)}`,
      ),
    );
    expect(leaks).toEqual([]);
  });

  test('would show what is there: public things are found on every node', () => {
    for (const { institution } of demo.nodes) {
      const files = filesBelow(join(home, 'nodes', institution)).map((path) => readFileSync(path));
      expect(Buffer.concat(files).includes(Buffer.from(recordId))).toBe(true);
    }
  });

  test('logs say what happened and to nobody', () => {
    for (const { institution } of demo.nodes) {
      const log = readFileSync(join(home, 'nodes', institution, 'node.log'));
      expect(log.toString('utf8')).toContain('listening');
      expect(found(log)).toEqual([]);
      // Nor whom it was about: ids of records, grants and members stay out of it.
      for (const id of [recordId, grantId, referred.id, author.id])
        expect(spellings(id).some((each) => log.includes(each))).toBe(false);
    }
  });
});

describe('what anybody may ask', () => {
  async function ask(url: string): Promise<{ readonly ok: boolean; readonly body: Buffer }> {
    for (;;) {
      const response = await fetch(url);
      const body = Buffer.from(await response.arrayBuffer());
      if (response.status !== 429) return { ok: response.ok, body };
      // The allowance of one address: asked again when there is some.
      await platform.wait(1000 * Number(response.headers.get('retry-after') ?? 1));
    }
  }

  /** Paths of all routes that need no signature, over everything that there is. */
  async function everyPath(): Promise<ReadonlyMap<string, readonly string[]>> {
    const { height } = await connection.reader.head({ fresh: true });
    const heights = Array.from({ length: Number(height) - 1 }, (_, i) => i + 1);
    const ids: string[] = [];
    for (const at of heights)
      for (const bytes of (await connection.reader.block(BigInt(at))).transactions) {
        const parsing = parseTransaction(bytes);
        if (parsing.ok) ids.push(toHex(parsing.transaction.id));
      }
    expect(ids.length).toBeGreaterThan(8);
    const grant = await connection.reader.grant(grantId);
    const blobs = [
      'grantee',
      'copy',
      ...(grant?.holders ?? []).map(({ index }) => `share-${index}`),
    ];
    const members = [referred.id, author.id, ...demo.nodes.map(({ id }) => fromHex(id))].map(toHex);
    const { header } = await connection.reader.headers.verify(
      await connection.network.transport.call(
        connection.network.nodes[0] ?? noNode(),
        ROUTES.getHeader,
        {
          params: { height: 'latest' },
        },
      ),
      { node: '', route: '' },
    );
    const positions = [...ids.keys()];
    const hex = toHex(grantId);
    return new Map<string, readonly string[]>([
      ['getAnchor', ['/v1/anchor']],
      ['getStatus', ['/v1/status']],
      ['getHeader', heights.map((at) => `/v1/headers/${at}`)],
      ['getHeaders', ['/v1/headers?from=1&count=100']],
      ['getCheckpoint', ['/v1/checkpoints/latest']],
      ['getValidators', [`/v1/validators/${toHex(header.validatorsHash)}`]],
      ['getBlock', heights.map((at) => `/v1/blocks/${at}`)],
      ['getReceipt', ids.map((id) => `/v1/transactions/${id}/receipt`)],
      ['getState', ['/v1/state/-']],
      ['getLogEntry', positions.map((at) => `/v1/log/${at}`)],
      ['getLogRange', ['/v1/log/ranges/0/0', '/v1/log/ranges/3/0']],
      ['getListing', LISTS.map((name) => `/v1/lists/${name}`)],
      ['getGrantEvents', [`/v1/grants/${hex}/events`]],
      ['getBlob', blobs.map((name) => `/v1/grants/${hex}/blobs/${name}`)],
      ['getCertificate', members.map((id) => `/v1/members/${id}/certificate`)],
      ['getHealth', ['/healthz']],
      ['getReadiness', ['/readyz']],
      ['getMetrics', ['/metrics']],
      ['getOpenApi', ['/openapi.json']],
    ]);
  }

  test('answers no key and no word of hers, whatever route and whichever node', async () => {
    const paths = await everyPath();
    const open = Object.values(ROUTES)
      .filter(
        ({ method, auth, answer }) =>
          method === 'GET' &&
          auth.kind === 'none' &&
          // A stream of heights and times (its schema), without end.
          answer.kind !== 'events',
      )
      .map(({ name }) => name);
    expect(open.filter((name) => !paths.has(name))).toEqual([]);
    const leaks: string[] = [];
    const silent = new Set(paths.keys());
    await Promise.all(
      demo.nodes.map(async ({ url, name: node }) => {
        for (const [route, all] of paths)
          for (const path of all) {
            const { ok, body } = await ask(`${url}${path}`);
            if (ok) silent.delete(route);
            for (const what of found(body)) leaks.push(`${what} from ${node} at ${path}`);
          }
      }),
    );
    expect(leaks).toEqual([]);
    // Each of them did answer something.
    expect([...silent]).toEqual([]);
  }, 120_000);
});
