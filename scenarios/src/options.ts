/** What the command line of a scenario says. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export interface ScenarioOptions {
  readonly name: string;
  /** Folder with public bundles; undefined = generated cases. */
  readonly data: string | undefined;
  readonly json: boolean;
  /** Cases that are generated when there is no data. */
  readonly generated: number;
  /** Visits issued per person. */
  readonly visits: number;
  /** What orders the chain. */
  readonly engine: 'pbft' | 'cometbft';
}

/** The story is of a referral: somebody was seen at two hospitals. */
const VISITS_MIN = 2;

/** The command line is wrong; the message says how. */
export class OptionError extends Error {
  readonly code = 'badOption';
}

export const USAGE = `npm run scenario -- qin [--data DIR] [--json] [--generated N] [--visits N]
                       [--engine embedded|cometbft]

  --data DIR      public bundles: DIR/synthea-r4-stroke/*.json and DIR/ips-samples/*.json
                  (default: $YILIAN_TEST_DATA, else ../shared/data, else generated cases)
  --generated N   use N generated cases and no data
  --engine NAME   embedded (default), or cometbft: one process of it beside each node
  --visits N      visits that are issued per person, at least 2: at two hospitals (default 2)
  --json          one JSON document instead of text

YILIAN_KEEP=1 keeps the folder with the nodes' disks and logs.`;

function parseCount(text: string | undefined, name: string, fallback: number, least = 1): number {
  if (text === undefined) return fallback;
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < least || count > 100)
    throw new OptionError(`--${name} is a number from ${least} to 100`);
  return count;
}

function parseEngine(name: string): ScenarioOptions['engine'] {
  if (name === 'embedded') return 'pbft';
  if (name === 'cometbft') return name;
  throw new OptionError('--engine is embedded or cometbft');
}

function findData(given: string | undefined, generated: string | undefined): string | undefined {
  if (given !== undefined) {
    const folder = resolve(given);
    if (!existsSync(folder)) throw new OptionError(`there is no folder ${folder}`);
    return folder;
  }
  if (generated !== undefined) return undefined;
  const candidates = [
    process.env['YILIAN_TEST_DATA'],
    fileURLToPath(new URL('../../../shared/data', import.meta.url)),
    join('..', 'shared', 'data'),
  ];
  return candidates.find((folder) => folder !== undefined && existsSync(folder));
}

/** @throws OptionError */
export function parseOptions(args: readonly string[]): ScenarioOptions {
  const options = {
    data: { type: 'string' },
    json: { type: 'boolean', default: false },
    generated: { type: 'string' },
    visits: { type: 'string' },
    engine: { type: 'string', default: 'embedded' },
  } as const;
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new OptionError(error instanceof Error ? error.message : 'the arguments are wrong');
  }
  const [name, ...more] = parsed.positionals;
  if (name === undefined || more.length > 0) throw new OptionError('name one scenario');
  const { values } = parsed;
  return {
    name,
    data: findData(values.data, values.generated),
    json: values.json,
    generated: parseCount(values.generated, 'generated', 3),
    visits: parseCount(values.visits, 'visits', 2, VISITS_MIN),
    engine: parseEngine(values.engine),
  };
}
