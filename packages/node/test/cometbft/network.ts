/** One chain for tests under CometBFT: keys, genesis, the ledger behind an ABCI server, and its engine. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { encodeAppState } from '@yilian/consensus/abci/application-calls';
import type { Application, Genesis } from '@yilian/consensus/application';
import { genesisId } from '@yilian/consensus/genesis';
import type { Bytes } from '@yilian/crypto/bytes';
import { encodeGenesis } from '@yilian/ledger/genesis';
import { createLedger } from '@yilian/ledger/ledger';
import { type AbciServer, listenAbci } from '../../src/cometbft/abci-server.ts';
import {
  type ApplicationDriver,
  createApplicationDriver,
} from '../../src/cometbft/application-driver.ts';
import {
  createEngineChainStore,
  type EngineChainStore,
  STATE_SPACE,
} from '../../src/cometbft/engine-chain-store.ts';
import { encodeGenesisDocument } from '@yilian/consensus/genesis';
import type { LogEvent } from '../../src/logging.ts';
import type { KeyValueStore } from '../../src/storage/key-value-store.ts';
import { createCheckPool } from '../../src/verification/check-pool.ts';
import { sha256 } from '../../src/verification/sha256.ts';
import { createTransactionVerifier } from '../../src/verification/transaction-verifier.ts';
import { CHAIN_ID, doctor, type Keys, regulator } from '../engine/consortium.ts';

const member = (keys: Keys, role: 'regulator' | 'doctor', place: string) => ({
  key: keys.key,
  role,
  institution: place,
  operator: place,
  hpkeKey: new Uint8Array(32),
  certificateHash: new Uint8Array(32),
});

/** A genesis with these validators; the first ones lead. */
export function genesisOf(
  validators: readonly { readonly keys: Keys; readonly leads: boolean }[],
): Genesis {
  return {
    chainId: CHAIN_ID,
    timeNs: 1_700_000_000_123_456_789n,
    validators: validators.map(({ keys, leads }) => ({ key: keys.key, power: 10n, leads })),
    appState: encodeGenesis({
      chainId: CHAIN_ID,
      members: [
        member(regulator, 'regulator', 'health-commission'),
        member(doctor, 'doctor', 'h-0'),
      ],
      validators: validators.map(({ keys }, i) => ({
        consensusKey: keys.key,
        institution: `h-${i}`,
        operator: `h-${i}`,
      })),
      settings: { faultsMax: Math.floor((validators.length - 1) / 3) },
    }),
  };
}

export interface RunningApplication {
  readonly application: Application;
  readonly store: EngineChainStore;
  readonly driver: ApplicationDriver;
  readonly server: AbciServer;
  readonly events: readonly LogEvent[];
  readonly failure: Promise<Error>;
  stop(): Promise<void>;
}

/** The ledger on a store behind a socket. `wrap` puts something between the driver and the ledger. */
export async function startApplication(input: {
  readonly store: KeyValueStore;
  readonly genesis: Genesis;
  readonly socket: string;
  readonly wrap?: (application: Application) => Application;
  readonly pendingMax?: number;
}): Promise<RunningApplication> {
  const { genesis } = input;
  const store = createEngineChainStore(input.store);
  await store.initialise(genesisId(genesis));
  const ledger: Application = createLedger({
    reader: store.state,
    hash: sha256,
    space: STATE_SPACE,
  });
  const application = input.wrap?.(ledger) ?? ledger;
  const events: LogEvent[] = [];
  const log = (event: LogEvent): void => void events.push(event);
  const pool = createCheckPool({ workers: 0, onFailure: () => undefined });
  const driver = createApplicationDriver({
    application,
    verifier: createTransactionVerifier(application, pool),
    genesis,
    genesisDocument: encodeGenesisDocument(genesis),
    tip: store.tip(),
    persist: (committed) => store.commitBlock(committed),
    log,
    ...(input.pendingMax === undefined ? {} : { admission: { pendingMax: input.pendingMax } }),
  });
  let fail: (error: Error) => void = () => undefined;
  const failure = new Promise<Error>((resolve) => {
    fail = resolve;
  });
  const server = await listenAbci({
    address: { kind: 'unix', path: input.socket },
    handlers: driver.handlers,
    log,
    onFailure: fail,
  });
  return {
    application,
    store,
    driver,
    server,
    events,
    failure,
    stop: async () => {
      await server.close();
      await driver.stop();
      await pool.close();
      await store.close();
    },
  };
}

/** On the path, or where Go installs programs. */
export function findCometbft(): string | undefined {
  const runs = (program: string): boolean => spawnSync(program, ['version']).status === 0;
  const onPath = 'cometbft';
  if (runs(onPath)) return onPath;
  const compiler = 'go';
  const { status, stdout } = spawnSync(compiler, ['env', 'GOPATH'], { encoding: 'utf8' });
  if (status !== 0) return undefined;
  const installed = join(stdout.trim(), 'bin', onPath);
  return runs(installed) ? installed : undefined;
}

const address = (key: Bytes): string =>
  createHash('sha256').update(key).digest('hex').slice(0, 40).toUpperCase();
