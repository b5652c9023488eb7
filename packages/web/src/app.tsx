import type { DemoConsortium } from '@yilian/client/demo-consortium';
import type { Platform } from '@yilian/client/platform/platform';
import { type ReactElement, useEffect, useMemo, useState } from 'react';
import { ChainView } from './chain/chain-view.tsx';
import { useConsortium } from './consortium/consortium-feed.ts';
import { ConsortiumView } from './consortium/consortium-view.tsx';
import { type Language, LanguageContext, preferredLanguage, useTranslate } from './language.ts';
import { ReferralView } from './referral/referral-view.tsx';
import { createSession } from './session.ts';

export function App({ platform }: { readonly platform: Platform }): ReactElement {
  const [language, setLanguage] = useState<Language>(preferredLanguage);
  useEffect(() => {
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
    localStorage.setItem('yilian.language', language);
  }, [language]);
  return (
    <LanguageContext value={language}>
      <Page platform={platform} language={language} choose={setLanguage} />
    </LanguageContext>
  );
}

function Page({
  platform,
  language,
  choose,
}: {
  readonly platform: Platform;
  readonly language: Language;
  readonly choose: (language: Language) => void;
}): ReactElement {
  const t = useTranslate();
  const consortium = useConsortium(platform);
  return (
    <main>
      <header className="top">
        <h1>{t('app.title')}</h1>
        <p>{t('app.subtitle')}</p>
        <div className="languages" role="group" aria-label={t('language.label')}>
          <button type="button" aria-pressed={language === 'zh'} onClick={() => choose('zh')}>
            中文
          </button>{' '}
          <button type="button" aria-pressed={language === 'en'} onClick={() => choose('en')}>
            English
          </button>
        </div>
      </header>
      <ConsortiumView state={consortium} platform={platform} />
      {consortium.kind === 'ready' && (
        <Story
          platform={platform}
          consortium={consortium.consortium}
          height={consortium.blocks.at(-1)?.height}
        />
      )}
      <footer>{t('app.footer')}</footer>
    </main>
  );
}

/** One session per chain: the list of nodes is polled, the people and their keys stay. */
function Story({
  platform,
  consortium,
  height,
}: {
  readonly platform: Platform;
  readonly consortium: DemoConsortium;
  readonly height: number | undefined;
}): ReactElement {
  const { chainId } = consortium.anchor;
  const [first] = useState(consortium);
  const session = useMemo(
    () => createSession(platform, first.anchor.chainId === chainId ? first : consortium),
    // A new chain is a new consortium; anything else in the list may change under the same session.
    [platform, chainId, first],
  );
  // A node that was started again may have another port.
  useEffect(() => session.relocate(consortium), [session, consortium]);
  return (
    <>
      <ReferralView session={session} />
      <ChainView session={session} height={height} />
    </>
  );
}
