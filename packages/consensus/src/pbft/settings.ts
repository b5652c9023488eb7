/** Settings of ordering. The first four belong to the network (all replicas alike), the rest to one node. */
export interface Settings {
  /** Transactions in a block (QJ-9: cut by count). */
  readonly blockCountMax: number;
  /** Bytes of all transactions in a block. */
  readonly blockBytesMax: number;
  /** Blocks in a row that one primary makes before the turn passes on. */
  readonly blocksPerTurn: number;
  /** Blocks for which a primary that failed goes to the end of the order. */
  readonly skipBlocks: number;
  /** Between two blocks with transactions, and so the longest that one waits (QJ-9: cut by time). */
  readonly blockIntervalMs: number;
  /** Longest time without a block on an idle chain. */
  readonly heartbeatMs: number;
  /** Patience with the primary of view 0; doubles with each view. */
  readonly viewTimeoutMs: number;
  readonly viewTimeoutMaxMs: number;
  /** Without progress, tell the peers where we are. */
  readonly statusMs: number;
  /** A request that is not in a block by then goes to everybody. */
  readonly requestRelayMs: number;
  /** A request that is not in a block by then is a complaint against the primary. */
  readonly requestComplainMs: number;
  /** Patience with a peer that was asked for blocks. */
  readonly fetchTimeoutMs: number;
  /** Heights between checkpoints; the window of accepted heights is twice that. */
  readonly checkpointInterval: number;
  /** Waiting requests in all. */
  readonly requestsCountMax: number;
  readonly requestsBytesMax: number;
  /** Early messages kept of one sender. */
  readonly bufferBytesMax: number;
  /** Blocks in one answer of state transfer. */
  readonly transferBytesMax: number;
}

export const DEFAULT_SETTINGS: Settings = {
  blockCountMax: 1_000,
  blockBytesMax: 1_048_576,
  blocksPerTurn: 1,
  skipBlocks: 32,
  blockIntervalMs: 250,
  heartbeatMs: 10_000,
  viewTimeoutMs: 2_000,
  viewTimeoutMaxMs: 30_000,
  statusMs: 1_000,
  requestRelayMs: 2_000,
  requestComplainMs: 20_000,
  fetchTimeoutMs: 2_000,
  checkpointInterval: 32,
  requestsCountMax: 50_000,
  requestsBytesMax: 64 * 1024 * 1024,
  bufferBytesMax: 8 * 1024 * 1024,
  transferBytesMax: 4 * 1024 * 1024,
};
