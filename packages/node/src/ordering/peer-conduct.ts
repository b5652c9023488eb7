/**
 * What a peer may cost. A member that sends rubbish, or more than anybody needs to say, is cut for a
 * while: it may be broken rather than evil, and its signed words reach us through others if they matter.
 */
import { randomInt } from 'node:crypto';
import type { Bytes } from '@yilian/crypto/bytes';
import { nameOf } from '../verification/verified-transactions.ts';

/** Messages of one peer in one second: a hundred times what a busy replica says. */
const MESSAGES_PER_SECOND_MAX = 5_000;
/** Bytes of a peer's transactions under verification at a time. */
const PENDING_BYTES_MAX = 8 * 1024 * 1024;
const STRIKES_MAX = 100;
/**
 * One transaction of so many has its rules checked on arrival, drawn so that the peer cannot send a good
 * one just then; all of them while a peer is suspect.
 */
const SAMPLE_INTERVAL = 16;
const SUSPECT_MS = 10_000;

export type Offence =
  | 'malformedMessage'
  | 'badSignature'
  | 'invalidTransaction'
  | 'unfitTransaction';

/** A transaction may have become unfit on its way: that alone cuts nobody. */
const STRIKES: { readonly [O in Offence]: number } = {
  malformedMessage: 20,
  badSignature: 5,
  invalidTransaction: 1,
  unfitTransaction: 0,
};

interface Record {
  strikes: number;
  windowStartMs: number;
  messages: number;
  pendingBytes: number;
  suspectUntilMs: number;
}

export class PeerConduct {
  readonly #records = new Map<string, Record>();
  readonly #cut: (peer: Bytes, reason: string) => void;

  readonly #drawn: () => boolean;

  constructor(
    cut: (peer: Bytes, reason: string) => void,
    drawn: () => boolean = () => randomInt(SAMPLE_INTERVAL) === 0,
  ) {
    this.#cut = cut;
    this.#drawn = drawn;
  }

  /** Whether to look at one more message of this peer. */
  onMessage(peer: Bytes, nowMs: number): boolean {
    const record = this.#recordOf(peer);
    if (nowMs - record.windowStartMs >= 1_000 || nowMs < record.windowStartMs) {
      record.windowStartMs = nowMs;
      record.messages = 0;
      // Old sins are forgiven slowly: the odd invalid transaction is no reason to cut anybody.
      record.strikes = Math.max(0, record.strikes - 1);
    }
    record.messages += 1;
    if (record.messages <= MESSAGES_PER_SECOND_MAX) return true;
    if (record.messages === MESSAGES_PER_SECOND_MAX + 1) this.#cut(peer, 'tooManyMessages');
    return false;
  }

  /**
   * Whether to check a peer's transaction against the state on arrival. It was checked where it entered,
   * and is again where it is proposed; a peer that forwards what does not fit loses that trust.
   */
  mustCheckRules(peer: Bytes, nowMs: number): boolean {
    return nowMs < this.#recordOf(peer).suspectUntilMs || this.#drawn();
  }

  onOffence(peer: Bytes, offence: Offence, nowMs: number): void {
    const record = this.#recordOf(peer);
    if (offence === 'unfitTransaction') record.suspectUntilMs = nowMs + SUSPECT_MS;
    record.strikes += STRIKES[offence];
    if (record.strikes < STRIKES_MAX) return;
    record.strikes = 0;
    this.#cut(peer, offence);
  }

  /** Reserves room for transactions that this peer wants checked; false when it has too many under way. */
  reserve(peer: Bytes, bytes: number): boolean {
    const record = this.#recordOf(peer);
    if (record.pendingBytes + bytes > PENDING_BYTES_MAX) return false;
    record.pendingBytes += bytes;
    return true;
  }

  release(peer: Bytes, bytes: number): void {
    this.#recordOf(peer).pendingBytes -= bytes;
  }

  #recordOf(peer: Bytes): Record {
    const name = nameOf(peer);
    let record = this.#records.get(name);
    if (record === undefined) {
      // Peers are members: there are as many records as members, no more.
      record = {
        strikes: 0,
        windowStartMs: 0,
        messages: 0,
        pendingBytes: 0,
        suspectUntilMs: 0,
      };
      this.#records.set(name, record);
    }
    return record;
  }
}
