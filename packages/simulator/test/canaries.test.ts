/** Broken cores that the checkers must catch: a checker that cannot fail is worth nothing. */
import type { ChainTip } from '@yilian/consensus/chain-tip';
import type { Effect } from '@yilian/consensus/pbft/effect';
import type { Input } from '@yilian/consensus/pbft/input';
import type { ReplicaState } from '@yilian/consensus/pbft/state';
import type { ValidatorSet } from '@yilian/consensus/validator-set';
import { expect, test } from 'vitest';
import { Violation } from '../src/checkers.ts';
import { CORE, type Core } from '../src/node.ts';
import { simulate } from '../src/simulate.ts';

/** Runs seeds until one catches the mutant, beginning near one that is known to. */
function hunt(core: Core, firstSeed: number, events = 2_000): string {
  for (let seed = firstSeed; seed < firstSeed + 60; seed++) {
    try {
      simulate({ seed, events, core });
    } catch (error) {
      if (error instanceof Violation) return error.invariant;
      // The core's own assertions may be faster than the checkers.
      if (error instanceof Error && error.message.startsWith('assertion')) return error.message;
      throw error;
    }
  }
  return 'not caught';
}

const withEffects = (change: (effects: readonly Effect[]) => readonly Effect[]): Core => ({
  createReplica: (options) => {
    const { state, effects } = CORE.createReplica(options);
    return { state, effects: change(effects) };
  },
  step: (state, input) => {
    const result = CORE.step(state, input);
    return { state: result.state, effects: change(result.effects) };
  },
});

const withInput = (change: (input: Input, state: ReplicaState) => Input | undefined): Core => ({
  createReplica: CORE.createReplica,
  step: (state, input) => {
    const changed = change(input, state);
    return changed === undefined ? { state, effects: [] } : CORE.step(state, changed);
  },
});

function halve(set: ValidatorSet): ValidatorSet {
  return { ...set, totalPower: set.totalPower / 2n };
}

/** Counts quorums against half the power: two of four are enough for it. */
function weaken(tip: ChainTip): ChainTip {
  return {
    ...tip,
    lastValidators: halve(tip.lastValidators),
    validators: halve(tip.validators),
    nextValidators: halve(tip.nextValidators),
  };
}

const MUTANTS: readonly (readonly [string, Core, RegExp, number?])[] = [
  [
    'forgets its log at restart',
    { ...CORE, createReplica: (options) => CORE.createReplica({ ...options, wal: [] }) },
    /S3|S9/,
    3,
  ],
  [
    'sends before it persists',
    withEffects((effects) => [
      ...effects.filter(({ kind }) => kind === 'broadcast'),
      ...effects.filter(({ kind }) => kind !== 'broadcast'),
    ]),
    /S4/,
  ],
  [
    'never persists',
    withEffects((effects) => effects.filter(({ kind }) => kind !== 'persist')),
    /S4/,
  ],
  [
    'is content with a quorum of 2f',
    {
      ...CORE,
      createReplica: (options) => CORE.createReplica({ ...options, tip: weaken(options.tip) }),
    },
    /S6|S1|S7/,
  ],
  [
    'drops its prepared certificate when the view changes',
    withInput((input, state) => {
      state.work.prepared = undefined;
      return input;
    }),
    /S1|S2/,
    3,
  ],
  [
    'ignores what a new view has to propose',
    withInput((input, state) => {
      Object.defineProperty(state.work, 'requirement', {
        configurable: true,
        get: () => ({ kind: 'fresh' }),
        set: () => {},
      });
      return input;
    }),
    /S1|S2/,
    12,
  ],
  [
    'does not keep its prepared certificate on disk',
    withEffects((effects) =>
      effects.map((effect) =>
        effect.kind === 'persist'
          ? { ...effect, records: effect.records.filter(({ kind }) => kind !== 'prepared') }
          : effect,
      ),
    ),
    /S5/,
  ],
  [
    'goes on voting in a view that it has left',
    {
      ...CORE,
      step: (state, input) => {
        const view = state.view;
        const result = CORE.step(state, input);
        if (state.view > view && state.work.status === 'viewChanging') {
          state.view = view;
          state.work.status = 'normal';
        }
        return result;
      },
    },
    /S9|S3|assertion/,
  ],
  [
    'answers clients before the disk has the block',
    withEffects((effects) => [
      ...effects.filter(({ kind }) => kind === 'reply'),
      ...effects.filter(({ kind }) => kind !== 'reply'),
    ]),
    /S21/,
  ],
  [
    'executes differently from the others',
    withInput((input, state) =>
      input.kind === 'blockExecuted' && input.height % 5n === 0n
        ? {
            ...input,
            appHash: Uint8Array.from(input.appHash, (byte, i) => byte ^ (state.key[i] ?? 0)),
          }
        : input,
    ),
    /S2/,
  ],
  [
    'never gives up a primary',
    withInput((input) =>
      input.kind === 'timerExpired' && input.timer === 'view' ? undefined : input,
    ),
    /L2/,
    20,
  ],
  [
    'never catches up by blocks',
    withInput((input) =>
      input.kind === 'messageReceived' && input.message.kind === 'blocks' ? undefined : input,
    ),
    /L2/,
  ],
];

const CASES = MUTANTS.map(
  ([name, core, expected, firstSeed = 0]) => [name, { core, expected, firstSeed }] as const,
);

test.each(CASES)('a core that %s is caught', (_, { core, expected, firstSeed }) => {
  expect(hunt(core, firstSeed)).toMatch(expected);
});
