import { type Bytes } from './bytes.ts';
import { type Cbor, encode } from './cbor.ts';
import type { DomainTag } from './domain-tags.ts';

/** Record suites of cryptography.md §6. `gm` and `pq` come later and have their names reserved. */
export type Suite = 'intl' | 'paper';

/** What every derivation is bound to, so that nothing made on one chain means anything on another. */
export interface ChainContext {
  readonly chainId: string;
}

/** As above, with the suite: for keys, associated data and proofs. */
export interface SuiteContext extends ChainContext {
  readonly suite: Suite;
}

/** `[dst, chainId, …items]`: ids, tags and hash-to-curve inputs (no suite: one C has one recordId). */
export function bindChain(tag: DomainTag, context: ChainContext, ...items: readonly Cbor[]): Bytes {
  return encode([tag, context.chainId, ...items]);
}

/** `[dst, chainId, suite, …items]`: KDF info, AAD, HPKE info and proof hashes. */
export function bindSuite(tag: DomainTag, context: SuiteContext, ...items: readonly Cbor[]): Bytes {
  return encode([tag, context.chainId, context.suite, ...items]);
}
