import { describe, expect, test } from 'vitest';
import { PROBLEMS } from '@yilian/api/problem';
import {
  ClientError,
  NetworkError,
  ProblemError,
  RejectedError,
  VerificationError,
} from '../src/failure.ts';
import { failureInWords, problemInWords, SENTENCES } from '../src/failure-sentences.ts';

const SOURCE = { node: 'tertiary-1', route: 'getState' };

const failureOf = {
  network: (code: string) => new NetworkError(code as NetworkError['code'], 'm', SOURCE),
  verification: (code: string) =>
    new VerificationError(code as VerificationError['code'], SOURCE, 'm'),
  usage: (code: string) => new ClientError(code as ClientError['code'], 'm'),
  problem: (code: string) => new ProblemError({ code, status: 400, detail: 'd', source: SOURCE }),
  rejection: (code: string) => new RejectedError(code, 'w'),
};
const KINDS = ['network', 'verification', 'usage', 'problem', 'rejection'] as const;

describe('every code has a sentence and what to do next, in both languages', () => {
  test.each(KINDS)('%s', (kind) => {
    for (const [code, [en, zh]] of Object.entries(SENTENCES[kind])) {
      const error = failureOf[kind](code);
      const english = failureInWords(error, 'en');
      const chinese = failureInWords(error, 'zh');
      expect(english, code).toMatchObject({ code, sentence: en });
      expect(chinese, code).toMatchObject({ code, sentence: zh });
      for (const text of [english?.sentence, english?.next])
        expect(text, code).toMatch(/^[A-Z][\x20-\x7e–—…’|]+\.$/u);
      for (const text of [chinese?.sentence, chinese?.next])
        expect(text, code).toMatch(/^\p{Script=Han}.*。$/u);
    }
  });

  test('none of the contract’s problem codes is left out, and none is there twice', () => {
    expect(Object.keys(SENTENCES.problem).sort()).toEqual(Object.keys(PROBLEMS).sort());
    for (const kind of KINDS) {
      const chinese = Object.values(SENTENCES[kind]).map(([, zh]) => zh);
      expect(new Set(chinese).size, kind).toBe(chinese.length);
    }
  });
});

test('the reason is told where it is known', () => {
  const revoked = new ClientError('grantNotActive', 'the grant is revoked', 'grantRevoked');
  expect(failureInWords(revoked, 'zh')?.sentence).toBe('授权已撤回。');
  const refused = new ProblemError({
    code: 'refused',
    status: 422,
    detail: 'd',
    source: SOURCE,
    rejection: 'periodTooLong',
  });
  expect(failureInWords(refused, 'en')).toMatchObject({
    code: 'periodTooLong',
    node: 'tertiary-1',
  });
  expect(problemInWords({ code: 'grantRevoked' }, 'en').sentence).toMatch(/revoked/);
});

test('a code of a newer node is no empty sentence, and a bug is no failure', () => {
  expect(problemInWords({ code: 'brandNew' }, 'zh').sentence).toMatch(/不认识/);
  expect(failureInWords(new RejectedError('toString', 'w'), 'en')?.sentence).toMatch(/know/);
  expect(failureInWords(new TypeError('x is undefined'), 'en')).toBeNull();
});
