/** Every rule of docs/spec/storage.md stands in the title of a test, and no title names another. */
import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';

const root = new URL('../../../', import.meta.url);

function labelsIn(text: string, pattern: RegExp): readonly string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, label = '']) => label))].sort();
}

const specification = readFileSync(new URL('docs/spec/storage.md', root), 'utf8');
const titles = ['packages/node/test', 'packages/client/test']
  .flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(new URL(`${folder}/${name}`, root), 'utf8')),
  )
  .join('\n');

test('every rule of docs/spec/storage.md has a test', () => {
  const specified = labelsIn(specification, /\*\*(ST-\d+)\*\*/g);
  expect(specified.length).toBeGreaterThan(10);
  expect(labelsIn(titles, /['"`](ST-\d+) /g)).toEqual(specified);
});
