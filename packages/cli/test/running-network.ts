/** A network of real processes and engines, and the `yilian` program that operators run beside it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, vi } from 'vitest';
import type { DemoConsortium } from '@yilian/api/documents';
import { submitBody } from '@yilian/client/submission';
import { type Bytes, fromHex, toHex } from '@yilian/crypto/bytes';
import { publicKey, sign } from '@yilian/crypto/signature';
import { toPatientCommitment } from '@yilian/ledger/ids';
import { engineAddress } from '@yilian/node/cometbft/engine-files';
import { findEngine } from '@yilian/node/cometbft/find-engine';
import { connectToChainOf } from '../src/commands/chain-of-home.ts';
import { ENROLMENT_FAILURES } from '../src/enrolment-failure.ts';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));
export const WAIT = { timeout: 120_000, interval: 500 };
/** So many blocks come within seconds when the test makes them, and not by themselves while it works. */
export const SNAPSHOT_EVERY = 50;
export const HEARTBEAT_MS = 20_000;

export const program = await findEngine({ install: false }).catch((): undefined => undefined);
if (program === undefined && process.env['CI'] === 'true')
  throw new Error(
    'these tests need cometbft on the path: go install github.com/cometbft/cometbft/cmd/cometbft@v0.38.25',
  );

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly json: Record<string, unknown>;
}

export const root = mkdtempSync(join(tmpdir(), 'yl-enrol-'));
export const network = join(root, 'net');
export const consortiumFile = join(network, 'consortium.json');
export const regulator = join(network, 'nodes', 'commission');
export const homeOf = (institution: string): string => join(network, 'nodes', institution);
export const nodes = new Map<string, ChildProcess>();
export const ports: number[] = [];

