/** The real chain of vectors/cometbft-chain.json, and its validators' keys: tests sign with them what nobody honest would. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { toHex } from '@yilian/crypto/bytes';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { Genesis } from '../src/application.ts';
import { genesisId } from '../src/genesis.ts';
import { certifiedCometHeader } from '../src/light/cometbft/cometbft-light-engine.ts';
import { type Commit, type CommitEntry, voteSignBytes } from '../src/light/cometbft/commit.ts';
import { type CometHeader, cometHeaderHash } from '../src/light/cometbft/header.ts';
import { parseRpcCommit, parseRpcValidators } from '../src/light/cometbft/rpc-json.ts';
import {
  type CometValidatorSet,
  createCometValidatorSet,
} from '../src/light/cometbft/validator-set.ts';
import type { LightBlock } from '../src/light/light-engine.ts';
import type { TrustAnchor } from '../src/light/trust.ts';
import { addressOf } from '../src/validator-set.ts';

export interface CometBlock {
  readonly header: CometHeader;
  readonly commit: Commit;
  readonly validators: CometValidatorSet;
}

export const recording = JSON.parse(
  readFileSync(new URL('vectors/cometbft-chain.json', import.meta.url), 'utf8'),
) as {
  readonly chainId: string;
  readonly block: unknown;
  readonly commits: readonly unknown[];
  readonly validators: readonly unknown[];
};

/** Heights 1, 2, … */
export const blocks: readonly CometBlock[] = recording.commits.map((commit, index) => ({
  ...parseRpcCommit(commit),
  validators: createCometValidatorSet(parseRpcValidators(recording.validators[index]).validators),
}));

export function blockAt(height: number): CometBlock {
  const block = blocks[height - 1];
  if (block === undefined) throw new Error(`no block ${height} was recorded`);
  return block;
}

export const seedOf = (name: string | number): Uint8Array =>
  new Uint8Array(createHash('sha256').update(`cometbft vector validator ${name}`).digest());

const seeds = new Map(
  [0, 1, 2, 3, 4].map((index) => [toHex(addressOf(publicKey(seedOf(index)))), seedOf(index)]),
);

/** Of a validator of the recorded chain. */
export function seedOfAddress(address: Uint8Array): Uint8Array {
  const seed = seeds.get(toHex(address));
  if (seed === undefined) throw new Error('a validator whose key is not known');
  return seed;
}

const first = blockAt(1);
export const genesis: Genesis = {
  chainId: recording.chainId,
  timeNs: first.header.timeNs,
  validators: first.validators.validators.map(({ key, power }) => ({ key, power, leads: true })),
  appState: new Uint8Array(),
  engine: 'cometbft',
};
export const REGULATOR: Uint8Array = seedOf('regulator');
export const anchor: TrustAnchor = {
  chainId: recording.chainId,
  genesisId: genesisId(genesis),
  regulatorKey: publicKey(REGULATOR),
};

export function lightBlock({ header, commit, validators }: CometBlock): LightBlock {
  return { ...certifiedCometHeader(header, commit), validators };
}

type Kind = CommitEntry['kind'];

/** The same block under another header, committed anew: by default all of its set vote for it. */
export function recommit(
  block: CometBlock,
  change: {
    readonly header?: Partial<CometHeader>;
    readonly validators?: CometValidatorSet;
    readonly chainId?: string;
    readonly kinds?: readonly Kind[];
    readonly seeds?: readonly Uint8Array[];
  } = {},
): CometBlock {
  const validators = change.validators ?? block.validators;
  const header = { ...block.header, validatorsHash: validators.hash, ...change.header };
  const unsigned: Commit = {
    ...block.commit,
    height: header.height,
    blockId: { ...block.commit.blockId, hash: cometHeaderHash(header) },
    entries: [],
  };
  const entries = validators.validators.map(({ address }, position): CommitEntry => {
    const kind = change.kinds?.[position] ?? 'commit';
    if (kind === 'absent') return { kind };
    const timeNs = header.timeNs + 1_000_000n;
    const seed = change.seeds?.[position] ?? seeds.get(toHex(address));
    if (seed === undefined) throw new Error('a validator whose key is not known');
    const message = voteSignBytes(change.chainId ?? header.chainId, unsigned, { kind, timeNs });
    return { kind, address, timeNs, signature: sign(seed, message) };
  });
  return { header, validators, commit: { ...unsigned, entries } };
}
