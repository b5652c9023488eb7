/**
 * All that looks after what a store must have, in one: its own objects are looked up and repaired, the
 * copies of other operators audited, and what both find is put on chain.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import type { ChainContext } from '@yilian/crypto/context';
import type { Signer } from '@yilian/ledger/transaction-codec';
import type { Clock } from '../clock.ts';
import type { Metrics } from '../metrics.ts';
import type { ChainView } from '../services/chain-view.ts';
import type { Shelf } from '../services/service-store.ts';
import type { TransactionSender } from '../services/transaction-sender.ts';
import { type CopyAudit, type CopyAuditEvent, createCopyAudit } from './copy-audit.ts';
import type { CopySources } from './copy-source.ts';
import type { ObjectHoldings } from './object-holdings.ts';
import { type ObjectRepair, type RepairEvent, createObjectRepair } from './object-repair.ts';
import type { VerifyContent } from './object-store.ts';
import { type StorageReporter, createStorageReporter } from './storage-reporter.ts';

export type ObjectCareEvent =
  | RepairEvent
  | CopyAuditEvent
  | { readonly event: 'storageFindingRefused'; readonly code: string };

export interface ObjectCare {
  readonly repair: ObjectRepair;
  readonly copies: CopyAudit;
  readonly reporter: StorageReporter;
  /** One round of each: what is lost is found, mended, and both are said. */
  round(): Promise<void>;
  /** Breaks off what runs and resolves when it has ended. */
  stop(): Promise<void>;
}

export interface ObjectCareOptions {
  readonly context: ChainContext;
  readonly chain: ChainView;
  readonly clock: Clock;
  readonly holdings: ObjectHoldings;
  readonly sources: CopySources;
  /** Member id of this store. */
  readonly store: Bytes;
  /** The node's key, which reports. */
  readonly signer: Signer;
  readonly sender: TransactionSender;
  readonly verify: VerifyContent;
  readonly shelf: (name: 'storage-findings' | 'copy-doubts') => Shelf;
  readonly onEvent: (event: ObjectCareEvent) => void;
  readonly onError: (error: unknown) => void;
}

export function createObjectCare(options: ObjectCareOptions): ObjectCare {
  const { context, chain, clock, holdings, sources, store, shelf, onEvent, onError } = options;
  const reporter = createStorageReporter({
    chain,
    shelf: shelf('storage-findings'),
    sender: options.sender,
    signer: options.signer,
    auditor: store,
    onRefused: (code) => onEvent({ event: 'storageFindingRefused', code }),
  });
  holdings.inventory.watch((recordId, seen) => {
    reporter.note(recordId, store, seen).catch(onError);
  });
  const shared = { chain, clock, holdings, sources, store, onEvent };
  const copies = createCopyAudit({
    ...shared,
    reporter,
    verify: options.verify,
    shelf: shelf('copy-doubts'),
  });
  const repair = createObjectRepair({
    ...shared,
    context,
    onReport: (report) => copies.onReport(report),
  });
  return {
    repair,
    copies,
    reporter,
    round: async () => {
      // A failure of one stops neither the others nor the next round.
      for (const part of [repair, copies, reporter]) await part.round().catch(onError);
    },
    stop: async () => {
      await repair.stop();
      await copies.stop();
      await reporter.stop();
    },
  };
}

export function measureObjects(metrics: Metrics, holdings: ObjectHoldings, care: ObjectCare): void {
  const { inventory } = holdings;
  const { repair, copies, reporter } = care;
  const gauges: readonly (readonly [name: string, help: string, value: () => number])[] = [
    ['store_objects', 'Objects that this store has', () => inventory.count('held')],
    [
      'store_objects_missing',
      'Objects that this store attested, or that the chain says it keeps, and has not',
      () => repair.counts().missing,
    ],
    [
      'store_objects_damaged',
      'Objects that are not what this store attested',
      () => repair.counts().damaged,
    ],
    [
      'store_objects_repaired',
      'Objects that were repaired from another operator since the start',
      () => repair.counts().repaired,
    ],
    [
      'store_copies_refused',
      'Copies offered by other operators that were not what the chain says, since the start',
      () => repair.counts().refusedCopies,
    ],
    [
      'store_audits_failed',
      'Rounds in which what lies behind the store did not answer, since the start',
      () => repair.counts().failedAudits,
    ],
    [
      'store_copies_sampled',
      "Ranges of other operators' copies that were compared, since the start",
      () => copies.counts().sampled,
    ],
    [
      'store_copies_doubted',
      'Copies of other operators that failed an audit and are looked at again',
      () => copies.counts().doubted,
    ],
    [
      'store_copies_unanswered',
      "Looks at other operators' copies that were not answered, since the start",
      () => copies.counts().unanswered,
    ],
    [
      'store_findings_waiting',
      'Copies whose loss or return waits to be put on chain',
      () => reporter.waiting(),
    ],
  ];
  for (const [name, help, value] of gauges) metrics.gauge(name, help, value);
}
