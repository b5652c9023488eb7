import { describe, expect, test } from 'vitest';
import { Mempool } from '../../src/ordering/mempool.ts';
import { PeerConduct } from '../../src/ordering/peer-conduct.ts';

const bytes = (value: number, length = 10): Uint8Array => new Uint8Array(length).fill(value);

describe('mempool', () => {
  const limits = { countMax: 3, bytesMax: 100, countPerSourceMax: 2 };

  test('is full by count, by bytes and per source, each with its own code', () => {
    const pool = new Mempool(limits);
    expect(pool.reserve('a', bytes(1), bytes(1), 'x')).toEqual({ kind: 'reserved' });
    expect(pool.reserve('b', bytes(2), bytes(2), 'x')).toEqual({ kind: 'reserved' });
    expect(pool.reserve('c', bytes(3), bytes(3), 'x')).toMatchObject({
      rejection: { code: 'sourceBusy' },
    });
    expect(pool.reserve('c', bytes(3, 90), bytes(3), 'y')).toMatchObject({
      rejection: { code: 'mempoolFull' },
    });
    expect(pool.reserve('c', bytes(3), bytes(3), 'y')).toEqual({ kind: 'reserved' });
    expect(pool.reserve('d', bytes(4), bytes(4), 'z')).toMatchObject({
      rejection: { code: 'mempoolFull' },
    });
  });

  test('the same bytes wait once; the same id in other bytes is a duplicate', () => {
    const pool = new Mempool(limits);
    pool.reserve('a', bytes(1), bytes(1), 'x');
    expect(pool.reserve('a', bytes(1), bytes(1), 'x')).toEqual({ kind: 'known' });
    expect(pool.reserve('b', bytes(9), bytes(1), 'x')).toMatchObject({
      rejection: { code: 'duplicate' },
    });
    expect(pool.count).toBe(1);
  });

  test('what is released makes room again, once', () => {
    const pool = new Mempool(limits);
    pool.reserve('a', bytes(1), bytes(1), 'x');
    pool.release('a');
    pool.release('a');
    pool.release('never seen');
    expect([pool.count, pool.bytes]).toEqual([0, 0]);
    expect(pool.reserve('b', bytes(9), bytes(1), 'x')).toEqual({ kind: 'reserved' });
  });
});

describe('peer conduct', () => {
  const peer = bytes(1, 32);

  test('a peer that sends rubbish again and again is cut, one slip is forgiven', () => {
    const cut: string[] = [];
    const conduct = new PeerConduct((_, reason) => cut.push(reason));
    conduct.onOffence(peer, 'malformedMessage', 0);
    expect(cut).toEqual([]);
    for (let i = 0; i < 4; i++) conduct.onOffence(peer, 'malformedMessage', 0);
    expect(cut).toEqual(['malformedMessage']);
  });

  test('a peer whose votes are not signed is cut before they cost a second of the processor', () => {
    const cut: string[] = [];
    const conduct = new PeerConduct((_, reason) => cut.push(reason));
    for (let i = 0; i < 19; i++) conduct.onOffence(peer, 'badSignature', 0);
    expect(cut).toEqual([]);
    conduct.onOffence(peer, 'badSignature', 0);
    expect(cut).toEqual(['badSignature']);
  });

  test('a peer that never stops talking is cut, and its messages are not read meanwhile', () => {
    const cut: string[] = [];
    const conduct = new PeerConduct((_, reason) => cut.push(reason));
    let read = 0;
    for (let i = 0; i < 20_000; i++) if (conduct.onMessage(peer, i / 100)) read++;
    expect(cut).toEqual(['tooManyMessages']);
    expect(read).toBe(5_000);
    expect(conduct.onMessage(bytes(2, 32), 100)).toBe(true);
  });

  test('room for unverified transactions is bounded per peer and comes back', () => {
    const conduct = new PeerConduct(() => undefined);
    expect(conduct.reserve(peer, 8 * 1024 * 1024)).toBe(true);
    expect(conduct.reserve(peer, 1)).toBe(false);
    expect(conduct.reserve(bytes(2, 32), 1)).toBe(true);
    conduct.release(peer, 8 * 1024 * 1024);
    expect(conduct.reserve(peer, 1)).toBe(true);
  });

  test('a peer that forwards what does not fit has everything checked for a while', () => {
    let turn = 0;
    const conduct = new PeerConduct(
      () => undefined,
      () => turn++ % 16 === 0,
    );
    const checked = (nowMs: number): number =>
      Array.from({ length: 64 }, () => conduct.mustCheckRules(peer, nowMs)).filter(Boolean).length;
    expect(checked(0)).toBe(4);
    conduct.onOffence(peer, 'unfitTransaction', 0);
    expect(checked(1)).toBe(64);
    expect(checked(20_000)).toBe(4);
  });

  test('a peer cannot foresee which of its transactions is checked', () => {
    const conduct = new PeerConduct(() => undefined);
    const places = new Set<number>();
    let checked = 0;
    for (let i = 0; i < 16_000; i++)
      if (conduct.mustCheckRules(peer, 0)) {
        places.add(i % 16);
        checked++;
      }
    // Whoever sends one good transaction in sixteen is found out in every place of the bad ones.
    expect(places.size).toBe(16);
    expect(checked).toBeLessThan(4_000);
  });
});
