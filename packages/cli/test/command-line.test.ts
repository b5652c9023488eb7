import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '@yilian/crypto/bytes';
import { encodeTrustAnchor, parseTrustAnchor } from '@yilian/client/trust-anchor';
import { MESSAGE_NAMES, say } from '../src/messages.ts';
import { startConsortium, type TestConsortium } from '../../client/test/support/consortium.ts';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));

let consortium: TestConsortium;
let page: Server;
let pageUrl = '';
let home = '';

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly json: Record<string, unknown>;
}

/** Runs the built command as a process of its own. */
function yilian(args: readonly string[], environment: Record<string, string> = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--no-warnings', PROGRAM, ...args], {
      env: {
        PATH: process.env['PATH'],
        HOME: home,
        YILIAN_CLI_HOME: join(home, 'cli'),
        YILIAN_PASSPHRASE: 'correct horse',
        YILIAN_PASSPHRASE_COST: '64,1,1',
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (err += piece.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      let json: Record<string, unknown> = {};
      try {
        json = JSON.parse(out) as Record<string, unknown>;
      } catch {
        // Not every call asks for JSON.
      }
      resolve({ code, out, err, json });
    });
  });
}

async function done(args: readonly string[]): Promise<Ran> {
  const ran = await yilian([...args, '--json']);
  expect(ran.code, `${args.join(' ')}\n${ran.err}${ran.out}`).toBe(0);
  return ran;
}

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'yilian-cli-test-'));
  consortium = await startConsortium();
  page = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(consortium.document));
  });
  await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve));
  const address = page.address();
  pageUrl =
    typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : '';
}, 120_000);

afterAll(async () => {
  page.close();
  await consortium.stop();
  rmSync(home, { recursive: true, force: true });
});

/** Every object on the disks of all stores. */
function storedFiles(): readonly string[] {
  const nodes = join(consortium.home, 'nodes');
  return readdirSync(nodes).flatMap((node) => {
    const objects = join(nodes, node, 'data', 'objects');
    if (!existsSync(objects)) return [];
    return readdirSync(objects, { recursive: true, encoding: 'utf8' })
      .filter((name) => /^[0-9a-f]{2}\/[0-9a-f]{64}$/.test(name))
      .map((name) => join(objects, name));
  });
}

function outcomesOf({ json }: Ran): string[] {
  return (json['stores'] as { outcome: string }[]).map(({ outcome }) => outcome);
}

function secretOf(person: string): string {
  return toHex(consortium.secret(person));
}

