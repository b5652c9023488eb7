/** A wrong command line is refused before anything is started. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { OptionError, parseOptions } from '../src/options.ts';

describe('the command line of a scenario', () => {
  test('takes two visits a person and more, and two by itself', () => {
    expect(parseOptions(['qin', '--generated', '1']).visits).toBe(2);
    expect(parseOptions(['qin', '--generated', '1', '--visits', '3']).visits).toBe(3);
  });

  test.each([
    ['a story of one visit', ['qin', '--visits', '1'], '--visits is a number from 2 to 100'],
    ['no visits', ['qin', '--visits', '0'], '--visits is a number from 2 to 100'],
    ['too many visits', ['qin', '--visits', '101'], '--visits is a number from 2 to 100'],
    ['no number', ['qin', '--visits', 'two'], '--visits is a number from 2 to 100'],
    ['no case', ['qin', '--generated', '0'], '--generated is a number from 1 to 100'],
    ['another engine', ['qin', '--engine', 'raft'], '--engine is embedded or cometbft'],
    ['no folder', ['qin', '--data', '/nonexistent'], 'there is no folder /nonexistent'],
    ['no name', [], 'name one scenario'],
    ['two names', ['qin', 'li'], 'name one scenario'],
  ])('refuses %s', (_what, args, message) => {
    expect(() => parseOptions(args)).toThrow(new OptionError(message));
  });

  test('and the program ends with 2 and the usage, without a consortium', () => {
    const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
    const ended = spawnSync(process.execPath, [main, 'qin', '--visits', '1'], { encoding: 'utf8' });
    expect(ended.status).toBe(2);
    expect(ended.stdout).toBe('');
    expect(ended.stderr).toContain('--visits is a number from 2 to 100');
    expect(ended.stderr).toContain('npm run scenario -- qin');
  });
});
