/**
 * Prepares the home of a node that comes to a chain that runs already: a new hospital, or one whose disk was
 * lost. The node then takes a snapshot of the others' state instead of executing every block, and signs
 * nothing that its key can have signed before.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { raisedSignStateFile } from '../cometbft/engine-files.ts';
import { parseNodeConfig, type StateSyncConfig } from '../config.ts';
import { ConfigError } from '../json-fields.ts';
import { ENGINE_RELAY_PATH } from '../http/engine-relay-route.ts';

/** Heights that may have begun since the newest header was shown; and a node that shows it may be late. */
const SIGNING_MARGIN = 10n;

/**
 * The height at which trust begins: below the older of the two snapshots that nodes keep, since engines verify
 * forwards in jumps and backwards header by header.
 */
export function trustHeightFor(newestHeight: bigint, snapshotEvery: number): bigint {
  if (snapshotEvery === 0)
    throw new ConfigError('config.json: settings.snapshotEvery is 0: no node has a snapshot');
  const every = BigInt(snapshotEvery);
  const older = (newestHeight / every - 1n) * every;
  return older > 1n ? older : 1n;
}

function readConfig(path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch (cause) {
    throw new ConfigError(`${path} cannot be read`, { cause });
  }
  throw new ConfigError(`${path}: expected an object`);
}

/** Whether some node must have a snapshot by now. Before, all blocks are fetched: there are few. */
export function hasSnapshot(newestHeight: bigint, snapshotEvery: number): boolean {
  return snapshotEvery > 0 && newestHeight >= BigInt(snapshotEvery);
}

export interface JoinInput {
  /** Base addresses of other nodes' HTTP, at least two, of different operators. */
  readonly urls: readonly string[];
  /**
   * A header that was verified, at `trustHeightFor`; hours in which its validators are still bound. Undefined: no
   * snapshot is taken.
   */
  readonly trusted:
    | {
        readonly height: bigint;
        readonly blockId: Bytes;
        readonly periodHours: number;
      }
    | undefined;
  /** Of the newest verified header. */
  readonly newestHeight: bigint;
}

function describeStateSync(
  urls: readonly string[],
  trusted: NonNullable<JoinInput['trusted']>,
): Readonly<Record<string, unknown>> {
  return {
    rpcServers: urls.map((url) => `${url.replace(/\/+$/, '')}${ENGINE_RELAY_PATH}`),
    trustHeight: Number(trusted.height),
    trustHash: toHex(trusted.blockId),
    trustPeriodHours: trusted.periodHours,
  };
}

/** @throws ConfigError */
export function joinNetwork(
  home: string,
  { urls, trusted, newestHeight }: JoinInput,
): { readonly stateSync: StateSyncConfig | undefined; readonly keepsSignState: boolean } {
  const path = join(home, 'config.json');
  const config = readConfig(path);
  const { cometbft } = config;
  if (typeof cometbft !== 'object' || cometbft === null)
    throw new ConfigError(`${path}: only a chain that CometBFT orders is joined by snapshot`);
  const entries = Object.entries(cometbft).filter(([name]) => name !== 'stateSync');
  const stateSync = trusted === undefined ? undefined : describeStateSync(urls, trusted);
  const changed = {
    ...config,
    cometbft: {
      ...Object.fromEntries(entries),
      ...(stateSync === undefined ? {} : { stateSync }),
    },
  };
  const parsed = parseNodeConfig('config.json', changed).cometbft?.stateSync;
  writeFileSync(`${path}.new`, `${JSON.stringify(changed, null, 2)}\n`);
  renameSync(`${path}.new`, path);
  const folder = join(home, 'data', 'cometbft', 'data');
  const signState = join(folder, 'priv_validator_state.json');
  const keepsSignState = existsSync(signState);
  if (!keepsSignState) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(signState, raisedSignStateFile(newestHeight + SIGNING_MARGIN), { mode: 0o600 });
  }
  return { stateSync: parsed, keepsSignState };
}
