/**
 * Mutual audits: whether the other operators still have the copies that the chain says they keep. In
 * rounds, random ranges of random records are compared with one's own copy. Where they differ, or where
 * the other store says that it has nothing, all of it is read again later and checked against the chain:
 * only what fails twice is reported, and looked at until it is there again. Being out of reach is no
 * loss. Who is reported by another, reads its own copy whole and answers.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { type Bytes, concatBytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { type RecordId, toRecordId } from '@yilian/crypto/ids';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import type { ReportStorage } from '@yilian/ledger/contracts/records/report-storage';
import { mayRestore } from '@yilian/ledger/contracts/records/storage-finding';
import type { Clock } from '../clock.ts';
import type { ChainView } from '../services/chain-view.ts';
import type { Shelf } from '../services/service-store.ts';
import type { ByteRange, CopySource, CopySources, Probe } from './copy-source.ts';
import type { ObjectHoldings } from './object-holdings.ts';
import type { Holding, SeenCopy } from './object-inventory.ts';
import type { VerifyContent } from './object-store.ts';
import { ObjectStoreError, isLoss } from './object-store-error.ts';
import { parseStoredName } from './stored-head.ts';
import type { StorageReporter } from './storage-reporter.ts';
import { readVerified } from './verified-read.ts';

export interface CopyAuditCounts {
  /** Copies of other operators that are looked at again: suspected or reported. */
  readonly doubted: number;
  /** Since the start. */
  readonly sampled: number;
  /** Looks at other operators' copies that were not answered, since the start. */
  readonly unanswered: number;
}

export type CopyAuditEvent =
  | { readonly event: 'copyDoubted'; readonly store: string }
  | { readonly event: 'copyLost'; readonly store: string; readonly finding: string }
  | { readonly event: 'copyAuditUnanswered'; readonly store: string; readonly code: string };

export interface CopyAudit {
  /** What others reported: answers for one's own store, looks again at what is said to be back. */
  onReport(report: ReportStorage): Promise<void>;
  /** One round; a second call joins the one that runs. */
  round(): Promise<void>;
  counts(): CopyAuditCounts;
  stop(): Promise<void>;
}

export interface CopyAuditOptions {
  readonly chain: Pick<ChainView, 'record' | 'copyFindings'>;
  readonly clock: Clock;
  readonly holdings: ObjectHoldings;
  readonly sources: CopySources;
  /** Member id of one's own store. */
  readonly store: Bytes;
  readonly reporter: Pick<StorageReporter, 'note'>;
  readonly verify: VerifyContent;
  readonly shelf: Shelf;
  readonly onEvent: (event: CopyAuditEvent) => void;
}

/** Of a round: at most 11,520 samples and 12 GB of whole reads a day. */
const SAMPLES_MAX = 4;
const SAMPLE_BYTES = 65_536;
const LOOKS_MAX = 8;
const READ_BYTES = 4 * 1_048_576;
const READ_BYTES_SAVED_MAX = 1024 * READ_BYTES;
/** A whole read goes in such ranges; of one that breaks off in the middle, in smaller ones. */
const PART_BYTES = 1_048_576;
/** Between the first doubt and the look that counts: a store may be starting, or repair itself. */
export const CONFIRM_AFTER_MS = 600_000;
const PAUSE_MS = 60_000;
const PAUSE_MS_MAX = 3_600_000;
/** More doubts than this are no doubt about copies: what is beyond is sampled again. */
const DOUBTS_MAX = 10_000;

interface Doubt {
  readonly recordId: RecordId;
  readonly store: Bytes;
  readonly dueMs: number;
  readonly looks: number;
}

