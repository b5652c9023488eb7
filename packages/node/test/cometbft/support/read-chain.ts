/** What lies on a node's disk after all that happened to it, and whether it is what it must be. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Outcome } from '@yilian/consensus/application';
import { flatten } from '@yilian/consensus/bundle';
import { decodeGenesisDocument } from '@yilian/consensus/genesis';
import { toHex } from '@yilian/crypto/bytes';
import { createLedger } from '@yilian/ledger/ledger';
import {
  createEngineChainStore,
  type EngineBlock,
  STATE_SPACE,
} from '../../../src/cometbft/engine-chain-store.ts';
import { openLmdbStore } from '../../../src/storage/lmdb-store.ts';
import { sha256 } from '../../../src/verification/sha256.ts';
import type { TrialNode } from './trial-network.ts';

export interface StoredChain {
  readonly blocks: readonly EngineBlock[];
  readonly headers: readonly string[];
  readonly appHash: string;
}

/** Of a node that does not run. */
export async function readChain(node: TrialNode): Promise<StoredChain> {
  const store = openLmdbStore(join(node.home, 'data', 'chain'));
  const chain = createEngineChainStore(store);
  const blocks: EngineBlock[] = [];
  const headers: string[] = [];
  for (let height = 1n; ; height++) {
    const block = chain.block(height);
    if (block === undefined) break;
    blocks.push(block);
    headers.push(toHex(chain.header(height)?.header ?? new Uint8Array(0)));
  }
  const appHash = toHex(chain.tip()?.appHash ?? new Uint8Array(0));
  await chain.close();
  return { blocks, headers, appHash };
}

export interface Executed {
  readonly tx: string;
  readonly height: number;
  readonly outcome: Outcome;
}

export function executedIn({ blocks }: StoredChain): readonly Executed[] {
  return blocks.flatMap(({ engineTxs, outcomes, height }) => {
    const { txs } = flatten(engineTxs);
    if (txs.length !== outcomes.length) throw new Error(`block ${height} lacks outcomes`);
    return txs.map((tx, at): Executed => {
      const outcome = outcomes[at];
      if (outcome === undefined) throw new Error('as many outcomes as transactions');
      return { tx: toHex(tx), height: Number(height), outcome };
    });
  });
}

/**
 * Executes a stored chain anew, by a ledger that nothing ever happened to, and returns the app hash of every
 * height. Had a node lost or repeated anything, its headers would say another one.
 */
export function executeAnew(node: TrialNode, { blocks }: StoredChain): readonly string[] {
  const genesis = decodeGenesisDocument(
    new Uint8Array(readFileSync(join(node.home, 'genesis.cbor'))),
  );
  const state = new Map<string, Uint8Array>();
  const ledger = createLedger({
    reader: { get: (key) => state.get(toHex(key)) },
    hash: sha256,
    space: STATE_SPACE,
  });
  ledger.initChain(genesis);
  return blocks.map(({ height, timeNs, proposer, engineTxs }) => {
    const { txs } = flatten(engineTxs);
    const block = { height, timeNs, proposer, txs, votes: [], misbehaviour: [] };
    const { appHash } = ledger.finalizeBlock(block, { has: () => true });
    const { writes } = ledger.commit();
    for (const { key, value } of writes.puts) state.set(toHex(key), value);
    for (const key of writes.deletes) state.delete(toHex(key));
    return toHex(appHash);
  });
}
