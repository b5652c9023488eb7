import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';

/** A measured quantity: the median of `runs` with its spread. */
export interface Figure {
  readonly value: number;
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
}

/** `value` = figure `of` ÷ figure `to`, both from the same run, so that the machine's drift cancels. */
export interface Ratio {
  readonly value: number;
  readonly of: string;
  readonly to: string;
}

export interface Report {
  readonly bench: string;
  readonly machine: string;
  readonly commit: string;
  readonly figures: Readonly<Record<string, Figure>>;
  readonly ratios: Readonly<Record<string, Ratio>>;
}

/** Median and spread of at least one sample. */
export function figure(samples: readonly number[], unit: string): Figure {
  const sorted = [...samples].sort((left, right) => left - right);
  const [min] = sorted;
  const max = sorted.at(-1);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (min === undefined || max === undefined || upper === undefined)
    throw new Error('a figure needs at least one sample');
  const value = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
  return { value: round(value), unit, min: round(min), max: round(max), runs: sorted.length };
}

export function ratio(
  of: { readonly name: string; readonly value: number },
  to: { readonly name: string; readonly value: number },
): Ratio {
  return { value: round(of.value / to.value), of: of.name, to: to.name };
}

export function round(value: number): number {
  return Number(value.toPrecision(4));
}

export function createReport(
  bench: string,
  figures: Report['figures'],
  ratios: Report['ratios'],
): Report {
  return { bench, machine: describeMachine(), commit: currentCommit(), figures, ratios };
}

function describeMachine(): string {
  const processors = cpus();
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  return `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}, ${gibibytes} GiB, Node ${process.versions.node}`;
}

function currentCommit(): string {
  try {
    const commit = execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], {
      encoding: 'utf8',
    }).trim();
    const changed = execFileSync('git', ['status', '--porcelain', '--untracked-files=no'], {
      encoding: 'utf8',
    }).trim();
    return changed === '' ? commit : `${commit}+changes`;
  } catch {
    return 'unknown';
  }
}
