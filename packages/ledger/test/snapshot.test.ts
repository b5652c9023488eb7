/** Snapshots: made, verified chunk by chunk against the app hash, restored, and gone on from. */
import { compareBytes, toHex, type Bytes } from '@yilian/crypto/bytes';
import { decode, encode, type Cbor } from '@yilian/crypto/cbor';
import { sha256 } from '@yilian/crypto/hash';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  encodeGovernedValidators,
  validatorAddress,
} from '../src/contracts/governance/validators.ts';
import { createLedger } from '../src/ledger.ts';
import { putMeta } from '../src/ledger-meta.ts';
import { NO_DROPS } from '../src/live-ids.ts';
import { encodeLogLeaf } from '../src/log-leaf.ts';
import { appendToLog } from '../src/log.ts';
import { toTransactionId } from '../src/ids.ts';
import { updateStateTree, valueKey } from '../src/state-tree.ts';
import { stateKeys } from '../src/state.ts';
import { Overlay, readerStore } from '../src/store.ts';
import {
  CHUNK_BYTES,
  chunkCount,
  encodeManifest,
  parseChunk,
  parseManifest,
  type SnapshotManifest,
} from '../src/snapshot-format.ts';
import { makeSnapshot } from '../src/snapshot-make.ts';
import {
  beginRestore,
  finishRestore,
  restoreChunk,
  restoredValidators,
  restoreMarker,
} from '../src/snapshot-restore.ts';
import { verifyChunk, verifyManifest } from '../src/snapshot-verify.ts';
import {
  acknowledgementTxs,
  bytesOf,
  Chain,
  CHAIN_ID,
  doctors,
  genesis,
  grantBody,
  grantTx,
  hospitals,
  introduce,
  recordTx,
  regulator,
  signerOf,
  tagSigner,
  tx,
  verifyAll,
  visit,
} from './consortium.ts';
import { MemoryDisk } from './memory-disk.ts';

const stroke = visit('stroke', 'hospital-a');
const fever = visit('fever', 'hospital-b');
const { grantId } = grantBody('g');
const nobody = signerOf('nobody');
introduce(nobody);

/** Executed, refused by a rule: adds a live id and nothing else. */
function refusedTx(n: number, expiryHeight: number): Bytes {
  const body = { type: 'revokeAccess', grantId } as const;
  return tx(nobody, body, { expiryHeight, nonce: bytesOf(`n${n}`, 16) });
}

const reported = refusedTx(50, 100);

/** A bit of everything that leaves look-ups; block by block. */
const blocks: readonly (readonly Bytes[])[] = [
  [recordTx({ visit: stroke, name: 'ct' }), grantTx('g'), refusedTx(1, 4)],
  [...acknowledgementTxs('g'), recordTx({ visit: fever, name: 'labs' })],
  [
    tx(doctors['hospital-b'].signer, {
      type: 'recordAccess',
      grantId,
      accessNonce: bytesOf('n', 16),
      sealed: bytesOf('s', 64),
    }),
    recordTx({ visit: stroke, name: 'more', number: 1 }),
    ...Array.from({ length: 12 }, (_, n) => refusedTx(10 + n, 4 + (n % 3))),
  ],
  [tx(tagSigner('g', 1), { type: 'revokeAccess', grantId })],
  [],
];

function history(): Chain {
  const chain = new Chain();
  for (const block of blocks) chain.run(...block);
  // A block in which the engine reports somebody, beside a transaction.
  const [accused] = genesis.validators;
  const address = validatorAddress(accused?.key ?? new Uint8Array(32));
  const misbehaviour = [{ kind: 'duplicateVote', address, height: 2n }];
  const txs = [reported];
  const block = { ...chain.block(txs), misbehaviour };
  chain.ledger.finalizeBlock(block, verifyAll(chain.ledger, txs));
  chain.disk.write(chain.ledger.commit().writes);
  chain.disk.flush();
  return chain;
}

interface Made {
  readonly manifest: SnapshotManifest;
  readonly chunks: readonly Bytes[];
}

function make(disk: MemoryDisk): Made {
  const chunks: Bytes[] = [];
  const making = makeSnapshot(disk);
  for (;;) {
    const step = making.next();
    if (step.done === true) return { manifest: step.value, chunks };
    if (step.value !== undefined) chunks.push(step.value);
  }
}