const base64 = (bytes: Bytes): string => Buffer.from(bytes).toString('base64');

/** One validator's CometBFT, in a directory of its own. */
export class Engine {
  readonly #program: string;
  readonly #home: string;
  readonly rpc: string;
  #child: ChildProcess | undefined;
  output = '';

  constructor(options: {
    readonly program: string;
    readonly home: string;
    readonly proxyApp: string;
    readonly rpcPort: number;
    readonly genesis: Genesis;
    readonly keys: Keys;
  }) {
    const { program, home, genesis, keys, rpcPort } = options;
    this.#program = program;
    this.#home = home;
    this.rpc = `http://127.0.0.1:${rpcPort}`;
    spawnSync(program, ['init', '--home', home]);
    const config = join(home, 'config');
    mkdirSync(config, { recursive: true });
    const publicKey = (key: Bytes): object => ({
      type: 'tendermint/PubKeyEd25519',
      value: base64(key),
    });
    writeFileSync(
      join(config, 'priv_validator_key.json'),
      JSON.stringify({
        address: address(keys.key),
        pub_key: publicKey(keys.key),
        priv_key: {
          type: 'tendermint/PrivKeyEd25519',
          value: base64(Buffer.concat([keys.seed, keys.key])),
        },
      }),
    );
    const made = JSON.parse(readFileSync(join(config, 'genesis.json'), 'utf8')) as object;
    const seconds = Number(genesis.timeNs / 1_000_000_000n);
    const time = new Date(seconds * 1_000).toISOString().slice(0, 19);
    const nanos = String(genesis.timeNs % 1_000_000_000n).padStart(9, '0');
    const json = JSON.stringify({
      ...made,
      chain_id: genesis.chainId,
      genesis_time: `${time}.${nanos}Z`,
      initial_height: '1',
      validators: genesis.validators.map(({ key, power }) => ({
        address: address(key),
        pub_key: publicKey(key),
        power: String(power),
        name: '',
      })),
      app_state: 'APP_STATE',
    });
    const appState = encodeAppState(encodeGenesisDocument(genesis));
    writeFileSync(join(config, 'genesis.json'), json.replace('"APP_STATE"', appState));
    const file = join(config, 'config.toml');
    const settings: Record<string, string> = {
      proxy_app: options.proxyApp,
      'laddr = "tcp://127.0.0.1:26657"': `laddr = "tcp://127.0.0.1:${rpcPort}"`,
    };
    const toml = readFileSync(file, 'utf8')
      .replace(/^proxy_app = .*$/m, `proxy_app = "${settings['proxy_app']}"`)
      .replace('laddr = "tcp://127.0.0.1:26657"', `laddr = "tcp://127.0.0.1:${rpcPort}"`)
      .replace('laddr = "tcp://0.0.0.0:26656"', 'laddr = "tcp://127.0.0.1:0"')
      .replace(/^timeout_commit = .*$/m, 'timeout_commit = "50ms"')
      .replace(/^create_empty_blocks = .*$/m, 'create_empty_blocks = false');
    writeFileSync(file, toml);
  }

  start(): void {
    const child = spawn(this.#program, ['node', '--home', this.#home], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const hear = (chunk: Buffer): void => {
      this.output += chunk.toString('utf8');
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    this.#child = child;
  }

  /** Resolves with its exit code, null after a signal. */
  ended(): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return Promise.resolve(child?.exitCode ?? null);
    return new Promise((resolve) => {
      child.once('exit', resolve);
    });
  }

  /**
   * Waits until it has ended by itself, and ends it otherwise: when its application disappears in the middle of a
   * block, CometBFT 0.38 may stop its services and then wait for ever for its consensus routine.
   */
  async endWithin(waitMs: number): Promise<void> {
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), waitMs);
    await this.ended();
    clearTimeout(timer);
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    this.#child?.kill(signal);
    await this.endWithin(5_000);
  }

  async call(
    method: string,
    params: Record<string, unknown> = {},
  ): Promise<Record<string, unknown>> {
    const response = await fetch(this.rpc, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    const { result, error } = (await response.json()) as {
      result?: Record<string, unknown>;
      error?: unknown;
    };
    if (result === undefined) throw new Error(`rpc ${method}: ${JSON.stringify(error)}`);
    return result;
  }

  /** `broadcast_tx_sync`: what CheckTx said. */
  async broadcast(
    tx: Bytes,
  ): Promise<{ readonly code: number; readonly log: string; readonly data: string }> {
    const { code, log, data } = await this.call('broadcast_tx_sync', { tx: base64(tx) });
    return { code: Number(code), log: String(log), data: String(data) };
  }

  /** Waits until RPC answers. */
  async ready(): Promise<void> {
    await until(async () => {
      await this.call('status');
      return true;
    });
  }
}

/** Asks again and again until the answer is true; what is thrown meanwhile counts as no. */
export async function until(
  done: () => boolean | Promise<boolean>,
  waitMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + waitMs;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      if (await done()) return;
    } catch (error) {
      last = error;
    }
    await pause(25);
  }
  throw new Error('what was waited for did not happen', { cause: last });
}
