/** Thrown when the store does not hold what the tree says it holds: damage, not a wrong request. */
export class StateDamagedError extends Error {
  readonly code = 'stateDamaged';
}
