import { readFileSync } from 'node:fs';

/** Parses a vector file; the caller states the shape that the standard's file has. */
export function readVectors<Shape>(path: string): Shape {
  const text = readFileSync(new URL(`./vectors/${path}`, import.meta.url), 'utf8');
  return JSON.parse(text) as Shape;
}
