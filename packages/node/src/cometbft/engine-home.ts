/**
 * The folder of the node's own CometBFT: what it needs is written at each start, except what says what its
 * key has signed, which is written once and never touched again.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Genesis } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import type { CometbftConfig } from '../config.ts';
import {
  type EngineConfig,
  engineConfigFile,
  freshSignStateFile,
  genesisFile,
  nodeKeyFile,
  validatorKeyFile,
} from './engine-files.ts';

/** `sun_path` less its end and the longest name below. */
const SOCKET_FOLDER_BYTES_MAX = 90;

const SIGN_STATE = 'data/priv_validator_state.json';

/**
 * What lies in the engine's folder does not fit what the node has. `signStateMissing`: what the key has signed is
 * not known any more, so nothing may be signed with it.
 */
export class EngineHomeError extends Error {
  readonly code: 'signStateMissing' | 'engineDataMissing';

  constructor(code: EngineHomeError['code'], message: string) {
    super(message);
    this.name = 'EngineHomeError';
    this.code = code;
  }
}

function assertComplete(path: string, hasBlocks: boolean): void {
  const signState = join(path, SIGN_STATE);
  const hasEngineBlocks = existsSync(join(path, 'data', 'blockstore.db'));
  if (!existsSync(signState) && (hasBlocks || hasEngineBlocks))
    throw new EngineHomeError(
      'signStateMissing',
      `${signState} is missing, and this node has taken part in its chain: it says what the consensus key has ` +
        'signed, and without it the key could sign a second block at one height. Put the file back from this ' +
        'machine’s own disk if you have it. If it is lost, never make one by hand: move data/ away and run ' +
        '"yilian network join", which lets the key sign only above all that it can have signed (docs/operations.md).',
    );
  if (hasBlocks && !hasEngineBlocks)
    throw new EngineHomeError(
      'engineDataMissing',
      `${join(path, 'data')} has no blocks, and the node beside it has: the engine's data is lost. Move the ` +
        'node’s chain/ and services/ away, leave priv_validator_state.json where it is, and start again: ' +
        'everything is fetched from the others (docs/operations.md).',
    );
}

export interface EngineHome {
  readonly path: string;
  readonly applicationSocket: string;
  readonly rpcSocket: string;
  /**
   * Writes the configuration; the sockets of a process that is gone are taken away.
   * `hasBlocks`: of the node's own database. @throws EngineHomeError
   */
  prepare(hasBlocks: boolean): void;
  /** Removes what lies outside `path`. */
  release(): void;
}

export interface EngineHomeOptions {
  readonly path: string;
  readonly name: string;
  readonly genesis: Genesis;
  readonly consensusSeed: Bytes;
  readonly engineSeed: Bytes;
  readonly config: CometbftConfig;
  readonly blockIntervalMs: number;
  readonly heartbeatMs: number;
}

/** Unix sockets have short names; a home deep in the file system gets a private folder elsewhere. */
function socketFolder(path: string): { readonly folder: string; readonly isOwn: boolean } {
  const folder = join(path, 'run');
  if (Buffer.byteLength(folder) <= SOCKET_FOLDER_BYTES_MAX) return { folder, isOwn: false };
  return { folder: mkdtempSync(join(tmpdir(), 'yilian-')), isOwn: true };
}

export function openEngineHome(options: EngineHomeOptions): EngineHome {
  const { path } = options;
  for (const name of ['config', 'data'])
    mkdirSync(join(path, name), { recursive: true, mode: 0o700 });
  const { folder, isOwn } = socketFolder(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const applicationSocket = join(folder, 'application.sock');
  const rpcSocket = join(folder, 'rpc.sock');
  const write = (name: string, content: string): void =>
    writeFileSync(join(path, name), content, { mode: 0o600 });
  return {
    path,
    applicationSocket,
    rpcSocket,
    prepare: (hasBlocks) => {
      const { stateSync } = options.config;
      assertComplete(path, hasBlocks);
      const signState = join(path, SIGN_STATE);
      if (!existsSync(signState)) {
        // Whole or not at all: an engine that finds half of it does not start.
        write(`${SIGN_STATE}.part`, freshSignStateFile());
        renameSync(`${signState}.part`, signState);
      }
      const config: EngineConfig = {
        name: options.name,
        applicationAddress: `unix://${applicationSocket}`,
        rpcAddress: `unix://${rpcSocket}`,
        p2p: options.config.listen,
        peers: options.config.peers,
        blockIntervalMs: options.blockIntervalMs,
        heartbeatMs: options.heartbeatMs,
        ...(stateSync === undefined ? {} : { stateSync }),
      };
      write('config/config.toml', engineConfigFile(config));
      write('config/genesis.json', genesisFile(options.genesis));
      write('config/node_key.json', nodeKeyFile(options.engineSeed));
      write('config/priv_validator_key.json', validatorKeyFile(options.consensusSeed));
      rmSync(rpcSocket, { force: true });
    },
    release: () => {
      if (isOwn) rmSync(folder, { recursive: true, force: true });
    },
  };
}
