/** A wrong command line is told in the person's language; what exactly is wrong stands in both. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CodecError } from '@yilian/crypto/bytes';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeFailure, InputError, UsageError } from '../src/exit-code.ts';
import { USAGE_MESSAGES, type UsageMessageName } from '../src/usage-messages.ts';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));
let home: string;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'yilian-usage-'));
  writeFileSync(join(home, 'text'), 'no json');
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

function yilian(
  args: readonly string[],
): Promise<{ readonly code: number; readonly err: string; readonly out: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, YILIAN_CLI_HOME: home, YILIAN_PASSPHRASE: 'x' };
    execFile(process.execPath, [PROGRAM, ...args], { env }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, err, out });
    });
  });
}

describe('a wrong command line', () => {
  test.each<[string, readonly string[], string, string]>([
    ['a command that is none', ['nonsense'], 'there is no command nonsense', '没有命令 nonsense'],
    ['an action that is none', ['keys', 'sing'], 'keys has no action sing', 'keys 没有操作 sing'],
    ['a missing option', ['network', 'init'], '--out is missing', '缺少 --out'],
    ['a missing argument', ['acknowledge'], 'RECORD is missing', '缺少 RECORD'],
    [
      'a keyring that is not there',
      ['keys', 'show', '--as', 'nobody'],
      'there is no keyring nobody',
      '没有密钥环 nobody',
    ],
    [
      'a name that is none',
      ['keys', 'show', '--as', '../x'],
      '"../x" is no name of a keyring',
      '"../x" 不能作为密钥环名称',
    ],
    [
      'a file that is not there',
      ['network', 'init', '--hospitals', '/nonexistent', '--out', '/nonexistent/x'],
      '/nonexistent cannot be read',
      '无法读取 /nonexistent',
    ],
  ])('%s is told in both languages', async (_what, args, en, zh) => {
    const english = await yilian([...args, '--lang', 'en']);
    expect(english).toMatchObject({ code: 2 });
    expect(english.err).toContain(`${en} (usage)\n→ `);
    const chinese = await yilian([...args, '--lang', 'zh', '--json']);
    expect(chinese).toMatchObject({ code: 2 });
    expect(chinese.err).toContain(`${zh} (usage)\n→ `);
    // Nothing of the English sentence is left over.
    expect(chinese.err).not.toContain(en);
    expect(JSON.parse(chinese.out)).toMatchObject({
      error: { code: 'usage', message: zh, detail: en },
    });
  });

  test('an option that is none is told in both, with the name that was given', async () => {
    const english = await yilian(['records', '--colour', 'red', '--lang', 'en']);
    expect(english.err).toMatch(/^the options are wrong \(usage\)\n {2}.*--colour/);
    const chinese = await yilian(['records', '--colour', 'red', '--lang', 'zh']);
    expect(chinese.err).toMatch(/^选项有误 \(usage\)\n {2}.*--colour/);
    expect(chinese.code).toBe(2);
  });
});

describe('what is told of a wrong input', () => {
  const names = Object.keys(USAGE_MESSAGES) as UsageMessageName[];

  test.each(names)('%s has a sentence and a next step in Chinese', (name) => {
    const told = describeFailure(new UsageError(name), 'zh');
    expect(told?.message).toMatch(/\p{Script=Han}/u);
    expect(told?.next).toMatch(/\p{Script=Han}/u);
    expect(told?.detail).not.toMatch(/\p{Script=Han}/u);
  });

  test('values stand in either sentence', () => {
    const error = new UsageError('notOneOf', { name: 'role', values: 'patient, doctor' });
    expect(describeFailure(error, 'en')?.message).toBe('--role is one of: patient, doctor');
    expect(describeFailure(error, 'zh')?.message).toBe('--role 应为以下之一：patient, doctor');
  });

  test('the words of a part below are kept beside the sentence, in either language', () => {
    for (const error of [
      new InputError('network.yaml:3: tier', 'badNetworkFile', 'nextNetworkFile'),
      new CodecError('malformed', 'a key has 32 bytes'),
    ]) {
      const told = describeFailure(error, 'zh');
      expect(told).toMatchObject({ exit: 2, detail: error.message, isPlace: true });
      expect(told?.message).toMatch(/\p{Script=Han}/u);
    }
  });
});
