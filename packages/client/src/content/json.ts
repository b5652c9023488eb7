/**
 * JSON (RFC 8259) from outside: bounded in length and depth, and without duplicate names. RFC 8259 §4
 * leaves open which of two equal names counts; a doctor and a patient who disagree about it would
 * read two different records from one signed text.
 */
import { ContentError } from './content-error.ts';

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

/** Bounds on a text from outside. */
export interface JsonLimits {
  /** UTF-16 units of the whole text. */
  readonly lengthMax: number;
  /** Arrays and objects inside one another. */
  readonly depthMax: number;
}

export const DEFAULT_JSON_LIMITS: JsonLimits = { lengthMax: 32 * 1024 * 1024, depthMax: 64 };

const WHITE_SPACE = new Set([' ', '\t', '\n', '\r']);

/** Index just behind the string literal that starts at `start`. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const character = text[i];
    if (character === '\\') i += 1;
    else if (character === '"') return i + 1;
  }
  throw new ContentError('malformed', 'a string in the JSON text does not end');
}

/** Depth and names, before the parser builds anything. The grammar itself is left to `JSON.parse`. */
function checkShape(text: string, depthMax: number): void {
  const names: (Set<string> | null)[] = [];
  for (let i = 0; i < text.length;) {
    const character = text[i];
    if (character === '{' || character === '[') {
      names.push(character === '{' ? new Set() : null);
      if (names.length > depthMax)
        throw new ContentError('tooDeep', `the JSON text is nested over ${depthMax} deep`);
    } else if (character === '}' || character === ']') {
      names.pop();
    } else if (character === '"') {
      const end = endOfString(text, i);
      let next = end;
      while (WHITE_SPACE.has(text[next] ?? '')) next += 1;
      const scope = names.at(-1);
      if (text[next] === ':' && scope instanceof Set) {
        const name = decodeName(text.slice(i, end));
        if (scope.has(name))
          throw new ContentError('duplicateKey', 'an object in the JSON text has a name twice');
        scope.add(name);
      }
      i = end;
      continue;
    }
    i += 1;
  }
}

function decodeName(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  const name = parseJsonText(literal);
  return typeof name === 'string' ? name : literal;
}

function parseJsonText(text: string): Json {
  try {
    // JSON.parse returns `any`; what it can return is exactly the type Json.
    return JSON.parse(text) as Json;
  } catch {
    throw new ContentError('malformed', 'the text is not JSON');
  }
}

/** @throws ContentError `tooLarge`, `tooDeep`, `duplicateKey`, `malformed` */
export function parseJson(text: string, limits: JsonLimits = DEFAULT_JSON_LIMITS): Json {
  if (text.length > limits.lengthMax)
    throw new ContentError('tooLarge', `the text is longer than ${limits.lengthMax} characters`);
  checkShape(text, limits.depthMax);
  return parseJsonText(text);
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object under `name`, or an empty one. */
export function objectAt(parent: JsonObject, name: string): JsonObject {
  const value = parent[name];
  return isJsonObject(value) ? value : {};
}

/** The objects of the array under `name`; a single object counts as an array of one. */
export function objectsAt(parent: JsonObject, name: string): readonly JsonObject[] {
  const value = parent[name];
  if (Array.isArray(value)) return value.filter((item) => isJsonObject(item));
  return isJsonObject(value) ? [value] : [];
}

/** The text under `name`, if it is a text that is not empty. */
export function textAt(parent: JsonObject, name: string): string | undefined {
  const value = parent[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
