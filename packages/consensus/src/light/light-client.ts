/** Walking to a header over as few others as the changes of the validator set allow. */
import { equalBytes } from '@yilian/crypto/bytes';
import type { SignatureVerifier } from '../signature.ts';
import type { LightBlock } from './light-engine.ts';
import type { TrustedBlock } from './trust.ts';
import { type LightRefusal, type LightSettings, verifyLightBlock } from './verify-header.ts';

export type AdvanceResult =
  | { readonly ok: true; readonly trusted: TrustedBlock; readonly headersChecked: number }
  | {
      readonly ok: false;
      readonly code: LightRefusal | 'wrongHeight' | 'unavailable';
      /** Height of the header that was refused. */
      readonly height: bigint;
      /** How far trust came before. */
      readonly trusted: TrustedBlock;
    };

/**
 * Bisection: where the overlap is too small for the jump, a header half way is fetched first. Ends after
 * at most as many headers as lie between.
 */
export async function advanceTo(input: {
  readonly trusted: TrustedBlock;
  readonly target: LightBlock;
  /** Null when the node does not have it. */
  readonly fetch: (height: bigint) => Promise<LightBlock | null>;
  readonly nowNs: bigint;
  readonly verifySignature: SignatureVerifier;
  readonly settings?: LightSettings;
}): Promise<AdvanceResult> {
  const { nowNs, verifySignature } = input;
  const settings = input.settings === undefined ? {} : { settings: input.settings };
  let { trusted } = input;
  const wanted: LightBlock[] = [input.target];
  let headersChecked = 0;
  for (;;) {
    const block = wanted.at(-1);
    if (block === undefined) return { ok: true, trusted, headersChecked };
    const { height } = block.header;
    const verdict = verifyLightBlock({ trusted, block, nowNs, verifySignature, ...settings });
    headersChecked++;
    if (verdict.ok) {
      ({ trusted } = verdict);
      wanted.pop();
      continue;
    }
    if (verdict.code !== 'notEnoughOverlap')
      return { ok: false, code: verdict.code, height, trusted };
    const middle = (trusted.height + height) / 2n;
    // Fetches depend on each other: which header is needed next follows from the last.
    // oxlint-disable-next-line no-await-in-loop
    const between = await input.fetch(middle);
    if (between === null) return { ok: false, code: 'unavailable', height: middle, trusted };
    if (between.header.height !== middle)
      return { ok: false, code: 'wrongHeight', height: middle, trusted };
    wanted.push(between);
  }
}

/** Two certified headers of one height that differ: proof that more than a third of the power lied. */
export interface ForkEvidence {
  readonly height: bigint;
  readonly first: LightBlock;
  readonly second: LightBlock;
}

/** What a witness of another operator says about a height that the home node has shown. */
export function compareWitness(
  home: LightBlock,
  witness: LightBlock,
): 'agree' | 'otherHeight' | ForkEvidence {
  const { height } = home.header;
  if (witness.header.height !== height) return 'otherHeight';
  if (equalBytes(home.header.blockId, witness.header.blockId)) return 'agree';
  return { height, first: home, second: witness };
}
