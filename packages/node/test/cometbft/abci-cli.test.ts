/**
 * CometBFT's own `abci-cli` against our server: Go's client of the same protocol, written by others. From PATH
 * or Go's bin directory; without it the tests are skipped, except in CI.
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeAppState } from '@yilian/consensus/abci/application-calls';
import type { FinalizeBlockRequest, InitChainRequest } from '@yilian/consensus/abci/requests';
import { encodeGenesisDocument } from '@yilian/consensus/genesis';
import { addressOf } from '@yilian/consensus/validator-set';
import { toHex, utf8 } from '@yilian/crypto/bytes';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import { enrolPatient, keysOf } from '../engine/consortium.ts';
import { ScriptedEngine } from './scripted-engine.ts';
import { genesisOf, type RunningApplication, startApplication } from './network.ts';

const versionOf = (program: string): string | null => {
  const { status, stdout } = spawnSync(program, ['version'], { encoding: 'utf8' });
  return status === 0 ? stdout : null;
};
const PROGRAM =
  ['abci-cli', join(homedir(), 'go', 'bin', 'abci-cli')].find((each) => versionOf(each) !== null) ??
  'abci-cli';
const version = versionOf(PROGRAM);

const names = [0, 1, 2, 3].map((i) => keysOf(`validator ${i}`));
const genesis = genesisOf(names.map((keys, i) => ({ keys, leads: i < 3 })));

const initChain: InitChainRequest = {
  timeNs: genesis.timeNs,
  chainId: genesis.chainId,
  consensusParams: undefined,
  validators: genesis.validators.map(({ key, power }) => ({
    publicKey: { type: 'ed25519', key },
    power,
  })),
  appStateBytes: utf8(encodeAppState(encodeGenesisDocument(genesis))),
  initialHeight: 1n,
};
const INFO = { version: '0.38.25', blockVersion: 11n, p2pVersion: 8n, abciVersion: '2.0.0' };
const firstBlock: FinalizeBlockRequest = {
  height: 1n,
  timeNs: genesis.timeNs,
  txs: [enrolPatient()],
  misbehaviour: [],
  nextValidatorsHash: new Uint8Array(32),
  proposerAddress: addressOf(names[0]?.key ?? new Uint8Array(32)),
  decidedLastCommit: { round: 0, votes: [] },
  hash: new Uint8Array(32).fill(1),
};

interface Ran {
  readonly code: number;
  readonly out: string;
}

test.runIf(process.env['CI'] === 'true')('abci-cli is there, and speaks our version', () => {
  expect(version).toMatch(/^2\.0\./);
});

describe.skipIf(version === null)('abci-cli of CometBFT', () => {
  let root: string;
  let application: RunningApplication;
  let engine: ScriptedEngine;

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'yl-cli-'));
    const socket = join(root, 'abci.sock');
    application = await startApplication({ store: createMemoryStore(), genesis, socket });
    // The engine has begun the chain and finished its first block.
    engine = new ScriptedEngine(socket);
    await engine.query.call('info', INFO);
    await engine.consensus.call('initChain', initChain);
    await engine.consensus.call('finalizeBlock', firstBlock);
    await engine.consensus.call('commit', {});
  });
  afterEach(async () => {
    engine.close();
    await application.stop();
    rmSync(root, { recursive: true, force: true });
  });

  /** `lines`: several commands on one connection. */
  const ask = (args: readonly string[], lines: readonly string[] = []): Promise<Ran> =>
    new Promise((resolve) => {
      const address = ['--address', `unix://${join(root, 'abci.sock')}`, '--log_level', 'error'];
      const child = execFile(PROGRAM, [...address, ...args], (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), out: `${out}${err}` });
      });
      child.stdin?.end(lines.map((line) => `${line}\n`).join(''));
    });

  test('echo comes back as it was sent', async () => {
    expect(await ask(['echo', 'one chain, two engines'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('-> data: one chain, two engines'),
    });
  });

  test('info of who only looks is answered, and takes nobody for the engine', async () => {
    const connected = (): number =>
      application.events.filter(({ event }) => event === 'engineConnected').length;
    const before = connected();
    const { code, out } = await ask(['info']);
    expect(code).toBe(0);
    expect(out).toContain('-> data: yilian');
    expect(connected()).toBe(before);
  });

  test('a query on a path that is none gets a code, and the status gets its bytes', async () => {
    const unknown = await ask(['query', '"abc"', '--path', 'nothing']);
    expect(unknown.out).toMatch(/-> code: [1-9]/);
    expect(unknown.out).toContain('pathUnknown');
    const status = await ask(['query', '""', '--path', 'status']);
    expect(status.out).toContain('-> code: OK');
    expect(status.out).toMatch(/-> value.hex: [0-9A-F]{8,}/);
  });

  test.each([
    ['junk', '0xff00'],
    ['nothing', '""'],
    ['a text', '"transaction"'],
    ['many bytes', `0x${'00'.repeat(1_500)}`],
  ])('check_tx of %s is refused with a code, and the next one is answered', async (_what, tx) => {
    const { code, out } = await ask(['batch'], [`check_tx ${tx}`, 'echo unharmed']);
    expect(code).toBe(0);
    expect(out).toMatch(/-> code: [1-9]/);
    expect(out).toContain('-> data: unharmed');
  });

  test('check_tx of a good transaction is taken', async () => {
    const { out } = await ask(['check_tx', `0x${toHex(enrolPatient())}`]);
    expect(out).toContain('-> code: OK');
  });

  test('commands one after the other on one connection come back in their order', async () => {
    const lines = Array.from({ length: 20 }, (_, i) => `echo ${i}`);
    const { out } = await ask(['batch'], lines);
    const told = [...out.matchAll(/-> data: (\d+)$/gm)].map(([, each]) => Number(each));
    expect(told).toEqual(lines.map((_line, i) => i));
  });

  test.each([
    ['a commit without a block', ['commit']],
    ['a block of another height', ['finalize_block', '0xff00']],
    ['a proposal of another height', ['prepare_proposal', '0xff00']],
    ['a proposal by nobody', ['process_proposal', '0xff00']],
  ])('%s ends the session with a word, and nothing is written', async (_what, args) => {
    const { code, out } = await ask(args);
    expect(code).not.toBe(0);
    expect(out).toMatch(/Error: \S/);
    await application.failure;
    expect(application.store.tip()?.height).toBe(1n);
  });

  test('its own suite, which begins a chain of another genesis, is refused', async () => {
    const { code, out } = await ask(['test']);
    expect(code).not.toBe(0);
    expect(out).toMatch(/InitChain|genesis/i);
    expect(application.store.tip()?.height).toBe(1n);
  });
});
