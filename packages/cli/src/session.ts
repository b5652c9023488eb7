/**
 * What a command works with: options, the home directory with configuration and keyrings, the
 * connection, and ways to speak. Results go to stdout, everything else to stderr.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type DemoConsortium, demoConsortium } from '@yilian/api/documents';
import type { Connection } from '@yilian/client/connect';
import { connectToDemo } from '@yilian/client/demo-consortium';
import { createDoctor, type Doctor } from '@yilian/client/doctor';
import type { OnProgress } from '@yilian/client/progress';
import {
  createKeyringSlot,
  decodeKeyring,
  encodeKeyring,
  type Keyring,
  type KeyringSlot,
  type MemberKeyring,
  type PatientKeyring,
} from '@yilian/client/keyring';
import { openKeyringFile, type PassphraseCost, sealKeyringFile } from '@yilian/client/keyring-file';
import { createPatient, type Patient } from '@yilian/client/patient';
import {
  createFileStorage,
  createNodePlatform,
  replaceFile,
} from '@yilian/client/platform/node-platform';
import type { Platform } from '@yilian/client/platform/platform';
import { encodeTrustAnchor, parseTrustAnchor, type TrustAnchor } from '@yilian/client/trust-anchor';
import { utf8 } from '@yilian/crypto/bytes';
import { UsageError } from './exit-code.ts';
import { type Language, type MessageName, say } from './messages.ts';

/** Options that every command takes. */
export interface CommonOptions {
  readonly home: string | undefined;
  readonly as: string | undefined;
  readonly lang: string | undefined;
  readonly json: boolean;
}

export interface Session {
  readonly json: boolean;
  readonly language: Language;
  readonly home: string;
  readonly platform: Platform;
  /** Name of the chosen keyring. */
  readonly keyringName: string;
  /** One result: an object with --json, else lines for people. */
  answer(result: Readonly<Record<string, unknown>>, lines: readonly string[]): void;
  say(name: MessageName, values?: Readonly<Record<string, string | number | bigint>>): string;
  readonly onProgress: OnProgress;
  saveConsortium(consortium: DemoConsortium, anchor: TrustAnchor): Promise<void>;
  connect(): Connection;
  keyringFile(name: string): string;
  keyringNames(): readonly string[];
  hasKeyring(name: string): boolean;
  writeKeyring(name: string, keyring: Keyring): Promise<void>;
  keyring(): Promise<KeyringSlot<Keyring>>;
  patient(): Promise<Patient & { readonly connection: Connection }>;
  doctor(): Promise<Doctor & { readonly connection: Connection }>;
  /** Keeps the newest trusted header for the next command. */
  close(): Promise<void>;
}

const CONFIG_FILE = 'consortium.json';
/** As it was given, with its checkpoint. */
const ANCHOR_FILE = 'anchor.txt';
const KEYRING_SUFFIX = '.keyring';
const NAME = /^[A-Za-z0-9._-]{1,64}$/;

