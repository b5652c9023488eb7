/**
 * The whole log, entry by entry, from proven ranges: what a list of a node may leave out, the log cannot.
 * Ranges are aligned and as large as nodes give them.
 */
import type { ChainReader, LogEntry } from './chain-reader.ts';

/** Largest range: 2^8 entries. */
const LEVEL_MAX = 8;

/** Ranges `[index·2^level, (index+1)·2^level)` that make up `[from, size)`, in order. */
export function alignedRanges(
  from: number,
  size: number,
): readonly { readonly level: number; readonly index: number }[] {
  const ranges: { readonly level: number; readonly index: number }[] = [];
  for (let at = from; at < size;) {
    let level = 0;
    while (level < LEVEL_MAX && at % 2 ** (level + 1) === 0 && at + 2 ** (level + 1) <= size)
      level++;
    ranges.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return ranges;
}

/**
 * All entries from the beginning to the newest that can be proven.
 * @throws VerificationError when every node that answers leaves an entry out; NetworkError, ProblemError
 */
export async function* walkLog(
  reader: ChainReader,
  onProgress?: (done: number, total: number) => void,
): AsyncGenerator<LogEntry> {
  const size = await reader.logSize();
  let done = 0;
  for (const { level, index } of alignedRanges(0, size)) {
    const entries = await reader.logRange(level, index);
    yield* entries;
    done += entries.length;
    onProgress?.(done, size);
  }
}
