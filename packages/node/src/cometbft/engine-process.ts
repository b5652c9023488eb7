/** The `cometbft` process beside a node: started with its home, watched, stopped. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineProgram } from './find-engine.ts';

const STOP_MS_MAX = 10_000;
const LOG_BYTES_MAX = 64 * 1024 * 1024;
const LAST_BYTES = 16 * 1024;
const REASON_CHARACTERS_MAX = 400;

export interface EngineEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** What it said last, as far as it says why. */
  readonly reason: string;
}

export interface EngineProcess {
  readonly pid: number | undefined;
  /** Resolves when it has ended, with what ended it. */
  readonly ended: Promise<EngineEnd>;
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

/** The end of a file from `start` on. */
function tailOf(path: string, start: number): string {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const from = Math.max(start, statSync(path).size - LAST_BYTES);
    const bytes = Buffer.alloc(LAST_BYTES);
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, LAST_BYTES, from));
  } catch {
    return '';
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/**
 * The line that tells an operator most: a panic, else what the program printed as it left, else the last
 * error that it logged.
 */
export function reasonIn(said: string): string {
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  const panic = lines.findLast((line) => /^panic: |CONSENSUS FAILURE/.test(line));
  const plain = lines.findLast((line) => /^(ERROR:|failed to|error )/i.test(line));
  return (panic ?? plain ?? lines.at(-1) ?? '').slice(0, REASON_CHARACTERS_MAX);
}

/** `home` holds `config/` and `data/`; the log is `engine.log` there. */
export function startEngine(program: EngineProgram, home: string): EngineProcess {
  const logPath = join(home, 'engine.log');
  const log = openLog(logPath);
  const start = statSync(logPath).size;
  const child: ChildProcess = spawn(program.path, ['start', '--home', home], {
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const ended = new Promise<EngineEnd>((resolve) => {
    child.once('error', ({ message }) => resolve({ code: null, signal: null, reason: message }));
    child.once('exit', (code, signal) => {
      resolve({ code, signal, reason: reasonIn(tailOf(logPath, start)) });
    });
  });
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
