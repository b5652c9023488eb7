/**
 * Who came to the network after its genesis, and where: introductions that the regulator signed, on every node.
 * A node tells its peers what it learns, and what it has from time to time, since a peer may have been away; all
 * of them fit a few notices. The newest of a member counts. Nobody is believed but the regulator.
 *
 * It decides who may connect: among nodes the members of the configuration and those introduced, among engines
 * the same by engine id. A member that the ledger has suspended is refused; one that the ledger does not know
 * yet is not, because this node may only be behind.
 *
 * Notice, CBOR: [introduction…], at most 64.
 */
import { type Bytes, CodecError, toHex } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import type { ChainContext } from '@yilian/crypto/context';
import {
  encodeIntroduction,
  INTRODUCTION_BYTES_MAX,
  type Introduction,
  type IntroductionContent,
  parseIntroduction,
  verifyIntroduction,
} from '../network/introduction.ts';
import type { Notices } from '../peers/notices.ts';
import type { ChainView } from './chain-view.ts';
import type { Shelf } from './service-store.ts';

const ITEMS_MAX = 64;

export interface Introductions {
  /** Those who may connect, and are to be met. */
  list(): readonly IntroductionContent[];
  /** What lies in this node's own folder. False: not the regulator's, or no introduction. */
  put(encoded: Bytes): Promise<boolean>;
  /** What a peer told. A peer that sends what it must not is cut. */
  learn(from: Bytes, notice: Bytes): Promise<void>;
  /** Tells the peers all that it has. */
  tend(): void;
  /** Nothing is written after it resolves. */
  close(): Promise<void>;
}

export interface IntroductionsOptions {
  readonly context: ChainContext;
  readonly regulatorKey: Bytes;
  readonly chain: Pick<ChainView, 'member'>;
  readonly shelf: Shelf;
  readonly notices: Pick<Notices, 'broadcast' | 'cut'>;
  /** Somebody is new, or is met elsewhere. */
  readonly onChanged: () => void;
}

function parseNotice(encoded: Bytes): readonly Bytes[] | null {
  let value: Cbor;
  try {
    value = decode(encoded, { bytesMax: ITEMS_MAX * (INTRODUCTION_BYTES_MAX + 8), depthMax: 2 });
  } catch (error) {
    if (error instanceof CodecError) return null;
    throw error;
  }
  if (!Array.isArray(value) || value.length > ITEMS_MAX) return null;
  const items: readonly Cbor[] = value;
  const introductions = items.filter((item): item is Bytes => item instanceof Uint8Array);
  return introductions.length === items.length ? introductions : null;
}

export function createIntroductions(options: IntroductionsOptions): Introductions {
  const { context, regulatorKey, chain, shelf, notices, onChanged } = options;
  /** By member id in hex. */
  const known = new Map<string, Introduction>();
  let isClosed = false;
  let working: Promise<unknown> = Promise.resolve();
  for (const { value } of shelf.list()) {
    const introduction = parseIntroduction(value);
    if (introduction !== null) known.set(toHex(introduction.content.member), introduction);
  }

  const isWelcome = ({ content }: Introduction): boolean =>
    chain.member(content.member)?.status !== 'suspended';

  const tell = (): void => {
    const all = [...known.values()].map(encodeIntroduction);
    for (let from = 0; from < all.length; from += ITEMS_MAX)
      notices.broadcast(encode(all.slice(from, from + ITEMS_MAX)));
  };

  const keep = async (encoded: Bytes): Promise<'kept' | 'known' | 'malformed' | 'forged'> => {
    const introduction = parseIntroduction(encoded);
    if (introduction === null) return 'malformed';
    const name = toHex(introduction.content.member);
    const before = known.get(name);
    if (before !== undefined && before.content.issuedAt >= introduction.content.issuedAt)
      return 'known';
    if (!verifyIntroduction(context, regulatorKey, introduction)) return 'forged';
    await shelf.put(introduction.content.member, encoded);
    known.set(name, introduction);
    return 'kept';
  };

  const take = async (encoded: readonly Bytes[]): Promise<'malformed' | 'forged' | undefined> => {
    let isNew = false;
    let fault: 'malformed' | 'forged' | undefined;
    for (const each of encoded) {
      // oxlint-disable-next-line no-await-in-loop -- of two of one member the later counts
      const verdict = await keep(each);
      if (verdict === 'malformed' || verdict === 'forged') {
        fault = verdict;
        break;
      }
      isNew ||= verdict === 'kept';
    }
    if (isNew) {
      // First let them in, then tell the others, who may already know them.
      onChanged();
      tell();
    }
    return fault;
  };

  const inOrder = <T>(work: () => Promise<T>, closed: T): Promise<T> => {
    if (isClosed) return Promise.resolve(closed);
    const next = working.then(work);
    working = next.catch(() => undefined);
    return next;
  };

  return {
    list: () => [...known.values()].filter(isWelcome).map(({ content }) => content),
    put: (encoded) => inOrder(async () => (await take([encoded])) === undefined, false),
    learn: (from, notice) =>
      inOrder(async () => {
        const told = parseNotice(notice);
        const fault = told === null ? 'malformed' : await take(told);
        if (fault !== undefined) notices.cut(from, `${fault}Introduction`);
      }, undefined),
    tend: tell,
    close: async () => {
      isClosed = true;
      await working;
    },
  };
}
