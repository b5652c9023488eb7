/**
 * Looks after what a store must have. In rounds: the next objects of the inventory are looked up, some
 * are read whole; what is missing or damaged is fetched from another operator whose store the record
 * names, checked against the chain and put back. Also notices records that name this store and whose
 * object it never saw (a lost disk): the other operator tells the name, which is a hash and no capability.
 */
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import type { ChainContext } from '@yilian/crypto/context';
import type { ReportStorage } from '@yilian/ledger/contracts/records/report-storage';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import { type RecordId, deriveRecordId } from '@yilian/crypto/ids';
import type { Clock } from '../clock.ts';
import type { ChainView, FinalBlockView } from '../services/chain-view.ts';
import type { CopySource, CopySources, OfferedCopy } from './copy-source.ts';
import type { ObjectHoldings } from './object-holdings.ts';
import { ObjectStoreError } from './object-store-error.ts';
import type { Origin } from './object-inventory.ts';
import { type StoredName, sameAnnouncement } from './stored-head.ts';

/** What operators see (metrics). */
export interface RepairCounts {
  /** Attested and lost, or never seen although the chain names this store. */
  readonly missing: number;
  readonly damaged: number;
  /** Since the start. */
  readonly repaired: number;
  /** Offers of other operators that were not what the chain says, since the start. */
  readonly refusedCopies: number;
  /** Looks that the store did not answer, since the start. */
  readonly failedAudits: number;
}

export type RepairEvent =
  | { readonly event: 'objectRepaired'; readonly name: string; readonly from: string }
  | { readonly event: 'copyRefused'; readonly from: string; readonly why: 'altered' | 'renamed' }
  | { readonly event: 'copyUnavailable'; readonly from: string; readonly code: string }
  | { readonly event: 'auditFailed'; readonly code: string };

export interface ObjectRepair {
  /** Reads the chain up to `block`: which records name this store. */
  tend(block: Pick<FinalBlockView, 'height'>): Promise<void>;
  /** One round; a second call joins the one that runs. */
  round(): Promise<void>;
  counts(): RepairCounts;
  /** Breaks off what runs and resolves when it has ended. */
  stop(): Promise<void>;
}

export interface ObjectRepairOptions {
  readonly context: ChainContext;
  readonly chain: Pick<ChainView, 'block' | 'record'>;
  readonly clock: Clock;
  readonly holdings: ObjectHoldings;
  readonly sources: CopySources;
  /** Member id of this store. */
  readonly store: Bytes;
  readonly onEvent: (event: RepairEvent) => void;
  /** Told of each accepted `reportStorage`, at least once. */
  readonly onReport: (report: ReportStorage) => Promise<void>;
}

/** Of a round: at most 184,000 looks and 12 GB read a day, which what lies behind may charge for. */
const LOOKS_MAX = 64;
const READ_BYTES = 4 * 1_048_576;
const READ_BYTES_SAVED_MAX = 1024 * READ_BYTES;
const REPAIRS_MAX = 8;
const PAUSE_MS = 30_000;
const PAUSE_MS_MAX = 3_600_000;
/** Empty blocks move the cursor now and then only: reading one again costs nothing. */
const CURSOR_EVERY = 1024;

/** A copy broke off on the way here; says nothing about one's own store. */
class CopyError extends Error {
  readonly code: string;

  constructor(cause: unknown) {
    super('the copy broke off', { cause });
    this.code = cause instanceof ObjectStoreError ? cause.code : 'unavailable';
  }
}

async function* fromCopy(content: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  try {
    yield* content;
  } catch (error) {
    throw new CopyError(error);
  }
}

