/** A place for a unix socket that this user alone can reach: whoever can connect to it, can speak as the engine. */
import { lstat, mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';

export class SocketPathError extends Error {
  readonly code: 'tooLong' | 'notPrivate' | 'inUse' | 'notASocket';

  constructor(code: SocketPathError['code'], message: string) {
    super(message);
    this.name = 'SocketPathError';
    this.code = code;
  }
}

/** `sun_path` has 108 bytes on Linux and 104 on macOS, the last of them zero. */
const PATH_BYTES_MAX = 103;

/** Whether somebody answers there. */
function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/**
 * Makes the directory and takes away what a process that is gone left behind.
 * @throws SocketPathError
 */
export async function prepareSocketPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > PATH_BYTES_MAX)
    throw new SocketPathError('tooLong', `${path} has more than ${PATH_BYTES_MAX} bytes`);
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { mode, uid } = await lstat(directory);
  if ((mode & 0o077) !== 0 || uid !== process.getuid?.())
    throw new SocketPathError(
      'notPrivate',
      `${directory} must belong to this user and be closed to all others (mode 0700)`,
    );
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new SocketPathError('notASocket', `${path} is no socket`);
  if (await isListening(path))
    throw new SocketPathError('inUse', `${path} is being served already`);
  await rm(path);
}