describe('an operator', () => {
  const networkFile = (): string => {
    const path = join(home, 'network.yaml');
    writeFileSync(
      path,
      [
        'chain: trial',
        'hospitals:',
        '  - { institution: city, tier: tertiary, host: 127.0.0.1 }',
        'regulator: { institution: commission, host: 127.0.0.1 }',
      ].join('\n'),
    );
    return path;
  };

  test('makes a network, whose people connect by its file', async () => {
    const out = join(home, 'trial');
    const made = await done(['network', 'init', '--hospitals', networkFile(), '--out', out]);
    expect(made.json).toEqual({ directory: out, chainId: 'trial', nodes: 2 });
    const elsewhere = { YILIAN_CLI_HOME: join(home, 'trial-cli') };
    const file = join(out, 'consortium.json');
    const connected = await yilian(['connect', file, '--json'], elsewhere);
    expect(connected.json).toMatchObject({ chainId: 'trial', nodes: 2 });
    // Nothing runs: that is said, with what to do, and the exit code tells a script.
    const stands = await yilian(['network', 'status', out]);
    expect(stands.code).toBe(4);
    expect(stands.out).toMatch(/city .* no answer/);
    expect(stands.err).toMatch(/docs\/operations\.md/);
    expect((await done(['network', 'down', out])).json).toEqual({ stopped: [] });
  });

  test.each<[string, () => readonly string[], number, RegExp, RegExp]>([
    [
      'a folder that is taken',
      () => ['network', 'init', '--hospitals', networkFile(), '--out', home],
      2,
      /the folder exists already/,
      /目录已存在/,
    ],
    [
      'a folder without a network',
      () => ['network', 'down', join(home, 'nothing')],
      2,
      /no network in this folder/,
      /该目录中没有网络/,
    ],
    [
      'a network file that is none',
      () => ['network', 'init', '--hospitals', PROGRAM, '--out', join(home, 'x')],
      2,
      /network file is not as it must be/,
      /网络文件有误/,
    ],
    [
      'a consortium that is neither file nor address',
      () => ['connect', join(home, 'nothing')],
      2,
      /neither a file nor an http address/,
      /请给出演示页面的地址/,
    ],
    [
      'a consortium file that is something else',
      () => ['connect', networkFile()],
      2,
      /cannot be read, or is no JSON/,
      /请给出演示页面的地址/,
    ],
  ])('hears of %s in both languages, and what to do', async (_what, args, code, en, zh) => {
    const environment = { YILIAN_COMETBFT: '/bin/false', YILIAN_CLI_HOME: join(home, 'nobody') };
    const english = await yilian([...args(), '--lang', 'en'], environment);
    expect(english.code).toBe(code);
    expect(english.err).toMatch(en);
    expect(english.err).toMatch(/→ /);
    const chinese = await yilian([...args(), '--lang', 'zh'], environment);
    expect(chinese.code).toBe(code);
    expect(chinese.err).toMatch(zh);
  });

  test('hears that there is no engine, before anything is started', async () => {
    const out = join(home, 'trial');
    for (const [lang, message] of [
      ['en', /no usable CometBFT/],
      ['zh', /没有可用的 CometBFT/],
    ] as const) {
      const ran = await yilian(['network', 'up', out, '--lang', lang], {
        YILIAN_COMETBFT: '/bin/false',
      });
      expect(ran.code).toBe(2);
      expect(ran.err).toMatch(message);
    }
  });
});

