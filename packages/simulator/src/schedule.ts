/** Simulated time: a queue of things to happen, ordered by time and then by order of planning. */

export interface Schedule {
  readonly nowMs: () => number;
  readonly after: (delayMs: number, what: string, run: () => void) => void;
  /** Runs the next thing; false when nothing is planned. */
  readonly runNext: () => { readonly what: string } | undefined;
  readonly nextAtMs: () => number | undefined;
}

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly what: string;
  readonly run: () => void;
}

function isBefore(left: Entry, right: Entry): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}

export function createSchedule(): Schedule {
  const heap: Entry[] = [];
  let nowMs = 0;
  let order = 0;
  const swap = (i: number, j: number): void => {
    const left = heap[i];
    const right = heap[j];
    if (left === undefined || right === undefined) return;
    heap[i] = right;
    heap[j] = left;
  };
  const precedes = (i: number, j: number): boolean => {
    const left = heap[i];
    const right = heap[j];
    return left !== undefined && right !== undefined && isBefore(left, right);
  };
  const push = (entry: Entry): void => {
    heap.push(entry);
    let i = heap.length - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!precedes(i, parent)) break;
      swap(i, parent);
      i = parent;
    }
  };
  const pop = (): Entry | undefined => {
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    heap[0] = last;
    for (let i = 0; ;) {
      let least = i;
      if (precedes(2 * i + 1, least)) least = 2 * i + 1;
      if (precedes(2 * i + 2, least)) least = 2 * i + 2;
      if (least === i) break;
      swap(i, least);
      i = least;
    }
    return top;
  };
  return {
    nowMs: () => nowMs,
    after: (delayMs, what, run) => push({ atMs: nowMs + delayMs, order: order++, what, run }),
    runNext: () => {
      const entry = pop();
      if (entry === undefined) return undefined;
      nowMs = entry.atMs;
      entry.run();
      return { what: entry.what };
    },
    nextAtMs: () => heap[0]?.atMs,
  };
}
