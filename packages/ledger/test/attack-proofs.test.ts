/** Proofs of another shape: what an attacker builds out of honest proofs (docs/reports/attack-review.md). */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Bytes } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import { hashLeaf, verifyInclusion } from '@yilian/crypto/merkle';
import { capsuleContext } from '../src/capsule-context.ts';
import { appendToLog, logLeaf, logRoot, proveLogInclusion } from '../src/log.ts';
import {
  type ProofLevel,
  type StateProof,
  hashStateLeaf,
  nibbleAt,
  verifyStateProof,
  verifySubtree,
} from '../src/state-proof.ts';
import { proveState, proveSubtree, updateStateTree, valueKey } from '../src/state-tree.ts';
import { Overlay, type Store } from '../src/store.ts';
import { recordTransaction, visit } from './consortium.ts';

const NOTHING: Store = { get: () => undefined };
const KEYS = 300;

function keyOf(n: number): Bytes {
  return sha256(Uint8Array.of(n & 255, n >> 8));
}

function valueOf(n: number): Bytes {
  return Uint8Array.of(n & 255, n >> 8, 7);
}

const store = new Overlay(NOTHING);
const changes = Array.from({ length: KEYS }, (_, n) => ({ keyHash: keyOf(n), value: valueOf(n) }));
for (const { keyHash, value } of changes) store.put(valueKey(keyHash), value);
const root = updateStateTree(store, changes);

/** Other proofs that an attacker makes of two honest ones. */
function variants(own: StateProof, foreign: StateProof, other: Bytes): readonly StateProof[] {
  const otherLeaf = { keyHash: other, valueHash: sha256(Uint8Array.of(1)) };
  const cut = own.levels.map((_, length) => own.levels.slice(0, length));
  const spliced = own.levels.map((_, at) => [
    ...own.levels.slice(0, at),
    ...foreign.levels.slice(at),
  ]);
  const opened = own.levels.map((level, at): readonly ProofLevel[] => [
    ...own.levels.slice(0, at),
    { bitmap: level.bitmap ^ (1 << (at % 16)), siblings: level.siblings },
    ...own.levels.slice(at + 1),
  ]);
  const longer = [...own.levels, { bitmap: 0, siblings: new Uint8Array(0) }];
  return [own.levels, foreign.levels, ...cut, ...spliced, ...opened, longer].flatMap((levels) => [
    { levels, other: null },
    { levels, other: own.other },
    { levels, other: foreign.other },
    { levels, other: otherLeaf },
  ]);
}

