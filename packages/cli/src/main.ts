#!/usr/bin/env node
/** `yilian`: the commands of members. Exit codes: exit-code.ts. */
import { parseArgs } from 'node:util';
import { type Command, Options } from './command.ts';
import { REGISTRATION_COMMANDS } from './commands/admit.ts';
import { ANCHOR_COMMANDS } from './commands/anchor.ts';
import { CONSENT_COMMANDS } from './commands/consent.ts';
import { IDENTITY_COMMANDS } from './commands/identity.ts';
import { NETWORK_COMMANDS } from './commands/network.ts';
import { RECEIPT_COMMANDS } from './commands/receipts.ts';
import { RECORD_COMMANDS } from './commands/records.ts';
import { VALIDATOR_COMMANDS } from './commands/validators.ts';
import { describeFailure, EXIT, InputError, UsageError } from './exit-code.ts';
import type { Language } from './messages.ts';
import { openSession } from './session.ts';

const COMMANDS: readonly Command[] = [
  ...IDENTITY_COMMANDS,
  ...RECORD_COMMANDS,
  ...CONSENT_COMMANDS,
  ...RECEIPT_COMMANDS,
  ...ANCHOR_COMMANDS,
  ...NETWORK_COMMANDS,
  ...VALIDATOR_COMMANDS,
  ...REGISTRATION_COMMANDS,
];

const COMMON = {
  home: { type: 'string' },
  as: { type: 'string' },
  lang: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

function languageOf(argv: readonly string[]): Language {
  const at = argv.indexOf('--lang');
  const inline = argv.find((each) => each.startsWith('--lang='))?.slice('--lang='.length);
  const wished =
    inline ??
    (at >= 0 ? argv[at + 1] : undefined) ??
    process.env['YILIAN_LANG'] ??
    process.env['LANG'];
  return wished?.startsWith('zh') === true ? 'zh' : 'en';
}

function help(language: Language): string {
  const commands = COMMANDS.map(({ usage, summary }) => `  ${usage}\n      ${summary[language]}`);
  return [
    'yilian COMMAND [OPTIONS] [--as KEYRING] [--home DIR] [--lang en|zh] [--json]',
    '',
    ...commands,
    '',
    'YILIAN_PASSPHRASE opens the keyring; YILIAN_CLI_HOME, YILIAN_AS and YILIAN_LANG are defaults.',
    'exit: 0 done, 1 refused, 2 usage, 3 verification failed, 4 network, 5 passphrase',
    '',
  ].join('\n');
}

function parseOptions(command: Command, args: readonly string[]): ReturnType<typeof parseArgs> {
  try {
    return parseArgs({
      args: [...args],
      options: { ...command.options, ...COMMON },
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    throw new InputError(error instanceof Error ? error.message : String(error), 'badOptions');
  }
}

async function run(argv: readonly string[]): Promise<number> {
  const language = languageOf(argv);
  const [name, ...args] = argv;
  if (name === undefined || name === 'help' || name === '--help') {
    process.stdout.write(help(language));
    return name === undefined ? EXIT.usage : EXIT.ok;
  }
  const command = COMMANDS.find((each) => each.name === name);
  if (command === undefined) throw new UsageError('noCommand', { name });
  const { values, positionals } = parseOptions(command, args);
  if (values['help'] === true) {
    process.stdout.write(`yilian ${command.usage}\n${command.summary[language]}\n`);
    return EXIT.ok;
  }
  const options = new Options(values, positionals);
  const session = await openSession({
    home: options.text('home'),
    as: options.text('as'),
    lang: options.text('lang'),
    json: options.flag('json'),
  });
  const exit = await command.run(session, options);
  await session.close();
  return exit;
}

function report(argv: readonly string[], error: unknown): number {
  const language = languageOf(argv);
  const failure = describeFailure(error, language);
  if (failure === undefined) {
    process.stderr.write(
      `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return 70;
  }
  const { exit, isPlace = false, ...shown } = failure;
  const { code, message, next, detail } = shown;
  if (argv.includes('--json')) process.stdout.write(`${JSON.stringify({ error: shown })}\n`);
  // Places and values are the same in every language; sentences of the protocol are told in the person's own.
  const exactly = (language === 'en' || isPlace) && detail !== message ? `  ${detail}\n` : '';
  process.stderr.write(`${message} (${code})\n${exactly}→ ${next}\n`);
  return exit;
}

/** A question to a node that hangs is nothing to wait for when the answer is out. */
const UNANSWERED_MS_MAX = 1_000;

function end(exit: number): void {
  process.exitCode = exit;
  setTimeout(() => process.exit(), UNANSWERED_MS_MAX).unref();
}

const argv = process.argv.slice(2);
run(argv).then(
  (exit) => end(exit),
  (error: unknown) => end(report(argv, error)),
);
