/** A row of a rule table: on a fresh chain, after `before`, this transaction gets this code. */
import { expect, test } from 'vitest';
import type { Bytes } from '@yilian/crypto/bytes';
import { Chain } from './consortium.ts';

export interface RuleRow {
  /** As in docs/spec/transactions.md. */
  readonly rule: string;
  readonly why: string;
  /** Transactions of earlier blocks, all of which must be accepted. */
  readonly before?: readonly (readonly Bytes[])[];
  /** Seconds that pass before the block in question. */
  readonly wait?: number;
  readonly transaction: () => Bytes;
  /** `ok` or a rejection code. */
  readonly expected: string;
}

export function runRuleTable(rows: readonly RuleRow[]): void {
  test.each(rows)('$rule $why: $expected', ({ before = [], wait = 0, transaction, expected }) => {
    const chain = new Chain();
    for (const block of before) expect(chain.codes(...block)).toEqual(block.map(() => 'ok'));
    chain.time += wait;
    const root = chain.ledger.info();
    expect(chain.codes(transaction())).toEqual([expected]);
    // Refused or not, it is in the log: the sender has a receipt for either.
    expect(chain.ledger.info().appHash).not.toEqual(root.appHash);
  });
}
