import { createMclCurve } from '../../src/curve-mcl.ts';
import { createNobleCurve } from '../../src/curve-noble.ts';
import type { Curve } from '../../src/curve.ts';

/** Both backends: what is promised of a curve is tested on each. */
export const curves: readonly Curve[] = [await createMclCurve(), createNobleCurve()];
export const fast: Curve = await createMclCurve();
