/**
 * One process per data directory. Two replicas with one key and one log would each keep the rule of saying
 * everything once, and break it together. The database itself does not mind several processes.
 *
 * The lock names process and boot: a process that was killed leaves it behind, and whoever comes next sees
 * that nobody of that name is alive. It does not reach across machines or containers with process ids of
 * their own that share a disk.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StorageError } from './key-value-store.ts';

const LOCK_FILE = 'lock';
/** Whoever finds a dead lock removes it and tries again; several may do so at a time. */
const TRIES_MAX = 8;

/** When a process began, in ticks since boot, and the boot: process ids alone are given out again. */
function birthOf(pid: number): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    // The name of the program, in parentheses, may hold spaces; what follows it does not.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return `${boot}/${start}`;
  } catch {
    return '';
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return hasCode(error, 'EPERM');
  }
}

function holderOf(path: string): { readonly pid: number; readonly birth: string } | undefined {
  try {
    const [pid = '', birth = ''] = readFileSync(path, 'utf8').split(' ');
    return /^[1-9]\d*$/.test(pid) ? { pid: Number(pid), birth } : undefined;
  } catch {
    return undefined;
  }
}

function isHeld(path: string): boolean {
  const holder = holderOf(path);
  if (holder === undefined || !isAlive(holder.pid)) return false;
  const birth = birthOf(holder.pid);
  // Where nothing tells when a process began, its id is believed.
  return birth === '' || holder.birth === '' || birth === holder.birth;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** Whether the name was free. A link appears whole or not at all: nobody sees an empty lock. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Moves a dead lock away. What was moved is looked at again: it may be a newer one, which goes back. */
function removeDead(path: string, away: string): void {
  try {
    renameSync(path, away);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return;
    throw error;
  }
  if (isHeld(away)) tryLink(away, path);
  rmSync(away, { force: true });
}

/** Returns how to release it. @throws StorageError `inUse` while another process, or this one, holds it */
export function lockDirectory(directory: string): () => void {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, LOCK_FILE);
  const own = `${path}.${process.pid}`;
  writeFileSync(own, `${process.pid} ${birthOf(process.pid)}`);
  try {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      if (tryLink(own, path)) return () => rmSync(path, { force: true });
      if (isHeld(path)) break;
      removeDead(path, `${own}.dead`);
    }
  } finally {
    rmSync(own, { force: true });
  }
  throw new StorageError('inUse', `${directory} is in use by another process`);
}
