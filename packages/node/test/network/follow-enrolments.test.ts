/** What `network enrol` leaves in a home reaches the node that runs there. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { toHex } from '@yilian/crypto/bytes';
import type { LogEvent } from '../../src/logging.ts';
import { enrolmentFolder, writeEnrolmentRecord } from '../../src/network/enrolment-record.ts';
import { followEnrolments } from '../../src/network/follow-enrolments.ts';

const root = mkdtempSync(join(tmpdir(), 'yl-follow-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let homes = 0;
let stop: (() => void) | undefined;
beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  stop?.();
  vi.useRealTimers();
});

const filled = (length: number, value: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(length).fill(value);

function record(n: number): Parameters<typeof writeEnrolmentRecord>[2] {
  return {
    request: filled(32, n),
    introduction: filled(8, n),
    members: [{ id: filled(32, n), certificate: filled(10, n) }],
  };
}

async function follow(home: string, isGenuine = (_introduction: Uint8Array): boolean => true) {
  const introduced: number[] = [];
  const certified: string[] = [];
  const events: LogEvent[] = [];
  const follower = await followEnrolments({
    home,
    introduce: async (introduction) => {
      if (!isGenuine(introduction)) return false;
      introduced.push(introduction[0] ?? 0);
      return true;
    },
    certify: async (member) => void certified.push(toHex(member).slice(0, 2)),
    log: (event) => void events.push(event),
  });
  ({ stop } = follower);
  return { introduced, certified, events };
}

function homeWith(...records: readonly number[]): string {
  const home = join(root, String(homes++));
  mkdirSync(home);
  for (const n of records) writeEnrolmentRecord(home, `h-${n}`, record(n));
  return home;
}

test('what is there is taken up at the start, and what comes later while the node runs', async () => {
  const home = homeWith(1, 2);
  const node = await follow(home);
  expect(node.introduced).toEqual([1, 2]);
  expect(node.certified).toEqual(['01', '02']);
  writeEnrolmentRecord(home, 'h-3', record(3));
  await vi.advanceTimersByTimeAsync(10_000);
  // Once each, however often it looks.
  expect(node.introduced).toEqual([1, 2, 3]);
});

test('a home without any is no error, and is looked into later', async () => {
  const home = homeWith();
  const node = await follow(home);
  expect(node.events).toEqual([]);
  writeEnrolmentRecord(home, 'h-4', record(4));
  await vi.advanceTimersByTimeAsync(2_000);
  expect(node.introduced).toEqual([4]);
});

test('one that is not the regulator’s certifies nobody, and keeps no other from being taken', async () => {
  const node = await follow(homeWith(1, 2), (introduction) => introduction[0] !== 1);
  expect(node.introduced).toEqual([2]);
  expect(node.certified).toEqual(['02']);
  expect(node.events.map(({ event }) => event)).toEqual(['enrolmentRefused', 'enrolmentTaken']);
});

test('a damaged one is told of, and keeps no other from being taken', async () => {
  const home = homeWith(1, 2);
  writeFileSync(join(enrolmentFolder(home), 'h-1.cbor'), 'half');
  writeFileSync(join(enrolmentFolder(home), 'notes.txt'), 'no record');
  const node = await follow(home);
  expect(node.introduced).toEqual([2]);
  expect(node.events.map(({ event }) => event)).toEqual(['enrolmentUnreadable', 'enrolmentTaken']);
});

test('a folder that cannot be read keeps no node from its work, and is told of once', async () => {
  const home = homeWith();
  writeFileSync(enrolmentFolder(home), 'a file in its place');
  const node = await follow(home);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(node.events.map(({ event }) => event)).toEqual(['enrolmentUnreadable']);
  rmSync(enrolmentFolder(home));
  writeEnrolmentRecord(home, 'h-6', record(6));
  await vi.advanceTimersByTimeAsync(2_000);
  expect(node.introduced).toEqual([6]);
});

test('nothing is taken after it has stopped', async () => {
  const home = homeWith();
  const node = await follow(home);
  stop?.();
  writeEnrolmentRecord(home, 'h-5', record(5));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(node.introduced).toEqual([]);
});
