/**
 * Structured logs without personal data. What may be logged is listed, not what may not: events with
 * their own named numbers and words. Requests appear by route name (paths carry ids and capabilities),
 * callers not at all; bodies, headers and addresses never reach the logger.
 */
import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** An event of a part that knows no logger. */
export interface LogEvent {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: string;
  readonly [detail: string]: string | number | bigint | boolean | undefined;
}

/** Names an error by class and code; its message may quote input. */
function describeError(error: unknown): Record<string, string> {
  if (!(error instanceof Error)) return { type: typeof error };
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  // Stack frames after the message line name source lines only.
  const frames = (error.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 6)
    .map((line) => line.trim())
    .join(' < ');
  return { type: error.name, ...code, frames };
}

export function createLogger(
  options: { readonly level: string; readonly node: string },
  destination?: DestinationStream,
): Logger {
  const settings = {
    level: options.level,
    base: { node: options.node },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    serializers: { err: describeError, req: () => undefined, res: () => undefined },
  };
  return destination === undefined ? pino(settings) : pino(settings, destination);
}

export function logEvent(logger: Logger, { level, ...event }: LogEvent): void {
  const plain = Object.fromEntries(
    Object.entries(event).map(([name, value]) => [
      name,
      typeof value === 'bigint' ? String(value) : value,
    ]),
  );
  logger[level](plain);
}
