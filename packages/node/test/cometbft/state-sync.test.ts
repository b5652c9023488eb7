/** A new hospital takes a snapshot of the others' state, through real engines. */
import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '@yilian/crypto/bytes';
import { cometHeaderHash, decodeCometHeader } from '@yilian/consensus/light/cometbft/header';
import { verifyStateAnswer, parseStateAnswer } from '@yilian/ledger/answers';
import { deriveMemberId } from '@yilian/ledger/ids';
import { stateKeys } from '@yilian/ledger/state';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StateSyncConfig } from '../../src/config.ts';
import type { LogEvent } from '../../src/logging.ts';
import type { OrderingNode } from '../../src/ordering-node.ts';
import { CHAIN_ID, doctor, enrolPatient, order } from '../engine/consortium.ts';
import {
  engineForTests,
  freePorts,
  genesisNow,
  newcomer,
  nodeOptions,
  type NodePlan,
  serveRelay,
  startCometbftNode,
  until,
  validators,
} from './nodes.ts';

const program = await engineForTests();
const root = mkdtempSync(join(tmpdir(), 'yl-sync-'));
const TRANSACTIONS = Number(process.env['YILIAN_STATE_SYNC_TRANSACTIONS'] ?? 200);
/** Half of what a mempool takes from one source. */
const IN_FLIGHT = 1_000;
const SNAPSHOT_EVERY = 10;
const NETWORK_MS = 240_000 + 5 * TRANSACTIONS;

