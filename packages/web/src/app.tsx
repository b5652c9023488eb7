import { type ReactElement, useEffect, useState } from 'react';
import { ChainView } from './chain/chain-view.tsx';
import { useConsortium } from './consortium/consortium-feed.ts';
import { ConsortiumView } from './consortium/consortium-view.tsx';
import { type Language, LanguageContext, preferredLanguage, useTranslate } from './language.ts';
import { ReferralView } from './referral/referral-view.tsx';

export function App(): ReactElement {
  const [language, setLanguage] = useState<Language>(preferredLanguage);
  useEffect(() => {
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
    localStorage.setItem('yilian.language', language);
  }, [language]);
  return (
    <LanguageContext value={language}>
      <Page language={language} choose={setLanguage} />
    </LanguageContext>
  );
}

function Page({
  language,
  choose,
}: {
  readonly language: Language;
  readonly choose: (language: Language) => void;
}): ReactElement {
  const t = useTranslate();
  const consortium = useConsortium();
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
      <ConsortiumView state={consortium} />
      {consortium.kind === 'ready' && <ReferralView consortium={consortium.consortium} />}
      {consortium.kind === 'ready' && <ChainView consortium={consortium.consortium} height={consortium.blocks.at(-1)?.height} />}
      <footer>{t('app.footer')}</footer>
    </main>
  );
}