describe('a referral by commands alone', () => {
  test('from keys to a revoked grant, with a receipt that holds offline', async () => {
    await done(['connect', pageUrl]);
    await done(['keys', 'create', '--role', 'patient', '--as', 'li']);
    await done(['enrol', '--as', 'li', '--secret', secretOf('patient-1'), '--identity', '1101']);
    for (const [name, institution] of [
      ['chen', 'community-1'],
      ['wang', 'tertiary-1'],
    ] as const) {
      await done([
        'keys',
        'create',
        '--role',
        'doctor',
        '--institution',
        institution,
        '--name',
        `Dr ${name}`,
        '--as',
        name,
      ]);
      await done(['enrol', '--as', name, '--secret', secretOf(`${institution}-doctor-1`)]);
    }
    const visit = await done(['visit', '--as', 'li', '--hospital', 'community-1']);
    const codeFile = join(home, 'visit.txt');
    writeFileSync(codeFile, String(visit.json['code']));
    const note = join(home, 'note.txt');
    writeFileSync(note, 'NIHSS 12, left hemiparesis');
    const issued = await done([
      'issue',
      '--as',
      'chen',
      '--visit',
      `@${codeFile}`,
      '--section',
      `Observation=${note}`,
      '--keyword',
      'code|icd10#I63.9',
    ]);
    // Progress beside the answer, so that --json stays one document.
    for (const step of ['sealing', 'storing 1/2', 'signing', 'final 1/1'])
      expect(issued.err).toContain(step);
    const [{ record, transaction }] = issued.json['records'] as [
      { record: string; transaction: string },
    ];
    await done(['acknowledge', record, '--as', 'li']);

    // Both stores lose it; the patient has kept a sealed copy.
    const sealed = join(home, 'record.sealed');
    await done(['keep', '--as', 'li', '--record', record, '--out', sealed]);
    for (const file of storedFiles()) rmSync(file);
    const without = await yilian(['repair', '--as', 'li', '--record', record, '--json']);
    expect(without.code).toBe(1);
    expect(outcomesOf(without)).toEqual(['impossible', 'impossible']);
    const other = await yilian(['repair', '--as', 'li', '--record', record, '--from', note]);
    expect(other).toMatchObject({ code: 2 });
    const mended = await done(['repair', '--as', 'li', '--record', record, '--from', sealed]);
    expect(outcomesOf(mended)).toEqual(['repaired', 'repaired']);
    const [first = ''] = storedFiles();
    rmSync(first);
    const fromOther = await done(['repair', '--as', 'chen', '--record', record]);
    expect(outcomesOf(fromOther).sort()).toEqual(['repaired', 'unneeded']);
    expect(storedFiles()).toHaveLength(2);
    // The stores say on chain what they found, at their next round; each copy is listed with it.
    const listed = await done(['records', '--as', 'li']);
    expect(listed.json['records']).toMatchObject([
      { record, copies: [{ state: expect.any(String) }, { state: expect.any(String) }] },
    ]);

    const handle = await done(['handle', '--as', 'li']);
    await done([
      'request',
      '--as',
      'wang',
      '--handle',
      String(handle.json['code']),
      '--purpose',
      'stroke referral',
      '--days',
      '3',
    ]);
    const inbox = await done(['inbox', '--as', 'li']);
    const [request] = inbox.json['requests'] as [{ request: string; name: string }];
    expect(request.name).toBe('Dr wang');
    const granted = await done(['grant', '--as', 'li', '--request', request.request]);
    const grant = String(granted.json['grant']);

    const found = await done(['search', '--as', 'wang', '--grant', grant]);
    expect((found.json['found'] as { record: string }[]).map((each) => each.record)).toEqual([
      record,
    ]);
    const out = join(home, 'opened');
    const opened = await done([
      'open',
      '--as',
      'wang',
      '--grant',
      grant,
      '--record',
      record,
      '--purpose',
      'thrombectomy',
      '--out',
      out,
    ]);
    expect(opened.json['author']).toBe('Dr chen (community-1)');
    expect(readFileSync(join(out, 'Observation'), 'utf8')).toBe('NIHSS 12, left hemiparesis');

    const log = await done(['log', '--as', 'li']);
    const [entry] = log.json['entries'] as [{ who: string; record: string; purpose: string }];
    expect(entry).toMatchObject({ who: 'Dr wang (tertiary-1)', record, purpose: 'thrombectomy' });

    await done(['revoke', grant, '--as', 'li']);
    const again = await yilian([
      'open',
      '--as',
      'wang',
      '--grant',
      grant,
      '--record',
      record,
      '--purpose',
      'again',
      '--json',
    ]);
    expect(again.code).toBe(1);
    expect(again.json).toMatchObject({ error: { code: 'grantNotActive' } });
    expect(again.err).toContain('→');
    // The same refusal as a person reads it.
    const words = ['open', '--as', 'wang', '--grant', grant, '--record', record, '--purpose', 'p'];
    const english = await yilian([...words, '--lang', 'en']);
    expect(english.err).toContain('The grant is revoked. (grantNotActive)');
    const chinese = await yilian([...words, '--lang', 'zh']);
    expect(chinese.err).toBe(
      '授权已撤回。 (grantNotActive)\n→ 请向患者申请新的或范围更大的授权。\n',
    );
    await done(['erase', grant, '--as', 'wang']);

    const file = join(home, 'issue.receipt');
    await done(['receipt', transaction, '--out', file]);
    const verified = await done(['verify', file]);
    expect(verified.json).toMatchObject({ valid: true, type: 'issueRecord', outcome: 'ok' });
    const bytes = readFileSync(file);
    const at = bytes.length - 40;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const forged = await yilian(['verify', file, '--json']);
    expect(forged.code).toBe(3);
    expect(forged.json).toMatchObject({ valid: false });

    const kit = join(home, 'kit.txt');
    await done(['keys', 'kit', '--as', 'li', '--out', kit]);
    const recovered = await done(['recover', '--as', 'li-new', '--kit', kit, '--identity', '1101']);
    expect(recovered.json).toEqual({ visits: 1, records: 1, grants: 1 });
  }, 120_000);

  test('status shows the verified height', async () => {
    const status = await done(['status']);
    expect(Number(status.json['verifiedHeight'])).toBeGreaterThan(0);
    expect(status.json['nodes']).toHaveLength(5);
  });
});

