import {
  failureInWords,
  type FailureInWords,
  problemInWords,
} from '@yilian/client/failure-sentences';
import { type Context, createContext, useContext } from 'react';
import { messages, type MessageKey } from './messages.ts';

export type Language = 'zh' | 'en';

/** The visitor's language; Chinese unless the browser asks for another. */
export function preferredLanguage(): Language {
  const kept = localStorage.getItem('yilian.language');
  if (kept === 'zh' || kept === 'en') return kept;
  return navigator.language.startsWith('zh') ? 'zh' : 'en';
}

export const LanguageContext: Context<Language> = createContext<Language>('zh');

export type Translate = (
  key: MessageKey,
  values?: Readonly<Record<string, string | number>>,
) => string;

/** Looks a sentence up and puts values in place of `{name}`. */
export function useTranslate(): Translate {
  const language = useContext(LanguageContext);
  return (key, values = {}) =>
    messages[language][key].replace(/\{(\w+)\}/g, (whole, name: string) =>
      String(values[name] ?? whole),
    );
}

/** A time with its zone, in the visitor's language. */
export function formatTime(language: Language, milliseconds: number): string {
  return (
    new Intl.DateTimeFormat(language === 'zh' ? 'zh-CN' : 'en-GB', {
      dateStyle: 'medium',
      timeStyle: 'medium',
    }).format(milliseconds) +
    ' ' +
    timeZone(milliseconds)
  );
}

function timeZone(milliseconds: number): string {
  const part = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'short' })
    .formatToParts(milliseconds)
    .find((candidate) => candidate.type === 'timeZoneName');
  return part?.value ?? 'UTC';
}

function sayWords({ sentence, next, node }: FailureInWords, withNext: boolean): string {
  const said = node === null ? sentence : `${node}: ${sentence}`;
  return withNext ? `${said} ${next}` : said;
}

/** Why something failed, in the visitor's language; `next`: and what to do about it. */
export function sayFailure(
  language: Language,
  error: unknown,
  options: { readonly next?: boolean } = {},
): string {
  const words = failureInWords(error, language);
  if (words !== null) return sayWords(words, options.next === true);
  return error instanceof Error ? error.message : String(error);
}

/** What a node answered, by its problem code. */
export function sayProblem(language: Language, problem: string, node: string): string {
  return sayWords(problemInWords({ code: problem }, language, node), false);
}