export async function openSession(options: CommonOptions): Promise<Session> {
  const environment = process.env;
  const home =
    options.home ?? environment['YILIAN_CLI_HOME'] ?? join(homedir(), '.config', 'yilian');
  const keyringName = options.as ?? environment['YILIAN_AS'] ?? 'default';
  if (!NAME.test(keyringName)) throw new UsageError('notKeyringName', { name: keyringName });
  const wished = options.lang ?? environment['YILIAN_LANG'] ?? environment['LANG'] ?? 'en';
  const language: Language = wished.startsWith('zh') ? 'zh' : 'en';
  const platform = await createNodePlatform({ storage: createFileStorage(join(home, 'trust')) });
  let connection: Connection | undefined;
  let passphrase: string | undefined;
  // One of each per command: they share what the keyring has become.
  let patient: (Patient & { readonly connection: Connection }) | undefined;
  let doctor: (Doctor & { readonly connection: Connection }) | undefined;

  const speak = (
    name: MessageName,
    values?: Readonly<Record<string, string | number | bigint>>,
  ): string => say(language, name, values);

  const askPassphrase = async (): Promise<string> => {
    passphrase ??= environment['YILIAN_PASSPHRASE'] ?? (await readHidden(speak('passphrase')));
    return passphrase;
  };

  const keyringFile = (name: string): string => join(home, `${name}${KEYRING_SUFFIX}`);

  const writeKeyring = async (name: string, keyring: Keyring): Promise<void> => {
    mkdirSync(home, { recursive: true, mode: 0o700 });
    const cost = costFromEnvironment();
    const file = await sealKeyringFile({
      content: encodeKeyring(keyring),
      passphrase: await askPassphrase(),
      randomBytes: platform.randomBytes,
      ...(cost === undefined ? {} : { cost }),
    });
    await replaceFile(keyringFile(name), file);
  };

  const readKeyring = async (): Promise<Keyring> => {
    const path = keyringFile(keyringName);
    if (!existsSync(path)) throw new UsageError('noKeyring', { name: keyringName }, 'nextKeys');
    const content = await openKeyringFile(
      new Uint8Array(readFileSync(path)),
      await askPassphrase(),
    );
    return decodeKeyring(content);
  };

  const connect = (): Connection => {
    if (connection !== undefined) return connection;
    const path = join(home, CONFIG_FILE);
    if (!existsSync(path)) throw new UsageError('noConsortium', {}, 'nextConnect');
    const parsed = demoConsortium.safeParse(JSON.parse(readFileSync(path, 'utf8')) as unknown);
    if (!parsed.success) throw new UsageError('isDamaged', { path }, 'nextConnect');
    const anchorPath = join(home, ANCHOR_FILE);
    connection = connectToDemo(platform, parsed.data, {
      ...(existsSync(anchorPath)
        ? { anchor: parseTrustAnchor(readFileSync(anchorPath, 'utf8')) }
        : {}),
      onLie: (lie) => process.stderr.write(`! ${lie.message}\n`),
    });
    return connection;
  };

  const slot = async (): Promise<KeyringSlot<Keyring>> =>
    createKeyringSlot(await readKeyring(), (next) => writeKeyring(keyringName, next));

  return {
    json: options.json,
    language,
    home,
    platform,
    keyringName,
    say: speak,
    answer: (result, lines) => {
      process.stdout.write(
        options.json ? `${JSON.stringify(result)}\n` : lines.map((line) => `${line}\n`).join(''),
      );
    },
    onProgress: createProgress(),
    saveConsortium: async (consortium, anchor) => {
      mkdirSync(home, { recursive: true, mode: 0o700 });
      const text = JSON.stringify({ ...consortium, enrolmentSecrets: [] }, null, 2);
      await replaceFile(join(home, CONFIG_FILE), utf8(text));
      await replaceFile(join(home, ANCHOR_FILE), utf8(`${encodeTrustAnchor(anchor)}\n`));
    },
    connect,
    keyringFile,
    keyringNames: () =>
      existsSync(home)
        ? readdirSync(home)
            .filter((name) => name.endsWith(KEYRING_SUFFIX))
            .map((name) => name.slice(0, -KEYRING_SUFFIX.length))
        : [],
    hasKeyring: (name) => existsSync(keyringFile(name)),
    writeKeyring,
    keyring: slot,
    patient: async () => {
      if (patient !== undefined) return patient;
      const keyring = await slot();
      if (keyring.current.kind !== 'patient')
        throw new UsageError('notPatient', { name: keyringName }, 'nextKeys');
      const open = connect();
      // The slot's kind was checked; it never changes by an update.
      const own = keyring as unknown as KeyringSlot<PatientKeyring>;
      patient = { ...createPatient(open.network, open.reader, own), connection: open };
      return patient;
    },
    doctor: async () => {
      if (doctor !== undefined) return doctor;
      const keyring = await slot();
      if (keyring.current.kind !== 'member')
        throw new UsageError('notMember', { name: keyringName }, 'nextKeys');
      const open = connect();
      const own = keyring as unknown as KeyringSlot<MemberKeyring>;
      doctor = { ...createDoctor(open.network, open.reader, own), connection: open };
      return doctor;
    },
    close: async () => {
      await connection?.reader.headers.save();
    },
  };
}

/** For tests and small machines: `YILIAN_PASSPHRASE_COST=memoryKiB,passes,lanes`. */
function costFromEnvironment(): PassphraseCost | undefined {
  const text = process.env['YILIAN_PASSPHRASE_COST'];
  if (text === undefined) return undefined;
  const [memoryKiB, passes, lanes] = text.split(',').map(Number);
  if (memoryKiB === undefined || passes === undefined || lanes === undefined)
    throw new UsageError('badCost');
  return { memoryKiB, passes, lanes };
}

/** Progress of long work, on stderr: one line that rewrites itself on a terminal, else a line a step. */
function createProgress(): OnProgress {
  let last = '';
  return ({ step, done, total }) => {
    const amount = total === undefined ? String(done) : `${done}/${total}`;
    if (process.stderr.isTTY) {
      process.stderr.write(`\r\u001b[K${step} ${amount}`);
      if (total !== undefined && done >= total) process.stderr.write('\n');
      return;
    }
    if (step !== last) process.stderr.write(`${step} ${amount}\n`);
    last = step;
  };
}

/** Reads one line; on a terminal it is not shown. */
function readHidden(question: string): Promise<string> {
  process.stderr.write(question);
  const lines = createInterface({
    input: process.stdin,
    terminal: process.stdin.isTTY,
    // No output: what is typed is not echoed.
  });
  return new Promise((resolve, reject) => {
    let isAnswered = false;
    lines.once('line', (line) => {
      isAnswered = true;
      lines.close();
      process.stderr.write('\n');
      resolve(line);
    });
    lines.once('close', () => {
      if (!isAnswered) reject(new UsageError('noPassphrase', {}, 'nextPassphrase'));
    });
  });
}
