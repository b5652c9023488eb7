/**
 * What the regulator has issued to an institution that came later: one file in `enrolments/` of its home. Its node
 * takes it up while it runs (node-process.ts) and tells the others; the next answers name this institution as a
 * peer; and the same request gets the same certificates again.
 */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  boundedBytes,
  type Codec,
  encodeMessage,
  fields,
  fixedBytes,
  list,
  parseMessage,
} from '@yilian/api/codec';
import { LIMITS } from '@yilian/api/sizes';
import type { Bytes } from '@yilian/crypto/bytes';
import { ConfigError } from '../json-fields.ts';
import { INTRODUCTION_BYTES_MAX } from './introduction.ts';

const SUFFIX = '.cbor';
const RECORD_BYTES_MAX = 32_768;

export interface EnrolmentRecord {
  /** `enrolmentRequestHash`. */
  readonly request: Bytes;
  readonly introduction: Bytes;
  readonly members: readonly { readonly id: Bytes; readonly certificate: Bytes }[];
}

const record: Codec<EnrolmentRecord> = fields<EnrolmentRecord>({
  request: fixedBytes(32),
  introduction: boundedBytes(INTRODUCTION_BYTES_MAX),
  members: list(
    fields<EnrolmentRecord['members'][number]>({
      id: fixedBytes(32),
      certificate: boundedBytes(LIMITS.certificateBytesMax),
    }),
    8,
  ),
});

export function enrolmentFolder(home: string): string {
  return join(home, 'enrolments');
}

export function enrolmentRecordPath(home: string, institution: string): string {
  return join(enrolmentFolder(home), `${institution}${SUFFIX}`);
}

/** @throws ConfigError naming the file when it is damaged */
export function readEnrolmentRecord(path: string): EnrolmentRecord {
  const parsing = parseMessage(record, new Uint8Array(readFileSync(path)), RECORD_BYTES_MAX);
  if (!parsing.ok) throw new ConfigError(`${path} is damaged; put it back from a backup`);
  return parsing.value;
}

/** Paths of all records, in order of name. */
export function listEnrolmentRecords(home: string): readonly string[] {
  const folder = enrolmentFolder(home);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(SUFFIX))
    .sort()
    .map((name) => join(folder, name));
}

/** Whole or not at all. */
export function writeEnrolmentRecord(
  home: string,
  institution: string,
  value: EnrolmentRecord,
): void {
  mkdirSync(enrolmentFolder(home), { recursive: true, mode: 0o700 });
  const path = enrolmentRecordPath(home, institution);
  writeFileSync(`${path}.part`, encodeMessage(record, value), { mode: 0o600 });
  renameSync(`${path}.part`, path);
}
