/**
 * The chain as an onlooker sees it: every transaction, field by field. For pages that show people what
 * does not stand there, and for searching it.
 */
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { parseTransaction } from '@yilian/ledger/transaction-codec';
import type { ChainReader } from './chain-reader.ts';

export interface VisibleField {
  readonly name: string;
  /** Bytes as their length and first digits, lists as what they hold. */
  readonly text: string;
}

export interface VisibleTransaction {
  /** Hex. */
  readonly id: string;
  readonly height: number;
  readonly type: string;
  readonly fields: readonly VisibleField[];
  readonly bytes: Bytes;
}

export interface ChainExplorer {
  /** Everything from the first block that was not pruned up to now; each call reads only what is new. */
  follow(): Promise<readonly VisibleTransaction[]>;
}

const DIGITS_SHOWN = 16;
const ITEMS_SHOWN = 3;

function describe(value: unknown): string {
  if (value instanceof Uint8Array) {
    const digits = toHex(value.subarray(0, DIGITS_SHOWN / 2));
    return value.length * 2 <= DIGITS_SHOWN ? digits : `${digits}… (${value.length} B)`;
  }
  if (Array.isArray(value)) {
    const shown = value.slice(0, ITEMS_SHOWN).map(describe).join(', ');
    return value.length > ITEMS_SHOWN ? `[${shown}, … ${value.length}]` : `[${shown}]`;
  }
  if (typeof value === 'object' && value !== null)
    return Object.entries(value)
      .map(([name, item]) => `${name} ${describe(item)}`)
      .join('; ');
  return String(value);
}

/** Reads verified blocks only: the reader checks each against its certified header. */
export function createChainExplorer(reader: ChainReader): ChainExplorer {
  const seen: VisibleTransaction[] = [];
  let readHeight = 0n;
  let reading: Promise<void> = Promise.resolve();

  async function readOn(): Promise<void> {
    const { height: latest } = await reader.head({ fresh: true });
    for (let height = readHeight + 1n; height <= latest; height++) {
      // oxlint-disable-next-line no-await-in-loop -- in the chain's order
      const block = await reader.block(height);
      for (const bytes of block.transactions) {
        const parsed = parseTransaction(bytes);
        if (!parsed.ok) continue;
        const { type, ...body } = parsed.transaction.body;
        seen.push({
          id: toHex(parsed.transaction.id),
          height: Number(height),
          type,
          fields: Object.entries(body).map(([name, value]) => ({ name, text: describe(value) })),
          bytes,
        });
      }
      readHeight = height;
    }
  }

  return {
    async follow() {
      reading = reading.catch(() => undefined).then(readOn);
      await reading;
      return [...seen];
    },
  };
}

/** How often any of `needles` stands in the bytes of the transactions that `among` picks. */
export function countSightings(
  transactions: readonly VisibleTransaction[],
  needles: readonly Bytes[],
  among: (transaction: VisibleTransaction) => boolean = () => true,
): number {
  const wanted = needles.map(toHex).filter((needle) => needle !== '');
  let count = 0;
  for (const transaction of transactions.filter(among)) {
    const digits = toHex(transaction.bytes);
    for (const needle of wanted) if (holdsBytes(digits, needle)) count += 1;
  }
  return count;
}

/** Whether `needle` stands in `digits` at the start of a byte, not in its middle. */
function holdsBytes(digits: string, needle: string): boolean {
  for (let at = digits.indexOf(needle); at >= 0; at = digits.indexOf(needle, at + 1))
    if (at % 2 === 0) return true;
  return false;
}
