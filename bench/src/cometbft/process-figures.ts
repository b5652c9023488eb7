/** What Linux tells of processes: processor time and memory. Zero where there is no /proc. */
import { readFileSync } from 'node:fs';

/** `sysconf(_SC_CLK_TCK)` is 100 on every Linux that Node runs on. */
const TICK_MS = 10;

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** Of all threads, in user and kernel mode, milliseconds. */
export function processorMs(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = read(`/proc/${pid}/stat`);
    // The name in parentheses may hold spaces: fields are counted from behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks * TICK_MS;
}

/** Resident memory of a process, MiB. */
export interface Resident {
  readonly all: number;
  /** Heap and buffers: what the process itself holds. The rest are pages of files, database and program, that the system keeps while it has room. */
  readonly anonymous: number;
}

export function resident(pid: number): Resident {
  const status = read(`/proc/${pid}/status`);
  const mebibytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? '0') / 1024;
  return { all: mebibytes('VmRSS'), anonymous: mebibytes('RssAnon') };
}
