/**
 * Proofs of whole ranges of leaves: those that are one node of an RFC 9162 tree. Such a range begins at a
 * multiple of the smallest power of two that covers it, and ends with that power or with the tree. A proof is
 * the list of the siblings from the range up; the leaves themselves give the node.
 */
import { type Bytes, equalBytes } from './bytes.ts';
import { sha256 } from './hash.ts';
import {
  appendLeafHash,
  EMPTY_FRONTIER,
  frontierRoot,
  HASH_BYTES,
  type HashFunction,
  hashNode,
  type NodeSource,
  rangeRoot,
  splitOf,
} from './merkle.ts';

export interface LeafRange {
  readonly start: number;
  /** At least 1. */
  readonly count: number;
}

/** One step down: which side the range lies on, and what stands on the other. */
interface Step {
  readonly isLeft: boolean;
  readonly sibling: LeafRange;
}

/** From the root down, or undefined when the range is no node of a tree of `size` leaves. */
function stepsTo(range: LeafRange, size: number): readonly Step[] | undefined {
  const steps: Step[] = [];
  let start = 0;
  let rest = size;
  if (range.count < 1) return undefined;
  while (start !== range.start || rest !== range.count) {
    if (rest < 2) return undefined;
    const { left } = splitOf(rest);
    if (range.start < start + left) {
      steps.push({ isLeft: true, sibling: { start: start + left, count: rest - left } });
      rest = left;
    } else {
      steps.push({ isLeft: false, sibling: { start, count: left } });
      start += left;
      rest -= left;
    }
  }
  return steps;
}

/** The two nodes below a node of at least two leaves. */
export function halvesOf({ start, count }: LeafRange): readonly [LeafRange, LeafRange] {
  const { left } = splitOf(count);
  return [
    { start, count: left },
    { start: start + left, count: count - left },
  ];
}

/** Siblings from the range up. @throws RangeError when the range is no node of the tree */
export function proveRange(
  nodes: NodeSource,
  range: LeafRange,
  size: number,
  hash: HashFunction = sha256,
): readonly Bytes[] {
  const steps = stepsTo(range, size);
  if (steps === undefined)
    throw new RangeError(`${range.count} leaves at ${range.start} are no node of ${size}`);
  return steps
    .toReversed()
    .map(({ sibling }) => rangeRoot(nodes, sibling.start, sibling.count, hash));
}

/** Whether the leaves of `leafHashes` stand at `start` and after in the tree. Never throws. */
export function verifyRange(
  claim: {
    readonly start: number;
    readonly leafHashes: readonly Bytes[];
    readonly size: number;
    readonly path: readonly Bytes[];
    readonly root: Bytes;
  },
  hash: HashFunction = sha256,
): boolean {
  const { start, leafHashes, size, path, root } = claim;
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(size) || start < 0) return false;
  const steps = stepsTo({ start, count: leafHashes.length }, size);
  if (steps === undefined || steps.length !== path.length) return false;
  let frontier = EMPTY_FRONTIER;
  for (const leafHash of leafHashes) frontier = appendLeafHash(frontier, leafHash, hash);
  let node = frontierRoot(frontier, hash);
  for (const [index, sibling] of path.entries()) {
    if (sibling.length !== HASH_BYTES) return false;
    const isLeft = steps[steps.length - 1 - index]?.isLeft === true;
    node = isLeft ? hashNode(node, sibling, hash) : hashNode(sibling, node, hash);
  }
  return equalBytes(node, root);
}
