/** Changing who votes on a running chain, and a light client that watches it: the same for every engine. */
import { expect, vi } from 'vitest';
import type { Genesis } from '@yilian/consensus/application';
import { genesisId } from '@yilian/consensus/genesis';
import type { LightValidatorSet } from '@yilian/consensus/light/light-engine';
import { lightEngineOf } from '@yilian/consensus/light/light-engines';
import { trustGenesis, type TrustedBlock } from '@yilian/consensus/light/trust';
import { verifyLightBlock } from '@yilian/consensus/light/verify-header';
import { compareBytes, toHex } from '@yilian/crypto/bytes';
import { parseStateAnswer } from '@yilian/ledger/answers';
import {
  type GovernedValidators,
  type ValidatorEntry,
  type ValidatorList,
  parseGovernedValidators,
  validatorChangeHash,
} from '@yilian/ledger/contracts/governance/validators';
import { stateKeys } from '@yilian/ledger/state';
import type { OrderingNode } from '../../src/ordering-node.ts';
import { verifySignature } from '../../src/verification/verify-signature.ts';
import { type Keys, order, regulator, transaction } from './consortium.ts';

export function entryOf(
  keys: Keys,
  institution: string,
  changes: Partial<ValidatorEntry> = {},
): ValidatorEntry {
  const { key } = keys;
  return { key, institution, operator: institution, power: 1, leads: true, ...changes };
}

/** What the state has at the last final height. */
export function governedValidators(node: OrderingNode): GovernedValidators {
  const key = stateKeys.validators();
  const answer = node.query({ path: 'state', key, height: 0n, prove: true });
  const value = answer.ok ? parseStateAnswer(answer.value).value : null;
  if (value === null) throw new Error('no validators in the state');
  return parseGovernedValidators(value);
}

/** The regulator proposes, these approve, the last of them completes it. Returns the height at which it did. */
export async function changeValidators(
  node: OrderingNode,
  list: ValidatorList,
  approving: readonly Keys[],
): Promise<bigint> {
  const { chainId } = node.status();
  const { epoch } = governedValidators(node);
  const validators = [...list.validators].sort((a, b) => compareBytes(a.key, b.key));
  const change = { epoch, mode: list.mode, validators };
  await order(node, transaction({ type: 'changeValidators', ...change }, regulator, { chainId }));
  const hash = validatorChangeHash({ chainId }, change);
  let height = 0n;
  for (const keys of approving) {
    const approve = { type: 'approveValidators', change: hash } as const;
    // oxlint-disable-next-line no-await-in-loop -- the last one completes it
    height = await order(node, transaction(approve, keys, { chainId }));
  }
  expect(governedValidators(node)).toEqual({ ...change, epoch: epoch + 1 });
  return height;
}

/** Goes through all headers of a chain, one after the other; sets come from whoever has them. */
export class Follower {
  readonly #genesis: Genesis;
  readonly #sets = new Map<string, LightValidatorSet>();
  readonly #node: OrderingNode;
  #trusted: TrustedBlock;

  constructor(genesis: Genesis, node: OrderingNode) {
    const { chainId } = genesis;
    const anchor = { chainId, genesisId: genesisId(genesis), regulatorKey: regulator.key };
    const trusted = trustGenesis(anchor, genesis);
    if (trusted === null) throw new Error('another genesis');
    this.#genesis = genesis;
    this.#node = node;
    this.#trusted = trusted;
    this.#keep(trusted.validators);
    node.subscribe(() => this.#keep(node.lastValidators()));
  }

  #keep(set: LightValidatorSet): void {
    this.#sets.set(toHex(set.hash), set);
  }

  get trusted(): TrustedBlock {
    return this.#trusted;
  }

  /** Sequentially; `skip` jumps there at once. Throws what the light client says against a header. */
  async follow(height: bigint, how: 'skip' | 'each' = 'each'): Promise<TrustedBlock> {
    await vi.waitFor(() => expect(this.#node.latest().height).toBeGreaterThanOrEqual(height), {
      timeout: 60_000,
    });
    const engine = lightEngineOf(this.#genesis);
    const from = how === 'skip' ? height : this.#trusted.height + 1n;
    for (let next = from; next <= height; next++) {
      const encoded = this.#node.header(next);
      if (encoded === undefined) throw new Error(`header ${next} is missing`);
      const certified = engine.decodeHeader(encoded);
      const validators = this.#sets.get(toHex(certified.header.validatorsHash));
      if (validators === undefined) throw new Error(`the set of height ${next} is not known`);
      const verdict = verifyLightBlock({
        trusted: this.#trusted,
        block: { ...certified, validators },
        nowNs: BigInt(Date.now()) * 1_000_000n,
        verifySignature,
        settings: { trustingPeriodNs: 1n << 62n, clockDriftNs: 60_000_000_000n },
      });
      if (!verdict.ok) throw new Error(`header ${next}: ${verdict.code}`);
      this.#trusted = verdict.trusted;
    }
    return this.#trusted;
  }

  /** Keys of the set of a height, in hex, ascending. */
  async votersAt(height: bigint): Promise<readonly string[]> {
    const { validators } = await this.follow(height);
    return validators.validators.map(({ key }) => toHex(key)).sort();
  }
}

export function names(keys: readonly Keys[]): readonly string[] {
  return keys.map(({ key }) => toHex(key)).sort();
}
