/** `npm run scenario -- <name>`: exit code 0 only when every check passed. */
import { OptionError, parseOptions, USAGE } from './options.ts';
import { runQin } from './qin/run-qin.ts';
import { Report } from './report.ts';

const SCENARIOS = new Map([['qin', runQin]]);

async function run(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  const scenario = SCENARIOS.get(options.name);
  if (scenario === undefined)
    throw new OptionError(
      `there is no scenario ${options.name}; there is: ${[...SCENARIOS.keys()].join(', ')}`,
    );
  const print = options.json ? (): void => undefined : (line: string): void => console.log(line);
  const report = new Report(print, Date.now());
  let crash: string | null = null;
  try {
    await scenario(options, report);
  } catch (error) {
    crash = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const summary = report.summarise(options.name, Date.now());
  if (options.json)
    console.log(JSON.stringify({ ...summary, crash, lines: report.lines }, null, 2));
  else {
    console.log(
      `\n${summary.checks} checks passed, ${summary.refused} attacks refused, ${summary.failed.length} failed (${summary.seconds} s)`,
    );
    for (const { act, text, detail } of summary.failed)
      console.log(`  FAILED in "${act}": ${text} (${detail})`);
    if (crash !== null) console.error(`\nThe scenario broke off: ${crash}`);
  }
  return crash === null && summary.failed.length === 0 && summary.checks > 0 ? 0 : 1;
}

// An 'exit' event, and with it the end of the consortium, follows a signal only when it is asked for.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

run().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof OptionError ? `${error.message}\n\n${USAGE}` : error);
    process.exit(2);
  },
);
