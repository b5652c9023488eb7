/**
 * Shamir 1979 in the exponent, with Feldman 1987 commitments: f(z) = f_0 + f_1 z + … + f_{t−1} z^{t−1}
 * over Fr. Indices are 1…n; 0 would receive the secret itself and is refused everywhere.
 */
import type { RandomBytes } from './bytes.ts';
import { type Curve, type G1, randomScalar, type Scalar } from './curve.ts';

/** Nodes of one grant at most; also the largest index. */
export const INDEX_MAX = 255;

/** A threshold, index or set of indices that cannot be used. */
export class ThresholdError extends Error {
  readonly code: 'threshold' | 'index' | 'duplicateIndex' | 'tooFew';

  constructor(code: ThresholdError['code'], message: string) {
    super(message);
    this.name = 'ThresholdError';
    this.code = code;
  }
}

/** @throws ThresholdError `index` or `duplicateIndex` */
export function checkIndices(indices: readonly number[]): void {
  for (const index of indices)
    if (!Number.isSafeInteger(index) || index < 1 || index > INDEX_MAX)
      throw new ThresholdError('index', `an index lies between 1 and ${INDEX_MAX}`);
  if (new Set(indices).size !== indices.length)
    throw new ThresholdError('duplicateIndex', 'an index is used twice');
}

/** f with f(0) = `constant` and fresh nonzero higher coefficients. */
export function randomPolynomial(
  curve: Curve,
  constant: Scalar,
  threshold: number,
  randomBytes: RandomBytes,
): readonly [Scalar, ...Scalar[]] {
  const higher = Array.from({ length: threshold - 1 }, () => randomScalar(curve, randomBytes));
  return [constant, ...higher];
}

/** f(index), by Horner's rule. */
export function evaluatePolynomial(
  curve: Curve,
  coefficients: readonly Scalar[],
  index: number,
): Scalar {
  const z = curve.scalarFromInteger(BigInt(index));
  let value = curve.scalarFromInteger(0n);
  for (const coefficient of coefficients.toReversed())
    value = curve.addScalars(curve.multiplyScalars(value, z), coefficient);
  return value;
}

/** V(index) = ∏ V_j^{index^j}: the commitment to f(index). */
export function evaluateCommitments(curve: Curve, commitments: readonly G1[], index: number): G1 {
  const terms = commitments.map((point, power) => ({
    point,
    scalar: curve.scalarFromInteger(BigInt(index) ** BigInt(power)),
  }));
  return curve.sumG1(terms);
}

/** λ_i with Σ λ_i f(i) = f(0), one per index. @throws ThresholdError */
export function lagrangeCoefficients(curve: Curve, indices: readonly number[]): readonly Scalar[] {
  checkIndices(indices);
  return indices.map((index) => {
    let numerator = curve.scalarFromInteger(1n);
    let denominator = numerator;
    for (const other of indices) {
      if (other === index) continue;
      numerator = curve.multiplyScalars(numerator, curve.scalarFromInteger(BigInt(other)));
      denominator = curve.multiplyScalars(
        denominator,
        curve.scalarFromInteger(BigInt(other - index)),
      );
    }
    return curve.multiplyScalars(numerator, curve.invertScalar(denominator));
  });
}
