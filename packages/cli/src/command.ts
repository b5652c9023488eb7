/** What a command is, and how its options are read. */
import { fromHex } from '@yilian/crypto/bytes';
import { UsageError } from './exit-code.ts';
import type { Session } from './session.ts';

export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  readonly multiple?: boolean;
}

export interface Command {
  readonly name: string;
  /** `grant --to MEMBER --days N …`, for help. */
  readonly usage: string;
  readonly summary: { readonly en: string; readonly zh: string };
  readonly options: Readonly<Record<string, OptionSpec>>;
  run(session: Session, options: Options): Promise<number>;
}

/** Parsed options and arguments, each asked for in the form it must have. */
export class Options {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly positionals: readonly string[];

  constructor(values: Readonly<Record<string, unknown>>, positionals: readonly string[]) {
    this.#values = values;
    this.positionals = positionals;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  required(name: string): string {
    const value = this.text(name);
    if (value === undefined || value === '') throw new UsageError('optionMissing', { name });
    return value;
  }

  texts(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  whole(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (!/^\d{1,15}$/.test(value)) throw new UsageError('notWhole', { name });
    return Number(value);
  }

  hex(name: string, length: number): Uint8Array {
    return parseHex(this.required(name), length, `--${name}`);
  }

  /** The n-th argument without a dash. */
  argument(position: number, name: string): string {
    const value = this.positionals[position];
    if (value === undefined) throw new UsageError('argumentMissing', { name });
    return value;
  }
}

export function parseHex(text: string, length: number, what: string): Uint8Array {
  if (!new RegExp(`^[0-9a-f]{${2 * length}}$`).test(text))
    throw new UsageError('notHex', { what, digits: 2 * length });
  return fromHex(text);
}
