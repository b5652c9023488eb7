/** Secrets that the centre leaves for its node are taken once, durably, and then gone from the disk. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Bytes } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import { encodeTickets } from '../../src/demo/make-consortium.ts';
import type { LogEvent } from '../../src/logging.ts';
import { followTickets, leaveTicket } from '../../src/network/ticket-folder.ts';
import type { EnrolmentTicket } from '../../src/services/registration.ts';

const root = mkdtempSync(join(tmpdir(), 'yl-tickets-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let homes = 0;
let stop: (() => void) | undefined;
beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  stop?.();
  vi.useRealTimers();
});

const bytes = (n: number): Uint8Array<ArrayBuffer> => new Uint8Array(16).fill(n);
const home = (): string => {
  const path = join(root, String(homes++));
  mkdirSync(path);
  return path;
};

async function follow(path: string, admit?: () => Promise<void>) {
  const admitted: (EnrolmentTicket & { readonly first: number })[] = [];
  const events: LogEvent[] = [];
  const follower = await followTickets({
    home: path,
    admit: async (secret, ticket) => {
      await admit?.();
      admitted.push({ ...ticket, first: secret[0] ?? 0 });
    },
    log: (event) => void events.push(event),
  });
  ({ stop } = follower);
  return { admitted, events };
}

test('what init left, without names, is taken at the start; what comes later, with one, while it runs', async () => {
  const path = home();
  const sample = {
    person: 'p',
    role: 'patient',
    institution: null,
    secret: '07'.repeat(16),
  } as const;
  writeFileSync(join(path, 'tickets.cbor'), encodeTickets([sample]));
  const node = await follow(path);
  expect(node.admitted).toEqual([{ role: 'patient', institution: '', first: 7 }]);
  expect(existsSync(join(path, 'tickets.cbor'))).toBe(false);

  const wang = { secret: bytes(9), role: 'doctor', institution: 'h', name: 'Dr 王' } as const;
  leaveTicket(path, wang, bytes(1));
  const [file = ''] = readdirSync(join(path, 'tickets'));
  expect(statSync(join(path, 'tickets', file)).mode & 0o077).toBe(0);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(node.admitted.slice(1)).toEqual([
    { role: 'doctor', institution: 'h', name: 'Dr 王', first: 9 },
  ]);
  expect(readdirSync(join(path, 'tickets'))).toEqual([]);
});

test('a secret that could not be made valid stays on disk until it can', async () => {
  const path = home();
  leaveTicket(path, { secret: bytes(3), role: 'patient', institution: '', name: '1' }, bytes(1));
  let isFull = true;
  const node = await follow(path, () =>
    isFull ? Promise.reject(new Error('the disk is full')) : Promise.resolve(),
  );
  await vi.advanceTimersByTimeAsync(10_000);
  expect(node.admitted).toEqual([]);
  expect(node.events.map(({ event }) => event)).toEqual(['ticketsUnreadable']);
  expect(readdirSync(join(path, 'tickets'))).toHaveLength(1);
  isFull = false;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(node.admitted).toHaveLength(1);
  expect(readdirSync(join(path, 'tickets'))).toEqual([]);
});

test.each<[string, Bytes]>([
  ['no CBOR', Uint8Array.of(0xff)],
  ['no list', encode(1)],
  ['a role that is none', encode([[bytes(1), 'regulator', '', 'x']])],
  ['a short secret', encode([[new Uint8Array(4), 'doctor', 'h', 'x']])],
  ['a name that is a number', encode([[bytes(1), 'doctor', 'h', 4]])],
])(
  'a file with %s is told of once, and keeps no other from being taken',
  async (_what, content) => {
    const path = home();
    mkdirSync(join(path, 'tickets'));
    writeFileSync(join(path, 'tickets', '00.cbor'), content);
    leaveTicket(path, { secret: bytes(5), role: 'patient', institution: '', name: '1' }, bytes(1));
    const node = await follow(path);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(node.admitted.map(({ first }) => first)).toEqual([5]);
    expect(node.events).toHaveLength(1);
    expect(readdirSync(join(path, 'tickets'))).toEqual(['00.cbor']);
  },
);
