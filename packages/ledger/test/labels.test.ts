/** Every rule of docs/spec/transactions.md stands in the code and in a test, and the other way round. */
import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';

const root = new URL('../', import.meta.url);

function sources(folder: string): readonly string[] {
  return readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(new URL(`${folder}/${name}`, root), 'utf8'));
}

function labelsIn(text: string, pattern: RegExp): ReadonlySet<string> {
  return new Set([...text.matchAll(pattern)].map(([, label = '']) => label));
}

const specification = readFileSync(new URL('../../docs/spec/transactions.md', root), 'utf8');
const specified = labelsIn(specification, /\*\*([A-Z]{1,2}-\d+)\*\*/g);
const code = labelsIn(sources('src').join('\n'), /^ \* - ([A-Z]{1,2}-\d+) /gm);
const applied = labelsIn(sources('src').join('\n'), /\/\/ (?:[A-Z]{1,2}-\d+, )?([A-Z]{1,2}-\d+)/g);
const tests = sources('test').filter((text) => !text.includes('labelsIn('));
const tested = new Set([
  ...labelsIn(tests.join('\n'), /rule: '([A-Z]{1,2}-\d+)'/g),
  ...labelsIn(
    [...tests.join('\n').matchAll(/(?:test\(|why: )['"]([^'"]*)/g)]
      .map(([, title]) => title)
      .join('\n'),
    /\b([A-Z]{1,2}-\d+)\b/g,
  ),
]);

test('the specification has rules', () => {
  expect(specified.size).toBeGreaterThan(70);
});

test.each([...specified])('%s is stated in the code and has a test', (label) => {
  expect(code.has(label)).toBe(true);
  expect(tested.has(label)).toBe(true);
});

test('no rule of the code is missing in the specification', () => {
  expect([...code].filter((label) => !specified.has(label))).toEqual([]);
  expect([...applied].filter((label) => !specified.has(label))).toEqual([]);
});
