/**
 * `ChainReader` over a network of nodes that may lie: every answer of every GET route is checked here
 * against certified headers before anybody sees it, and an answer that fails names the node and the
 * route. How each is checked: docs/spec/verification.md.
 *
 * State is read by subtrees of at least `SUBTREE_KEYS_MIN` keys, question after question to different
 * nodes, so that no node learns from a person's walk which keys are hers (R2).
 */
import {
  type Certificate,
  certificateHash,
  certificateMessage,
  parseCertificate,
} from '@yilian/api/certificate';
import { encodeMessage } from '@yilian/api/codec';
import {
  type ProvenAnswer,
  type ProvenEntry,
  type ProvenLogEntry,
  provenLogEntry,
} from '@yilian/api/messages-chain';
import { ROUTES } from '@yilian/api/routes';
import { LIMITS } from '@yilian/api/sizes';
import { type Bytes, CodecError, equalBytes, toHex } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import { transactionsRoot } from '@yilian/consensus/transactions-root';
import { parseLogAnswer, parseSubtreeAnswer, verifySubtreeAnswer } from '@yilian/ledger/answers';
import { type Grant, parseGrant } from '@yilian/ledger/contracts/consent/grant';
import { type Member, parseMember } from '@yilian/ledger/contracts/members/member';
import { parseNodeKeys } from '@yilian/ledger/contracts/members/node-keys';
import { parsePatient } from '@yilian/ledger/contracts/members/patient';
import { parseRecord, parseVisitEntry } from '@yilian/ledger/contracts/records/record';
import { type MemberId, toGrantId, toMemberId, type TransactionId } from '@yilian/ledger/ids';
import { verifyLedgerReceipt } from '@yilian/ledger/receipt';
import { parseSettings } from '@yilian/ledger/settings';
import { type KeyHash, stateKeys } from '@yilian/ledger/state';
import type {
  AwaitOptions,
  ChainBlock,
  ChainHead,
  ChainReader,
  FinalTransaction,
  LogEntry,
  ReadOptions,
  StateValue,
} from './chain-reader.ts';
import {
  ClientError,
  NetworkError,
  ProblemError,
  type Source,
  VerificationError,
} from './failure.ts';
import { createHeaderStore, type HeaderStore, type VerifiedHeader } from './header-store.ts';
import type { Network } from './network.ts';
import { hasItsSignatures } from './transaction-signatures.ts';
import type { NodeEndpoint } from './transport.ts';

/** A question for state covers at least so many keys (where the whole state has as many). */
export const SUBTREE_KEYS_MIN = 64;

/** What was read is good for so long, unless a fresh value is asked for. */
const CACHE_MS = 1_500;
const CACHE_ENTRIES_MAX = 64;
/** After so long the newest header is asked for again. */
const HEAD_MS = 3_000;
/** Nodes may lag a little behind the newest header that another one has shown. */
const LAG_HEIGHTS_MAX = 8n;
/** Witnesses of other operators that are asked for the newest header. */
const WITNESSES = 3;
const BEHIND_PAUSE_MS = 60;
const BEHIND_TRIES = 40;
const PROOF_WITHIN_MS = 2_000;
/** How long a node waits for a new state, before the caller looks after other things. */
const AFTER_WITHIN_MS = 1_500;
/** A node that has not proven a transaction by then is not waited for alone. */
const HEDGE_MS = 2_000;
/** Between rounds in which no node could say anything. */
const ROUND_PAUSE_MS = 250;
const BLOCKS_AHEAD_MAX = 4n;
const EVENTS_PER_ANSWER = 256;

interface CachedSubtree {
  readonly values: ReadonlyMap<string, Bytes>;
  readonly height: bigint;
  /** Entries of the log at that height. */
  readonly logSize: number;
  readonly readAtMs: number;
}

type ReceiptTry =
  | { readonly ok: true; readonly final: FinalTransaction }
  | { readonly ok: false; readonly error: unknown };

/** The reader, with the headers it believes. */
export interface VerifiedReader extends ChainReader {
  readonly headers: HeaderStore;
}

