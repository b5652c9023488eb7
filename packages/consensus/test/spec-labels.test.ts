import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const LABEL = /\b(?:PB|LC)-\d+\b/g;

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(folder, name), 'utf8'));
}

const spec = readFileSync(join(root, 'docs/spec/pbft.md'), 'utf8');
const defined = new Set(
  [...spec.matchAll(/^\*\*((?:PB|LC)-\d+)/gm)].map((match) => match[1] ?? ''),
);
const titles = ['packages/consensus/test', 'packages/simulator/test']
  .flatMap((folder) => filesBelow(join(root, folder)))
  .flatMap((text) =>
    [...text.matchAll(/\btest(?:\.each[^']*)?\(\s*'([^']*)'/g)].map((match) => match[1] ?? ''),
  )
  .join('\n');

test('every rule of docs/spec/pbft.md stands in the title of a test', () => {
  expect(defined.size).toBeGreaterThanOrEqual(30);
  const tested = new Set(titles.match(LABEL));
  expect([...defined].filter((label) => !tested.has(label))).toEqual([]);
});

test('code and tests cite no rule that the specification does not have', () => {
  const cited = [
    ...filesBelow(join(root, 'packages/consensus/src')),
    ...filesBelow(join(root, 'packages/simulator/src')),
    titles,
  ].flatMap((text) => text.match(LABEL) ?? []);
  expect(cited.filter((label) => !defined.has(label))).toEqual([]);
});

test('every rule of the core is cited by the code that keeps it', () => {
  const cited = new Set(
    filesBelow(join(root, 'packages/consensus/src')).flatMap((text) => text.match(LABEL) ?? []),
  );
  expect([...defined].filter((label) => !cited.has(label))).toEqual([]);
});

test('each of the bugs that others had is named by a test', () => {
  for (let bug = 1; bug <= 21; bug++) expect(titles).toContain(`bug ${bug}:`);
});
