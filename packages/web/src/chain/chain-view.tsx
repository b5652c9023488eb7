import type { VisibleTransaction } from '@yilian/client/chain-explorer';
import { type ReactElement, useContext, useEffect, useState } from 'react';
import { LanguageContext, sayFailure, useTranslate } from '../language.ts';
import type { Session, Sightings } from '../session.ts';

const SHOWN_MAX = 40;

/** What any onlooker sees of the referral, and a search for the patient through all of it. */
export function ChainView({
  session,
  height,
}: {
  readonly session: Session;
  readonly height: number | undefined;
}): ReactElement {
  const t = useTranslate();
  const [seen, setSeen] = useState<readonly VisibleTransaction[]>([]);
  const [sightings, setSightings] = useState<Sightings>();
  const language = useContext(LanguageContext);
  const [problem, setProblem] = useState<{ readonly error: unknown }>();

  useEffect(() => {
    let outdated = false;
    session.explorer.follow().then(
      (transactions) => {
        if (!outdated) setSeen(transactions);
      },
      // The next block asks again.
      () => undefined,
    );
    return () => {
      outdated = true;
    };
  }, [session, height]);

  const search = (): void => {
    setProblem(undefined);
    session.lookForHer().then(setSightings, (error: unknown) => setProblem({ error }));
  };

  return (
    <section className="card" aria-labelledby="chain-title">
      <div className="step-head">
        <h2 id="chain-title" style={{ flex: 1 }}>
          {t('chain.title')}
        </h2>
        <button type="button" id="chain-search" onClick={search}>
          {t('chain.search')}
        </button>
      </div>
      <p className="hint">{t('chain.hint')}</p>
      {sightings !== undefined && (
        <p
          className={sightings.found + sightings.linked === 0 ? 'good' : 'problem'}
          id="chain-search-result"
          data-found={sightings.found}
          data-linked={sightings.linked}
          data-transactions={sightings.transactions}
        >
          {t('chain.searched', { ...sightings })}
        </p>
      )}
      {problem !== undefined && (
        <p className="problem">
          {t('problem.unknown', { detail: sayFailure(language, problem.error, { next: true }) })}
        </p>
      )}
      {seen.length === 0 ? (
        <p className="hint">{t('chain.none')}</p>
      ) : (
        <div className="scroll">
          <table>
            <thead>
              <tr>
                <th>{t('chain.height')}</th>
                <th>{t('chain.type')}</th>
                <th>{t('chain.shows')}</th>
              </tr>
            </thead>
            <tbody>
              {seen
                .toReversed()
                .slice(0, SHOWN_MAX)
                .map((transaction) => (
                  <tr key={transaction.id}>
                    <td>{transaction.height}</td>
                    <td>
                      <code>{transaction.type}</code>
                    </td>
                    <td>
                      {transaction.fields.map((field) => (
                        <div key={field.name} className="mono">
                          {field.name}: {field.text}
                        </div>
                      ))}
                    </td>
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
