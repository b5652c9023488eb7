/** What the service tests stand on: a chain view that a test writes, a clock that it turns, real crypto. */
import { randomBytes as nodeRandomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { createMclCurve } from '@yilian/crypto/curve-mcl';
import { deriveRecordId } from '@yilian/crypto/ids';
import type { Curve } from '@yilian/crypto/curve';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { Grant } from '@yilian/ledger/contracts/consent/grant';
import type { Member, Role } from '@yilian/ledger/contracts/members/member';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import type { CopyFinding } from '@yilian/ledger/contracts/records/storage-finding';
import { deriveMemberId } from '@yilian/ledger/ids';
import type { TransactionBody } from '@yilian/ledger/transaction';
import {
  type ParsedTransaction,
  type Signer,
  encodeTransaction,
  parseTransaction,
  signTransaction,
} from '@yilian/ledger/transaction-codec';
import type { Clock } from '../../src/clock.ts';
import type {
  AccessEvent,
  ChainView,
  FinalBlockView,
  FinalTransaction,
  LoggedTransaction,
} from '../../src/services/chain-view.ts';
import type { TransactionSender } from '../../src/services/transaction-sender.ts';

export const CONTEXT = { chainId: 'services-test' } as const;
export const START_MS = 1_790_000_000_000;
export const HEARTBEAT_MS = 10_000;

export function randomBytes(length: number): Bytes {
  return new Uint8Array(nodeRandomBytes(length));
}

export const curve: Curve = await createMclCurve();

/** A directory that `clean` removes. */
export function temporaryDirectory(): { readonly path: string; readonly clean: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'yilian-services-'));
  return { path, clean: () => rmSync(path, { recursive: true, force: true }) };
}

export class TestClock implements Clock {
  ms = START_MS;
  nowMs(): number {
    return this.ms;
  }
}

export interface Person {
  readonly member: Member;
  readonly signer: Signer;
}

export function person(role: Role, institution: string, extra: Partial<Member> = {}): Person {
  const seed = randomBytes(32);
  const key = publicKey(seed);
  const member: Member = {
    id: deriveMemberId(CONTEXT, key),
    key,
    role,
    institution,
    operator: institution,
    hpkeKey: new Uint8Array(32),
    certificateHash: new Uint8Array(32),
    status: 'active',
    ...extra,
  };
  return { member, signer: { key, sign: (message) => sign(seed, message) } };
}

/** State that the test sets by hand: the services' only view of the chain. */
export class ChainModel implements ChainView {
  readonly members = new Map<string, Member>();
  readonly grants = new Map<string, Grant>();
  readonly accesses = new Map<string, AccessEvent>();
  readonly records = new Map<string, LedgerRecord>();
  readonly transactions = new Map<string, FinalTransaction>();
  /** By record and store, in hexadecimal. */
  readonly findings = new Map<string, readonly CopyFinding[]>();
  readonly blocks: FinalBlockView[] = [];
  readonly published = new Map<string, { day: number; hpkeKey: Bytes }[]>();
  readonly epochKeys = new Map<string, Bytes>();
  timeMs = START_MS;
  /** Blocks below were pruned. */
  oldest = 1;
  readonly #clock: TestClock;

  constructor(clock: TestClock) {
    this.#clock = clock;
  }

  /** A block at the clock's time with these transactions, all accepted. */
  addBlock(...transactions: readonly ParsedTransaction[]): FinalBlockView {
    this.timeMs = this.#clock.ms;
    const block = {
      height: this.blocks.length + 1,
      timeMs: this.timeMs,
      transactions: transactions.map((transaction) => ({ transaction, outcome: 'ok' })),
    };
    this.blocks.push(block);
    for (const final of block.transactions)
      this.transactions.set(toHex(final.transaction.id), final);
    return block;
  }

  add(...people: readonly Person[]): void {
    for (const { member } of people) this.members.set(toHex(member.id), member);
  }

