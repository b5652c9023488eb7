/** Strict reading of configuration files: every field by name, against its form. */
import { type Bytes, fromHex } from '@yilian/crypto/bytes';

/** A configuration file is missing or does not say what it must. The message names file and field. */
export class ConfigError extends Error {
  readonly code = 'badConfig';

  constructor(message: string, options?: { readonly cause: unknown }) {
    super(message, options);
    this.name = 'ConfigError';
  }
}

/** Reads the fields of one JSON object, by name, each against its form. */
export class JsonFields {
  readonly #file: string;
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(file: string, value: unknown) {
    this.#file = file;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new ConfigError(`${file}: expected an object`);
    this.#values = new Map(Object.entries(value));
  }

  #fail(name: string, what: string): never {
    throw new ConfigError(`${this.#file}: ${name} must be ${what}`);
  }

  raw(name: string): unknown {
    return this.#values.get(name);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  text(name: string, pattern: RegExp = /^.{1,256}$/): string {
    const value = this.#values.get(name);
    if (typeof value !== 'string' || !pattern.test(value))
      this.#fail(name, `text like ${pattern.source}`);
    return value;
  }

  whole(name: string, min: number, max: number): number {
    const value = this.#values.get(name);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max)
      this.#fail(name, `a whole number from ${min} to ${max}`);
    return value;
  }

  flag(name: string): boolean {
    const value = this.#values.get(name);
    if (typeof value !== 'boolean') this.#fail(name, 'true or false');
    return value;
  }

  nested(name: string): JsonFields {
    return new JsonFields(`${this.#file}: ${name}`, this.#values.get(name));
  }

  list<T>(name: string, read: (value: unknown, file: string) => T): readonly T[] {
    const value = this.#values.get(name);
    if (!Array.isArray(value)) this.#fail(name, 'a list');
    return value.map((item: unknown) => read(item, `${this.#file}: ${name}`));
  }

  seed(name: string): Bytes {
    return fromHex(this.text(name, /^[0-9a-f]{64}$/));
  }

  optionalSeed(name: string): Bytes | null {
    return this.#values.get(name) === null ? null : this.seed(name);
  }
}
