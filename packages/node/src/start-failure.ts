/** What an operator reads when a node does not start: what is wrong, and what to do. A bug keeps its stack. */
import { UnknownVersionError } from '@yilian/consensus/application-upgrades';
import { SocketPathError } from './cometbft/socket-path.ts';
import { EngineHomeError } from './cometbft/engine-home.ts';
import { EngineMissingError } from './cometbft/find-engine.ts';
import { OrphanEngineError } from './cometbft/orphan-engine.ts';
import { ConfigError } from './json-fields.ts';
import { StorageError } from './storage/key-value-store.ts';

const STORAGE: Readonly<Record<StorageError['code'], string>> = {
  inUse: 'stop the node that runs there; one node at a time may use a folder',
  wrongChain:
    'config, keys and genesis.cbor must be of the chain whose blocks lie in data/; put the right folder back, ' +
    'or start with an empty data/ to join anew',
  damaged:
    'do not repair it by hand: move data/ away and join anew by state sync or from a backup (docs/operations.md)',
  writeFailed: 'see to the disk, then start the node again',
  closed: 'start the node again',
};

function ofSystem(error: Error): string | undefined {
  if (!('code' in error)) return undefined;
  switch (error.code) {
    case 'EADDRINUSE':
      return `${error.message}: another program listens there; stop it, or give this node another port in config.json`;
    case 'EADDRNOTAVAIL':
      return `${error.message}: this machine has no such address; see "host" in config.json`;
    case 'EACCES':
    case 'EPERM':
      return `${error.message}: the folder must belong to the user that runs the node`;
    case 'ENOSPC':
    case 'EDQUOT':
      return `${error.message}: make room on the disk, then start the node again`;
    case 'EROFS':
      return `${error.message}: the disk can only be read; see to it, then start the node again`;
    default:
      return undefined;
  }
}

/** Undefined: nobody foresaw it. */
export function describeStartFailure(error: unknown): string | undefined {
  if (error instanceof StorageError) return `${error.message}; ${STORAGE[error.code]}`;
  if (
    error instanceof ConfigError ||
    error instanceof UnknownVersionError ||
    error instanceof EngineMissingError ||
    error instanceof EngineHomeError ||
    error instanceof OrphanEngineError ||
    error instanceof SocketPathError
  )
    return error.message;
  return error instanceof Error ? ofSystem(error) : undefined;
}
