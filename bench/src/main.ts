/**
 * `npm run bench -- <name> [--json] [--quick]`: one benchmark, printed as a table or as one JSON object.
 * Nothing here is a test: figures go into docs/reports with machine, commit and spread.
 */
import { parseArgs } from 'node:util';
import type { BenchOptions } from './bench-options.ts';
import type { Report } from './report.ts';

const BENCHES: Readonly<Record<string, () => Promise<(options: BenchOptions) => Promise<Report>>>> =
  {
    crypto: async () => (await import('./crypto.ts')).benchCrypto,
    seal: async () => (await import('./seal.ts')).benchSeal,
    search: async () => (await import('./search.ts')).benchSearch,
    ledger: async () => (await import('./ledger.ts')).benchLedger,
    light: async () => (await import('./light.ts')).benchLight,
    cometbft: async () => (await import('./cometbft.ts')).benchCometbft,
    statesync: async () => (await import('./state-sync.ts')).benchStateSync,
    embedded: async () => (await import('./embedded.ts')).benchEmbedded,
  };

const { values, positionals } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const [name = ''] = positionals;
const load = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
if (load === undefined) {
  console.error(
    `Usage: npm run bench -- <name> [--json] [--quick]\nNames: ${Object.keys(BENCHES).join(', ')}`,
  );
  process.exit(2);
}
const bench = await load();
const report = await bench({ quick: values.quick });
if (values.json) console.log(JSON.stringify(report));
else {
  console.log(`${report.bench} on ${report.machine}, commit ${report.commit}`);
  for (const [key, item] of Object.entries(report.figures))
    console.log(
      `${key.padEnd(40)} ${String(item.value).padStart(12)} ${item.unit}   (${item.min} … ${item.max}, ${item.runs} runs)`,
    );
  for (const [key, item] of Object.entries(report.ratios))
    console.log(`${key.padEnd(40)} ${String(item.value).padStart(12)} × (${item.of} ÷ ${item.to})`);
}
process.exit(0);
