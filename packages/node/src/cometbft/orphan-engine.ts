/**
 * An engine that its node left behind. CometBFT ends by itself when its application does, but not at once: a
 * node that is started in that moment would have a second engine read what the key has signed while the first
 * one still signs. The engine's own locks come too late, since it reads that file before it takes them.
 */
import { readdirSync, readFileSync } from 'node:fs';

const GONE_MS_MAX = 10_000;
const POLL_MS = 20;

/** The left-over engine could not be ended. The message names its process. */
export class OrphanEngineError extends Error {
  readonly code = 'orphanEngine';

  constructor(pid: number, options?: { readonly cause: unknown }) {
    super(
      `process ${pid} is an engine of this node from before, and does not end; end it (kill -9 ${pid}), ` +
        'then start the node again. Two engines with one key would sign twice.',
      options,
    );
    this.name = 'OrphanEngineError';
  }
}

function argumentsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** A process that has ended and was not waited for has no arguments, so it is none. */
function isEngineOf(pid: number, home: string): boolean {
  const [, verb, option, value] = argumentsOf(pid);
  return verb === 'start' && option === '--home' && value === home;
}

function processes(): readonly number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^[1-9]\d*$/.test(name))
      .map(Number);
  } catch {
    // Without /proc nobody tells; the engine's own locks remain.
    return [];
  }
}

/**
 * Ends every engine that runs on `home`, as `startEngine` starts them, and returns which there were.
 * @throws OrphanEngineError
 */
export async function endOrphanEngines(home: string): Promise<readonly number[]> {
  const orphans = processes().filter((pid) => isEngineOf(pid, home));
  for (const pid of orphans) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (cause) {
      if (isEngineOf(pid, home)) throw new OrphanEngineError(pid, { cause });
    }
    const deadline = performance.now() + GONE_MS_MAX;
    while (isEngineOf(pid, home)) {
      if (performance.now() > deadline) throw new OrphanEngineError(pid);
      // oxlint-disable-next-line no-await-in-loop -- until it is gone
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
  return orphans;
}
