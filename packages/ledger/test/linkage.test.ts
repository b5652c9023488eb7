/** What the chain shows of a grant or access, searched byte by byte. */
import { expect, test } from 'vitest';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import {
  Chain,
  acknowledgementTxs,
  bytesOf,
  curve,
  doctors,
  grantBody,
  grantTx,
  patientKeyOf,
  recordIdOf,
  recordTx,
  tagSigner,
  tx,
  visit,
} from './consortium.ts';

const visits = ['one', 'two'].map((name) => visit(name, 'hospital-a'));
const { grantId } = grantBody('g');
const P = curve.encodeG1(patientKeyOf('somebody'));

const records = visits.map((at) => recordTx({ visit: at, name: at.name }));
const consent: readonly Bytes[] = [
  grantTx('g'),
  ...acknowledgementTxs('g'),
  tx(doctors['hospital-b'].signer, {
    type: 'recordAccess',
    grantId,
    accessNonce: bytesOf('nonce', 16),
    sealed: bytesOf('sealed', 120),
  }),
  tx(tagSigner('g', 1), { type: 'narrowGrant', grantId, to: 1, narrowingHash: bytesOf('narrow') }),
  tx(tagSigner('g', 1), { type: 'revokeAccess', grantId }),
];

/** Everything an outsider knows or can compute of her records. */
const known: readonly (readonly [string, Bytes])[] = visits.flatMap((at) => {
  const record = recordIdOf({ visit: at, name: at.name });
  const values: readonly (readonly [string, Bytes])[] = [
    [`PID of visit ${at.name}`, at.pid],
    [`visit key of visit ${at.name}`, at.signer.key],
    [`record id of visit ${at.name}`, record],
    [`header hash of visit ${at.name}`, bytesOf(`header:${at.name}`)],
  ];
  return values.flatMap(([name, value]) => [
    [name, value] as const,
    [`SHA-256 of the ${name}`, sha256(value)] as const,
  ]);
});

test.each(known)('F4 the %s is in no grant or access', (_, value) => {
  const needle = toHex(value);
  for (const bytes of consent) expect(toHex(bytes)).not.toContain(needle);
});

test('F1 P and its hash are nowhere on the disk of a node', () => {
  const chain = new Chain();
  expect(chain.codes(...records, ...consent)).toEqual([...records, ...consent].map(() => 'ok'));
  for (const [key, value] of chain.disk.entries())
    for (const needle of [P, sha256(P)].map(toHex)) {
      expect(key).not.toContain(needle);
      expect(toHex(value)).not.toContain(needle);
    }
});

test('F4 what a consent transaction writes into state names no record, PID or visit', () => {
  const chain = new Chain();
  chain.run(...records);
  const before = new Map(chain.disk.entries());
  chain.run(...consent);
  const written = [...chain.disk.entries()].filter(
    // Tree nodes hold hashes of all keys and undo entries hold old nodes: neither tells one from another.
    ([key, value]) => before.get(key) !== value && !/^(6e|75|55)/.test(key),
  );
  expect(written.length).toBeGreaterThan(10);
  for (const [, value] of written)
    for (const [, needle] of known) expect(toHex(value)).not.toContain(toHex(needle));
});

function partsOf(name: string): ReadonlySet<string> {
  const body = grantBody(name);
  return new Set(
    [
      body.grantId,
      ...body.commitments,
      ...body.tags,
      body.bodyHash,
      ...body.blobHashes,
      body.granteeBlobHash,
      body.copyHash,
    ].map(toHex),
  );
}

test('F4 two grants of one patient share nothing but what everybody may choose', () => {
  const first = partsOf('g');
  for (const part of partsOf('h')) expect(first.has(part)).toBe(false);
});
