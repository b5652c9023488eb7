import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const here = new URL('.', import.meta.url);
const root = new URL('./vectors/', here);

/** Every vector file, as a path below `vectors/`. */
const files = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name !== 'README.md')
  .map((entry) => `${entry.parentPath}/${entry.name}`.split('/vectors/')[1] ?? entry.name);

const tests = readdirSync(here, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts') && name !== 'vectors.test.ts')
  .map((name) => readFileSync(new URL(name, here), 'utf8'))
  .join('\n');

it.each(files)('%s is read by a test', (file) => {
  const name = file.split('/').at(-1) ?? file;
  expect(tests.includes(file) || tests.includes(name)).toBe(true);
});

it.each([...new Set(files.map((file) => file.split('/')[0] ?? ''))])(
  'the source of %s is stated',
  (folder) => {
    expect(readFileSync(new URL('README.md', root), 'utf8')).toContain(`\`${folder}\``);
  },
);