  tip(): { readonly height: number; readonly timeMs: number } {
    return { height: this.blocks.length, timeMs: this.timeMs };
  }
  member(id: Bytes): Member | undefined {
    return this.members.get(toHex(id));
  }
  memberByKey(key: Bytes): Member | undefined {
    return [...this.members.values()].find((member) => toHex(member.key) === toHex(key));
  }
  grant(id: Bytes): Grant | undefined {
    return this.grants.get(toHex(id));
  }
  access(id: Bytes, number: number): AccessEvent | undefined {
    return this.accesses.get(`${toHex(id)}/${number}`);
  }
  copyFindings(recordId: Bytes, store: Bytes): readonly CopyFinding[] {
    return this.findings.get(toHex(recordId) + toHex(store)) ?? [];
  }

  record(id: Bytes): LedgerRecord | undefined {
    return this.records.get(toHex(id));
  }
  nodeKeys(id: Bytes): readonly { readonly day: number; readonly hpkeKey: Bytes }[] {
    return this.published.get(toHex(id)) ?? [];
  }
  epochKey(institution: string, epoch: number): Bytes | undefined {
    return this.epochKeys.get(`${institution}/${epoch}`);
  }
  transaction(id: Bytes): FinalTransaction | undefined {
    return this.transactions.get(toHex(id));
  }
  logPosition(id: Bytes): number | undefined {
    const position = [...this.transactions.keys()].indexOf(toHex(id));
    return position < 0 ? undefined : position;
  }
  block(height: number): FinalBlockView | undefined {
    return height < this.oldest ? undefined : this.blocks[height - 1];
  }
  firstBlock(): number {
    return this.blocks.length < this.oldest ? 0 : this.oldest;
  }
  *logged(from: number, to: number): Iterable<LoggedTransaction> {
    let position = 0;
    for (const { height, transactions } of this.blocks)
      for (const [index, { transaction: each, outcome }] of transactions.entries()) {
        const { id, body } = each;
        const facts =
          body.type === 'issueRecord'
            ? [['record', deriveRecordId(CONTEXT, body.capsule.c), body.pid, body.number]]
            : [];
        const leaf = { transaction: id, height, index, outcome, facts };
        if (height >= from && height <= to) yield { position, leaf };
        position++;
      }
  }
  subscribe(): () => void {
    return () => undefined;
  }
}

/** A transaction as the ledger parses it. */
export function transaction(body: TransactionBody, signers: readonly Signer[]): ParsedTransaction {
  const [first] = signers;
  if (first === undefined) throw new Error('a transaction has a sender');
  const unsigned = {
    chainId: CONTEXT.chainId,
    body,
    sender: first.key,
    nonce: randomBytes(16),
    expiryHeight: 1000,
  };
  const parsing = parseTransaction(encodeTransaction(signTransaction(unsigned, signers)));
  if (!parsing.ok) throw new Error(parsing.rejection.code);
  return parsing.transaction;
}

/** Takes what a service sends into the model's next block. */
export function recordingSender(
  chain: ChainModel,
  onBody: (body: TransactionBody) => string = () => 'ok',
): TransactionSender & { readonly sent: TransactionBody[] } {
  const sent: TransactionBody[] = [];
  const outcomes = new Map<string, string>();
  return {
    sent,
    draft: (body, sender) => ({
      chainId: CONTEXT.chainId,
      body,
      sender,
      nonce: randomBytes(16),
      expiryHeight: chain.tip().height + 100,
    }),
    send: (draft, signers) => {
      const parsing = parseTransaction(encodeTransaction(signTransaction(draft, signers)));
      if (!parsing.ok)
        return Promise.resolve({ id: randomBytes(32), rejection: parsing.rejection.code });
      sent.push(draft.body);
      outcomes.set(toHex(parsing.transaction.id), onBody(draft.body));
      chain.addBlock(parsing.transaction);
      return Promise.resolve({ id: parsing.transaction.id, rejection: null });
    },
    outcome: (id) => Promise.resolve(outcomes.get(toHex(id)) ?? 'timeout'),
  };
}

/** Whether `needle` occurs anywhere in `haystack`. */
export function contains(haystack: Bytes, needle: Bytes): boolean {
  return Buffer.from(haystack).includes(Buffer.from(needle));
}