describe('state proofs', () => {
  test('no proof put together from others shows that a key is absent which is there', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: KEYS - 1 }),
        fc.integer({ min: 0, max: 2 * KEYS }),
        (present, other) => {
          const keyHash = keyOf(present);
          const proofs = variants(
            proveState(store, keyHash).proof,
            proveState(store, keyOf(other)).proof,
            keyOf(other),
          );
          for (const proof of proofs) {
            expect(verifyStateProof({ root, keyHash, value: undefined, proof })).toBe(false);
            const value = Uint8Array.of(9);
            expect(verifyStateProof({ root, keyHash, value, proof })).toBe(false);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  test('no value makes an inner node pass for a leaf, nor a leaf hash for a node', () => {
    for (let n = 0; n < 40; n++) {
      const absent = keyOf(KEYS + n);
      const proof = proveState(store, absent).proof;
      const forged = hashStateLeaf(absent, sha256(valueOf(n)));
      const levels = proof.levels.map((level, depth) => ({
        bitmap: level.bitmap | (1 << (nibbleAt(absent, depth) ^ 1)),
        siblings: forged,
      }));
      for (const shape of [proof, { levels, other: null }])
        expect(verifyStateProof({ root, keyHash: absent, value: valueOf(n), proof: shape })).toBe(
          false,
        );
    }
  });

  test('a subtree with a key left out is refused, whatever way is shown to it', () => {
    for (const digits of [0, 1, 2, 3])
      for (let n = 0; n < 40; n++) {
        const prefix = Buffer.from(keyOf(n)).toString('hex').slice(0, digits);
        const whole = proveSubtree(store, prefix, 10_000);
        if (whole === undefined) throw new Error('too large');
        const [first, ...rest] = whole.leaves;
        if (first === undefined) throw new Error('a key is there');
        const levels = [...whole.proof.levels];
        const ways: readonly StateProof[] = [
          whole.proof,
          ...levels.map((_, length) => ({ levels: levels.slice(0, length), other: null })),
          { levels, other: { keyHash: first.keyHash, valueHash: sha256(first.value) } },
          { levels, other: { keyHash: keyOf(n + 1), valueHash: sha256(valueOf(n + 1)) } },
          proveState(store, keyOf(n)).proof,
          proveState(store, keyOf(KEYS + n)).proof,
        ];
        for (const proof of ways)
          for (const leaves of [rest, [], [first, first, ...rest]])
            expect(verifySubtree(root, { prefix, leaves, proof })).toBe(
              rest.length === whole.leaves.length,
            );
      }
  });
});

test('a log entry proves itself at its own position and no other, and no node is a leaf', () => {
  const log = new Overlay(NOTHING);
  const size = 37;
  appendToLog(
    log,
    0,
    Array.from({ length: size }, (_, i) => valueOf(i)),
  );
  const logRootOf = logRoot(log, size);
  for (let index = 0; index < size; index++) {
    const leaf = logLeaf(log, index);
    if (leaf === undefined) throw new Error('a leaf is missing');
    const path = proveLogInclusion(log, index, size);
    const leafHash = hashLeaf(leaf);
    for (let position = 0; position < size; position++)
      expect(
        verifyInclusion({ leafHash, index: position, size, path, root: logRootOf }),
        `${index} at ${position}`,
      ).toBe(position === index);
    // A pair of hashes shown as a leaf, one level up.
    const [sibling, ...above] = path;
    if (sibling === undefined) throw new Error('a path has a sibling');
    const pair = new Uint8Array([...leafHash, ...sibling]);
    for (let position = 0; position < size; position++)
      expect(
        verifyInclusion({
          leafHash: hashLeaf(pair),
          index: position,
          size,
          path: above,
          root: logRootOf,
        }),
      ).toBe(false);
  }
});

test('F2 F16 the capsule context changes with every field of the record and the envelope', () => {
  const at = visit('context', 'hospital-a');
  const { body, ...envelope } = recordTransaction({ visit: at, name: 'context' });
  if (body.type !== 'issueRecord' && body.type !== 'amendRecord') throw new Error('no record');
  const known = capsuleContext(envelope, body);
  const other = (length: number): Bytes => sha256(Uint8Array.of(length)).slice(0, length);
  const { index, authorship } = body;
  if (index.mode !== 'pk' || authorship === null) throw new Error('another form');
  const bodies: readonly Partial<typeof body>[] = [
    { suite: 'paper' },
    { pid: other(20) as never },
    { visitKey: other(32) },
    { identityTag: other(32) },
    { institution: 'hospital-b' },
    { number: body.number + 1 },
    { headerHash: other(32) },
    { digest: other(32) },
    { length: body.length + 1 },
    { capsule: { ...body.capsule, c: other(32) } },
    { capsule: { ...body.capsule, cBar: other(32) } },
    { index: { mode: 'sym', tags: index.tags } },
    { index: { ...index, epoch: index.epoch + 1 } },
    { index: { ...index, a: other(32) } },
    { index: { ...index, proof: other(32) } },
    { index: { ...index, tags: index.tags.toReversed() } },
    { authorship: null },
    { authorship: { ...authorship, author: other(32) as never } },
    { authorship: { ...authorship, key: other(32) } },
    { authorship: { ...authorship, sectionRoot: other(32) } },
    { authorship: { ...authorship, time: authorship.time + 1 } },
    { marks: ['custodial'] },
  ];
  // None of the statement's fields is missing above, so that a later one cannot be forgotten.
  const covered = new Set(bodies.flatMap((each) => Object.keys(each)));
  const unbound = ['type', 'visitAuthorisation', 'attestations'];
  expect(
    Object.keys(body)
      .filter((name) => !covered.has(name))
      .toSorted(),
  ).toEqual(unbound.toSorted());
  for (const change of bodies)
    expect(capsuleContext(envelope, { ...body, ...change } as typeof body)).not.toEqual(known);
  const envelopes = [
    { chainId: 'another' },
    { sender: other(32) },
    { nonce: other(16) },
    { expiryHeight: envelope.expiryHeight + 1 },
  ];
  for (const change of envelopes)
    expect(capsuleContext({ ...envelope, ...change }, body)).not.toEqual(known);
  const amended = { ...body, type: 'amendRecord', amends: other(32) } as never;
  expect(capsuleContext(envelope, amended)).not.toEqual(known);
});