function digest({ manifest, chunks }: Made): readonly string[] {
  return [encodeManifest(manifest), ...chunks].map((bytes) => toHex(sha256(bytes)));
}

function write(disk: MemoryDisk, batch: Parameters<MemoryDisk['write']>[0]): void {
  disk.write(batch);
  disk.flush();
}

function restore({ manifest, chunks }: Made, disk = new MemoryDisk()): MemoryDisk {
  write(disk, beginRestore(disk, manifest, genesis.appState));
  for (const bytes of chunks) {
    const restored = restoreChunk({ reader: disk, manifest, bytes });
    if (!restored.ok) throw new Error(restored.code);
    write(disk, restored.value);
  }
  const finished = finishRestore({ reader: disk, manifest });
  if (!finished.ok) throw new Error(finished.code);
  write(disk, finished.value);
  return disk;
}

function chainOn(disk: MemoryDisk, original: Chain): Chain {
  const chain = Object.assign(new Chain(), { disk, ledger: createLedger({ reader: disk }) });
  chain.time = original.time;
  return chain;
}

/** Everything but what a snapshot does not carry (undo pages, roots of older heights) and local hints. */
function contentOf(disk: MemoryDisk): Readonly<Record<string, string>> {
  const local = ['u', 'U', 'h', 'm'].map((space) => toHex(Uint8Array.of(space.charCodeAt(0))));
  return Object.fromEntries(
    [...disk.entries()]
      .filter(([name]) => !local.includes(name.slice(0, 2)))
      .map(([name, value]) => [name, toHex(value)]),
  );
}

const original = history();
const made = make(original.disk);
const { manifest, chunks } = made;
const trusted = {
  chainId: CHAIN_ID,
  height: original.height,
  appHash: original.ledger.info().appHash,
};

/** Some megabytes, with keys that somebody ground so that they crowd under one prefix. */
function largeDisk(): MemoryDisk {
  const disk = new MemoryDisk();
  const overlay = new Overlay(readerStore(disk));
  const changes = Array.from({ length: 900 }, (_, n) => {
    const keyHash = bytesOf(`key ${n}`);
    if (n % 3 === 0) keyHash.set([0xab, 0xcd]);
    return { keyHash, value: blob(n, 20_000) };
  });
  for (const { keyHash, value } of changes) overlay.put(valueKey(keyHash), value);
  const root = updateStateTree(overlay, changes);
  const leaves = Array.from({ length: 3_001 }, (_, n) =>
    encodeLogLeaf({
      transaction: toTransactionId(bytesOf(`transaction ${n}`)),
      height: Math.floor(n / 100),
      index: n % 100,
      outcome: 'ok',
      facts: [['request', blob(n, n < 1_000 ? 6_000 : 30)]],
    }),
  );
  const parts = {
    stateRoot: root,
    logRoot: appendToLog(overlay, 0, leaves),
    logSize: leaves.length,
  };
  const stateSize = changes.length;
  putMeta(overlay, { chainId: CHAIN_ID, height: 31, time: 0, parts, stateSize, drops: NO_DROPS });
  disk.write(overlay.toWriteBatch());
  return disk;
}

function blob(n: number, length: number): Bytes {
  return new Uint8Array(length).fill(n & 0xff);
}

const large = make(largeDisk());

describe('a large snapshot', () => {
  test('is cut where the bytes are, however keys crowd, and every chunk keeps the limit', () => {
    const { prefixes, logCounts } = large.manifest;
    expect(large.chunks.length).toBe(chunkCount(large.manifest));
    expect(Math.max(...large.chunks.map((bytes) => bytes.length))).toBeLessThan(
      CHUNK_BYTES + 65_536,
    );
    expect(Math.max(...prefixes.map((prefix) => prefix.length))).toBeGreaterThan(4);
    expect(Math.min(...prefixes.map((prefix) => prefix.length))).toBe(1);
    expect(new Set(logCounts).size).toBeGreaterThan(1);
    for (const [index, bytes] of large.chunks.entries())
      expect(verifyChunk(large.manifest, index, bytes).ok).toBe(true);
  });

  test('is not cut finer than needed: no chunk could be joined with all its neighbours under one node', () => {
    const bytesUnder = (path: string): number =>
      large.chunks
        .map((bytes) => parseChunk(bytes))
        .flatMap((chunk) => (chunk.kind === 'state' ? [chunk.subtree] : []))
        .filter(({ prefix }) => prefix.startsWith(path))
        .flatMap(({ leaves }) => leaves)
        .reduce((sum, { value }) => sum + 32 + value.length, 0);
    for (const prefix of large.manifest.prefixes)
      expect(bytesUnder(prefix.slice(0, -1))).toBeGreaterThan(CHUNK_BYTES);
  });

  test('restored has the same roots', () => {
    const disk = restore(large);
    expect(digest(make(disk))).toEqual(digest(large));
  });
});

