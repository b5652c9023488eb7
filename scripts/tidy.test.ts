/** Rules of the house that no linter knows, each with the reason it exists. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

const files = execFileSync('git', ['ls-files'], { encoding: 'utf8' }).split('\n').filter(Boolean);
const sources = files.filter((file) =>
  /^(packages|scenarios|bench|scripts)\/.*\.(ts|tsx|mjs)$/.test(file),
);
const read = (file: string): string => readFileSync(file, 'utf8');
const isProduct = (file: string): boolean => /^packages\/[a-z]+\/src\//.test(file);

/** Files of this repository that `file` imports, types as well. */
function importedBy(file: string, text: string): readonly string[] {
  const targets: string[] = [];
  for (const [, target = ''] of text.matchAll(/from '(\.[^']+)'/g))
    targets.push(join(dirname(file), target));
  for (const [, name = '', path = ''] of text.matchAll(/from '@yilian\/([a-z]+)\/([^']+)'/g))
    targets.push(`packages/${name}/src/${path}.ts`);
  return targets;
}

/** Links and file names in code font; no patterns, and nothing that only a run makes. */
function pathsIn(document: string): readonly string[] {
  const prose = document.replace(/^```[^]*?^```/gm, '');
  const links = [...prose.matchAll(/\]\(([^)#]+)/g)].map(([, link = '']) => link);
  const spans = [...prose.matchAll(/`([^`\s]+)`/g)].map(([, span = '']) => span);
  const named = spans.filter((span) =>
    /^[\w.@-]+(\/[\w.@-]+)*(\/|\.(ts|tsx|mjs|md|json))$/.test(span),
  );
  const nested = spans.filter((span) => /^[\w.@-]+(\/[\w.@-]+)+$/.test(span));
  return [...new Set([...links, ...named, ...nested])].filter(
    (path) => !/^(https?:|\.\.|\.yilian|@yilian)/.test(path),
  );
}

/** From the root, from `packages/`, or as the end of a longer path. */
function isThere(path: string): boolean {
  const name = path.replace(/\/$/, '');
  return (
    existsSync(name) ||
    existsSync(join('packages', name)) ||
    files.some((file) => file.endsWith(`/${name}`))
  );
}

describe('the house', () => {
  test('names say what a thing is: no utils, helper, manager', () => {
    // The query manager is a party of Qin, Jin and Liu (QJ-1), not a word for "things".
    const offenders = sources.filter(
      (file) =>
        /(utils?|helpers?|manager)\.tsx?$/.test(file) && !file.endsWith('/query-manager.ts'),
    );
    expect(offenders).toEqual([]);
  });

  test('ledger and consensus never import each other', () => {
    const offenders = sources.filter(
      (file) =>
        (file.startsWith('packages/ledger/src') &&
          read(file).includes("from '@yilian/consensus")) ||
        (file.startsWith('packages/consensus/src') && read(file).includes("from '@yilian/ledger")),
    );
    expect(offenders).toEqual([]);
  });

  test('points enter through one strict module: only the curve backends import the pairing libraries', () => {
    const offenders = sources.filter(
      (file) =>
        isProduct(file) &&
        /from '(mcl-wasm|@noble\/curves\/(bls12-381|abstract\/bls)[^']*)'/.test(read(file)) &&
        !/^packages\/crypto\/src\/curve-(mcl|noble)\.ts$/.test(file),
    );
    expect(offenders).toEqual([]);
  });

  test('no switch that turns the subgroup check off', () => {
    const offenders = sources.filter(
      (file) => isProduct(file) && /verifyOrderG[12]\(false\)|\.set[XYZ]\(/.test(read(file)),
    );
    expect(offenders).toEqual([]);
  });

  test('one line joins the two machines', () => {
    const lines = sources
      .filter((file) => isProduct(file))
      .flatMap((file) =>
        read(file)
          .split('\n')
          .filter((line) => /: Application => createLedger\(/.test(line)),
      );
    expect(lines).toHaveLength(1);
  });

  test('no file imports itself by way of others', () => {
    const importsOf = new Map(
      sources
        .filter((file) => /\/src\//.test(file))
        .map((file) => [file, importedBy(file, read(file))] as const),
    );
    const finished = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (path.includes(file) || finished.has(file)) return;
      for (const next of importsOf.get(file) ?? []) visit(next, [...path, file]);
      finished.add(file);
    };
    for (const file of importsOf.keys()) visit(file, []);
    expect(circles).toEqual([]);
  });

  test('every path that a root document names exists', () => {
    const documents = ['ARCHITECTURE.md', 'README.md', 'CONTRIBUTING.md', 'SECURITY.md'];
    const named = documents.flatMap((document) =>
      pathsIn(read(document)).map((path) => ({ document, path })),
    );
    expect(named.length).toBeGreaterThan(40);
    const missing = named.filter(({ path }) => !isThere(path));
    expect(missing).toEqual([]);
  });

  test('commands do not wait for pre-scripts, which npm skips where ignore-scripts is set', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const hooks = Object.keys(scripts).filter((name) => /^(pre|post)/.test(name));
    expect(hooks).toEqual([]);
  });

  test('lock files hold no download addresses', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved": "https?:/);
  });

  test('every decision has a number of its own and a rejected option', () => {
    const decisions = files.filter((file) => /^docs\/decisions\/\d{4}-/.test(file));
    const numbers = decisions.map((file) =>
      file.slice('docs/decisions/'.length, 'docs/decisions/'.length + 4),
    );
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const file of decisions) expect(read(file), file).toMatch(/[Rr]ejected/);
  });
});
