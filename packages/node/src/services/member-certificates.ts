/**
 * Certificates of members, on every node, so that a doctor's name can be verified while the regulator's
 * node is down. Whoever has a new one tells the others; whoever misses one asks a peer at a time. Nobody
 * is believed: the hash of each stands on chain, in a transaction that the regulator signed. A patient's
 * certificate names her and is nobody's here: the chain has a salted commitment to it, which no peer can
 * open, so none matches a member, and one that is sent all the same ends the connection.
 *
 * Notices, CBOR: ['have', [[member id, certificate]…]] and ['want', [member id…]], at most 64 each.
 */
import { certificateHash, parseCertificate } from '@yilian/api/certificate';
import { type Bytes, CodecError, equalBytes, toHex } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import type { ChainContext } from '@yilian/crypto/context';
import { deriveMemberId } from '@yilian/ledger/ids';
import type { Clock } from '../clock.ts';
import type { DirectNotices } from '../peers/notices.ts';
import type { ChainView, FinalBlockView } from './chain-view.ts';
import type { Shelf } from './service-store.ts';

const ITEMS_MAX = 64;
const MEMBER_ID_BYTES = 32;
/** Between two questions of this node, and between two answers to one peer. */
const ASK_PAUSE_MS = 2_000;
const ANSWER_PAUSE_MS = 1_000;

/** `unknown`: of no member that this node knows, or of a key that she has replaced. */
export type CertificateVerdict = 'kept' | 'known' | 'unknown' | 'patients' | 'malformed';

export interface MemberCertificates {
  get(id: Bytes): Bytes | undefined;
  /** Keeps what this node knows to be right, and tells the peers. */
  put(id: Bytes, encoded: Bytes): Promise<void>;
  /** What a peer told or asked. A peer that sends what it must not is cut. */
  learn(from: Bytes, notice: Bytes): Promise<void>;
  /** Notes who is new, and asks when something is missing. */
  onBlock(block: FinalBlockView): void;
  tend(): void;
  /** Nothing is written after it resolves. */
  close(): Promise<void>;
}

export interface MemberCertificatesOptions {
  readonly context: ChainContext;
  readonly chain: Pick<ChainView, 'member'>;
  /** Ids of all members that the chain knew when the node started; patients are none. */
  readonly members: () => Iterable<Bytes>;
  readonly clock: Clock;
  readonly shelf: Shelf;
  readonly notices: DirectNotices;
}

type Notice =
  | { readonly kind: 'have'; readonly entries: readonly (readonly [Bytes, Bytes])[] }
  | { readonly kind: 'want'; readonly ids: readonly Bytes[] };

function encodeNotice(notice: Notice): Bytes {
  return notice.kind === 'have'
    ? encode(['have', notice.entries.map(([id, encoded]) => [id, encoded])])
    : encode(['want', [...notice.ids]]);
}

function isMemberId(value: Cbor | undefined): value is Bytes {
  return value instanceof Uint8Array && value.length === MEMBER_ID_BYTES;
}

function parseNotice(encoded: Bytes): Notice | null {
  let value: Cbor;
  try {
    value = decode(encoded);
  } catch (error) {
    if (error instanceof CodecError) return null;
    throw error;
  }
  const [kind, items, ...rest]: readonly Cbor[] = Array.isArray(value) ? value : [];
  if (!Array.isArray(items) || items.length > ITEMS_MAX || rest.length > 0) return null;
  const list: readonly Cbor[] = items;
  if (kind === 'want') {
    const ids = list.filter(isMemberId);
    return ids.length === list.length ? { kind, ids } : null;
  }
  if (kind !== 'have') return null;
  const entries: [Bytes, Bytes][] = [];
  for (const item of list) {
    const [id, certificate, ...more]: readonly Cbor[] = Array.isArray(item) ? item : [];
    if (!isMemberId(id) || !(certificate instanceof Uint8Array) || more.length > 0) return null;
    entries.push([id, certificate]);
  }
  return { kind, entries };
}

