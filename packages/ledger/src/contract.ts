/** What every transaction type provides: its codec, the signers it needs, and its rules. */
import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import type { TransactionId } from './ids.ts';
import type { Check } from './ledger-port.ts';
import type { Rejected, RuleCode } from './rejection.ts';
import type { State } from './state.ts';

/** The part of a transaction around its body. */
export interface Envelope {
  readonly chainId: string;
  /** Ed25519 key, 32 bytes. */
  readonly sender: Bytes;
  /** 16 bytes; unordered, only there to make ids differ. */
  readonly nonce: Bytes;
  /** Last height at which the transaction may be included. */
  readonly expiryHeight: number;
}

/** What a rule may know besides state. No clock: `time` is the block's. */
export interface ExecutionContext extends Envelope {
  readonly id: TransactionId;
  /** Bytes of the whole transaction. */
  readonly length: number;
  readonly height: number;
  /** Block time, whole seconds since 1970. */
  readonly time: number;
  /** Nodes that already reported in this block. */
  readonly reporters: Set<string>;
}

/** Something that happened, for the log; see `Fact` in docs/spec/state-and-log.md. */
export type Fact = readonly Cbor[];

export type Applied = { readonly ok: true; readonly facts: readonly Fact[] } | Rejected<RuleCode>;

export interface Contract<Body> {
  /** The body as array items in their fixed order (without the type). */
  encodeBody(body: Body): readonly Cbor[];
  /** @throws CodecError when the items do not have the body's form */
  parseBody(items: Cbor): Body;
  /** Keys that sign after the sender, in this order. */
  cosigners(body: Body): readonly Bytes[];
  /** Statements inside the body that workers check, besides the transaction's own signatures. */
  checks(body: Body, envelope: Envelope): readonly Check[];
  /** The rules, in the order of their labels; writes only when it returns `ok`. */
  apply(state: State, body: Body, context: ExecutionContext): Applied;
}

/** Most contracts carry no statement of their own. */
export const NO_CHECKS = (): readonly Check[] => [];
export const NO_COSIGNERS = (): readonly Bytes[] => [];

export function accept(...facts: readonly Fact[]): Applied {
  return { ok: true, facts };
}
