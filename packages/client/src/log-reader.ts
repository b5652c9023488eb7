/**
 * The log: an entry counts when it stands in the log root with its transaction and all signatures, a range
 * when no entry of it is missing, a grant's events when their accesses are numbered without a gap.
 */
import type { ProvenEntry } from '@yilian/api/messages-chain';
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { type LogAnswer, parseLogAnswer, verifyLogAnswer } from '@yilian/ledger/answers';
import { parseLogLeaf } from '@yilian/ledger/log-leaf';
import { offenceOf } from '@yilian/ledger/misbehaviour';
import type { Grant } from '@yilian/ledger/contracts/consent/grant';
import { verifyLedgerReceipt } from '@yilian/ledger/receipt';
import type { LogEntry } from './chain-reader.ts';
import { type Source, VerificationError } from './failure.ts';
import type { HeaderStore } from './header-store.ts';
import type { Network } from './network.ts';
import { type CertifiedHeader, parseProof, verifyCarrier } from './proof-carrier.ts';
import { hasItsSignatures } from './transaction-signatures.ts';
import type { NodeEndpoint } from './transport.ts';

const EVENTS_PER_ANSWER = 256;

export interface LogReader {
  /** @throws VerificationError when the entry is not in the log, or not as it was signed */
  readonly verifyEntry: (
    certified: CertifiedHeader,
    entry: ProvenEntry,
    source: Source,
  ) => Promise<LogEntry>;
  readonly logEntry: (position: number) => Promise<LogEntry>;
  /** Entries `[index·2^level, (index+1)·2^level)`. */
  readonly logRange: (level: number, index: number) => Promise<readonly LogEntry[]>;
  /** Everything that the log has on a grant: complete as far as numbered accesses go. */
  readonly grantEvents: (grant: Grant) => Promise<readonly LogEntry[]>;
}

export function createLogReader(
  network: Pick<Network, 'platform' | 'context' | 'transport' | 'ask' | 'attempt'>,
  headers: Pick<HeaderStore, 'verify'>,
): LogReader {
  const { platform } = network;

  async function verifyEntry(
    certified: CertifiedHeader,
    entry: ProvenEntry,
    source: Source,
  ): Promise<LogEntry> {
    const answer = parseProof(source, () => parseLogAnswer(entry.answer));
    const { header } = await verifyCarrier(headers, certified, answer.height, source);
    if (entry.transaction.length === 0) return unsentEntry(header.appHash, answer, source);
    const content = parseProof(source, () =>
      verifyLedgerReceipt(header.appHash, { transaction: entry.transaction, entry: answer }),
    );
    if (content === undefined)
      throw new VerificationError('logProof', source, 'the entry is not in the log root');
    if (!hasItsSignatures(content.transaction, platform.verifySignature))
      throw new VerificationError('receipt', source, 'a signature of the transaction was altered');
    return { position: answer.position, ...content };
  }

  /** An entry that no transaction stands behind: only what the engine reports has such an id. */
  function unsentEntry(appHash: Bytes, answer: LogAnswer, source: Source): LogEntry {
    const leaf = parseProof(source, () => parseLogLeaf(answer.leaf));
    if (!verifyLogAnswer(appHash, answer))
      throw new VerificationError('logProof', source, 'the entry is not in the log root');
    if (offenceOf(network.context, leaf) === undefined)
      throw new VerificationError('logProof', source, 'the transaction is missing');
    return { position: answer.position, leaf, transaction: null };
  }

  async function eventsFrom(node: NodeEndpoint, grant: Grant): Promise<readonly LogEntry[]> {
    const source = { node: node.name, route: ROUTES.getGrantEvents.name };
    const events: LogEntry[] = [];
    let accesses = 0;
    let last = -1;
    for (let from = 0; ;) {
      const proven = await network.transport.call(node, ROUTES.getGrantEvents, {
        params: { grantId: grant.id },
        query: { from },
      });
      for (const each of proven.entries) {
        const entry = await verifyEntry(proven, each, source);
        // Strictly forward, so that no event is shown twice.
        if (entry.position <= last)
          throw new VerificationError('eventCount', source, 'events are out of order');
        last = entry.position;
        const numbers = accessNumbers(entry, grant);
        for (const number of numbers)
          if (number !== ++accesses)
            throw new VerificationError('eventCount', source, `access ${accesses} is missing`);
        events.push(entry);
      }
      from += proven.entries.length;
      if (proven.entries.length < EVENTS_PER_ANSWER) break;
    }
    if (accesses < grant.accesses)
      throw new VerificationError(
        'eventCount',
        source,
        `the chain counts ${grant.accesses} accesses and ${accesses} were shown`,
      );
    return events;
  }

  return {
    verifyEntry,
    logEntry: async (position) => {
      const { value } = await network.ask(
        ROUTES.getLogEntry,
        { params: { position } },
        async (proven, source) => {
          const entry = await verifyEntry(proven, proven, source);
          if (entry.position !== position)
            throw new VerificationError('logProof', source, 'it is another position');
          return entry;
        },
      );
      return value;
    },
    logRange: async (level, index) => {
      const first = index * 2 ** level;
      const { value } = await network.ask(
        ROUTES.getLogRange,
        { params: { level, index } },
        async (proven, source) => {
          const entries: LogEntry[] = [];
          for (const entry of proven.entries)
            entries.push(await verifyEntry(proven, entry, source));
          const isWhole =
            entries.length === 2 ** level &&
            entries.every(({ position }, offset) => position === first + offset);
          if (!isWhole)
            throw new VerificationError('logProof', source, 'entries of the range are missing');
          return entries;
        },
      );
      return value;
    },
    grantEvents: async (grant) => {
      const { value } = await network.attempt((node) => eventsFrom(node, grant));
      return value;
    },
  };
}

/** Numbers of the accesses of `grant` that an entry records. */
function accessNumbers(entry: LogEntry, grant: Grant): readonly number[] {
  const numbers: number[] = [];
  for (const [kind, grantId, number] of entry.leaf.facts)
    if (
      kind === 'access' &&
      grantId instanceof Uint8Array &&
      equalBytes(grantId, grant.id) &&
      typeof number === 'number'
    )
      numbers.push(number);
  return numbers;
}
