/**
 * Executes transactions one after another. The rules that hold for all of them, after T-1 … T-3
 * (admission.ts):
 * - T-4 Every check holds: signatures, proofs, points.
 * - T-5 The expiry height has not passed.
 * - T-6 It is at most `EXPIRY_HEIGHTS_MAX` ahead.
 * - T-7 The id was not executed before.
 * What breaks T-1 … T-7 leaves no trace (its sender is not authenticated, or it is there already); what
 * breaks a contract's rule is logged, and its id is used up.
 */
import type { ExecutionContext, Fact } from './contract.ts';
import { contractOf } from './contracts.ts';
import type { Inspected, InspectionResult } from './admission.ts';
import type { Outcome, Verified } from './ledger-port.ts';
import { addLive, isLive } from './live-ids.ts';
import { type AdmissionCode, type Rejected, reject } from './rejection.ts';
import type { State } from './state.ts';
import { EXPIRY_HEIGHTS_MAX } from './transaction.ts';

/** What is the same for all transactions of a block. */
export interface BlockContext {
  readonly height: number;
  /** Whole seconds since 1970. */
  readonly time: number;
  readonly reporters: Set<string>;
}

export type Execution =
  | { readonly logged: false; readonly outcome: Outcome }
  | {
      readonly logged: true;
      readonly outcome: Outcome;
      readonly inspected: Inspected;
      readonly facts: readonly Fact[];
    };

/** T-1 … T-7. `verified` is undefined where the checks are known to have been made before. */
export function admit(
  state: State,
  inspected: InspectionResult,
  block: BlockContext,
  verified: Verified | undefined,
): Inspected | AdmissionRefusal {
  if (!inspected.ok) return inspected; // T-1 … T-3
  const { transaction, checks, liveKey } = inspected;
  if (transaction.expiryHeight < block.height) return reject('expired'); // T-5
  if (transaction.expiryHeight > block.height + EXPIRY_HEIGHTS_MAX) return reject('expiryTooFar'); // T-6
  if (verified !== undefined && !checks.every((check) => verified.has(check.id)))
    return reject('signatureInvalid'); // T-4
  if (isLive(state, liveKey)) return reject('duplicate'); // T-7
  return inspected;
}

type AdmissionRefusal = Extract<InspectionResult, { ok: false }> | Rejected<AdmissionCode>;

/** Its id is executed once and never again. */
export function useUpId(state: State, { liveKey, transaction }: Inspected): void {
  addLive(state, liveKey, transaction.expiryHeight);
}

/** Admission, then the contract's rules. The caller decides whether that uses up the id. */
export function executeTransaction(
  state: State,
  inspected: InspectionResult,
  block: BlockContext,
  verified: Verified | undefined,
): Execution {
  const admitted = admit(state, inspected, block, verified);
  if (!admitted.ok) return { logged: false, outcome: admitted };
  const { transaction } = admitted;
  const { body, chainId, sender, nonce, expiryHeight, id, length } = transaction;
  const context: ExecutionContext = {
    chainId,
    sender,
    nonce,
    expiryHeight,
    id,
    length,
    height: block.height,
    time: block.time,
    reporters: block.reporters,
  };
  const applied = contractOf(body).apply(state, body, context);
  if (!applied.ok) return { logged: true, outcome: applied, inspected: admitted, facts: [] };
  return { logged: true, outcome: { ok: true }, inspected: admitted, facts: applied.facts };
}