export function createCopyAudit(options: CopyAuditOptions): CopyAudit {
  const { chain, clock, holdings, sources, store, reporter, verify, shelf, onEvent } = options;
  const { inventory } = holdings;
  const stopping = new AbortController();
  const doubts = new Map<string, Doubt>();
  for (const { key, value } of shelf.list()) {
    const dueMs = decode(value);
    if (key.length !== 64 || typeof dueMs !== 'number') continue;
    const doubt = { recordId: toRecordId(key.slice(0, 32)), store: key.slice(32), dueMs, looks: 0 };
    doubts.set(toHex(key), doubt);
  }
  let allowedBytes = 0;
  let sampled = 0;
  let unanswered = 0;
  let isReconciled = false;
  let running: Promise<void> | undefined;

  const keep = async (doubt: Doubt): Promise<void> => {
    const key = concatBytes(doubt.recordId, doubt.store);
    if (!doubts.has(toHex(key)) && doubts.size >= DOUBTS_MAX) return;
    await shelf.put(key, encode(Math.floor(doubt.dueMs)));
    doubts.set(toHex(key), doubt);
  };
  const drop = async (doubt: Doubt): Promise<void> => {
    const key = concatBytes(doubt.recordId, doubt.store);
    await shelf.delete(key);
    doubts.delete(toHex(key));
  };
  const postpone = (doubt: Doubt): Promise<void> => {
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** Math.min(doubt.looks, 10));
    return keep({ ...doubt, dueMs: clock.nowMs() + pauseMs, looks: doubt.looks + 1 });
  };
  const lookSoon = async (recordId: RecordId, of: Bytes, afterMs = 0): Promise<void> => {
    if (doubts.has(toHex(concatBytes(recordId, of)))) return;
    await keep({ recordId, store: of, dueMs: clock.nowMs() + afterMs, looks: 0 });
  };
  /** Whether this operator's word, or one about its own store, waits for `restored`. */
  const mayAnswer = (recordId: RecordId, of: Bytes): boolean =>
    mayRestore(chain.copyFindings(recordId, of), of, store);

  const readOwn = async ({ name }: Holding, { start, end }: ByteRange): Promise<Bytes | null> => {
    const object = await holdings.open(name);
    if (object === null) return null;
    const parts: Bytes[] = [];
    for await (const part of object.read({ start, end })) parts.push(new Uint8Array(part));
    return concatBytes(...parts);
  };

  const sampleCopy = async (
    record: LedgerRecord,
    own: Holding,
    source: CopySource,
  ): Promise<void> => {
    if (mayAnswer(record.id, source.store)) {
      await lookSoon(record.id, source.store);
      return;
    }
    const start = randomInt(record.length);
    const range = { start, end: Math.min(record.length, start + SAMPLE_BYTES) };
    const mine = await readOwn(own, range);
    if (mine === null) return;
    const probe = await source.probe(record, range, stopping.signal);
    sampled += 1;
    if (probe.kind === 'bytes' && equalBytes(probe.bytes, mine)) return;
    onEvent({ event: 'copyDoubted', store: toHex(source.store) });
    await lookSoon(record.id, source.store, CONFIRM_AFTER_MS);
    // Or is it one's own that differs?
    await holdings.audit(own, 'content');
  };

  const sample = async (): Promise<void> => {
    for (let i = 0; i < SAMPLES_MAX && !stopping.signal.aborted; i++) {
      const at = parseStoredName(randomBytes(32).toString('hex'));
      const [holding] = [...inventory.list(at, 1), ...inventory.list(null, 1)];
      if (holding === undefined || holding.state !== 'held' || holding.recordId === null) continue;
      const record = chain.record(holding.recordId);
      if (record === undefined) continue;
      if (mayAnswer(record.id, store)) await lookSoon(record.id, store);
      for (const source of sources.of(record)) {
        if (equalBytes(source.store, store)) continue;
        await answered(source.store, () => sampleCopy(record, holding, source));
      }
    }
  };

  /** False where somebody did not answer: nothing was learnt. */
  const answered = async (of: Bytes, action: () => Promise<void>): Promise<boolean> => {
    try {
      await action();
      return true;
    } catch (error) {
      if (stopping.signal.aborted) return false;
      if (!(error instanceof ObjectStoreError)) throw error;
      const { code } = error;
      // One's own copy turned out lost: that is marked where it was read.
      if (code === 'missing' || code === 'corrupted') return false;
      unanswered += 1;
      onEvent({ event: 'copyAuditUnanswered', store: toHex(of), code });
      return false;
    }
  };

  const lookWhole = async (record: LedgerRecord, source: CopySource): Promise<SeenCopy> => {
    let lost: Extract<Probe, { readonly kind: 'lost' }> | undefined;
    const ask = async (range: ByteRange): Promise<readonly Bytes[]> => {
      try {
        const probe = await source.probe(record, range, stopping.signal);
        if (probe.kind === 'bytes') return [probe.bytes];
        lost = probe;
        throw new ObjectStoreError('missing', 'the other store says that it is lost');
      } catch (error) {
        const isLong = range.end - range.start > SAMPLE_BYTES;
        if (!(error instanceof ObjectStoreError) || isLoss(error) || !isLong) throw error;
        const parts: Bytes[] = [];
        for (let start = range.start; start < range.end; start += SAMPLE_BYTES)
          parts.push(...(await ask({ start, end: Math.min(range.end, start + SAMPLE_BYTES) })));
        return parts;
      }
    };
    async function* whole(): AsyncGenerator<Bytes> {
      for (let start = 0; start < record.length; start += PART_BYTES)
        yield* await ask({ start, end: Math.min(record.length, start + PART_BYTES) });
    }
    try {
      for await (const part of readVerified(record, whole(), verify)) void part;
      return 'held';
    } catch (error) {
      if (!isLoss(error)) throw error;
      return lost?.finding ?? 'altered';
    }
  };

  const look = async (doubt: Doubt, record: LedgerRecord): Promise<void> => {
    const isOwn = equalBytes(doubt.store, store);
    const holding = inventory.findByHeader(record.headerHash);
    if (isOwn) {
      // A loss is marked, and noted, where it is seen.
      const state = holding === undefined ? 'missing' : await holdings.audit(holding, 'content');
      if (state === 'held') await reporter.note(record.id, store, 'held');
      await drop(doubt);
      return;
    }
    const source = sources.of(record).find((each) => equalBytes(each.store, doubt.store));
    if (source === undefined) return drop(doubt);
    const seen = await lookWhole(record, source);
    await reporter.note(record.id, doubt.store, seen);
    if (seen === 'held') return drop(doubt);
    onEvent({ event: 'copyLost', store: toHex(doubt.store), finding: seen });
    await postpone(doubt);
  };

  const lookAgain = async (): Promise<void> => {
    allowedBytes = Math.min(allowedBytes + READ_BYTES, READ_BYTES_SAVED_MAX);
    const due = [...doubts.values()].filter(({ dueMs }) => dueMs <= clock.nowMs());
    for (const doubt of due.slice(0, LOOKS_MAX)) {
      if (stopping.signal.aborted) return;
      const record = chain.record(doubt.recordId);
      if (record === undefined) {
        await drop(doubt);
        continue;
      }
      // So long until enough is saved up for it; the first of them is not passed over.
      if (record.length > allowedBytes && record.length <= READ_BYTES_SAVED_MAX) return;
      allowedBytes = Math.max(0, allowedBytes - record.length);
      if (!(await answered(doubt.store, () => look(doubt, record)))) await postpone(doubt);
    }
  };

  /** What was marked as lost, but not noted, when the process ended. */
  const reconcile = async (): Promise<void> => {
    if (isReconciled) return;
    isReconciled = true;
    for (const { recordId, state } of inventory.broken())
      if (recordId !== null)
        await reporter.note(recordId, store, state === 'missing' ? 'missing' : 'altered');
    for (const recordId of inventory.unseen()) await reporter.note(recordId, store, 'missing');
  };

  const run = async (): Promise<void> => {
    await reconcile();
    await lookAgain();
    await sample();
  };

  return {
    onReport: async ({ record, store: of }) => {
      if (mayAnswer(record, of)) await lookSoon(record, of);
    },
    round: () => {
      running ??= run().finally(() => {
        running = undefined;
      });
      return running;
    },
    counts: () => ({
      doubted: [...doubts.values()].filter((each) => !equalBytes(each.store, store)).length,
      sampled,
      unanswered,
    }),
    stop: async () => {
      stopping.abort(new Error('stopping'));
      await running?.catch(() => undefined);
    },
  };
}
