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

export const HEARTBEAT_MS = 10_000;