describe('the trust anchor', () => {
  test('is written with a checkpoint, compared, and makes another device trust the chain', async () => {
    const plain = await done(['anchor']);
    expect(plain.json['checkpoint']).toBeNull();
    const file = join(home, 'anchor.txt');
    const written = await done(['anchor', '--checkpoint', '--out', file]);
    expect(written.json['checkpoint']).toMatchObject({ height: expect.any(String) as string });
    expect(readFileSync(file, 'utf8').trim()).toBe(written.json['anchor']);
    const other = { YILIAN_CLI_HOME: join(home, 'other') };
    for (const given of [file, `@${file}`, String(plain.json['anchor'])]) {
      const ran = await yilian(['connect', pageUrl, '--anchor', given, '--json'], other);
      expect(ran.code, ran.err).toBe(0);
      const kept = given === plain.json['anchor'] ? plain : written;
      expect(ran.json['anchor']).toBe(kept.json['anchor']);
      expect((await yilian(['status'], other)).code).toBe(0);
    }
  });

  test('of another chain, forged or no anchor at all: each is said, in both languages', async () => {
    const { json } = await done(['anchor', '--checkpoint']);
    const genuine = parseTrustAnchor(String(json['anchor']));
    const foreign = encodeTrustAnchor({
      chainId: 'others',
      genesisId: genuine.genesisId,
      regulatorKey: genuine.regulatorKey,
    });
    const forged = String(json['anchor']).replace(/.{4}$/, 'AAAA');
    for (const [given, code, exit] of [
      [foreign, 'anchorOtherChain', 3],
      [forged, 'anchorForged', 3],
      ['nonsense', 'badAnchor', 2],
    ] as const) {
      const ran = await yilian(['connect', pageUrl, '--anchor', given, '--lang', 'zh', '--json'], {
        YILIAN_CLI_HOME: join(home, 'third'),
      });
      expect(ran.code, ran.err).toBe(exit);
      expect(ran.json).toMatchObject({ error: { code } });
      expect(ran.err).toContain('→');
    }
  });
});

