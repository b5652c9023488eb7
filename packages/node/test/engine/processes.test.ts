/**
 * Four replicas as processes over TCP, killed with SIGKILL under load. Killing keeps the page cache, so
 * this says nothing about disks (durability.test.ts does); it says that no process holds anything that
 * the others or its own next life would miss.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { enrolPatient, genesis, type Keys, validators } from './consortium.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

type Report =
  | { readonly kind: 'listening'; readonly address: Address }
  | { readonly kind: 'acknowledged'; readonly id: string; readonly height: number }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'failed'; readonly reason: string }
  | {
      readonly kind: 'looked';
      readonly height: number;
      readonly missing: readonly string[];
      readonly header: string;
    };

const root = mkdtempSync(join(tmpdir(), 'yilian-processes-'));
const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
});

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const GENESIS = {
  chainId: genesis.chainId,
  timeNs: String(genesis.timeNs),
  appState: base64(genesis.appState),
  validators: genesis.validators.map(({ key, leads }) => ({ key: base64(key), leads })),
};

class Replica {
  readonly keys: Keys;
  readonly #directory: string;
  address: Address = { host: '127.0.0.1', port: 0 };
  readonly acknowledged: { readonly id: string; readonly height: number }[] = [];
  #child?: ChildProcess;
  #loading = false;

  constructor(keys: Keys, index: number) {
    this.keys = keys;
    this.#directory = join(root, String(index));
  }

  async start(): Promise<void> {
    const script = new URL('replica-process.mjs', import.meta.url);
    const child = fork(script, { execArgv: [], env: { ...process.env, NODE_OPTIONS: '' } });
    children.add(child);
    this.#child = child;
    child.on('message', (report: Report) => {
      if (report.kind === 'acknowledged') this.acknowledged.push(report);
      const isAnswer = report.kind === 'acknowledged' || report.kind === 'refused';
      if (isAnswer && this.#loading) this.#orderOne();
    });
    const listening = this.#hear('listening');
    const { port } = this.address;
    const seed = base64(this.keys.seed);
    child.send({ kind: 'start', seed, directory: this.#directory, genesis: GENESIS, port });
    this.address = (await listening).address;
  }

  meet(all: readonly Replica[]): void {
    const members = all.map(({ keys, address }) => ({ key: base64(keys.key), address }));
    this.#child?.send({ kind: 'members', members });
  }

  load(clients: number): void {
    this.#loading = true;
    for (let i = 0; i < clients; i++) this.#orderOne();
  }

  rest(): void {
    this.#loading = false;
  }

  kill(): Promise<void> {
    const child = this.#child;
    this.#loading = false;
    if (child === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      child.once('exit', () => {
        children.delete(child);
        resolve();
      });
      child.kill('SIGKILL');
    });
  }

  look(ids: readonly string[], height = 1): Promise<Extract<Report, { kind: 'looked' }>> {
    const looked = this.#hear('looked');
    this.#child?.send({ kind: 'look', ids, height });
    return looked;
  }

  #orderOne(): void {
    if (this.#child?.connected === true)
      this.#child.send({ kind: 'order', tx: base64(enrolPatient()) });
  }

  #hear<K extends Report['kind']>(kind: K): Promise<Extract<Report, { kind: K }>> {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const listen = (report: Report): void => {
        if (report.kind !== kind && report.kind !== 'failed') return;
        child?.off('message', listen);
        if (report.kind === 'failed') reject(new Error(report.reason));
        else resolve(report as Extract<Report, { kind: K }>);
      };
      child?.on('message', listen);
    });
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 30_000;
  // oxlint-disable-next-line no-await-in-loop -- polling
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('the condition was never met');
    // oxlint-disable-next-line no-await-in-loop -- as above
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('kill −9 of any replica, and then of all at once, under load: nothing acknowledged is lost', async () => {
  const replicas = validators.map((keys, i) => new Replica(keys, i));
  await Promise.all(replicas.map((replica) => replica.start()));
  for (const replica of replicas) replica.meet(replicas);
  const acknowledged = (): string[] =>
    replicas.flatMap((replica) => replica.acknowledged.map(({ id }) => id));
  const nothingLost = async (): Promise<void> => {
    for (const replica of replicas) {
      const own = replica.acknowledged.map(({ id }) => id);
      // oxlint-disable-next-line no-await-in-loop -- one after another reads better
      expect((await replica.look(own)).missing).toEqual([]);
    }
  };
  await until(async () => {
    const looks = await Promise.all(replicas.map((replica) => replica.look([])));
    return looks.every(({ height }) => height >= 0);
  });

  for (const replica of replicas) replica.load(4);
  for (const victim of replicas) {
    const before = acknowledged().length;
    // oxlint-disable-next-line no-await-in-loop -- one victim after another
    await until(() => acknowledged().length > before + 10);
    // oxlint-disable-next-line no-await-in-loop -- as above
    await victim.kill();
    const without = acknowledged().length;
    // oxlint-disable-next-line no-await-in-loop -- the others go on
    await until(() => acknowledged().length > without + 5);
    // oxlint-disable-next-line no-await-in-loop -- as above
    await victim.start();
    for (const replica of replicas) replica.meet(replicas);
    victim.load(4);
  }
  await Promise.all(replicas.map((replica) => replica.kill()));
  await Promise.all(replicas.map((replica) => replica.start()));
  for (const replica of replicas) replica.meet(replicas);
  await nothingLost();

  const before = acknowledged().length;
  for (const replica of replicas) replica.load(2);
  await until(() => acknowledged().length > before + 10);
  for (const replica of replicas) replica.rest();
  const all = acknowledged();
  // Taken together: what is acknowledged from here on may not be everywhere when it is asked for.
  const last = Math.max(
    ...replicas.flatMap(({ acknowledged: list }) => list.map(({ height }) => height)),
  );
  await until(async () => {
    const looks = await Promise.all(replicas.map((replica) => replica.look(all)));
    return looks.every(({ missing }) => missing.length === 0);
  });
  const looks = await Promise.all(replicas.map((replica) => replica.look([], last)));
  expect(new Set(looks.map(({ header }) => header)).size).toBe(1);
  expect(looks[0]?.header).not.toBe('');
  await Promise.all(replicas.map((replica) => replica.kill()));
});
