/**
 * The `cometbft` process beside a node: started with its home, watched, stopped. When its application is
 * killed it ends itself, or hangs while it does so (seen with v0.38.25), and then holds database and port;
 * so who starts one ends what was left of the one before.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineProgram } from './find-engine.ts';

const STOP_MS_MAX = 10_000;
const LOG_BYTES_MAX = 64 * 1024 * 1024;

export interface EngineProcess {
  readonly pid: number | undefined;
  /** Resolves when it has ended, with what ended it. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** SIGTERM, then SIGKILL after ten seconds. */
  stop(): Promise<void>;
}

function openLog(path: string): number {
  try {
    if (statSync(path).size > LOG_BYTES_MAX) rmSync(path);
  } catch {
    // There is none yet.
  }
  return openSync(path, 'a', 0o600);
}

const PID_FILE = 'engine.pid';

/** Process ids are given out again: only one that runs on this very home is meant. */
function endLeftOver(home: string): void {
  try {
    const pid = Number(readFileSync(join(home, PID_FILE), 'utf8'));
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    if (command.includes('start') && command.includes(home)) process.kill(pid, 'SIGKILL');
  } catch {
    // Nothing was left, or this system does not tell.
  }
}

/** `home` holds `config/` and `data/`; the log is `engine.log` there. */
export function startEngine(program: EngineProgram, home: string): EngineProcess {
  endLeftOver(home);
  const log = openLog(join(home, 'engine.log'));
  const child: ChildProcess = spawn(program.path, ['start', '--home', home], {
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  if (child.pid !== undefined) writeFileSync(join(home, PID_FILE), String(child.pid));
  const ended = new Promise<{ readonly code: number | null; readonly signal: string | null }>(
    (resolve) => {
      child.once('error', () => resolve({ code: null, signal: null }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    },
  );
  return {
    pid: child.pid,
    ended,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
      await ended;
      clearTimeout(timer);
    },
  };
}