describe.skipIf(program === undefined)('a new hospital', () => {
  let plan: NodePlan;
  let members: readonly OrderingNode[];
  let relays: readonly Awaited<ReturnType<typeof serveRelay>>[];
  let stateSync: StateSyncConfig;
  const made: bigint[] = [];

  /** Until both nodes have made a snapshot, and two heights follow it, as the engine's light client wants. */
  const passSnapshot = async (): Promise<void> => {
    const [first] = members;
    if (first === undefined) throw new Error('no node');
    const before = made.length;
    while (made.length < before + 2 || first.latest().height % BigInt(SNAPSHOT_EVERY) < 2n)
      // oxlint-disable-next-line no-await-in-loop -- one block after another
      await order(first, enrolPatient());
  };

  const appHashAt = (node: OrderingNode, height: bigint): string => {
    const header = node.header(height + 1n);
    if (header === undefined) throw new Error(`no header ${height + 1n}`);
    return toHex(decodeCometHeader(header.header).appHash);
  };

  beforeAll(async () => {
    if (program === undefined) return;
    const names = ['v0', 'v1', 'new', 'killed', 'lied'];
    const free = await freePorts(names.length);
    const ports = Object.fromEntries(names.map((name, i) => [name, free[i] ?? 0]));
    plan = { root, genesis: genesisNow(), program, ports };
    const onEvent = (event: LogEvent): void => {
      if (event.event === 'snapshotMade' && typeof event['height'] === 'bigint')
        made.push(event['height']);
    };
    members = await Promise.all(
      validators.map((keys, i) =>
        startCometbftNode(plan, `v${i}`, keys, {
          // Few empty blocks: the tests decide when the next snapshot is due.
          settings: { snapshotEvery: SNAPSHOT_EVERY, heartbeatMs: 5_000 },
          onEvent,
        }),
      ),
    );
    const [first] = members;
    if (first === undefined) throw new Error('no node');
    await until(() => first.latest().height > 0n, 'a first block');
    for (let sent = 0; sent < TRANSACTIONS; sent += IN_FLIGHT)
      // oxlint-disable-next-line no-await-in-loop -- no more than a mempool takes
      await Promise.all(
        Array.from({ length: Math.min(IN_FLIGHT, TRANSACTIONS - sent) }, () =>
          order(first, enrolPatient()),
        ),
      );
    await passSnapshot();
    relays = await Promise.all(members.map(serveRelay));
    const trusted = first.header(2n);
    if (trusted === undefined) throw new Error('no header');
    stateSync = {
      rpcServers: relays.map(({ url }) => url),
      trustHeight: 2n,
      trustHash: toHex(cometHeaderHash(decodeCometHeader(trusted.header))),
      trustPeriodHours: 24,
    };
  }, NETWORK_MS);

  afterAll(async () => {
    await Promise.all((relays ?? []).map((relay) => relay.close()));
    await Promise.all((members ?? []).map((node) => node.stop()));
    rmSync(root, { recursive: true, force: true });
  });

  test('joins by state sync, has the same state, shows proofs of it, and follows new blocks', async () => {
    const events: LogEvent[] = [];
    const onEvent = (event: LogEvent): void => void events.push(event);
    let node = await startCometbftNode(plan, 'new', newcomer, { stateSync, onEvent });
    try {
      await until(
        () => events.some(({ event }) => event === 'snapshotRestored'),
        'a snapshot',
        120_000,
      );
      const restored = node.latest().height;
      expect(restored >= BigInt(SNAPSHOT_EVERY)).toBe(true);
      const [first] = members;
      if (first === undefined) throw new Error('no node');
      const height = await order(first, enrolPatient());
      await until(() => node.latest().height >= height + 2n, 'new blocks');
      expect(appHashAt(node, height)).toBe(appHashAt(first, height));
      // No block below the snapshot was executed or fetched.
      expect(node.block(1n)).toBeUndefined();
      expect(node.firstBlock() > BigInt(SNAPSHOT_EVERY)).toBe(true);
      const key = stateKeys.member(deriveMemberId({ chainId: CHAIN_ID }, doctor.key));
      const at = node.latest().height - 1n;
      const answer = node.query({ path: 'state', key, height: at, prove: true });
      if (!answer.ok) throw new Error(answer.code);
      const proven = parseStateAnswer(answer.value);
      const carrier = node.header(at + 1n);
      if (carrier === undefined) throw new Error('no header');
      const { appHash } = decodeCometHeader(carrier.header);
      expect(proven.value).not.toBeNull();
      expect(verifyStateAnswer(appHash, key, proven)).toBe(true);

      // And it goes on after a restart, without another snapshot.
      await node.stop();
      node = await startCometbftNode(plan, 'new', newcomer, { stateSync, onEvent });
      const next = await order(first, enrolPatient());
      await until(() => node.latest().height > next, 'blocks after the restart');
      expect(events.filter(({ event }) => event === 'snapshotRestored').length).toBe(1);
    } finally {
      await node.stop();
    }
    const methods = relays.flatMap(({ asked }) =>
      asked.map((body) => String((JSON.parse(body) as Record<string, unknown>)['method'])),
    );
    expect([...new Set(methods)].sort()).toEqual(['commit', 'consensus_params', 'validators']);
  }, 240_000);

  test('that is killed between two chunks goes on with the next one', async () => {
    // No newer one may come while it is dead.
    await passSnapshot();
    const child = fork(new URL('killed-newcomer.mjs', import.meta.url), {
      // Without the source condition that this process runs under.
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const gone = new Promise<string | null>((resolve) => {
      child.once('exit', (_code, signal) => resolve(signal));
    });
    child.send(nodeOptions(plan, 'killed', newcomer, { stateSync }));
    expect(await gone).toBe('SIGKILL');
    const events: LogEvent[] = [];
    const node = await startCometbftNode(plan, 'killed', newcomer, {
      stateSync,
      onEvent: (event) => void events.push(event),
    });
    try {
      expect(node.latest().height).toBe(0n);
      await until(
        () => events.some(({ event }) => event === 'snapshotRestored'),
        'a snapshot',
        120_000,
      );
      const accepted = events.find(({ event }) => event === 'snapshotAccepted');
      expect(accepted?.['next']).toBe(1);
      const chunks = events.filter(({ event }) => event === 'chunkRestored');
      expect(chunks.map(({ index }) => index)).not.toContain(0);
      const [first] = members;
      if (first === undefined) throw new Error('no node');
      const height = await order(first, enrolPatient());
      await until(() => node.latest().height > height, 'new blocks');
      expect(appHashAt(node, height)).toBe(appHashAt(first, height));
    } finally {
      await node.stop();
    }
  }, 240_000);

  test('refuses a forged chunk, whoever sends it, and takes the right one from another', async () => {
    await passSnapshot();
    const files = validators.flatMap((_, i) => {
      const folder = join(root, `v${i}`, 'snapshots');
      return readdirSync(folder).map((height) => join(folder, height, '0'));
    });
    const right = files.map((path) => ({ path, bytes: readFileSync(path) }));
    for (const { path, bytes } of right) {
      const forged = Buffer.from(bytes);
      // The last byte of the first value.
      forged.writeUInt8(forged.readUInt8(120) ^ 1, 120);
      writeFileSync(path, forged);
    }
    const events: LogEvent[] = [];
    const node = await startCometbftNode(plan, 'lied', newcomer, {
      stateSync,
      onEvent: (event) => {
        events.push(event);
        if (event.event !== 'chunkRefused') return;
        for (const { path, bytes } of right) writeFileSync(path, bytes);
      },
    });
    try {
      await until(
        () => events.some(({ event }) => event === 'snapshotRestored'),
        'a snapshot',
        120_000,
      );
      const refused = events.filter(({ event }) => event === 'chunkRefused');
      expect(refused.map(({ code }) => code)).toEqual(['notUnderAppHash']);
      expect(refused[0]?.['sender']).toMatch(/^[0-9a-f]{40}$/);
    } finally {
      await node.stop();
    }
  }, 240_000);
});
