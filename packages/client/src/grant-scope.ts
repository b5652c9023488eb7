/**
 * What a grant covers: labels of the patient's visits, and search tokens for them among so many decoys
 * that their number says nothing.
 */
import { toHex } from '@yilian/crypto/bytes';
import { GRANT_LABELS_MAX } from '@yilian/crypto/grant-body';
import type { Keyword } from '@yilian/crypto/keyword';
import type { Label } from '@yilian/crypto/label';
import type { Month } from '@yilian/crypto/period';
import { createDecoyToken } from '@yilian/crypto/searchable-encryption';
import { CLINICAL_CLASSES } from './content/clinical-record.ts';
import { ClientError } from './failure.ts';
import type { WishedToken } from './grant-making.ts';
import type { Network } from './network.ts';
import type { OwnVisit } from './own-visits.ts';
import { currentMonth, hospitalIdOf, type PatientSecrets } from './patient-secrets.ts';

/** Every grant carries at least so many search tokens, decoys included. */
const TOKENS_MIN = 8;

/** Which labels a grant shall cover. */
export interface GrantScope {
  /** Hospitals; default: all she visited. */
  readonly hospitals?: readonly string[];
  /** Months of admission, `YYYY-MM`; default: all. */
  readonly months?: readonly string[];
  /** FHIR classes: only those sections. Default: whole visits. */
  readonly classes?: readonly string[];
}

/** A patient's visits as grants see them. */
export interface GrantScopes {
  readonly labelsOf: (scope: GrantScope) => readonly Label[];
  /** Labels on which grants may lie: visits, clinical classes, summaries. By β. */
  readonly walkedLabels: () => ReadonlyMap<string, Label>;
  /** @throws ClientError `noLabel` for one on which she would not find a grant again */
  readonly checkWalked: (labels: readonly Label[]) => readonly Label[];
  /** Tokens of what is covered, padded with ones that find nothing. */
  readonly tokensOf: (scope: GrantScope, keywords: readonly Keyword[]) => readonly WishedToken[];
}

export function createGrantScopes(
  network: Network,
  secrets: PatientSecrets,
  visits: () => readonly OwnVisit[],
): GrantScopes {
  const { platform, context } = network;
  const { curve, randomBytes } = platform;

  function visitsIn(scope: GrantScope): readonly OwnVisit[] {
    return visits().filter(
      ({ hospital, month }) =>
        (scope.hospitals === undefined || scope.hospitals.includes(hospital)) &&
        (scope.months === undefined || scope.months.includes(month)),
    );
  }

  function labelsOf(scope: GrantScope): readonly Label[] {
    const labels = new Map<string, Label>();
    const add = (label: Label): void => {
      labels.set(toHex(label.beta), label);
    };
    for (const visit of visitsIn(scope)) {
      if (scope.classes === undefined || scope.classes.length === 0)
        add(visit.label({ kind: 'visit' }));
      else
        for (const resourceType of scope.classes) add(visit.label({ kind: 'class', resourceType }));
    }
    return [...labels.values()];
  }

  function walkedLabels(): ReadonlyMap<string, Label> {
    const labels = new Map<string, Label>();
    for (const visit of visits()) {
      const own = [
        visit.label({ kind: 'visit' }),
        visit.label({ kind: 'summary' }),
        ...[...CLINICAL_CLASSES].map((resourceType) =>
          visit.label({ kind: 'class', resourceType }),
        ),
      ];
      for (const label of own) labels.set(toHex(label.beta), label);
    }
    return labels;
  }

  /**
   * No grant on a label that the walk does not visit: she would neither see nor end it (R1). A class in
   * a doctor's request may be any word.
   */
  function checkWalked(labels: readonly Label[]): readonly Label[] {
    if (labels.length > GRANT_LABELS_MAX) return labels;
    const walked = walkedLabels();
    const stray = labels.find(({ beta }) => !walked.has(toHex(beta)));
    if (stray !== undefined)
      throw new ClientError(
        'noLabel',
        `a grant on such a label (${stray.kind}) could not be found again`,
      );
    return labels;
  }

  function tokensOf(scope: GrantScope, keywords: readonly Keyword[]): readonly WishedToken[] {
    const tokens: WishedToken[] = [];
    const seen = new Set<string>();
    const add = (visit: OwnVisit, keyword: Keyword, hint: string): void => {
      const name = `${visit.hospital}/${visit.month}/${keyword.type}|${keyword.text}`;
      // Tokens of a drawn visit would need its κ and mode `sym`; its records are found by `pid` here.
      if (seen.has(name)) return;
      seen.add(name);
      tokens.push({
        hint,
        make: (grantId) => ({
          grantId,
          hospitalId: hospitalIdOf(visit.hospital),
          month: visit.month,
          ...tokenRight(visit, keyword),
        }),
      });
    };
    for (const visit of visitsIn(scope)) {
      add(visit, { type: 'pid', text: toHex(visit.pid) }, `visit|${visit.month}`);
      for (const text of scope.classes ?? []) add(visit, { type: 'class', text }, `class|${text}`);
      for (const keyword of keywords) add(visit, keyword, `${keyword.type}|${keyword.text}`);
    }
    return padTokens(tokens);
  }

  function tokenRight(
    visit: OwnVisit,
    keyword: Keyword,
  ):
    | { readonly mode: 'pk'; readonly trapdoor: ReturnType<PatientSecrets['trapdoor']> }
    | { readonly mode: 'sym'; readonly tagKey: ReturnType<OwnVisit['tagKey']> } {
    return visit.isDrawn
      ? { mode: 'sym', tagKey: visit.tagKey(keyword, null) }
      : { mode: 'pk', trapdoor: secrets.trapdoor(visit.hospital, visit.month, keyword) };
  }

  function padTokens(tokens: readonly WishedToken[]): readonly WishedToken[] {
    let size = TOKENS_MIN;
    while (size < tokens.length) size *= 2;
    const hospitals = network.nodes.flatMap(({ institution, hospitalKey }) =>
      hospitalKey === null ? [] : [institution],
    );
    const months: readonly Month[] = [
      currentMonth(platform),
      ...visits().map(({ month }) => month),
    ];
    const padded = [...tokens];
    while (padded.length < size) {
      const hospital = pick(hospitals) ?? 'none';
      const month = pick(months) ?? currentMonth(platform);
      // Tokens of drawn visits are of the other mode, and shorter: so are as many decoys.
      const mode = pick(visits())?.isDrawn === true ? 'sym' : 'pk';
      padded.push({
        hint: '',
        make: (grantId) =>
          createDecoyToken({
            curve,
            context,
            grantId,
            hospitalId: hospitalIdOf(hospital),
            month,
            mode,
            randomBytes,
          }),
      });
    }
    // In any order: the search node must not tell decoys by their place.
    return shuffle(padded);
  }

  function shuffle<T>(items: readonly T[]): readonly T[] {
    return items
      .map((item) => ({ item, place: toHex(randomBytes(16)) }))
      .toSorted((a, b) => (a.place < b.place ? -1 : 1))
      .map(({ item }) => item);
  }

  function pick<T>(items: readonly T[]): T | undefined {
    const [byte] = randomBytes(1);
    return items[(byte ?? 0) % Math.max(1, items.length)];
  }

  return { labelsOf, walkedLabels, checkWalked, tokensOf };
}
