/**
 * What the node says about its shares travels in one `nodeReport` at a time, at most one per block:
 * items wait in a durable queue until a report that carries them is final, so none is lost by a crash
 * and a busy node costs the chain one transaction per block. The ledger passes over items that no
 * longer apply (NR-8), so a whole report is done when it is final, whatever became of its items.
 */
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { REPORT_ITEMS_MAX, type NodeReport } from '@yilian/ledger/contracts/consent/node-report';
import { toGrantId } from '@yilian/crypto/ids';
import type { Signer } from '@yilian/ledger/transaction-codec';
import type { Shelf } from './service-store.ts';
import type { TransactionSender } from './transaction-sender.ts';

export type ReportItem =
  | { readonly kind: 'acknowledgement'; readonly grantId: Bytes; readonly number: number }
  | { readonly kind: 'release'; readonly grantId: Bytes; readonly number: number }
  | { readonly kind: 'erasure'; readonly grantId: Bytes }
  | { readonly kind: 'loss'; readonly grantId: Bytes };

export interface NodeReporter {
  /** Durable when it resolves; on chain soon after. */
  note(...items: readonly ReportItem[]): Promise<void>;
  /** Called after each final block. */
  flush(): void;
  /** Resolves when nothing waits and nothing is under way. */
  settle(): Promise<void>;
}

export interface NodeReporterOptions {
  readonly shelf: Shelf;
  readonly sender: TransactionSender;
  readonly signer: Signer;
  readonly onError: (error: unknown) => void;
}

const OUTCOME_TIMEOUT_MS = 30_000;

function encodeItem(item: ReportItem): Bytes {
  const number = 'number' in item ? item.number : 0;
  return encode([item.kind, item.grantId, number]);
}

function decodeItem(bytes: Bytes): ReportItem | null {
  const value = decode(bytes);
  if (!Array.isArray(value)) return null;
  const [kind, grantId, number]: readonly Cbor[] = value;
  if (!(grantId instanceof Uint8Array) || typeof number !== 'number') return null;
  if (kind === 'acknowledgement' || kind === 'release') return { kind, grantId, number };
  return kind === 'erasure' || kind === 'loss' ? { kind, grantId } : null;
}

/** The key is the item itself: noting it twice keeps it once. */
export function createNodeReporter(options: NodeReporterOptions): NodeReporter {
  const { shelf, sender, signer, onError } = options;
  const waiting = new Map<string, ReportItem>();
  for (const { key } of shelf.list()) {
    const item = decodeItem(key);
    if (item !== null) waiting.set(toHex(key), item);
  }
  let underWay: Promise<void> | undefined;

  const nextReport = (): { readonly body: NodeReport; readonly items: readonly ReportItem[] } => {
    const items: ReportItem[] = [];
    const room = {
      acknowledgement: REPORT_ITEMS_MAX,
      release: REPORT_ITEMS_MAX,
      erasure: REPORT_ITEMS_MAX,
      loss: REPORT_ITEMS_MAX,
    };
    for (const item of waiting.values()) {
      if (room[item.kind] === 0) continue;
      room[item.kind] -= 1;
      items.push(item);
    }
    const body: NodeReport = {
      type: 'nodeReport',
      acknowledgements: items
        .filter((item) => item.kind === 'acknowledgement')
        .map(({ grantId, number }) => ({ grantId: toGrantId(grantId), index: number })),
      releases: items
        .filter((item) => item.kind === 'release')
        .map(({ grantId, number }) => ({ grantId: toGrantId(grantId), number })),
      erasures: items
        .filter((item) => item.kind === 'erasure')
        .map(({ grantId }) => toGrantId(grantId)),
      losses: items.filter((item) => item.kind === 'loss').map(({ grantId }) => toGrantId(grantId)),
    };
    return { body, items };
  };

  /** Whether a report went through. */
  const report = async (): Promise<boolean> => {
    const { body, items } = nextReport();
    const { id, rejection } = await sender.send(sender.draft(body, signer.key), [signer], 'self');
    // Not admitted (pool full, behind): it waits for the next block.
    if (rejection !== null) return false;
    const outcome = await sender.outcome(id, OUTCOME_TIMEOUT_MS);
    if (outcome === 'timeout' || outcome === 'reportRepeated') return false;
    const keys = items.map(encodeItem);
    await shelf.delete(...keys);
    for (const key of keys) waiting.delete(toHex(key));
    return true;
  };

  const flush = (): void => {
    if (underWay !== undefined || waiting.size === 0) return;
    underWay = report()
      .catch((error: unknown) => {
        onError(error);
        return false;
      })
      .then((wentThrough) => {
        underWay = undefined;
        // What came in meanwhile goes into the next block; what was refused waits for one.
        if (wentThrough) flush();
      });
  };

  return {
    note: async (...items) => {
      const entries = items.map((item) => ({ key: encodeItem(item), value: new Uint8Array(0) }));
      await shelf.putAll(entries);
      entries.forEach(({ key }, position) => {
        const item = items[position];
        if (item !== undefined) waiting.set(toHex(key), item);
      });
      flush();
    },
    flush,
    settle: async () => {
      for (let current = underWay; current !== undefined; current = underWay) await current;
    },
  };
}
