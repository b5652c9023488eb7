/** Whose engine may connect: asked of a real one, and in every case. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { createPeerAdmission } from '../../src/cometbft/peer-admission.ts';
import type { LogEvent } from '../../src/logging.ts';
import type { OrderingNode } from '../../src/ordering-node.ts';
import { enrolPatient, order } from '../engine/consortium.ts';
import {
  engineForTests,
  engineIdOf,
  freePorts,
  genesisNow,
  newcomer,
  startCometbftNode,
  until,
  validators,
} from './nodes.ts';

const program = await engineForTests();
const root = mkdtempSync(join(tmpdir(), 'yl-strangers-'));
const running: OrderingNode[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()));
}, 60_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('admission of engines', () => {
  const id = (digit: string): string => digit.repeat(40);
  const open = (): {
    readonly admit: ReturnType<typeof createPeerAdmission>;
    readonly introduced: Set<string>;
    readonly events: LogEvent[];
  } => {
    const introduced = new Set<string>();
    const events: LogEvent[] = [];
    const admit = createPeerAdmission({
      configured: [{ id: id('a'), host: 'h', port: 1 }],
      introduced: () => [...introduced].map((each) => ({ id: each, host: 'h', port: 2 })),
      log: (event) => void events.push(event),
    });
    return { admit, introduced, events };
  };

  test('takes whom the configuration names, with no chain to ask', () => {
    const { admit, events } = open();
    expect(admit({ kind: 'id', value: id('a') })).toBe(true);
    expect(events).toEqual([]);
  });

  test('takes who is introduced, from then on and until he is no more', () => {
    const { admit, introduced, events } = open();
    expect(admit({ kind: 'id', value: id('b') })).toBe(false);
    introduced.add(id('b'));
    expect(admit({ kind: 'id', value: id('b') })).toBe(true);
    introduced.delete(id('b'));
    expect(admit({ kind: 'id', value: id('b') })).toBe(false);
    expect(events.map(({ event }) => event)).toEqual(['engineRefused', 'engineRefused']);
  });

  test.each([id('c'), '', id('a').toUpperCase(), `${id('a')}a`, id('a').slice(1)])(
    'refuses a stranger: %s',
    (value) => {
      expect(open().admit({ kind: 'id', value })).toBe(false);
    },
  );

  test('an address is never refused: it proves nothing about who comes', () => {
    expect(open().admit({ kind: 'addr', value: '203.0.113.9:4' })).toBe(true);
  });

  test('tells of a stranger once, and of a crowd no more than a log can bear', () => {
    const { admit, events } = open();
    admit({ kind: 'id', value: id('c') });
    admit({ kind: 'id', value: id('c') });
    expect(events).toHaveLength(1);
    for (let n = 0; n < 1_000; n++) admit({ kind: 'id', value: n.toString(16).padStart(40, '0') });
    expect(events.length).toBeLessThan(300);
  });
});

describe.skipIf(program === undefined)('a stranger at the door of real engines', () => {
  test('gets no block, whatever genesis and keys it has, until it is introduced', async () => {
    if (program === undefined) return;
    const names = ['v0', 'v1', 'new'];
    const free = await freePorts(names.length);
    const ports = Object.fromEntries(names.map((name, i) => [name, free[i] ?? 0]));
    const plan = { root, genesis: genesisNow(), program, ports };
    const stranger = engineIdOf(newcomer);
    let isIntroduced = false;
    const refusedBy = [0, 0];
    const members = await Promise.all(
      validators.map((keys, i) =>
        startCometbftNode(plan, `v${i}`, keys, {
          introduced: () =>
            isIntroduced ? [{ id: stranger, host: '127.0.0.1', port: ports['new'] ?? 0 }] : [],
          onEvent: ({ event, id }) => {
            if (event === 'engineRefused' && id === stranger) refusedBy[i] = 1;
          },
        }),
      ),
    );
    running.push(...members);
    const [first] = members;
    if (first === undefined) throw new Error('no node');
    // The two admit each other by configuration alone, before there is any state.
    await until(() => first.latest().height > 0n, 'a first block');
    const node = await startCometbftNode(plan, 'new', newcomer);
    running.push(node);
    await until(
      () => refusedBy.every((refused) => refused === 1),
      'both have refused the stranger',
    );
    const height = await order(first, enrolPatient());
    expect(node.latest().height).toBe(0n);

    isIntroduced = true;
    await until(() => node.latest().height >= height, 'the newcomer follows');
    expect(node.status().appHash).toHaveLength(32);
    expect(node.header(height)).toEqual(first.header(height));
  }, 180_000);
});
