/** What has happened in the scenario so far: who there is, what was written, granted and opened. */
import type { DemoNode } from '@yilian/client/demo-consortium';
import type { ClinicalRecord } from '@yilian/client/content/clinical-record';
import type { SearchHit } from '@yilian/client/granted-search';
import type { Platform } from '@yilian/client/platform/platform';
import type { VisitForWriting } from '@yilian/client/visit-for-writing';
import type { VisitPackage } from '@yilian/crypto/pseudonym';
import type { GrantId, RecordId } from '@yilian/crypto/ids';
import type { Case } from '../clinical-data.ts';
import type { Consortium } from '../consortium.ts';
import type { MemberPerson, PatientPerson, People } from '../people.ts';
import type { Report } from '../report.ts';

export type Hospital = 'community-1' | 'secondary-1';

export interface WrittenRecord {
  readonly hospital: Hospital;
  readonly record: ClinicalRecord;
  readonly recordId: RecordId;
  /** What proves its issue to anybody who has the anchor. */
  readonly receipt: Uint8Array;
  readonly visit: VisitForWriting;
  /** What the hospital was shown of her. */
  readonly visitPackage: VisitPackage;
}

export interface PatientStory extends PatientPerson {
  readonly identity: string;
  readonly source: Case;
  readonly written: WrittenRecord[];
  referral: { readonly grantId: GrantId; readonly hits: readonly SearchHit[] } | null;
}

export interface Story {
  readonly report: Report;
  readonly consortium: Consortium;
  readonly nodes: readonly DemoNode[];
  readonly platform: Platform;
  readonly people: People;
  /** Community hospital. */
  readonly doctorA: MemberPerson;
  /** Tertiary hospital, to which she is referred. */
  readonly doctorB: MemberPerson;
  /** Secondary hospital. */
  readonly doctorC: MemberPerson;
  /** The stroke unit of the tertiary hospital. */
  readonly department: MemberPerson;
  readonly patients: readonly PatientStory[];
  /** The patient with visits at both hospitals, to whom everything further happens. */
  readonly main: PatientStory;
}

export function nodeNamed(story: Pick<Story, 'nodes'>, name: string): DemoNode {
  const node = story.nodes.find((each) => each.name === name);
  if (node === undefined) throw new Error(`the consortium has no node ${name}`);
  return node;
}

export function nowSeconds(story: Pick<Story, 'platform'>): number {
  return Math.floor(story.platform.nowMs() / 1000);
}
