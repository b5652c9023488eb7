/** Rules of the house that no linter knows, each with the reason it exists. */
import { readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';

const files = execFileSync('git', ['ls-files'], { encoding: 'utf8' }).split('\n').filter(Boolean);
const sources = files.filter((file) =>
  /^(packages|scenarios|bench|scripts)\/.*\.(ts|tsx|mjs)$/.test(file),
);
const read = (file: string): string => readFileSync(file, 'utf8');
const isProduct = (file: string): boolean => /^packages\/[a-z]+\/src\//.test(file);

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
          .filter((line) => /: Application = createLedger\(/.test(line)),
      );
    expect(lines).toHaveLength(1);
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
