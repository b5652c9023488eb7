import { readdirSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { describe, expect, test } from 'vitest';
import { curves, fast } from './support/curves.ts';
import { ownVectors } from './support/own-vectors.ts';
import { readVectors } from './vectors.ts';

const folder = new URL('vectors/', import.meta.url);

if (process.env['YILIAN_WRITE_VECTORS'] === '1')
  for (const [name, compute] of Object.entries(ownVectors))
    writeFileSync(new URL(`yilian/${name}`, folder), `${JSON.stringify(compute(fast), null, 2)}\n`);

describe.each(curves)('own vectors on $backend', (curve) => {
  test.each(Object.entries(ownVectors))('%s is what its recipe gives', (name, compute) => {
    expect(compute(curve)).toEqual(readVectors(`yilian/${name}`));
  });
});

const filesOf = (name: string): readonly string[] =>
  readdirSync(new URL(`${name}/`, folder)).sort();

test('no vector file of these schemes is left unread', () => {
  expect(Object.keys(ownVectors).sort()).toEqual(filesOf('yilian'));
  expect(filesOf('yilian')).toEqual([
    'afgh.json',
    'capsule.json',
    'pseudonym.json',
    're-encryption.json',
    'search.json',
  ]);
  expect(filesOf('rfc9380')).toEqual([
    'BLS12381G1_XMD-SHA-256_SSWU_RO.json',
    'BLS12381G2_XMD-SHA-256_SSWU_RO.json',
  ]);
  expect(filesOf('draft-irtf-cfrg-pairing-friendly-curves')).toEqual(['bls12-381.json']);
});
