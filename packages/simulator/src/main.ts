/** `npm run simulate -- [--seed N] [--runs R] [--events M]`: exit code 1 and a command to repeat on a violation. */
import { parseArgs } from 'node:util';
import { Violation } from './checkers.ts';
import { simulate } from './simulate.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    runs: { type: 'string', default: '1' },
    events: { type: 'string', default: '5000' },
    byzantine: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const isNumber = (text: string): boolean => /^\d{1,10}$/.test(text);

function main(): number {
  const usage = 'usage: npm run simulate -- [--seed N] [--runs R] [--events M] [--byzantine]';
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const seedText = values.seed ?? String(Date.now() % 1_000_000_000);
  if (![seedText, values.runs, values.events].every(isNumber)) {
    console.error(usage);
    return 2;
  }
  const events = Number(values.events);
  const flag = values.byzantine ? ' --byzantine' : '';
  const totals = new Map<string, number>();
  for (let run = 0; run < Number(values.runs); run++) {
    const seed = Number(seedText) + run;
    try {
      const result = simulate({ seed, events, byzantine: values.byzantine });
      for (const [what, hits] of result.counts) totals.set(what, (totals.get(what) ?? 0) + hits);
      console.log(
        `seed ${seed}: ${result.validators} validators, height ${result.height}, ` +
          `${result.transactions} transactions, ${(result.simulatedMs / 1000).toFixed(1)} s simulated, ` +
          `trace ${result.traceHash.slice(0, 16)}`,
      );
    } catch (error) {
      console.error(`seed ${seed}: ${error instanceof Violation ? error.message : String(error)}`);
      if (!(error instanceof Violation) && error instanceof Error) console.error(error.stack);
      console.error(`repeat with: npm run simulate -- --seed ${seed} --events ${events}${flag}`);
      return 1;
    }
  }
  for (const [what, hits] of [...totals].sort(([a], [b]) => (a < b ? -1 : 1)))
    console.log(`  ${what}: ${hits}`);
  return 0;
}

process.exitCode = main();
