import type { ProblemCode } from '@yilian/api/problem';

/** Why a service does not do what it was asked: a value, never an exception. */
export interface Refused {
  readonly ok: false;
  readonly problem: ProblemCode;
  readonly retryAfterSeconds?: number;
  /** With `refused`: the ledger's code. */
  readonly rejection?: string;
}

export type Served<T> = { readonly ok: true; readonly value: T } | Refused;

export function served<T>(value: T): Served<T> {
  return { ok: true, value };
}

export function refuse(
  problem: ProblemCode,
  extra: { readonly retryAfterSeconds?: number; readonly rejection?: string } = {},
): Refused {
  return { ok: false, problem, ...extra };
}
