/**
 * The `cometbft` process beside a node: started with its home, listened to, stopped.
 *
 * What it says goes through the node into `engine.log`. So the node hears of the one failure that the engine
 * survives as a shell: after a panic of its consensus (a write-ahead log that cannot be written, most of all)
 * CometBFT v0.38 goes on to answer, and never votes again. And an engine whose node is gone ends at its next
 * word at the latest, since nobody reads it any more.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineProgram } from './find-engine.ts';

const STOP_MS_MAX = 10_000;
const LOG_BYTES_MAX = 64 * 1024 * 1024;
const LINES_KEPT = 50;
const LINE_CHARACTERS_MAX = 4_096;
const REASON_CHARACTERS_MAX = 400;
/** For the stack to follow. */
const LAST_WORDS_MS = 250;

export interface EngineEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** What it said last, as far as it says why; empty when it was killed. */
  readonly reason: string;
}

export interface EngineProcess {
  readonly pid: number | undefined;
  /** Resolves when it has ended, with what ended it. */
  readonly ended: Promise<EngineEnd>;
  /** SIGTERM, then SIGKILL after ten seconds. */
  stop(): Promise<void>;
}

const FAILURE = /CONSENSUS FAILURE/;

/** `err` of a line of the engine's log, or the line. */
function shortened(line: string): string {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) {
      const { _msg: message, err, error }: Partial<Record<string, unknown>> = { ...value };
      const why = [message, err ?? error].filter((each) => typeof each === 'string');
      if (why.length > 0) return why.join(': ').slice(0, REASON_CHARACTERS_MAX);
    }
  } catch {
    // Not every line is of the log.
  }
  return line.slice(0, REASON_CHARACTERS_MAX);
}

/**
 * The line that tells an operator most: a failure of consensus, a panic, what the program printed as it left, else
 * the last line of all.
 */
export function reasonIn(lines: readonly string[]): string {
  const found =
    lines.findLast((line) => FAILURE.test(line)) ??
    lines.findLast((line) => line.startsWith('panic: ')) ??
    lines.findLast((line) => /^(ERROR:|failed to|error )/i.test(line)) ??
    lines.at(-1);
  return found === undefined ? '' : shortened(found);
}

/** Appends as long as there is room, and keeps the last lines in memory. One old file is kept. */
class EngineLog {
  readonly #path: string;
  readonly #onLine: (line: string) => void;
  #file: number | undefined;
  #bytes = 0;
  #partial = '';
  readonly lines: string[] = [];

  constructor(path: string, onLine: (line: string) => void) {
    this.#path = path;
    this.#onLine = onLine;
    this.#open();
  }

  take(text: string): void {
    this.#write(text);
    const lines = `${this.#partial}${text}`.split('\n');
    this.#partial = (lines.pop() ?? '').slice(0, LINE_CHARACTERS_MAX);
    for (const line of lines) {
      if (line.trim() === '') continue;
      this.lines.push(line.slice(0, LINE_CHARACTERS_MAX));
      if (this.lines.length > LINES_KEPT) this.lines.shift();
      this.#onLine(line);
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #open(): void {
    try {
      this.#file = openSync(this.#path, 'a', 0o600);
      this.#bytes = statSync(this.#path).size;
    } catch {
      // A log that cannot be written stops nothing; what matters is in the node's own.
      this.#file = undefined;
    }
  }

  #write(text: string): void {
    if (this.#file === undefined) return;
    try {
      this.#bytes += writeSync(this.#file, text);
    } catch {
      // No room: see above.
      return;
    }
    if (this.#bytes < LOG_BYTES_MAX) return;
    this.close();
    try {
      renameSync(this.#path, `${this.#path}.1`);
    } catch {
      // It goes on in the same file.
    }
    this.#open();
  }
}

/** `home` holds `config/` and `data/`; the log is `engine.log` there. */
export function startEngine(program: EngineProgram, home: string): EngineProcess {
  const child: ChildProcess = spawn(program.path, ['start', '--home', home], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = new EngineLog(join(home, 'engine.log'), (line) => {
    // It would stand there for ever.
    if (FAILURE.test(line)) setTimeout(() => child.kill('SIGKILL'), LAST_WORDS_MS);
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => log.take(text));
    stream?.on('error', () => undefined);
  }
  const ended = new Promise<EngineEnd>((resolve) => {
    child.once('error', ({ message }) => resolve({ code: null, signal: null, reason: message }));
    child.once('close', (code, signal) => {
      const isFailed = log.lines.some((line) => FAILURE.test(line));
      const reason = signal === null || isFailed ? reasonIn(log.lines) : '';
      log.close();
      resolve({ code, signal, reason });
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
