/** One block on an overlay: transactions, log, state tree, undo entries, the new meta value. */
import type { Bytes } from '@yilian/crypto/bytes';
import type { HashFunction } from '@yilian/crypto/merkle';
import type { InspectionResult } from './admission.ts';
import { parseGovernedValidators, validatorUpdates } from './contracts/governance/validators.ts';
import { type BlockContext, type Execution, executeTransaction, useUpId } from './execution.ts';
import { HEIGHTS_KEPT, dropUndo, writeUndo } from './history.ts';
import { type LedgerMeta, putMeta } from './ledger-meta.ts';
import type { Misbehaviour, Outcome, Validator, Verified } from './ledger-port.ts';
import { recordMisbehaviour } from './misbehaviour.ts';
import { dropExpired, scheduleDrops } from './live-ids.ts';
import { indexLogLeaf } from './log-lookups.ts';
import { encodeLogLeaf } from './log-leaf.ts';
import { appendToLog } from './log.ts';
import { type StateChange, updateStateTree, valueKey } from './state-tree.ts';
import { State, stateKeys } from './state.ts';
import type { ParsedTransaction } from './transaction-codec.ts';
import { type Overlay, keyToBytes } from './store.ts';

type Logged = Extract<Execution, { readonly logged: true }>;

/** State keys of an overlay whose value differs from the one below. */
export function stateChanges(overlay: Overlay): readonly StateChange[] {
  const changes: StateChange[] = [];
  overlay.changes().forEach((value, key) => {
    if (!key.startsWith('v') || value === overlay.original(key)) return;
    changes.push({ keyHash: keyToBytes(key.slice(1)), value });
  });
  return changes;
}

function sizeAfter(overlay: Overlay, changes: readonly StateChange[], before: number): number {
  let size = before;
  overlay.changes().forEach((value, key) => {
    if (!key.startsWith('v')) return;
    const original = overlay.original(key);
    if (original === undefined && value !== undefined) size++;
    if (original !== undefined && value === undefined) size--;
  });
  return changes.length === 0 ? before : size;
}

function logTransaction(
  overlay: Overlay,
  state: State,
  execution: Logged,
  place: { readonly height: number; readonly index: number; readonly position: number },
): Bytes {
  const { facts, outcome } = execution;
  const { transaction } = execution.inspected;
  indexLogLeaf(overlay, state, { transaction: transaction.id, facts }, place.position);
  return encodeLogLeaf({
    transaction: transaction.id,
    height: place.height,
    index: place.index,
    outcome: outcome.ok ? 'ok' : outcome.rejection.code,
    facts,
  });
}

/** What the engine must know of a change of validators in this block. */
function changedValidators(overlay: Overlay): readonly Validator[] {
  const key = valueKey(stateKeys.validators());
  const after = overlay.changes().get(key);
  const before = overlay.original(key);
  if (after === undefined || before === undefined) return [];
  const { validators } = parseGovernedValidators(before);
  return validatorUpdates(validators, parseGovernedValidators(after).validators);
}

/**
 * Everything a block changes is in `overlay` afterwards. A block without executed transactions and new
 * misbehaviour changes neither root.
 */
export function executeBlock(input: {
  readonly overlay: Overlay;
  readonly meta: LedgerMeta;
  readonly context: BlockContext;
  readonly inspected: readonly InspectionResult[];
  readonly misbehaviour: readonly Misbehaviour[];
  readonly verified: Verified;
  readonly hash: HashFunction;
}): {
  readonly outcomes: readonly Outcome[];
  readonly meta: LedgerMeta;
  readonly validatorUpdates: readonly Validator[];
} {
  const { overlay, meta, context, inspected, misbehaviour, verified, hash } = input;
  const { height } = context;
  const state = new State(overlay);
  const outcomes: Outcome[] = [];
  const leaves: Bytes[] = [];
  const executed: ParsedTransaction[] = [];
  for (const [index, each] of inspected.entries()) {
    const execution = executeTransaction(state, each, context, verified);
    outcomes.push(execution.outcome);
    if (!execution.logged) continue;
    useUpId(state, execution.inspected);
    const position = meta.parts.logSize + leaves.length;
    leaves.push(logTransaction(overlay, state, execution, { height, index, position }));
    executed.push(execution.inspected.transaction);
  }

  const { chainId } = meta;
  const place = { chainId, height, index: inspected.length };
  for (const leaf of recordMisbehaviour(state, misbehaviour, place)) {
    indexLogLeaf(overlay, state, leaf, meta.parts.logSize + leaves.length);
    leaves.push(encodeLogLeaf(leaf));
  }

  let { parts, stateSize, drops } = meta;
  if (leaves.length > 0) {
    drops = scheduleDrops(overlay, height, executed, drops);
    drops = dropExpired(overlay, state, { height, executed: executed.length }, drops);
    const changes = stateChanges(overlay);
    stateSize = sizeAfter(overlay, changes, stateSize);
    const stateRoot = updateStateTree(overlay, changes, hash);
    const logSize = parts.logSize + leaves.length;
    parts = { stateRoot, logRoot: appendToLog(overlay, parts.logSize, leaves, hash), logSize };
    writeUndo(overlay, height);
  }
  dropUndo(overlay, height - HEIGHTS_KEPT);
  const next = { ...meta, height, time: context.time, parts, stateSize, drops };
  putMeta(overlay, next);
  return { outcomes, meta: next, validatorUpdates: changedValidators(overlay) };
}
