/** The two packages never import each other; only this test looks at both sides of the seam. */
import { expect, test } from 'vitest';
import type { Application } from '../../consensus/src/application.ts';
import { createLedger } from '../src/ledger.ts';
import { MemoryDisk } from './memory-disk.ts';

test('a ledger is an Application of the consensus package', () => {
  const application: Application = createLedger({ reader: new MemoryDisk() });
  expect(application.info().height).toBe(0n);
});
