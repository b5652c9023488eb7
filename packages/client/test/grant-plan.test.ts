import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toMemberId } from '@yilian/ledger/ids';
import { describeFewOperators, type HolderCandidate, planHolders } from '../src/grant-plan.ts';

function candidate(
  number: number,
  institution: string,
  operator: string,
  extra: Partial<HolderCandidate> = {},
): HolderCandidate {
  const node = toMemberId(new Uint8Array(32).fill(number));
  return { node, institution, operator, isRegulator: false, hasFreshKey: true, ...extra };
}

const REGULATOR = candidate(9, 'regulator', 'regulator', { isRegulator: true });

function hospitals(...operators: readonly string[]): readonly HolderCandidate[] {
  return operators.map((operator, i) => candidate(i + 1, `hospital-${i + 1}`, operator));
}

describe('who holds shares', () => {
  test('four hospitals, the doctor’s left out: three hold, two must answer', () => {
    const plan = planHolders({
      candidates: [...hospitals('a', 'b', 'c', 'd'), REGULATOR],
      granteeInstitution: 'hospital-1',
      faults: 1,
    });
    expect(plan).toMatchObject({ ok: true, threshold: 2, regulatorNamed: null });
    if (plan.ok) expect(plan.holders.map(({ operator }) => operator)).toEqual(['b', 'c', 'd']);
  });

  test('R16 two hospitals on one operator: the regulator’s node is named, and why', () => {
    const plan = planHolders({
      candidates: [...hospitals('a', 'b', 'b', 'c'), REGULATOR],
      granteeInstitution: 'hospital-1',
      faults: 1,
    });
    if (!plan.ok) throw new Error('no plan');
    expect(plan.holders.map(({ operator }) => operator)).toEqual(['b', 'c', 'regulator']);
    expect(plan.threshold).toBe(2);
    const why = plan.regulatorNamed === null ? '' : describeFewOperators(plan.regulatorNamed);
    expect(why).toContain('hospital-2 and hospital-3 run on operator b');
    expect(why).toContain('3 independent operators');
  });

  test('R16 too few even with the regulator: no plan, and the reason names all', () => {
    const plan = planHolders({
      candidates: [...hospitals('a', 'b', 'b', 'b'), REGULATOR],
      granteeInstitution: 'hospital-1',
      faults: 1,
    });
    if (plan.ok) throw new Error('a plan that the ledger refuses');
    expect(plan.regulatorNode).toEqual(REGULATOR.node);
    expect(plan.reason).toMatchObject({ needed: 3, operators: ['b'] });
  });

  test('a node without a fresh key is left out and named', () => {
    const [first, second, third, fourth] = hospitals('a', 'b', 'c', 'd');
    if (!first || !second || !third || !fourth) throw new Error('four');
    const plan = planHolders({
      candidates: [first, { ...second, hasFreshKey: false }, third, fourth],
      granteeInstitution: 'hospital-1',
      faults: 1,
    });
    if (plan.ok) throw new Error('a plan with a lost key');
    expect(plan.reason.withoutKey).toEqual(['hospital-2']);
    expect(plan.regulatorNode).toBeNull();
  });

  test('F14 every plan meets the ledger’s rules', () => {
    const operators = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), {
      minLength: 1,
      maxLength: 16,
    });
    fc.assert(
      fc.property(operators, fc.integer({ min: 0, max: 3 }), (names, faults) => {
        const plan = planHolders({
          candidates: [...hospitals(...names), REGULATOR],
          granteeInstitution: 'hospital-1',
          faults,
        });
        if (!plan.ok) return;
        const { holders, threshold } = plan;
        const used = holders.map(({ operator }) => operator);
        expect(new Set(used).size).toBe(used.length);
        expect(holders.some(({ institution }) => institution === 'hospital-1')).toBe(false);
        expect(threshold).toBeGreaterThan(faults);
        expect(threshold).toBeLessThanOrEqual(holders.length - faults);
      }),
    );
  });
});