export function createMemberCertificates(options: MemberCertificatesOptions): MemberCertificates {
  const { context, chain, clock, shelf, notices } = options;
  /** By id in hex, in the order in which they are asked for. */
  const missing = new Map<string, Bytes>();
  const answeredAtMs = new Map<string, number>();
  let isScanned = false;
  let askedAtMs = -Infinity;
  let turn = 0;
  let isClosed = false;
  let working: Promise<unknown> = Promise.resolve();

  const isOnChain = (id: Bytes, encoded: Bytes): boolean => {
    const member = chain.member(id);
    return (
      member !== undefined && equalBytes(certificateHash(context, encoded), member.certificateHash)
    );
  };

  const has = (id: Bytes): boolean => {
    const stored = shelf.get(id);
    return stored !== undefined && isOnChain(id, stored);
  };

  const noteMissing = (id: Bytes): void => {
    if (has(id)) missing.delete(toHex(id));
    else missing.set(toHex(id), id);
  };

  const keep = async (id: Bytes, encoded: Bytes): Promise<CertificateVerdict> => {
    const parsing = parseCertificate(encoded);
    if (!parsing.ok) return 'malformed';
    if (parsing.value.content.subject.role === 'patient') return 'patients';
    if (!isOnChain(id, encoded)) return 'unknown';
    const stored = shelf.get(id);
    if (stored !== undefined && equalBytes(stored, encoded)) return 'known';
    await shelf.put(id, encoded);
    missing.delete(toHex(id));
    return 'kept';
  };

  const answer = (from: Bytes, ids: readonly Bytes[]): void => {
    const name = toHex(from);
    const now = clock.nowMs();
    if (now - (answeredAtMs.get(name) ?? -Infinity) < ANSWER_PAUSE_MS) return;
    answeredAtMs.set(name, now);
    const entries = ids.flatMap((id): (readonly [Bytes, Bytes])[] => {
      const stored = shelf.get(id);
      return stored !== undefined && isOnChain(id, stored) ? [[id, stored]] : [];
    });
    if (entries.length > 0) notices.send(from, encodeNotice({ kind: 'have', entries }));
  };

  const ask = (): void => {
    if (!isScanned) {
      isScanned = true;
      for (const id of options.members()) noteMissing(id);
    }
    if (missing.size === 0 || clock.nowMs() - askedAtMs < ASK_PAUSE_MS) return;
    const peers = notices.connected();
    const peer = peers[turn % Math.max(1, peers.length)];
    if (peer === undefined) return;
    askedAtMs = clock.nowMs();
    turn += 1;
    const ids = [...missing.values()].slice(0, ITEMS_MAX);
    // What nobody has must not keep back what somebody has.
    for (const id of ids) {
      missing.delete(toHex(id));
      missing.set(toHex(id), id);
    }
    notices.send(peer, encodeNotice({ kind: 'want', ids }));
  };

  const take = async (from: Bytes, encoded: Bytes): Promise<void> => {
    const notice = parseNotice(encoded);
    if (notice === null) return notices.cut(from, 'malformedCertificateNotice');
    if (notice.kind === 'want') return answer(from, notice.ids);
    for (const [id, certificate] of notice.entries) {
      const verdict = await keep(id, certificate);
      if (verdict === 'malformed' || verdict === 'patients')
        return notices.cut(from, `${verdict}Certificate`);
    }
    return undefined;
  };

  const inOrder = (work: () => Promise<void>): Promise<void> => {
    if (isClosed) return Promise.resolve();
    const next = working.then(work);
    working = next.catch(() => undefined);
    return next;
  };

  return {
    get: (id) => shelf.get(id),
    put: (id, encoded) =>
      inOrder(async () => {
        await shelf.put(id, encoded);
        missing.delete(toHex(id));
        notices.broadcast(encodeNotice({ kind: 'have', entries: [[id, encoded]] }));
      }),
    learn: (from, notice) => inOrder(() => take(from, notice)),
    onBlock: ({ transactions }) => {
      for (const { transaction, outcome } of transactions) {
        const { body } = transaction;
        if (outcome !== 'ok') continue;
        if (body.type === 'rotateKey') noteMissing(body.member);
        else if (body.type === 'enrolMember' && body.kind === 'member')
          noteMissing(deriveMemberId(context, body.member.key));
      }
      ask();
    },
    tend: ask,
    close: async () => {
      isClosed = true;
      await working;
    },
  };
}
