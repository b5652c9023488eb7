/** Every rule of docs/spec/api.md stands in the title of a test, and no title names another. */
import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';

const root = new URL('../../../', import.meta.url);
const specification = readFileSync(new URL('docs/spec/api.md', root), 'utf8');
const titles = ['packages/api/test', 'packages/node/test', 'packages/client/test']
  .flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => readFileSync(new URL(`${folder}/${name}`, root), 'utf8')),
  )
  .flatMap((text) => [...text.matchAll(/(?:it\(|\)\(|test\()\s*'((?:API-\d+ )+)/g)])
  .map(([, labels = '']) => labels)
  .join(' ');

function labelsIn(text: string, pattern: RegExp): readonly string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, label = '']) => label))].sort();
}

test('every rule of docs/spec/api.md has a test', () => {
  const specified = labelsIn(specification, /^- (API-\d+) /gm);
  expect(specified.length).toBeGreaterThanOrEqual(16);
  expect(labelsIn(titles, /(API-\d+)/g)).toEqual(specified);
});
