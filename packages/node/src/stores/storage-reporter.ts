/**
 * Puts on chain what audits found of copies: a loss, and that the copy is there again. What is noted is
 * durable until the chain has it, a loss before its end, so that neither a crash nor a quick repair makes
 * one disappear. A few transactions each round: a lost disk is no flood.
 */
import { type Bytes, concatBytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { type RecordId, toRecordId } from '@yilian/crypto/ids';
import { LOSS_PAUSE_SECONDS } from '@yilian/ledger/contracts/records/report-storage';
import {
  type CopyFinding,
  type StorageFinding,
  mayRestore,
} from '@yilian/ledger/contracts/records/storage-finding';
import { type MemberId, toMemberId } from '@yilian/ledger/ids';
import type { Signer } from '@yilian/ledger/transaction-codec';
import type { ChainView } from '../services/chain-view.ts';
import type { Shelf } from '../services/service-store.ts';
import type { TransactionSender } from '../services/transaction-sender.ts';
import type { SeenCopy } from './object-inventory.ts';

type Loss = Exclude<StorageFinding, 'restored'>;

/** What the chain does not have yet of one copy. */
interface Noted {
  readonly recordId: RecordId;
  readonly store: MemberId;
  readonly loss: Loss | null;
  /** Seen whole since. */
  readonly isBack: boolean;
}

export interface StorageReporter {
  /** Durable when it resolves; nothing is kept of what the chain says already. */
  note(recordId: RecordId, store: Bytes, seen: SeenCopy): Promise<void>;
  /** Sends some of what waits and resolves when its outcome is known; a second call joins the first. */
  round(): Promise<void>;
  /** Copies of which something waits. */
  waiting(): number;
  stop(): Promise<void>;
}

export interface StorageReporterOptions {
  readonly chain: Pick<ChainView, 'copyFindings' | 'tip'>;
  readonly shelf: Shelf;
  readonly sender: TransactionSender;
  /** The node's key. */
  readonly signer: Signer;
  /** Member id of the store that this node's operator runs. */
  readonly auditor: Bytes;
  /** A finding that the chain refused for good. */
  readonly onRefused: (code: string) => void;
}

const REPORTS_MAX = 16;
const OUTCOME_TIMEOUT_MS = 30_000;
const LOSSES: readonly Loss[] = ['missing', 'altered'];

/** Of the rule: the chain says so already, or does not want it any more. */
const SETTLED: ReadonlySet<string> = new Set(['ok', 'findingKnown', 'nothingToRestore']);
/** What will not change by waiting. */
const REFUSED: ReadonlySet<string> = new Set([
  'roleNotAllowed',
  'recordUnknown',
  'storeNotNamed',
  'auditorNotAllowed',
]);

function keyOf(recordId: Bytes, store: Bytes): Bytes {
  return concatBytes(recordId, store);
}

function readNoted(key: Bytes, value: Bytes): Noted | null {
  const items = decode(value);
  if (!Array.isArray(items) || key.length !== 64) return null;
  return {
    recordId: toRecordId(key.slice(0, 32)),
    store: toMemberId(key.slice(32)),
    loss: LOSSES.find((each) => each === items[0]) ?? null,
    isBack: items[1] === true,
  };
}

export function createStorageReporter(options: StorageReporterOptions): StorageReporter {
  const { chain, shelf, sender, signer, auditor, onRefused } = options;
  const waiting = new Map<string, Noted>();
  for (const { key, value } of shelf.list()) {
    const noted = readNoted(key, value);
    if (noted !== null) waiting.set(toHex(key), noted);
  }
  let changing: Promise<void> = Promise.resolve();
  let running: Promise<void> | undefined;
  let isStopping = false;

  const ownWord = (findings: readonly CopyFinding[]): CopyFinding | undefined =>
    findings.find((each) => equalBytes(each.auditor, auditor));

  const keep = async (noted: Noted): Promise<void> => {
    const key = keyOf(noted.recordId, noted.store);
    await shelf.put(key, encode([noted.loss, noted.isBack]));
    waiting.set(toHex(key), noted);
  };
  const drop = async ({ recordId, store }: Noted): Promise<void> => {
    const key = keyOf(recordId, store);
    await shelf.delete(key);
    waiting.delete(toHex(key));
  };
  /** Changes of what waits come one after the other. */
  const change = (action: () => Promise<void>): Promise<void> => {
    const done = changing.then(action);
    changing = done.catch(() => undefined);
    return done;
  };

  const take = async (recordId: RecordId, store: MemberId, seen: SeenCopy): Promise<void> => {
    const before = waiting.get(toHex(keyOf(recordId, store)));
    const findings = chain.copyFindings(recordId, store);
    if (seen === 'held') {
      if (before !== undefined) await keep({ ...before, isBack: true });
      else if (mayRestore(findings, store, auditor))
        await keep({ recordId, store, loss: null, isBack: true });
      return;
    }
    // What stands there as a loss stays one, whatever its kind is now.
    const own = ownWord(findings);
    const isSaid = own !== undefined && own.finding !== 'restored';
    // With `restored` under way it waits: it is dropped when that was not said after all.
    if (isSaid && before === undefined) return;
    await keep({ recordId, store, loss: before?.loss ?? seen, isBack: false });
  };

  /** What the chain should hear next of it; null: nothing now; `done`: nothing any more. */
  const nextFinding = ({
    recordId,
    store,
    loss,
    isBack,
  }: Noted): StorageFinding | 'done' | null => {
    const findings = chain.copyFindings(recordId, store);
    const own = ownWord(findings);
    const isSaid = own !== undefined && own.finding !== 'restored';
    if (loss !== null && !isSaid) {
      const since = own?.lossTime ?? 0;
      const mayReport = since === 0 || chain.tip().timeMs / 1000 >= since + LOSS_PAUSE_SECONDS;
      if (mayReport) return loss;
      // Lost and back within a day of the last loss: the chain has the one and needs not the other.
      return isBack ? 'done' : null;
    }
    return isBack && mayRestore(findings, store, auditor) ? 'restored' : 'done';
  };

  /** Whether it got through. */
  const send = async (noted: Noted, finding: StorageFinding): Promise<boolean> => {
    const { recordId: record, store } = noted;
    const body = { type: 'reportStorage', record, store, finding } as const;
    const { id, rejection } = await sender.send(sender.draft(body, signer.key), [signer], 'self');
    const code = rejection ?? (await sender.outcome(id, OUTCOME_TIMEOUT_MS));
    await change(async () => {
      const now = waiting.get(toHex(keyOf(record, store)));
      if (now === undefined) return;
      if (REFUSED.has(code)) {
        onRefused(code);
        await drop(now);
      } else if (SETTLED.has(code)) {
        if (finding !== 'restored' && now.isBack) await keep({ ...now, loss: null });
        // Lost again since it was seen whole: that waits.
        else if (finding !== 'restored' || now.isBack) await drop(now);
      }
    });
    return SETTLED.has(code);
  };

  const run = async (): Promise<void> => {
    // What was noted before is in it.
    await changing;
    let sent = 0;
    for (const key of waiting.keys()) {
      for (let noted = waiting.get(key); noted !== undefined; noted = waiting.get(key)) {
        if (isStopping || sent >= REPORTS_MAX) return;
        const finding = nextFinding(noted);
        if (finding === null) break;
        if (finding === 'done') {
          const settled = noted;
          await change(async () => {
            if (waiting.get(key) === settled) await drop(settled);
          });
          continue;
        }
        sent += 1;
        // Not admitted, or not final in time: the next round sends it again.
        if (!(await send(noted, finding))) break;
      }
    }
  };

  return {
    note: (recordId, store, seen) => change(() => take(recordId, toMemberId(store), seen)),
    round: () => {
      running ??= run().finally(() => {
        running = undefined;
      });
      return running;
    },
    waiting: () => waiting.size,
    stop: async () => {
      isStopping = true;
      await running?.catch(() => undefined);
      await changing;
    },
  };
}
