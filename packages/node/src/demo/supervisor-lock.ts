/**
 * One supervisor per home. After a supervisor was killed, its nodes notice and stop by themselves; the
 * next one waits for exactly those processes before it opens the same disks.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ORPHANS_MS_MAX = 15_000;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Whether `pid` runs one of our programs: process ids are given out again. */
function isOurs(pid: number, program: RegExp): boolean {
  try {
    return program.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch {
    // No /proc here: believe the file.
    return true;
  }
}

function readPids(path: string): readonly number[] {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    return list.filter((pid): pid is number => typeof pid === 'number' && pid > 1);
  } catch {
    return [];
  }
}

export class AlreadyRunningError extends Error {
  readonly code = 'alreadyRunning';

  constructor(other: { readonly pid: number; readonly home: string }) {
    super(`Yilian already runs on ${other.home} (process ${other.pid}).`);
    this.name = 'AlreadyRunningError';
  }
}

/** Takes the lock; the returned function gives it back. @throws AlreadyRunningError */
export async function lockHome(home: string): Promise<() => void> {
  const path = join(home, 'supervisor.json');
  const [other] = readPids(path);
  if (
    other !== undefined &&
    other !== process.pid &&
    isAlive(other) &&
    isOurs(other, /main\.js|main\.ts/)
  )
    throw new AlreadyRunningError({ pid: other, home });
  const orphans = readPids(join(home, 'processes.json')).filter((pid) =>
    isOurs(pid, /node-process/),
  );
  const deadline = Date.now() + ORPHANS_MS_MAX;
  while (orphans.some(isAlive) && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 50));
  for (const pid of orphans) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  writeFileSync(path, JSON.stringify(process.pid));
  return () => rmSync(path, { force: true });
}
