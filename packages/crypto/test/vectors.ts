import { readFileSync } from 'node:fs';

/** A parsed vector file; the caller states the shape that the standard's file has. */
export function readVectors(path: string): unknown {
  const text = readFileSync(new URL(`./vectors/${path}`, import.meta.url), 'utf8');
  return JSON.parse(text);
}
