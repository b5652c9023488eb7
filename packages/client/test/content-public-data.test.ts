/** Against public bundles that other programs wrote; where they lie is said in README.md. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { clinicalClassesOf } from '../src/content/clinical-record.ts';
import { parseBundle } from '../src/content/fhir-bundle.ts';
import { splitBundle } from '../src/content/split-bundle.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const data = process.env['YILIAN_TEST_DATA'] ?? join(root, '..', 'shared', 'data');
const wanted = process.env['CI'] === 'true';

function filesIn(folder: string): readonly string[] {
  const path = join(data, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => name.endsWith('.json'))
    .map((name) => join(path, name));
}

const synthea = filesIn('synthea-r4-stroke');
const summaries = filesIn('ips-samples');

describe('public test data', () => {
  test.runIf(wanted)('is there when CI asks for it', () => {
    expect({ synthea: synthea.length > 0, summaries: summaries.length > 0 }).toEqual({
      synthea: true,
      summaries: true,
    });
  });

  if (synthea.length + summaries.length === 0 && !wanted)
    test.skip(`no public test data under ${data}: set YILIAN_TEST_DATA to its folder`, () => {});

  test.each(synthea)(
    'Synthea: every resource of %s lies in a record, each clinical one in exactly one',
    (file) => {
      const bundle = parseBundle(readFileSync(file, 'utf8'));
      const records = splitBundle(bundle);
      expect(records).toHaveLength(
        bundle.resources.filter(({ resourceType }) => resourceType === 'Encounter').length,
      );
      const placed = records.flatMap((record) =>
        record.sections.flatMap((section) => section.resources),
      );
      expect(new Set(placed)).toEqual(new Set(bundle.resources.map(({ body }) => body)));
      for (const record of records)
        for (const path of clinicalClassesOf(record)) {
          const resources =
            record.sections.find((section) => section.path === path)?.resources ?? [];
          for (const resource of resources)
            expect(placed.filter((other) => other === resource)).toHaveLength(1);
        }
    },
  );

  test.each(synthea)(
    'Synthea: the stroke of %s is found by code, by English and by Chinese word',
    (file) => {
      const records = splitBundle(parseBundle(readFileSync(file, 'utf8')));
      for (const word of ['snomed#230690007', 'stroke', '卒中'])
        expect(
          records.filter(({ keywords }) => keywords.some((keyword) => keyword.text === word))
            .length,
        ).toBeGreaterThan(0);
    },
  );

  test.each(summaries)('IPS: %s is one summary that holds the whole document', (file) => {
    const bundle = parseBundle(readFileSync(file, 'utf8'));
    const [record, ...more] = splitBundle(bundle);
    expect(more).toEqual([]);
    expect(record?.kind).toBe('summary');
    expect(record?.sections.flatMap(({ resources }) => resources)).toHaveLength(
      bundle.resources.length,
    );
    expect(record?.keywords.length).toBeGreaterThan(0);
  });
});