export function yilian(args: readonly string[], cli = 'cli'): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--no-warnings', PROGRAM, ...args], {
      env: {
        ...process.env,
        HOME: root,
        YILIAN_CLI_HOME: join(root, cli),
        YILIAN_PASSPHRASE: 'correct horse',
        YILIAN_PASSPHRASE_COST: '64,1,1',
        YILIAN_LANG: 'en',
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

export async function done(args: readonly string[], cli?: string): Promise<Ran> {
  const ran = await yilian([...args, '--json'], cli);
  expect(ran.code, `${args.join(' ')}\n${ran.err}${ran.out}`).toBe(0);
  return ran;
}

/** The command fails with this code and says it in both languages, with what to do next. */
export async function refused(
  args: readonly string[],
  code: keyof typeof ENROLMENT_FAILURES,
): Promise<void> {
  const english = await yilian([...args, '--json']);
  expect(english.json, english.err).toMatchObject({ error: { code } });
  expect(english.err).not.toContain('    at ');
  const chinese = await yilian([...args, '--lang', 'zh']);
  expect(chinese.err).toContain(`→ ${ENROLMENT_FAILURES[code].next.zh}`);
  expect(chinese.code).toBe(english.code);
  expect(english.code).toBeGreaterThan(0);
}

export const portsOf = (at: number): string => {
  const [http, peer, engine] = ports.slice(3 * at);
  return `{ http: ${http}, peer: ${peer}, engine: ${engine} }`;
};
const urlOf = (at: number): string => `http://127.0.0.1:${ports[3 * at]}`;
export const FROM = (): readonly string[] => ['--from', urlOf(0), '--from', urlOf(1)];

interface Status {
  readonly height: string;
  readonly role: string;
  readonly peers: { readonly connected: number };
  readonly halted: boolean;
}

export async function statusOf(at: number): Promise<Status> {
  const response = await fetch(`${urlOf(at)}/v1/status`);
  return (await response.json()) as Status;
}

export async function reach(at: number, height: number): Promise<void> {
  await vi.waitFor(
    async () => expect(Number((await statusOf(at)).height)).toBeGreaterThanOrEqual(height),
    WAIT,
  );
}

/** Has the chain grow to this height by transactions: an idle one stands for ten seconds. */
export async function growTo(height: number): Promise<void> {
  const keys = JSON.parse(readFileSync(join(regulator, 'keys.json'), 'utf8')) as {
    readonly regulator: string;
  };
  const seed = fromHex(keys.regulator);
  const signer = { key: publicKey(seed), sign: (message: Bytes): Bytes => sign(seed, message) };
  const { network: client, reader } = await connectToChainOf(regulator, [urlOf(0)]);
  while ((await highest()) < height) {
    const commitment = toPatientCommitment(new Uint8Array(randomBytes(32)));
    const body = { type: 'enrolMember', kind: 'patient', commitment } as const;
    await submitBody(client, reader, body, [signer]);
  }
}

export const highest = async (): Promise<number> => Number((await statusOf(0)).height);

export function startNode(name: string): void {
  const child = spawn(process.execPath, [PROGRAM, 'node', '--home', join(root, name)], {
    env: process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: string[] = [];
  child.stdout.on('data', (piece: Buffer) => {
    log.push(piece.toString());
    writeFileSync(join(root, `${name}.log`), log.join(''));
  });
  nodes.set(name, child);
}

/** Events that a node has logged. */
export function logged(path: string, event: string): readonly Record<string, unknown>[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.includes(`"event":"${event}"`))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** A client that knows this node alone: all it verifies comes out of this node's own state. */
export async function connectOnlyTo(institution: string): Promise<string> {
  const document = JSON.parse(readFileSync(consortiumFile, 'utf8')) as DemoConsortium;
  const only = document.nodes.filter((each) => each.institution === institution);
  expect(only).toHaveLength(1);
  const file = join(root, `${institution}.json`);
  writeFileSync(file, JSON.stringify({ ...document, nodes: only }));
  const cli = `cli-${institution}`;
  await done(['connect', file], cli);
  return cli;
}

/** Whether the key has signed the block of this height, as another node's engine shows it. */
export async function hasSigned(height: number, key: string): Promise<boolean> {
  const body = { jsonrpc: '2.0', id: 1, method: 'commit', params: { height: String(height) } };
  const response = await fetch(`${urlOf(1)}/v1/engine`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as {
    readonly result: {
      readonly signed_header: {
        readonly commit: {
          readonly signatures: readonly {
            readonly block_id_flag: number;
            readonly validator_address: string;
          }[];
        };
      };
    };
  };
  const address = toHex(engineAddress(fromHex(key))).toUpperCase();
  return answer.result.signed_header.commit.signatures.some(
    (each) => each.validator_address === address && each.block_id_flag === 2,
  );
}

export async function prepare(name: string, at: number): Promise<{ readonly fingerprint: string }> {
  const file = join(root, `${name}.yaml`);
  writeFileSync(
    file,
    `institution: ${name}\ntier: tertiary\nhost: 127.0.0.1\nports: ${portsOf(at)}\n`,
  );
  const prepared = await done([
    'network',
    'prepare',
    '--hospital',
    file,
    '--consortium',
    consortiumFile,
    '--home',
    join(root, name),
    '--out',
    join(root, `${name}.request`),
  ]);
  return { fingerprint: String(prepared.json['fingerprint']) };
}

export function enrolment(name: string, fingerprint: string): readonly string[] {
  return [
    'network',
    'enrol',
    '--request',
    join(root, `${name}.request`),
    '--node',
    regulator,
    '--fingerprint',
    fingerprint,
    '--out',
    join(root, `${name}.answer`),
    '--consortium',
    consortiumFile,
  ];
}

export function joining(name: string, answer = `${name}.answer`): readonly string[] {
  return ['network', 'join', '--home', join(root, name), '--answer', join(root, answer), ...FROM()];
}

/** Flips a bit in the middle of a file's copy. */
export function altered(path: string): string {
  const bytes = readFileSync(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(`${path}.altered`, bytes);
  return `${path}.altered`;
}

/** With a secret of the registration centre, which is good for this name alone. */
export async function enrolDoctor(name: string, institution: string): Promise<void> {
  const who = ['--role', 'doctor', '--institution', institution, '--name'];
  const { json } = await done(['admit', '--node', regulator, ...who, `Dr ${name}`]);
  const secret = String(json['secret']);
  await vi.waitFor(() => expect(readdirSync(join(regulator, 'tickets'))).toEqual([]), WAIT);
  await done(['keys', 'create', '--as', 'impostor', ...who, 'Dr Impostor']);
  const stolen = await yilian(['enrol', '--as', 'impostor', '--secret', secret, '--json']);
  expect(stolen.json).toMatchObject({ error: { code: 'enrolmentRefused' } });
  await done(['keys', 'create', '--as', name, ...who, `Dr ${name}`]);
  await done(['enrol', '--as', name, '--secret', secret]);
}

export async function issue(doctor: string, hospital: string): Promise<string> {
  const visit = await done(['visit', '--as', 'li', '--hospital', hospital]);
  const code = join(root, 'visit.txt');
  writeFileSync(code, String(visit.json['code']));
  const note = join(root, 'note.txt');
  writeFileSync(note, `seen at ${hospital}`);
  const section = `Observation=${note}`;
  const issued = await done(['issue', '--as', doctor, '--visit', `@${code}`, '--section', section]);
  const [{ transaction }] = issued.json['records'] as [{ transaction: string }];
  return transaction;
}
