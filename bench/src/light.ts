/**
 * How fast a light client follows a chain header by header, from bytes: decoding, hashes, and the signatures
 * of ten validators of equal power, of whom seven are needed. The node's own verifier on one thread. Nothing is skipped; bisection would need fewer headers.
 */
import { performance } from 'node:perf_hooks';
import type { Genesis } from '@yilian/consensus/application';
import { genesisId } from '@yilian/consensus/genesis';
import type { EncodedHeader } from '@yilian/consensus/light/light-engine';
import { lightEngineOf } from '@yilian/consensus/light/light-engines';
import { trustGenesis } from '@yilian/consensus/light/trust';
import { verifyLightBlock } from '@yilian/consensus/light/verify-header';
import { useNativeSha256 } from '@yilian/crypto/hash';
import { sha256 as nativeSha256 } from '@yilian/node/verification/sha256';
import { verifySignature } from '@yilian/node/verification/verify-signature';
import type { BenchOptions } from './bench-options.ts';
import { CHAIN_ID, cometChain, pbftChain, SECOND, START, validators } from './light-chains.ts';
import { measureLightReceipt } from './light-receipt.ts';
import { createReport, type Figure, figure, type Report } from './report.ts';

const NOTHING = new Uint8Array(32);

/** Headers per second, one figure for each round. */
function follow(
  genesis: Genesis,
  chain: readonly EncodedHeader[],
  rounds: number,
): readonly number[] {
  const engine = lightEngineOf(genesis);
  const anchor = { chainId: CHAIN_ID, genesisId: genesisId(genesis), regulatorKey: NOTHING };
  const beginning = trustGenesis(anchor, genesis);
  if (beginning === null) throw new Error('the anchor names this genesis');
  const nowNs = START + BigInt(chain.length) * SECOND;
  return Array.from({ length: rounds }, () => {
    let trusted = beginning;
    const started = performance.now();
    for (const encoded of chain) {
      const block = { ...engine.decodeHeader(encoded), validators: trusted.validators };
      if (!block.isProposed(verifySignature)) throw new Error('an honest proposal was refused');
      const verdict = verifyLightBlock({ trusted, block, nowNs, verifySignature });
      if (!verdict.ok) throw new Error(`an honest header was refused: ${verdict.code}`);
      ({ trusted } = verdict);
    }
    return (chain.length * 1_000) / (performance.now() - started);
  });
}

/** `light.headers_per_s` (CometBFT) and `light.pbft.headers_per_s`, for whoever reports on both engines. */
export function measureLightHeaders(options: BenchOptions): Readonly<Record<string, Figure>> {
  useNativeSha256(nativeSha256);
  const length = options.quick ? 50 : 1_000;
  const rounds = options.quick ? 3 : 7;
  const genesis: Genesis = { chainId: CHAIN_ID, timeNs: START, validators, appState: NOTHING };
  const comet: Genesis = { ...genesis, engine: 'cometbft' };
  return {
    'light.headers_per_s': figure(follow(comet, cometChain(length), rounds), 'headers/s'),
    'light.pbft.headers_per_s': figure(
      follow(genesis, pbftChain(genesis, length), rounds),
      'headers/s',
    ),
  };
}

export async function benchLight(options: BenchOptions): Promise<Report> {
  const headers = measureLightHeaders(options);
  return createReport('light', { ...headers, ...(await measureLightReceipt(options)) }, {});
}
