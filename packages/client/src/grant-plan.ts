/**
 * Who shall hold shares of a grant, and how many of them must answer. The ledger's rules (one node per
 * operator, none of the grantee's institution, f+1 ≤ t ≤ n−f) leave choices; they are made here, and
 * when they cannot be met the plan says why (R16).
 */
import type { MemberId } from '@yilian/ledger/ids';
import { toHex } from '@yilian/crypto/bytes';

/** A node that might hold a share. */
export interface HolderCandidate {
  readonly node: MemberId;
  readonly institution: string;
  readonly operator: string;
  readonly isRegulator: boolean;
  /** Whether its published HPKE key is one it still has. */
  readonly hasFreshKey: boolean;
}

export interface HolderPlan {
  readonly ok: true;
  /** In the order of their indices 1 … n. */
  readonly holders: readonly HolderCandidate[];
  readonly threshold: number;
  /** Set when the regulator's node had to be named, and why. */
  readonly regulatorNamed: FewOperators | null;
}

/** Independent operators are too few for the hospitals alone. */
export interface FewOperators {
  readonly needed: number;
  /** Operators that hospitals outside the grantee's institution run on. */
  readonly operators: readonly string[];
  /** Institutions that share an operator with another one and so count once. */
  readonly sharing: readonly {
    readonly operator: string;
    readonly institutions: readonly string[];
  }[];
  /** Institutions left out since their node has no fresh key on chain. */
  readonly withoutKey: readonly string[];
}

export type HolderPlanning =
  | HolderPlan
  | { readonly ok: false; readonly reason: FewOperators; readonly regulatorNode: MemberId | null };

/** Beyond 2f+1, this many more holders at most: each costs the patient's device a blob. */
const SPARE_HOLDERS = 2;

/** n and t for a consortium that tolerates `faults` members. */
export function planHolders(input: {
  readonly candidates: readonly HolderCandidate[];
  readonly granteeInstitution: string;
  readonly faults: number;
}): HolderPlanning {
  const { faults } = input;
  const needed = 2 * faults + 1;
  const outside = input.candidates.filter(
    ({ institution }) => institution !== input.granteeInstitution,
  );
  const hospitals = outside.filter(({ isRegulator }) => !isRegulator);
  const chosen = onePerOperator(hospitals.filter(({ hasFreshKey }) => hasFreshKey));
  if (chosen.length >= needed) return planOf(chosen.slice(0, needed + SPARE_HOLDERS), faults, null);

  const reason: FewOperators = {
    needed,
    operators: chosen.map(({ operator }) => operator),
    sharing: sharedOperators(hospitals),
    withoutKey: hospitals
      .filter(({ hasFreshKey }) => !hasFreshKey)
      .map(({ institution }) => institution),
  };
  const regulator = outside.find(({ isRegulator }) => isRegulator);
  const usable =
    regulator !== undefined &&
    regulator.hasFreshKey &&
    chosen.every(({ operator }) => operator !== regulator.operator);
  if (!usable || chosen.length + 1 < needed)
    return { ok: false, reason, regulatorNode: regulator?.node ?? null };
  return planOf([...chosen, regulator], faults, reason);
}

function planOf(
  holders: readonly HolderCandidate[],
  faults: number,
  regulatorNamed: FewOperators | null,
): HolderPlan {
  const n = holders.length;
  const majority = Math.floor(n / 2) + 1;
  const threshold = Math.min(Math.max(majority, faults + 1), n - faults);
  return { ok: true, holders, threshold, regulatorNamed };
}

/** The first candidate of each operator, in order of member id so that every device plans alike. */
function onePerOperator(candidates: readonly HolderCandidate[]): readonly HolderCandidate[] {
  const byOperator = new Map<string, HolderCandidate>();
  const sorted = candidates.toSorted((a, b) => (toHex(a.node) < toHex(b.node) ? -1 : 1));
  for (const candidate of sorted)
    if (!byOperator.has(candidate.operator)) byOperator.set(candidate.operator, candidate);
  return [...byOperator.values()];
}

function sharedOperators(candidates: readonly HolderCandidate[]): FewOperators['sharing'] {
  const institutions = new Map<string, string[]>();
  for (const { operator, institution } of candidates)
    institutions.set(operator, [...(institutions.get(operator) ?? []), institution]);
  return [...institutions]
    .filter(([, names]) => names.length > 1)
    .map(([operator, names]) => ({ operator, institutions: names }));
}

/** One sentence for a person who cannot get a grant as she wished. */
export function describeFewOperators(reason: FewOperators): string {
  const shared = reason.sharing
    .map(
      ({ operator, institutions }) => `${institutions.join(' and ')} run on operator ${operator}`,
    )
    .join('; ');
  const missing =
    reason.withoutKey.length === 0 ? '' : `; ${reason.withoutKey.join(', ')} published no key`;
  return (
    `a grant needs nodes of ${reason.needed} independent operators outside the doctor's hospital, ` +
    `and there are ${reason.operators.length} (${reason.operators.join(', ')})` +
    `${shared === '' ? '' : `; ${shared}`}${missing}`
  );
}
