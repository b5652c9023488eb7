/**
 * Whether the `npm start` above this process has ended. npm passes a SIGTERM to the shell between, which
 * ends without passing it on: the consortium would run on with nobody to stop it. Only where npm is the
 * parent, which lives as long as the program: a shell that started this program itself, perhaps with
 * `nohup`, may end before it.
 */
import process from 'node:process';

const LOOK_MS = 500;

export interface ParentWatchOptions {
  readonly environment?: NodeJS.ProcessEnv;
  /** Of the process that is the parent now. */
  readonly parentId?: () => number;
  readonly intervalMs?: number;
}

/** Calls `onEnd` once when npm's process, or its shell, is gone. Returns what ends the watch. */
export function watchParent(onEnd: () => void, options: ParentWatchOptions = {}): () => void {
  const {
    environment = process.env,
    parentId = () => process.ppid,
    intervalMs = LOOK_MS,
  } = options;
  if (environment['npm_lifecycle_event'] !== 'start') return () => undefined;
  const parent = parentId();
  const timer = setInterval(() => {
    if (parentId() === parent) return;
    clearInterval(timer);
    onEnd();
  }, intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}
