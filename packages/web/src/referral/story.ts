import { useCallback, useReducer, useRef } from 'react';
import type { MessageKey } from '../messages.ts';

/** The steps of the referral in their order (flows.md, "The referral, precisely"). */
export const STEPS = [
  'register',
  'visit',
  'issue',
  'request',
  'grant',
  'search',
  'open',
  'log',
  'revoke',
  'retry',
] as const;

export type StepName = (typeof STEPS)[number];

/**
 * A value inside a sentence: as it stands, another sentence, a time to be written with its zone, or why
 * something did not happen.
 */
export type ShownValue =
  | string
  | number
  | { readonly key: MessageKey }
  | { readonly timeMs: number }
  | { readonly error: unknown }
  /** A node's refusal: its problem code. */
  | { readonly problem: string; readonly node: string };

/** One thing that this browser has verified, or a refusal that was expected. */
export interface CheckLine {
  readonly key: MessageKey;
  readonly values: Readonly<Record<string, ShownValue>>;
  readonly refused?: boolean;
}

/** What the doctor sees of an opened record. */
export interface OpenedRecord {
  readonly facts: readonly { readonly name: string; readonly value: string }[];
}

export interface StepResult {
  readonly checks: readonly CheckLine[];
  readonly record?: OpenedRecord;
}

export type StepState =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'running' }
  | { readonly kind: 'done'; readonly result: StepResult }
  | { readonly kind: 'failed'; readonly error: unknown };

export interface StoryChoices {
  readonly grantSeconds: number;
}

/** What plays the story: one asynchronous act per step. */
export interface Cast {
  perform(step: StepName, choices: StoryChoices): Promise<StepResult>;
}

type Story = Readonly<Record<StepName, StepState>>;

type Event =
  | { readonly kind: 'started'; readonly step: StepName }
  | { readonly kind: 'finished'; readonly step: StepName; readonly result: StepResult }
  | { readonly kind: 'failed'; readonly step: StepName; readonly error: unknown }
  | { readonly kind: 'reset' };

const FRESH: Story = {
  register: { kind: 'waiting' },
  visit: { kind: 'waiting' },
  issue: { kind: 'waiting' },
  request: { kind: 'waiting' },
  grant: { kind: 'waiting' },
  search: { kind: 'waiting' },
  open: { kind: 'waiting' },
  log: { kind: 'waiting' },
  revoke: { kind: 'waiting' },
  retry: { kind: 'waiting' },
};

function advance(story: Story, event: Event): Story {
  switch (event.kind) {
    case 'started':
      return { ...story, [event.step]: { kind: 'running' } };
    case 'finished':
      return { ...story, [event.step]: { kind: 'done', result: event.result } };
    case 'failed':
      return { ...story, [event.step]: { kind: 'failed', error: event.error } };
    case 'reset':
      return FRESH;
  }
}

/** The first step that is not done: the one the visitor may take now. */
export function nextStep(story: Story): StepName | undefined {
  return STEPS.find((step) => story[step].kind !== 'done');
}

/** The story's state and the two things a visitor can do with it. */
export function useStory(createCast: () => Cast): {
  readonly story: Story;
  readonly perform: (step: StepName, choices: StoryChoices) => void;
  readonly reset: () => void;
} {
  const [story, dispatch] = useReducer(advance, FRESH);
  const cast = useRef<Cast>(undefined);

  const perform = useCallback(
    (step: StepName, choices: StoryChoices): void => {
      cast.current ??= createCast();
      const acting = cast.current;
      dispatch({ kind: 'started', step });
      acting.perform(step, choices).then(
        (result) => {
          if (cast.current === acting) dispatch({ kind: 'finished', step, result });
        },
        (error: unknown) => {
          if (cast.current === acting) dispatch({ kind: 'failed', step, error });
        },
      );
    },
    [createCast],
  );

  const reset = useCallback((): void => {
    cast.current = undefined;
    dispatch({ kind: 'reset' });
  }, []);

  return { story, perform, reset };
}
