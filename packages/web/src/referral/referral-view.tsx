import { type ReactElement, useCallback, useContext, useState } from 'react';
import {
  formatTime,
  type Language,
  LanguageContext,
  type Translate,
  useTranslate,
  sayFailure,
  sayProblem,
} from '../language.ts';
import type { MessageKey } from '../messages.ts';
import type { Session } from '../session.ts';
import { createBrowserCast } from './browser-cast.ts';
import {
  type CheckLine,
  nextStep,
  type ShownValue,
  type StepName,
  type StepState,
  STEPS,
  useStory,
} from './story.ts';

const ACTOR: Readonly<Record<StepName, MessageKey>> = {
  register: 'who.everyone',
  visit: 'who.patient',
  issue: 'who.doctorA',
  request: 'who.doctorB',
  grant: 'who.patient',
  search: 'who.doctorB',
  open: 'who.doctorB',
  log: 'who.patient',
  revoke: 'who.patient',
  retry: 'who.doctorB',
};

const PERIODS: readonly { readonly label: MessageKey; readonly seconds: number }[] = [
  { label: 'grant.minutes', seconds: 600 },
  { label: 'grant.day', seconds: 86_400 },
  { label: 'grant.week', seconds: 604_800 },
];

/** The referral as a visitor walks through it, one button a step. */
export function ReferralView({ session }: { readonly session: Session }): ReactElement {
  const t = useTranslate();
  const createCast = useCallback(() => createBrowserCast(session), [session]);
  const { story, perform, reset } = useStory(createCast);
  const [grantSeconds, setGrantSeconds] = useState(PERIODS[1]?.seconds ?? 86_400);
  const now = nextStep(story);
  return (
    <section className="card" aria-labelledby="story-title">
      <div className="step-head">
        <h2 id="story-title" style={{ flex: 1 }}>
          {t('story.title')}
        </h2>
        <button type="button" onClick={reset}>
          {t('story.again')}
        </button>
      </div>
      <p className="hint">{t('story.hint')}</p>
      <ol className="story">
        {STEPS.map((step, index) => (
          <Step
            key={step}
            step={step}
            number={index + 1}
            state={story[step]}
            now={step === now}
            perform={() => perform(step, { grantSeconds })}
          >
            {step === 'grant' && story.grant.kind !== 'done' && (
              <fieldset className="choices" style={{ border: 0, padding: 0 }}>
                <legend>{t('grant.period')}</legend>
                {PERIODS.map((period) => (
                  <label key={period.seconds}>
                    <input
                      type="radio"
                      name="period"
                      checked={grantSeconds === period.seconds}
                      onChange={() => setGrantSeconds(period.seconds)}
                    />{' '}
                    {t(period.label)}
                  </label>
                ))}
              </fieldset>
            )}
          </Step>
        ))}
      </ol>
    </section>
  );
}

function sayValue(value: ShownValue, t: Translate, language: Language): string | number {
  if (typeof value !== 'object') return value;
  if ('key' in value) return t(value.key);
  if ('timeMs' in value) return formatTime(language, value.timeMs);
  return 'problem' in value
    ? sayProblem(language, value.problem, value.node)
    : sayFailure(language, value.error);
}

function sayCheck(check: CheckLine, t: Translate, language: Language): string {
  const values = Object.entries(check.values).map(
    ([name, value]) => [name, sayValue(value, t, language)] as const,
  );
  return t(check.key, Object.fromEntries(values));
}

function Step({
  step,
  number,
  state,
  now,
  perform,
  children,
}: {
  readonly step: StepName;
  readonly number: number;
  readonly state: StepState;
  readonly now: boolean;
  readonly perform: () => void;
  readonly children: ReactElement | false;
}): ReactElement {
  const t = useTranslate();
  const language = useContext(LanguageContext);
  return (
    <li
      className={`step ${state.kind} ${now ? 'now' : ''}`}
      data-step={step}
      data-state={state.kind}
    >
      <div className="step-head">
        <span className="step-number">{number}</span>
        <h3>{t(`step.${step}`)}</h3>
        <span className="who">{t(ACTOR[step])}</span>
        {now && (
          <button
            type="button"
            className={step === 'revoke' ? 'danger' : 'primary'}
            disabled={state.kind === 'running'}
            onClick={perform}
          >
            {state.kind === 'running'
              ? t('story.running')
              : state.kind === 'failed'
                ? t('story.retry')
                : t('story.do')}
          </button>
        )}
      </div>
      {now && children}
      {state.kind === 'failed' && (
        <p className="problem">
          {t('problem.unknown', { detail: sayFailure(language, state.error, { next: true }) })}
        </p>
      )}
      {state.kind === 'done' && (
        <>
          <ul className="checks">
            {state.result.checks.map((check, index) => (
              <li key={index} className={check.refused === true ? 'refused' : ''}>
                {sayCheck(check, t, language)}
              </li>
            ))}
          </ul>
          {state.result.record !== undefined && (
            <div className="record">
              <h3>{t('record.title')}</h3>
              <dl>
                {state.result.record.facts.map((fact, index) => (
                  <Fact key={index} name={fact.name} value={fact.value} />
                ))}
              </dl>
            </div>
          )}
        </>
      )}
    </li>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }): ReactElement {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}
