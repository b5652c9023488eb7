/** What the two networks have in common: they are driven in a closed loop and their processes are counted. */
export interface BenchNetwork {
  readonly pids: {
    readonly application: readonly number[];
    readonly engine: readonly number[];
  };
  /** Makes `count` transactions of 512 bytes for the next `drive`, which is not part of its time. */
  prepare(count: number): Promise<void>;
  /** Milliseconds from the first submission until all are committed; at most `window` are not, at any time. */
  drive(window: number): Promise<number>;
  stop(): Promise<void>;
}

export interface NetworkSettings {
  readonly blockIntervalMs: number;
}

/**
 * The engines' processes stand still, all of a network at once, or go on: gossip wakes an idle engine so often that
 * four of them take a tenth of a core from whatever is measured meanwhile.
 */
export function holdEngines({ pids }: BenchNetwork, isHeld: boolean): void {
  for (const pid of pids.engine) process.kill(pid, isHeld ? 'SIGSTOP' : 'SIGCONT');
}

export const HEARTBEAT_MS = 10_000;