describe('a snapshot', () => {
  test('restored holds everything that the original holds, look-ups and queues included', () => {
    const disk = restore(made);
    expect(contentOf(disk)).toEqual(contentOf(original.disk));
    const restored = createLedger({ reader: disk });
    expect(restored.info()).toEqual(original.ledger.info());
    expect(restoredValidators(disk, manifest)?.validators).toEqual(
      genesis.validators.toSorted((a, b) => compareBytes(a.key, b.key)),
    );
    const status = { path: 'status', key: new Uint8Array(0), height: 0n, prove: false };
    expect(restored.query(status)).toEqual(original.ledger.query(status));
  });

  test('is the same bytes at another replica, and at one that was restored itself', () => {
    expect(digest(make(history().disk))).toEqual(digest(made));
    expect(digest(make(restore(made)))).toEqual(digest(made));
  });

  test('describes itself, and is accepted under the app hash of its height', () => {
    expect(chunkCount(manifest)).toBe(chunks.length);
    expect(verifyManifest(encodeManifest(manifest), trusted)).toEqual({
      ok: true,
      value: manifest,
    });
    for (const [index, bytes] of chunks.entries())
      expect(verifyChunk(manifest, index, bytes).ok).toBe(true);
  });

  test('goes on with the same roots as the original, whatever the blocks, while ids expire', () => {
    let n = 1_000;
    const blockArbitrary = fc.array(fc.nat({ max: 12 }), { maxLength: 5 });
    fc.assert(
      fc.property(
        fc.array(blockArbitrary, { minLength: 1, maxLength: 12 }),
        fc.nat(6),
        (run, cut) => {
          const chain = new Chain();
          chain.run(...Array.from({ length: 9 }, (_, i) => refusedTx(n++, 1 + (i % 4))));
          let twin: Chain | undefined;
          for (const [index, ahead] of run.entries()) {
            if (index === Math.min(cut, run.length - 1))
              twin = chainOn(restore(make(chain.disk)), chain);
            const txs = ahead.map((offset) => refusedTx(n++, chain.height + 1 + offset));
            chain.run(...txs);
            if (twin === undefined) continue;
            twin.run(...txs);
            expect(toHex(twin.ledger.info().appHash)).toBe(toHex(chain.ledger.info().appHash));
          }
        },
      ),
      { numRuns: 6 },
    );
  });

  test('of a chain after genesis and one empty block has no log, and goes on too', () => {
    const chain = new Chain();
    chain.run();
    const small = make(chain.disk);
    expect(small.manifest.logCounts).toEqual([]);
    const twin = chainOn(restore(small), chain);
    const enrol = tx(regulator.signer, {
      type: 'suspendMember',
      target: { kind: 'member', id: hospitals['hospital-a'].id },
      status: 'suspended',
    });
    chain.run(enrol);
    twin.run(enrol);
    expect(twin.ledger.info()).toEqual(chain.ledger.info());
  });

  test('continues after a crash between any two chunks', () => {
    const disk = new MemoryDisk();
    write(disk, beginRestore(disk, manifest, genesis.appState));
    for (const bytes of chunks) {
      const restored = restoreChunk({ reader: disk, manifest, bytes });
      if (!restored.ok) throw new Error(restored.code);
      // Lost with the crash, and made again.
      disk.write(restored.value);
      disk.crash();
      expect(createLedger({ reader: disk }).info().height).toBe(0n);
      const again = restoreChunk({ reader: disk, manifest, bytes });
      if (!again.ok) throw new Error(again.code);
      write(disk, again.value);
    }
    expect(restoreMarker(disk)?.next).toBe(chunks.length);
    const finished = finishRestore({ reader: disk, manifest });
    if (!finished.ok) throw new Error(finished.code);
    write(disk, finished.value);
    expect(contentOf(disk)).toEqual(contentOf(original.disk));
  });
});