export function createObjectRepair(options: ObjectRepairOptions): ObjectRepair {
  const { context, chain, clock, holdings, sources, store, onEvent, onReport } = options;
  const { inventory } = holdings;
  const stopping = new AbortController();
  const pauses = new Map<string, { readonly untilMs: number; readonly failures: number }>();
  let lookedAt: StoredName | null = null;
  let allowedBytes = 0;
  let repaired = 0;
  let refusedCopies = 0;
  let failedAudits = 0;
  let read = inventory.cursor();
  let running: Promise<void> | undefined;

  const link = async (recordId: RecordId): Promise<void> => {
    const record = chain.record(recordId);
    if (record === undefined || !record.stores.some((id) => equalBytes(id, store))) return;
    const holding = inventory.findByHeader(record.headerHash);
    if (holding === undefined || !sameAnnouncement(holding.announced, record))
      await inventory.noteUnseen(recordId);
    else
      await inventory.change(holding.name, (before) =>
        before === undefined ? null : { ...before, recordId },
      );
  };

  const take = async (height: number): Promise<boolean> => {
    const block = chain.block(height);
    if (block === undefined) return false;
    let linked = 0;
    for (const { transaction, outcome } of block.transactions) {
      const { body } = transaction;
      if (outcome !== 'ok') continue;
      if (body.type === 'reportStorage') await onReport(body);
      if (body.type !== 'issueRecord' && body.type !== 'amendRecord') continue;
      await link(deriveRecordId(context, body.capsule.c));
      linked += 1;
    }
    if (linked > 0 || height % CURSOR_EVERY === 0) await inventory.moveCursor(height);
    read = height;
    return true;
  };

  const isDue = (key: string): boolean => (pauses.get(key)?.untilMs ?? 0) <= clock.nowMs();
  const postpone = (key: string): void => {
    const failures = (pauses.get(key)?.failures ?? 0) + 1;
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** (failures - 1));
    pauses.set(key, { untilMs: clock.nowMs() + pauseMs, failures });
  };

  const look = async (): Promise<void> => {
    allowedBytes = Math.min(allowedBytes + READ_BYTES, READ_BYTES_SAVED_MAX);
    const batch = inventory.list(lookedAt, LOOKS_MAX);
    lookedAt = batch.length < LOOKS_MAX ? null : (batch.at(-1)?.name ?? null);
    // One of them is read whole, another one each time.
    const chosen = batch[Math.floor(Math.random() * batch.length)];
    for (const holding of batch) {
      if (stopping.signal.aborted) return;
      if (holding.state === 'erased') continue;
      const isRead = holding === chosen && holding.announced.length <= allowedBytes;
      if (isRead) allowedBytes -= holding.announced.length;
      await holdings.audit(holding, isRead ? 'content' : 'head');
    }
  };

  /** Whether this offer mended it. @throws ObjectStoreError when one's own store fails */
  const accept = async (
    record: LedgerRecord,
    source: CopySource,
    known: { readonly name: StoredName; readonly origin: Origin } | null,
  ): Promise<boolean> => {
    const from = toHex(source.store);
    const control = new AbortController();
    const signal = AbortSignal.any([control.signal, stopping.signal]);
    try {
      const offered: OfferedCopy | null = await source.fetch(record, signal).catch((error) => {
        throw new CopyError(error);
      });
      if (offered === null) return false;
      const named = known ?? { name: offered.name, origin: 'copied' as const };
      if (known === null) {
        // It may lie here already, from before there was an inventory.
        const here = await holdings.open(offered.name).catch(() => null);
        if (here !== null && sameAnnouncement(here.announced, record)) {
          await inventory.forgetUnseen(record.id);
          await link(record.id);
          return true;
        }
      }
      const result = await holdings.restore(record, named, () => fromCopy(offered.content), signal);
      if (result.kind === 'stored' || result.kind === 'present') {
        if (result.kind === 'stored') repaired += 1;
        onEvent({ event: 'objectRepaired', name: named.name, from });
        return true;
      }
      refusedCopies += 1;
      onEvent({
        event: 'copyRefused',
        from,
        why: result.kind === 'occupied' ? 'renamed' : 'altered',
      });
      return false;
    } catch (error) {
      if (!(error instanceof CopyError)) throw error;
      onEvent({ event: 'copyUnavailable', from, code: error.code });
      return false;
    } finally {
      // Whatever became of it, the other side need not send the rest.
      control.abort(new Error('the copy is not needed any more'));
    }
  };

  const repair = async (
    recordId: RecordId,
    known: { readonly name: StoredName; readonly origin: Origin } | null,
  ): Promise<void> => {
    const key = toHex(recordId);
    if (!isDue(key)) return;
    const record = chain.record(recordId);
    if (record === undefined) return;
    for (const source of sources.of(record)) {
      if (stopping.signal.aborted) return;
      if (await accept(record, source, known)) {
        pauses.delete(key);
        return;
      }
    }
    postpone(key);
  };

  const mend = async (): Promise<void> => {
    const broken = inventory.broken().filter(({ recordId }) => recordId !== null);
    const due = [
      ...broken.flatMap(({ recordId, name, origin }) =>
        recordId === null ? [] : [{ recordId, known: { name, origin } }],
      ),
      ...inventory.unseen().map((recordId) => ({ recordId, known: null })),
    ].filter(({ recordId }) => isDue(toHex(recordId)));
    for (const { recordId, known } of due.slice(0, REPAIRS_MAX)) {
      if (stopping.signal.aborted) return;
      await repair(recordId, known);
    }
  };

  const run = async (): Promise<void> => {
    try {
      await look();
      await mend();
    } catch (error) {
      if (stopping.signal.aborted) return;
      if (!(error instanceof ObjectStoreError)) throw error;
      // One's own store does not answer: nothing is learnt about objects, and the next round asks again.
      failedAudits += 1;
      onEvent({ event: 'auditFailed', code: error.code });
    }
  };

  return {
    tend: async ({ height }) => {
      for (let next = read + 1; next <= height; next++) if (!(await take(next))) return;
    },
    round: () => {
      running ??= run().finally(() => {
        running = undefined;
      });
      return running;
    },
    counts: () => ({
      missing: inventory.count('missing') + inventory.unseen().length,
      damaged: inventory.count('damaged'),
      repaired,
      refusedCopies,
      failedAudits,
    }),
    stop: async () => {
      stopping.abort(new Error('stopping'));
      await running?.catch(() => undefined);
      sources.close();
    },
  };
}
