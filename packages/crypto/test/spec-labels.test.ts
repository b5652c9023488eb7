/** Every rule of docs/spec/record-envelope.md stands in the title of a test, and no title names another. */
import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';

const folder = new URL('.', import.meta.url);
const specification = readFileSync(
  new URL('../../../docs/spec/record-envelope.md', import.meta.url),
  'utf8',
);
const titles = readdirSync(folder)
  .filter((name) => name.startsWith('envelope'))
  .map((name) => readFileSync(new URL(name, folder), 'utf8'))
  .flatMap((text) => [...text.matchAll(/(?:it\(|\]\)\(|test\(|^ +)'((?:E\d+ )+)/gm)])
  .map(([, labels = '']) => labels)
  .join(' ');

function labelsIn(text: string, pattern: RegExp): readonly string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, label = '']) => label))].sort();
}

test('every rule of docs/spec/record-envelope.md has a test', () => {
  const specified = labelsIn(specification, /^- \*\*(E\d+)\*\*/gm);
  expect(specified).toHaveLength(13);
  expect(labelsIn(titles, /\b(E\d+)\b/g)).toEqual(specified);
});