test('validators that changed a moment ago are told by no snapshot, for two heights', () => {
  const disk = largeDisk();
  const { parts, ...rest } = large.manifest;
  const overlay = new Overlay(readerStore(disk));
  const leaf = encodeLogLeaf({
    transaction: toTransactionId(bytesOf('approval')),
    height: 40,
    index: 0,
    outcome: 'ok',
    facts: [
      ['validatorApproval', bytesOf('hash'), bytesOf('key')],
      ['validators', 1],
    ],
  });
  appendToLog(overlay, parts.logSize, [leaf]);
  overlay.put(
    valueKey(stateKeys.validators()),
    encodeGovernedValidators({ epoch: 1, mode: 'equal', validators: [] }),
  );
  disk.write(overlay.toWriteBatch());
  const at = (height: number): unknown =>
    restoredValidators(disk, { ...rest, height, parts: { ...parts, logSize: parts.logSize + 1 } });
  expect(at(40)).toBeUndefined();
  expect(at(41)).toBeUndefined();
  expect(at(42)).toEqual({ epoch: 1, validators: [] });
});

describe('what a liar changes is refused:', () => {
  const stateIndex = 0;
  const logIndex = manifest.prefixes.length;
  const stateChunk = chunks[stateIndex] ?? new Uint8Array(0);
  const logChunk = chunks[logIndex] ?? new Uint8Array(0);
  const items = (bytes: Bytes): Cbor[] => {
    const value = decode(bytes);
    if (!Array.isArray(value)) throw new Error('no array');
    return [...(value as readonly Cbor[])];
  };
  const listOf = (value: Cbor | undefined): Cbor[] => [...((value ?? []) as readonly Cbor[])];
  const code = (index: number, bytes: Bytes, of: SnapshotManifest = manifest): string => {
    const verdict = verifyChunk(of, index, bytes);
    return verdict.ok ? 'ok' : verdict.code;
  };
  const withLeaves = (change: (leaves: Cbor[]) => Cbor[]): Bytes => {
    const [kind = 0, prefix = '', leaves, proof = null] = items(stateChunk);
    return encode([kind, prefix, change(listOf(leaves)), proof]);
  };

  test('any byte of a chunk', () => {
    for (const [index, bytes] of chunks.entries())
      fc.assert(
        fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
          const altered = Uint8Array.from(bytes);
          altered[at] = (altered[at] ?? 0) ^ flip;
          expect(code(index, altered)).not.toBe('ok');
        }),
        { numRuns: 40 },
      );
  });

  test('a value, a key left out, a key added, keys swapped', () => {
    const forged = withLeaves((leaves) =>
      leaves.map((leaf, index) =>
        index === 0 ? [listOf(leaf)[0] ?? null, bytesOf('forged')] : leaf,
      ),
    );
    expect(code(stateIndex, forged)).toBe('notUnderAppHash');
    expect(
      code(
        stateIndex,
        withLeaves((leaves) => leaves.slice(1)),
      ),
    ).toBe('notUnderAppHash');
    const added = withLeaves((leaves) => [
      ...leaves,
      [new Uint8Array(32).fill(0xff), bytesOf('new')],
    ]);
    expect(code(stateIndex, added)).toBe('notUnderAppHash');
    const swapped = withLeaves(([first = null, second = null, ...rest]) => [
      second,
      first,
      ...rest,
    ]);
    expect(code(stateIndex, swapped)).toBe('notUnderAppHash');
  });

  test('a leaf of the log altered, left out, or moved', () => {
    const [kind = 1, start = 0, leaves, path = []] = items(logChunk);
    const list = listOf(leaves);
    const altered = list.with(0, encode([1]));
    expect(code(logIndex, encode([kind, start, altered, path]))).toBe('notUnderAppHash');
    expect(code(logIndex, encode([kind, start, list.slice(1), path]))).toBe('wrongChunk');
    expect(code(logIndex, encode([kind, 1, list, path]))).toBe('wrongChunk');
    expect(code(logIndex, encode([kind, start, list.toReversed(), path]))).toBe('notUnderAppHash');
  });

  test('a chunk at another place, truncated, prolonged, or no chunk at all', () => {
    expect(code(logIndex, stateChunk)).toBe('wrongChunk');
    expect(code(stateIndex, logChunk)).toBe('wrongChunk');
    expect(code(stateIndex, stateChunk.slice(0, -1))).toBe('malformed');
    expect(code(stateIndex, Uint8Array.of(...stateChunk.slice(0, 64), 0))).toBe('malformed');
    expect(code(stateIndex, new Uint8Array(0))).toBe('malformed');
    expect(code(chunks.length, stateChunk)).toBe('wrongChunk');
  });

  test('a chunk of another height, or of another chain', () => {
    const later = history();
    later.run(refusedTx(77, 100));
    const other = make(later.disk);
    expect(code(stateIndex, other.chunks[stateIndex] ?? stateChunk)).toBe('notUnderAppHash');
    const stranger = new Chain();
    stranger.run(refusedTx(78, 100));
    const strange = make(stranger.disk);
    expect(code(stateIndex, strange.chunks[stateIndex] ?? stateChunk)).toBe('notUnderAppHash');
  });

  test('a manifest: another chain, height, roots, log size, form', () => {
    const refusal = (changed: Partial<SnapshotManifest>, of = trusted): string => {
      const verdict = verifyManifest(encodeManifest({ ...manifest, ...changed }), of);
      return verdict.ok ? 'ok' : verdict.code;
    };
    const { parts } = manifest;
    expect(refusal({})).toBe('ok');
    expect(refusal({ chainId: 'other' })).toBe('wrongChain');
    expect(refusal({ height: manifest.height - 1 })).toBe('wrongHeight');
    expect(refusal({ parts: { ...parts, stateRoot: bytesOf('x') } })).toBe('wrongAppHash');
    expect(refusal({ parts: { ...parts, logRoot: bytesOf('x') } })).toBe('wrongAppHash');
    expect(refusal({}, { ...trusted, appHash: bytesOf('x') })).toBe('wrongAppHash');
    expect(refusal({ parts: { ...parts, logSize: parts.logSize + 1 } })).toBe('malformed');
    expect(refusal({ logCounts: [...manifest.logCounts, 0] })).toBe('malformed');
    expect(refusal({ prefixes: ['0', '01'] })).toBe('malformed');
    expect(refusal({ prefixes: ['1', '0'] })).toBe('malformed');
    expect(refusal({ prefixes: ['0', '0'] })).toBe('malformed');
    expect(refusal({ prefixes: ['x'] })).toBe('malformed');
    const bytes = encodeManifest(manifest);
    expect(verifyManifest(bytes.slice(1), trusted).ok).toBe(false);
    const [, ...rest] = items(bytes);
    expect(() => parseManifest(encode([2, ...rest]))).toThrow();
  });

  test('a manifest that leaves out a part of the state, at the first chunk that shows it', () => {
    const { prefixes } = large.manifest;
    const first = large.chunks[0] ?? stateChunk;
    const second = large.chunks[1] ?? stateChunk;
    expect(code(0, second, { ...large.manifest, prefixes: prefixes.slice(1) })).toBe('incomplete');
    expect(code(0, first, { ...large.manifest, prefixes: prefixes.slice(0, -1) })).toBe(
      'incomplete',
    );
    expect(code(0, first, { ...large.manifest, prefixes: prefixes.slice(0, 1) })).toBe(
      'incomplete',
    );
    const none = { ...manifest, prefixes: [] };
    const disk = new MemoryDisk();
    write(disk, beginRestore(disk, none, genesis.appState));
    for (const bytes of chunks.slice(logIndex)) {
      const restored = restoreChunk({ reader: disk, manifest: none, bytes });
      if (restored.ok) write(disk, restored.value);
    }
    expect(finishRestore({ reader: disk, manifest: none })).toEqual({
      ok: false,
      code: 'wrongRoot',
    });
  });

  test('a restoration without its last chunk', () => {
    const disk = new MemoryDisk();
    write(disk, beginRestore(disk, manifest, genesis.appState));
    expect(finishRestore({ reader: disk, manifest })).toEqual({ ok: false, code: 'incomplete' });
    expect(() => restoreChunk({ reader: new MemoryDisk(), manifest, bytes: stateChunk })).toThrow();
  });
});
