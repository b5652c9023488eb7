/** The people of a scenario: every Synthea stroke bundle and IPS document of a folder, else generated cases. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ContentError } from '@yilian/client/content/content-error';
import { parseBundle } from '@yilian/client/content/fhir-bundle';
import type { ClinicalRecord } from '@yilian/client/content/clinical-record';
import { generateSampleCase } from '@yilian/client/content/sample-bundle';
import { splitBundle } from '@yilian/client/content/split-bundle';

export interface Case {
  /** File name or seed: for printing only. */
  readonly source: string;
  readonly records: readonly ClinicalRecord[];
}

function readCases(
  folder: string,
  onPassedOver: (name: string, why: string) => void,
): readonly Case[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return names.sort().flatMap((name) => {
    try {
      const records = splitBundle(parseBundle(readFileSync(join(folder, name), 'utf8')));
      return [{ source: basename(name, '.json'), records }];
    } catch (error) {
      if (!(error instanceof ContentError)) throw error;
      onPassedOver(name, error.message);
      return [];
    }
  });
}

/** Two visits and a summary of one generated person. */
export function generateCase(seed: number, admissionTimeMs: number): Case {
  const sample = generateSampleCase({ seed, admissionTimeMs });
  const records = [sample.visits, sample.summary].flatMap((bundle) =>
    splitBundle(parseBundle(JSON.stringify(bundle))),
  );
  return { source: `generated case ${seed}`, records };
}

/** Cases under `data` (laid out like the folder the README names); none when nothing is there. */
export function loadCases(
  data: string | undefined,
  onPassedOver: (name: string, why: string) => void,
): readonly Case[] {
  if (data === undefined) return [];
  return ['synthea-r4-stroke', 'ips-samples'].flatMap((folder) =>
    readCases(join(data, folder), onPassedOver),
  );
}

function isStroke(record: ClinicalRecord): boolean {
  return record.keywords.some(({ text }) => text === '卒中');
}

/** The visits that matter for a referral: those up to the first that names a stroke, and one after it. */
export function chooseVisits(
  records: readonly ClinicalRecord[],
  most: number,
): readonly ClinicalRecord[] {
  const centre = Math.max(
    0,
    records.findIndex((record) => isStroke(record)),
  );
  const from = Math.max(0, Math.min(centre - most + 2, records.length - most));
  return records.slice(from, from + most);
}