export function createVerifiedReader(network: Network): VerifiedReader {
  const { platform, context, anchor } = network;
  const headers = createHeaderStore(network);
  const subtrees = new Map<string, CachedSubtree>();
  const certificates = new Map<string, Certificate>();
  /** Digits of a prefix; grows with the state. */
  let prefixDigits = 0;
  let expectedHeight = 0n;
  let head: (ChainHead & { readonly readAtMs: number }) | undefined;

  /** The header that carries the app hash of a proven answer. */
  async function carrier(
    proven: { readonly header: Bytes; readonly certificate: Bytes },
    answerHeight: number,
    source: Source,
  ): Promise<VerifiedHeader> {
    const verified = await headers.verify(proven, source);
    if (verified.header.height !== BigInt(answerHeight) + 1n)
      throw new VerificationError(
        'stateProof',
        source,
        'the header is not the one above the height of the answer',
      );
    return verified;
  }

  /** Old proofs are not lies, but they are no answer either. */
  function checkAge(height: bigint, source: Source): void {
    const newest = headers.trustedHeight;
    if (height + LAG_HEIGHTS_MAX < newest)
      throw new VerificationError(
        'staleHeader',
        source,
        `it proves the state of height ${height} where ${newest} is known`,
      );
  }

  async function verifySubtreeFrom(
    proven: ProvenAnswer,
    prefix: string,
    source: Source,
  ): Promise<CachedSubtree> {
    const answer = parseOr(source, () => parseSubtreeAnswer(proven.answer));
    const { header } = await carrier(proven, answer.height, source);
    if (!verifySubtreeAnswer(header.appHash, prefix, answer))
      throw new VerificationError('stateProof', source, 'the subtree is not in the state root');
    const height = BigInt(answer.height);
    checkAge(height, source);
    if (height < expectedHeight)
      throw new NetworkError('behind', `${source.node} is behind height ${expectedHeight}`, source);
    const values = new Map(
      answer.subtree.leaves.map(({ keyHash, value }) => [toHex(keyHash), value] as const),
    );
    return { values, height, logSize: answer.parts.logSize, readAtMs: platform.nowMs() };
  }

  function keep(prefix: string, subtree: CachedSubtree): CachedSubtree {
    if (subtrees.size >= CACHE_ENTRIES_MAX) subtrees.clear();
    subtrees.set(prefix, subtree);
    return subtree;
  }

  async function readSubtree(prefix: string): Promise<CachedSubtree> {
    // Several nodes' newest header too: one node alone could show a state of long ago, in which a
    // grant is not there yet or not revoked.
    const witnessed = currentHead({});
    witnessed.catch(() => undefined);
    for (let attempt = 0; ; attempt++) {
      try {
        const expected = network.transport.expectedHeight();
        const { value } = await network.ask(
          ROUTES.getState,
          {
            params: { prefix },
            // The header above carries the proof.
            ...(expected === null
              ? {}
              : { patience: { height: expected + 1n, within: PROOF_WITHIN_MS } }),
          },
          async (proven, source) => {
            await witnessed;
            return verifySubtreeFrom(proven, prefix, source);
          },
        );
        return keep(prefix, value);
      } catch (error) {
        const isBehind =
          (error instanceof NetworkError && error.code === 'behind') ||
          (error instanceof ProblemError && ['notFinal', 'nodeBehind'].includes(error.code));
        if (!isBehind || attempt >= BEHIND_TRIES) throw error;
        await platform.wait(BEHIND_PAUSE_MS);
      }
    }
  }

  /**
   * The subtree for `key`. Prefixes begin empty and grow only where a node says that the answer would be
   * too large, so answers are as full as they can be; a thin one is covered by its neighbour.
   */
  async function subtreeOf(key: KeyHash, options: ReadOptions): Promise<CachedSubtree> {
    const hex = toHex(key);
    for (;;) {
      const prefix = hex.slice(0, prefixDigits);
      const cached = subtrees.get(prefix);
      const isGood =
        cached !== undefined &&
        options.fresh !== true &&
        cached.height >= expectedHeight &&
        platform.nowMs() - cached.readAtMs < CACHE_MS;
      if (isGood) return cached;
      try {
        const subtree = await readSubtree(prefix);
        if (subtree.values.size < SUBTREE_KEYS_MIN && prefix !== '')
          await readSubtree(neighbourOf(prefix));
        return subtree;
      } catch (error) {
        if (!(error instanceof ProblemError) || error.code !== 'tooLarge') throw error;
        prefixDigits++;
      }
    }
  }

  /** Waits at one node until it can prove a state after `height`; undefined when none comes in time. */
  async function subtreeAfter(height: bigint, hex: string): Promise<CachedSubtree | undefined> {
    const prefix = hex.slice(0, prefixDigits);
    for (const node of network.order()) {
      const source = { node: node.name, route: ROUTES.getState.name };
      try {
        const proven = await network.transport.call(node, ROUTES.getState, {
          params: { prefix },
          patience: { height: height + 2n, within: AFTER_WITHIN_MS },
        });
        const subtree = keep(prefix, await verifySubtreeFrom(proven, prefix, source));
        const isThin = subtree.values.size < SUBTREE_KEYS_MIN && prefix !== '';
        return isThin ? undefined : subtree;
      } catch (error) {
        // Nothing new, or an answer that must be asked for in another way.
        if (error instanceof ProblemError) return undefined;
        if (error instanceof VerificationError) network.reportLie(error);
        else if (!(error instanceof NetworkError)) throw error;
      }
    }
    return undefined;
  }

  async function state(key: KeyHash, options: ReadOptions = {}): Promise<StateValue> {
    const { after } = options;
    const subtree =
      (after === undefined ? undefined : await subtreeAfter(after, toHex(key))) ??
      (await subtreeOf(key, options));
    // What is decided on it, nodes shall decide on nothing older.
    if (options.fresh === true) network.transport.expectHeight(subtree.height);
    return { value: subtree.values.get(toHex(key)), height: subtree.height };
  }

  async function parsed<T>(
    key: KeyHash,
    parse: (value: Bytes) => T,
    options?: ReadOptions,
  ): Promise<T | undefined> {
    const { value } = await state(key, options);
    return value === undefined ? undefined : parse(value);
  }

  async function verifyEntry(
    certified: { readonly header: Bytes; readonly certificate: Bytes },
    entry: ProvenEntry,
    source: Source,
  ): Promise<LogEntry> {
    const answer = parseOr(source, () => parseLogAnswer(entry.answer));
    const { header } = await carrier(certified, answer.height, source);
    const content = parseOr(source, () =>
      verifyLedgerReceipt(header.appHash, { transaction: entry.transaction, entry: answer }),
    );
    if (content === undefined)
      throw new VerificationError('logProof', source, 'the entry is not in the log root');
    if (!hasItsSignatures(content.transaction, platform.verifySignature))
      throw new VerificationError('receipt', source, 'a signature of the transaction was altered');
    return { position: answer.position, ...content };
  }

  async function member(id: MemberId, options?: ReadOptions): Promise<Member | undefined> {
    return parsed(stateKeys.member(id), parseMember, options);
  }

  async function currentHead(options: ReadOptions): Promise<ChainHead> {
    const isGood =
      head !== undefined && options.fresh !== true && platform.nowMs() - head.readAtMs < HEAD_MS;
    if (!isGood || head === undefined) head = { ...(await readHead()), readAtMs: platform.nowMs() };
    return head;
  }

  async function readHead(): Promise<ChainHead> {
    const asked = network.order().slice(0, WITNESSES);
    const results = await Promise.allSettled(
      asked.map(async (node) => {
        const source = { node: node.name, route: ROUTES.getHeader.name };
        const answer = await network.transport.call(node, ROUTES.getHeader, {
          params: { height: 'latest' },
        });
        return headers.verify(answer, source);
      }),
    );
    let best: VerifiedHeader | undefined;
    let failure: unknown;
    for (const result of results) {
      if (result.status === 'fulfilled') {
        if (best === undefined || result.value.header.height > best.header.height)
          best = result.value;
        continue;
      }
      failure ??= result.reason;
      if (result.reason instanceof VerificationError) network.reportLie(result.reason);
    }
    if (best === undefined) {
      // None of the witnesses: whoever is left may answer.
      const { value } = await network.ask(
        ROUTES.getHeader,
        { params: { height: 'latest' } },
        (answer, source) => headers.verify(answer, source),
      );
      best = value;
    }
    return headOf(headers.newest ?? best);
  }

  async function verifyReceipt(
    id: TransactionId,
    receipt: ProvenLogEntry,
    source: Source,
  ): Promise<FinalTransaction> {
    const entry = await verifyEntry(receipt, receipt, source);
    if (!equalBytes(entry.transaction.id, id))
      throw new VerificationError('receipt', source, 'it is of another transaction');
    return { ...entry, receipt: encodeMessage(provenLogEntry, receipt) };
  }

  async function receiptOf(
    node: NodeEndpoint,
    id: TransactionId,
    options: AwaitOptions,
  ): Promise<FinalTransaction> {
    const { withinMs, signal } = options;
    const receipt = await network.transport.call(node, ROUTES.getReceipt, {
      params: { id },
      patience: { height: null, within: Math.max(0, Math.min(LIMITS.waitMsMax, withinMs)) },
      ...(signal === undefined ? {} : { signal }),
    });
    return verifyReceipt(id, receipt, { node: node.name, route: ROUTES.getReceipt.name });
  }

  /** One question to each node, the next when one fails or is slow. @throws what all say */
  async function firstReceipt(id: TransactionId, options: AwaitOptions): Promise<FinalTransaction> {
    const order = network.order();
    const { first } = options;
    const left =
      first === undefined ? [...order] : [first, ...order.filter((node) => node !== first)];
    const pending = new Set<Promise<ReceiptTry>>();
    const ask = (): void => {
      const node = left.shift();
      if (node === undefined) return;
      const asked: Promise<ReceiptTry> = receiptOf(node, id, options)
        .then(
          (final): ReceiptTry => ({ ok: true, final }),
          (error: unknown): ReceiptTry => ({ ok: false, error }),
        )
        .finally(() => pending.delete(asked));
      pending.add(asked);
    };
    let failure: unknown;
    ask();
    while (pending.size > 0) {
      const done = new AbortController();
      const slow = platform.wait(HEDGE_MS, done.signal).then(() => null);
      const answer = await Promise.race([...pending, slow]);
      done.abort();
      if (answer?.ok === true) return answer.final;
      if (answer !== null) {
        const { error } = answer;
        if (error instanceof VerificationError) network.reportLie(error);
        else if (!(error instanceof ProblemError) && !(error instanceof NetworkError)) throw error;
        failure = moreTelling(failure, error);
      }
      ask();
    }
    throw failure;
  }

  return {
    context,
    headers,
    genesis: () => headers.genesis(),
    head: (options = {}) => currentHead(options),
    state,
    settings: async () => {
      const settings = await parsed(stateKeys.settings(), parseSettings);
      if (settings === undefined) throw new ClientError('badAnchor', 'the chain has no settings');
      return settings;
    },
    member,
    memberOfKey: async (key) => {
      const { value } = await state(stateKeys.memberKey(key));
      return value === undefined ? undefined : member(toMemberId(value));
    },
    patientStatus: (commitment) => parsed(stateKeys.patient(commitment), parsePatient),
    nodeKeys: async (id, options) =>
      (await parsed(stateKeys.nodeKey(id), parseNodeKeys, options)) ?? [],
    grant: (id, options) => parsed(stateKeys.grant(id), parseGrant, options),
    grantOfTag: (tag, options) => parsed(stateKeys.tag(tag), toGrantId, options),
    record: (id, options) => parsed(stateKeys.record(id), parseRecord, options),
    visitEntry: (pid, number, options) =>
      parsed(stateKeys.visit(pid, number), parseVisitEntry, options),
    transaction: async (id, nodes) => {
      try {
        const { value } = await network.ask(
          ROUTES.getReceipt,
          { params: { id } },
          (receipt, source) => verifyReceipt(id, receipt, source),
          nodes,
        );
        return value;
      } catch (error) {
        // Absence is not proven: it only means "ask again".
        if (error instanceof ProblemError && ['notFound', 'notFinal'].includes(error.code))
          return undefined;
        throw error;
      }
    },
    awaitTransaction: async (id, options) => {
      const endMs = platform.nowMs() + options.withinMs;
      for (;;) {
        const withinMs = endMs - platform.nowMs();
        if (withinMs <= 0 || options.signal?.aborted === true) return undefined;
        try {
          return await firstReceipt(id, { ...options, withinMs });
        } catch (error) {
          // Absence is not proven: it only means "ask again".
          if (!(error instanceof ProblemError) || !NOT_YET.has(error.code)) throw error;
        }
        await platform.wait(ROUND_PAUSE_MS, options.signal);
      }
    },
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
    logSize: async () => {
      // Any place of the state comes with it; a random one says nothing about who asks.
      const subtree = await subtreeOf(platform.randomBytes(32), { fresh: true });
      // The header above carries the proof of this height.
      network.transport.expectHeight(subtree.height + 1n);
      return subtree.logSize;
    },
    grantEvents: async (grant) => {
      const { value } = await network.attempt((node) => eventsFrom(node, grant));
      return value;
    },
    block: async (height) => {
      const { value } = await network.ask(
        ROUTES.getBlock,
        {
          params: { height },
          // A block that another node has told of may be on its way to this one.
          ...(height !== 'latest' && height <= headers.trustedHeight + BLOCKS_AHEAD_MAX
            ? { patience: { height, within: PROOF_WITHIN_MS } }
            : {}),
        },
        async (block, source): Promise<ChainBlock> => {
          const { header } = await headers.verify(block, source);
          if (height !== 'latest' && header.height !== height)
            throw new VerificationError('chain', source, 'it is a block of another height');
          const root = transactionsRoot(block.transactions.map((each) => sha256(each)));
          if (!equalBytes(root, header.transactionsRoot))
            throw new VerificationError(
              'transactionsRoot',
              source,
              'the transactions are not those of the header',
            );
          return {
            height: header.height,
            timeMs: Number(header.timeNs / 1_000_000n),
            transactions: block.transactions,
          };
        },
      );
      return value;
    },
    blob: async (grantId, name, hash, nodes) => {
      const { value } = await network.ask(
        ROUTES.getBlob,
        { params: { grantId, name } },
        (blob, source) => {
          if (!equalBytes(sha256(blob), hash))
            throw new VerificationError('blobHash', source, 'the blob is not the one on chain');
          return blob;
        },
        nodes,
      );
      return value;
    },
    certificate: async (id) => {
      const subject = await member(id);
      if (subject === undefined)
        throw new ClientError('unknownMember', `no member ${toHex(id)} is on chain`);
      const name = toHex(subject.certificateHash);
      const known = certificates.get(name);
      if (known !== undefined) return known;
      const askOf = (among: readonly NodeEndpoint[]): Promise<{ readonly value: Certificate }> =>
        network.ask(
          ROUTES.getCertificate,
          { params: { id } },
          (encoded, source) => verifyCertificateBytes(encoded, subject, source),
          among,
        );
      // The regulator's node made it; the others have those of the beginning.
      const makers = network.nodes.filter(({ isRegulator }) => isRegulator);
      const { value } = await askOf(makers).catch((error: unknown) => {
        const isFromOutside =
          error instanceof VerificationError ||
          error instanceof ProblemError ||
          error instanceof NetworkError;
        if (isFromOutside) return askOf(network.nodes);
        throw error;
      });
      certificates.set(name, value);
      return value;
    },
    expectHeight: (height) => {
      network.transport.expectHeight(height);
      if (height > expectedHeight) expectedHeight = height;
    },
  };

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

  function verifyCertificateBytes(encoded: Bytes, subject: Member, source: Source): Certificate {
    if (!equalBytes(certificateHash(context, encoded), subject.certificateHash))
      throw new VerificationError(
        'certificateHash',
        source,
        'the certificate is not the one on chain',
      );
    const parsing = parseCertificate(encoded);
    if (!parsing.ok) throw new VerificationError('malformed', source, 'it is not a certificate');
    const { content, signature } = parsing.value;
    const isSigned = platform.verifySignature({
      publicKey: anchor.regulatorKey,
      message: certificateMessage(context, content),
      signature,
    });
    if (!isSigned || content.chainId !== anchor.chainId)
      throw new VerificationError(
        'regulatorSignature',
        source,
        'the regulator did not sign the certificate',
      );
    return parsing.value;
  }
}

const NOT_YET: ReadonlySet<string> = new Set([
  'notFound',
  'notFinal',
  'waitTimedOut',
  'rateLimited',
  'notReady',
  'nodeBehind',
  'shuttingDown',
]);

/** A lie says most, silence least. */
function moreTelling(before: unknown, error: unknown): unknown {
  const weight = (each: unknown): number =>
    each instanceof VerificationError ? 3 : each instanceof ProblemError ? 2 : each ? 1 : 0;
  return weight(error) > weight(before) ? error : before;
}

/** The subtree beside: its last digit differs in the lowest bit. */
function neighbourOf(prefix: string): string {
  const last = Number.parseInt(prefix.slice(-1), 16) ^ 1;
  return prefix.slice(0, -1) + last.toString(16);
}

function headOf({ header }: VerifiedHeader): ChainHead {
  return { height: header.height, timeMs: Number(header.timeNs / 1_000_000n) };
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

function parseOr<T>(source: Source, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof CodecError)
      throw new VerificationError('malformed', source, 'the proof does not parse', error);
    throw error;
  }
}
