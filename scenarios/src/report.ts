/**
 * What a scenario shows: acts, steps with what was checked, attacks with how they were refused, and a
 * summary. Printed as it happens, or gathered for `--json`.
 */

export interface CheckLine {
  readonly kind: 'check' | 'refusal';
  readonly act: string;
  readonly text: string;
  readonly passed: boolean;
  readonly detail: string;
}

export interface Summary {
  readonly scenario: string;
  readonly checks: number;
  readonly refused: number;
  readonly failed: readonly CheckLine[];
  readonly seconds: number;
}

/** Codes under which an attack may be refused: typed rejections, problem codes, verification errors. */
export type RefusalCodes = readonly string[] | ((code: string) => boolean);

/** The code an error carries: its `code`, preceded by nothing. */
export function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'unknown';
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  if (typeof code === 'string') return code;
  return typeof name === 'string' ? name : 'unknown';
}

export class Report {
  readonly #lines: CheckLine[] = [];
  readonly #print: (line: string) => void;
  readonly #startedMs: number;
  #act = '';

  constructor(print: (line: string) => void, nowMs: number) {
    this.#print = print;
    this.#startedMs = nowMs;
  }

  get lines(): readonly CheckLine[] {
    return this.#lines;
  }

  act(title: string): void {
    this.#act = title;
    this.#print(`\n${title}`);
  }

  note(text: string): void {
    this.#print(`  · ${text}`);
  }

  check(text: string, passed: boolean, detail: string = ''): void {
    this.#add({ kind: 'check', act: this.#act, text, passed, detail });
    this.#print(`  ${passed ? '✓' : '✗ FAILED'} ${text}${detail === '' ? '' : ` (${detail})`}`);
  }

  /** Runs an attack. It passes when `attempt` throws an error with one of the expected codes. */
  async refused(
    attack: string,
    expected: RefusalCodes,
    attempt: () => Promise<unknown>,
  ): Promise<void> {
    let outcome: { readonly passed: boolean; readonly detail: string };
    try {
      await attempt();
      outcome = { passed: false, detail: 'it went through' };
    } catch (error) {
      const code = codeOf(error);
      const passed = typeof expected === 'function' ? expected(code) : expected.includes(code);
      const message = error instanceof Error ? error.message : String(error);
      outcome = { passed, detail: passed ? code : `unexpected ${code}: ${message}` };
    }
    this.refusal(attack, outcome.passed, outcome.detail);
  }

  /** An attack whose outcome the caller has judged. */
  refusal(attack: string, passed: boolean, detail: string): void {
    this.#add({ kind: 'refusal', act: this.#act, text: attack, passed, detail });
    this.#print(
      passed
        ? `  ✓ refused: ${attack} (${detail})`
        : `  ✗ FAILED, not refused: ${attack} (${detail})`,
    );
  }

  #add(line: CheckLine): void {
    this.#lines.push(line);
  }

  summarise(scenario: string, nowMs: number): Summary {
    return {
      scenario,
      checks: this.#lines.filter(({ kind, passed }) => kind === 'check' && passed).length,
      refused: this.#lines.filter(({ kind, passed }) => kind === 'refusal' && passed).length,
      failed: this.#lines.filter(({ passed }) => !passed),
      seconds: Math.round((nowMs - this.#startedMs) / 100) / 10,
    };
  }
}
