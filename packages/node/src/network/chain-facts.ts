/** What the genesis document in a home says, as commands for operators need it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Genesis } from '@yilian/consensus/application';
import { decodeGenesisDocument, genesisId } from '@yilian/consensus/genesis';
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import { type GenesisState, parseGenesis } from '@yilian/ledger/genesis';
import { ConfigError } from '../json-fields.ts';

export interface ChainFacts {
  readonly genesis: Genesis;
  readonly chainId: string;
  readonly genesisId: Bytes;
  readonly regulatorKey: Bytes;
  readonly state: GenesisState;
}

/** @throws CodecError */
export function chainFactsOf(document: Bytes): ChainFacts {
  const genesis = decodeGenesisDocument(document);
  const state = parseGenesis(genesis.appState);
  const regulator = state.members.find(({ role }) => role === 'regulator');
  if (regulator === undefined) throw new CodecError('malformed', 'the genesis names no regulator');
  const { chainId } = genesis;
  return { genesis, chainId, genesisId: genesisId(genesis), regulatorKey: regulator.key, state };
}

/** @throws ConfigError */
export function readChainFacts(home: string): ChainFacts {
  const path = join(home, 'genesis.cbor');
  try {
    return chainFactsOf(new Uint8Array(readFileSync(path)));
  } catch (cause) {
    throw new ConfigError(`${path} cannot be read, or is no genesis document`, { cause });
  }
}
