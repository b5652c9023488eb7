/** The whole scenario on one generated patient, as `npm run scenario -- qin` runs it. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const MINUTES_MAX = 12;

interface Summary {
  readonly checks: number;
  readonly refused: number;
  readonly crash: string | null;
  readonly failed: readonly {
    readonly act: string;
    readonly text: string;
    readonly detail: string;
  }[];
  readonly lines: readonly { readonly text: string }[];
}

let stop: () => void = () => undefined;

afterAll(() => {
  stop();
});

function run(): Promise<{ readonly code: number | null; readonly summary: Summary }> {
  return new Promise((resolve, reject) => {
    const program = spawn(process.execPath, [PROGRAM, 'qin', '--generated', '1', '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    stop = () => {
      program.kill('SIGTERM');
    };
    let output = '';
    program.stdout.on('data', (piece: Buffer) => {
      output += piece.toString('utf8');
    });
    program.on('error', reject);
    program.on('exit', (code) => {
      resolve({ code, summary: JSON.parse(output) as Summary });
    });
  });
}

describe('scenario qin', () => {
  test.skipIf(!existsSync(PROGRAM) && process.env['CI'] !== 'true')(
    'a stroke referral from registration to recovery, with every attack refused',
    async () => {
      const { code, summary } = await run();
      expect(summary.crash).toBeNull();
      expect(summary.failed).toEqual([]);
      expect(summary.refused).toBeGreaterThanOrEqual(20);
      expect(summary.checks).toBeGreaterThanOrEqual(30);
      expect(code).toBe(0);
    },
    MINUTES_MAX * 60_000,
  );
});