describe('validators', () => {
  interface Shown {
    readonly epoch: number;
    readonly mode: string;
    readonly validators: readonly { readonly institution: string; readonly power: number }[];
    readonly change: { readonly hash: string; readonly approvals: readonly string[] } | null;
    readonly misbehaviour: readonly unknown[];
  }
  const shown = async (): Promise<Shown> => (await done(['validators'])).json as unknown as Shown;
  const nodeOf = (institution: string): string => join(consortium.home, 'nodes', institution);

  test('the regulator proposes, hospitals approve, and the list is another one', async () => {
    await done(['connect', pageUrl]);
    const file = join(home, 'validators.yaml');
    await done(['validators', '--out', file]);
    const before = await shown();
    expect(before).toMatchObject({ epoch: 0, mode: 'equal', change: null, misbehaviour: [] });
    expect(before.validators).toHaveLength(4);
    writeFileSync(
      file,
      readFileSync(file, 'utf8')
        .replace('mode: equal', 'mode: stake')
        .replaceAll('power: 1', 'power: 5')
        .replace('power: 5', 'power: 4'),
    );
    const proposed = await done([
      'validators',
      'change',
      '--file',
      file,
      '--node',
      nodeOf('regulator'),
    ]);
    const hash = String(proposed.json['change']);
    expect((await shown()).change).toMatchObject({ hash, approvals: [] });
    const approve = (institution: string): Promise<Ran> =>
      yilian(['validators', 'approve', '--change', hash, '--node', nodeOf(institution), '--json']);
    expect((await approve('tertiary-1')).json).toMatchObject({ acts: false });
    const twice = await approve('tertiary-1');
    expect(twice.code).toBe(1);
    expect(twice.json).toMatchObject({ error: { code: 'alreadyApproved' } });
    const observer = await approve('regulator');
    expect(observer.json).toMatchObject({ error: { code: 'notAValidator' } });
    expect((await approve('secondary-1')).json).toMatchObject({ acts: false });
    expect((await approve('community-1')).json).toMatchObject({ acts: true });
    const after = await shown();
    expect(after).toMatchObject({ epoch: 1, mode: 'stake', change: null });
    expect(after.validators.map(({ power }) => power).sort((a, b) => a - b)).toEqual([4, 5, 5, 5]);
    // Every client follows, by verified headers.
    const words = await yilian(['validators', '--lang', 'zh']);
    expect(words.out).toContain('stake');
    expect(words.out).toContain('5/19');
    const late = await approve('tertiary-2');
    expect(late.json).toMatchObject({ error: { code: 'changeUnknown' } });
  }, 120_000);

  test.each([
    [['validators', 'sing'], 2],
    [['validators', 'change', '--file', '/nonexistent', '--node', '/nonexistent'], 2],
    [['validators', 'approve', '--change', '00', '--node', '/nonexistent'], 2],
    [['validators', 'key', '--node', '/nonexistent'], 2],
  ] as const)('%s exits with %i', async (args, code) => {
    const ran = await yilian(args);
    expect(ran.code, ran.err + ran.out).toBe(code);
    expect(ran.err).not.toContain('    at ');
  });

  test('a hospital cannot put a list to the vote', async () => {
    const file = join(home, 'validators.yaml');
    const args = ['validators', 'change', '--file', file, '--node', nodeOf('tertiary-1')];
    expect((await yilian(args)).code).toBe(2);
  });
});

describe('what a command cannot do, it says by its exit code', () => {
  test.each([
    [['nonsense'], 2],
    [['keys', 'create', '--role', 'king', '--as', 'k'], 2],
    [['search', '--as', 'li', '--keyword', 'stroke'], 2],
    [['visit', '--as', 'nobody', '--hospital', 'community-1'], 2],
    [['revoke', '00', '--as', 'li'], 2],
    [['verify', '/nonexistent'], 2],
    [['enrol', '--as', 'li', '--secret', '00'.repeat(16), '--identity', '1101'], 1],
    [['revoke', '00'.repeat(16), '--as', 'li'], 1],
    [['connect', 'http://127.0.0.1:9'], 4],
  ] as const)('%s exits with %i', async (args, code) => {
    const ran = await yilian(args);
    expect(ran.code, ran.err + ran.out).toBe(code);
    expect(ran.err).not.toContain('    at ');
  });

  test('a wrong passphrase opens nothing', async () => {
    const ran = await yilian(['keys', 'show', '--as', 'li'], { YILIAN_PASSPHRASE: 'wrong' });
    expect(ran.code).toBe(5);
  });

  test('no consortium is configured: the next step is named, in Chinese too', async () => {
    const ran = await yilian(['status', '--lang', 'zh'], { YILIAN_CLI_HOME: join(home, 'empty') });
    expect(ran.code).toBe(2);
    expect(ran.err).toContain('yilian connect');
    expect(ran.err).toContain('请先运行');
  });
});

test('every message says the same things in both languages', () => {
  for (const name of MESSAGE_NAMES) {
    const placeholders = (text: string): string[] =>
      [...text.matchAll(/\{\w+\}/g)].map(String).sort();
    expect(placeholders(say('zh', name)), name).toEqual(placeholders(say('en', name)));
  }
});
