/** The replica: `step(state, input) → { state, effects }`, without clock, disk, socket or randomness. */
import type { Bytes } from '@yilian/crypto/bytes';
import type { ChainTip } from '../chain-tip.ts';
import type { Hasher, SignatureVerifier, Signer } from '../signature.ts';
import type { Effect } from './effect.ts';
import type { Input } from './input.ts';
import type { Settings } from './settings.ts';
import type { WalRecord } from './wal.ts';

export interface ReplicaOptions {
  readonly chainId: string;
  /** Own consensus key, 32 bytes. A key outside the validator set makes an observer: it follows and never votes. */
  readonly key: Bytes;
  readonly sign: Signer;
  readonly verifySignature: SignatureVerifier;
  /** SHA-256; the portable one when absent. */
  readonly hash?: Hasher;
  readonly settings?: Partial<Settings>;
  /** `genesisTip(…)` on a new chain, else the tip written by the last `commitBlock`. */
  readonly tip: ChainTip;
  /** All records of the write-ahead log in the order written; those of decided heights do no harm. */
  readonly wal: readonly WalRecord[];
  readonly nowNs: bigint;
}

/** Opaque to the host, mutated inside `step`. */
export interface ReplicaState {
  readonly tip: ChainTip;
  /** Height in work and view at that height. */
  readonly height: bigint;
  readonly view: number;
}

export interface Step {
  readonly state: ReplicaState;
  readonly effects: readonly Effect[];
}

/** A replica as it starts or restarts. */
export type CreateReplica = (options: ReplicaOptions) => Step;

export type StepFunction = (state: ReplicaState, input: Input) => Step;
