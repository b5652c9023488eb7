import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openApiDocument, problemsOf } from '../src/openapi.ts';
import { PROBLEMS, createProblem, parseProblem } from '../src/problem.ts';
import type { Authentication, Content } from '../src/route.ts';
import { COMMON_PROBLEMS, ROUTES, SIGNED_PROBLEMS } from '../src/routes.ts';

const page = readFileSync(new URL('../../../docs/spec/api.md', import.meta.url), 'utf8');

function table(heading: string): readonly (readonly string[])[] {
  const [, after = ''] = page.split(`## ${heading}\n`);
  const [section = ''] = after.split('\n## ');
  return section
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map((line) => line.slice(2, -2).split(' | '));
}

function words(auth: Authentication): string {
  if (auth.kind === 'signed') return `signed by ${auth.signer} (${auth.carrier})`;
  return auth.kind === 'none' ? '–' : auth.kind;
}

function kindOf(content: Content<never>): string {
  if (content.kind === 'none') return '–';
  return content.kind === 'bytes' ? (content.mediaType.split('/')[1] ?? '') : content.kind;
}

function quoted(codes: readonly string[]): string {
  return codes.map((code) => `\`${code}\``).join(', ');
}

const ROWS = Object.values(ROUTES).map((route) => [
  route.name,
  `${route.method} ${route.path}`,
  words(route.auth),
  kindOf(route.request as Content<never>),
  kindOf(route.answer as Content<never>),
  String(route.status),
  route.proof,
  route.problems.length === 0 ? '–' : route.problems.join(', '),
]);

describe('docs/spec/api.md', () => {
  it('lists every route as the table has it, and none else', () => {
    expect(table('Routes')).toEqual(ROWS);
  });

  it('lists every problem code as the table has it, and none else', () => {
    const rows = Object.entries(PROBLEMS).map(([code, { status, title, next }]) => [
      code,
      String(status),
      title,
      next,
    ]);
    expect(table('Problem codes')).toEqual(rows);
  });

  it('lists the problems that every route can give', () => {
    expect(page).toContain(quoted(COMMON_PROBLEMS));
    expect(page).toContain(quoted(SIGNED_PROBLEMS));
  });
});

describe('the problem table', () => {
  it('uses every code in some route or for all of them', () => {
    const used = new Set(Object.values(ROUTES).flatMap((route) => [...problemsOf(route)]));
    expect(
      Object.keys(PROBLEMS).filter((code) => !used.has(code as keyof typeof PROBLEMS)),
    ).toEqual([]);
  });

  it.each(Object.keys(PROBLEMS) as (keyof typeof PROBLEMS)[])('API-5 reads %s back', (code) => {
    const problem = createProblem(code, { retryAfterSeconds: 3, rejection: 'duplicate' });
    expect(parseProblem(JSON.parse(JSON.stringify(problem)))).toEqual(problem);
    expect(problem.status).toBeGreaterThanOrEqual(400);
  });

  it.each([null, 7, 'text', {}, { code: 7 }, { code: 'nobodyKnows' }, { code: 'toString' }])(
    'takes %j for none of ours',
    (body) => {
      expect(parseProblem(body)).toBeNull();
    },
  );

  it('API-5 does not let a foreign answer smuggle text in', () => {
    const parsed = parseProblem({
      code: 'refused',
      detail: '<script>',
      title: 'x',
      rejection: '<b>',
      retryAfterSeconds: -1,
    });
    expect(parsed).toEqual(createProblem('refused'));
  });
});

describe('the OpenAPI document', () => {
  const document = JSON.parse(JSON.stringify(openApiDocument())) as {
    readonly openapi: string;
    readonly paths: Record<string, Record<string, Record<string, unknown>>>;
  };

  it('is 3.1 and has every route once', () => {
    expect(document.openapi).toBe('3.1.0');
    const found = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const expected = Object.values(ROUTES).map(({ method, path }) => `${method} ${path}`);
    expect(found.sort()).toEqual(expected.sort());
  });

  it('API-3 names the proof of every route', () => {
    for (const [path, methods] of Object.entries(document.paths))
      for (const [method, operation] of Object.entries(methods))
        expect(operation['x-yilian-proof'], `${method} ${path}`).toMatch(/\w{4}/);
  });

  it('has a parameter for each place in a path, and no other', () => {
    for (const route of Object.values(ROUTES)) {
      const places = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(Object.keys(route.params), route.name).toEqual(places);
    }
  });
});

it('F7 has no place for a patient key in a search', () => {
  const operation = JSON.stringify(openApiDocument());
  const search = JSON.stringify(
    (JSON.parse(operation) as { paths: Record<string, unknown> }).paths['/v1/search'],
  );
  expect(search).not.toMatch(/patientKey/);
  expect(operation).toMatch(/patientKey/); // the institution's route has one, so the search for it works
});
