/**
 * The smallest application that notices everything: its hash covers the sequence of all transactions.
 * A transaction counts once; `join`/`leave` transactions change the validator set.
 */
import type {
  Application,
  Block,
  Genesis,
  Outcome,
  Validator,
  ValidatorUpdate,
} from '@yilian/consensus/application';
import { concatBytes, toHex, u64be } from '@yilian/crypto/bytes';
import { nativeSha256 } from './keys.ts';

/** First byte of a transaction: what it does. After `setValidator` follow power, leads and the key. */
export const TOY = { put: 0, invalid: 1, setValidator: 2 } as const;

export interface ToyApplication extends Pick<
  Application,
  'initChain' | 'checkTransaction' | 'prepareProposal' | 'processProposal' | 'finalizeBlock'
> {
  readonly commit: () => void;
  readonly height: () => bigint;
  readonly appHash: () => Uint8Array;
  /** Executed transactions in order, hex of their SHA-256. */
  readonly executed: () => readonly string[];
}

function updateOf(tx: Uint8Array): ValidatorUpdate | undefined {
  if (tx[0] !== TOY.setValidator || tx.length < 35) return undefined;
  return { power: BigInt(tx[1] ?? 0), leads: tx[2] === 1, key: tx.slice(3, 35) };
}

function accepts(tx: Uint8Array): boolean {
  return tx.length > 0 && tx[0] !== TOY.invalid;
}

export function createToyApplication(): ToyApplication {
  let height = 0n;
  let appHash = nativeSha256(new Uint8Array());
  const executed: string[] = [];
  const known = new Set<string>();
  let pending: { readonly appHash: Uint8Array; readonly names: readonly string[] } | undefined;
  const isNew = (tx: Uint8Array): boolean => !known.has(toHex(nativeSha256(tx)));
  const execute = (block: Block): Outcome[] => {
    let hash = appHash;
    const names: string[] = [];
    const outcomes = block.txs.map((tx): Outcome => {
      const name = toHex(nativeSha256(tx));
      if (known.has(name) || names.includes(name))
        return { ok: false, rejection: { code: 'duplicate' } };
      names.push(name);
      hash = nativeSha256(concatBytes(hash, u64be(block.height), tx));
      return { ok: true };
    });
    pending = { appHash: hash, names };
    return outcomes;
  };
  return {
    initChain: (
      genesis: Genesis,
    ): { readonly appHash: Uint8Array; readonly validators: readonly Validator[] } => ({
      appHash,
      validators: genesis.validators,
    }),
    checkTransaction: (tx) =>
      accepts(tx) && isNew(tx) ? { ok: true } : { ok: false, rejection: { code: 'refused' } },
    prepareProposal: (block, bytesMax) => {
      let bytes = 0;
      return block.txs.filter((tx) => {
        if (!accepts(tx) || !isNew(tx) || bytes + tx.length > bytesMax) return false;
        bytes += tx.length;
        return true;
      });
    },
    processProposal: (block) => (block.txs.every(accepts) ? 'accept' : 'reject'),
    finalizeBlock: (block) => {
      if (block.height !== height + 1n) throw new Error('assertion: a height was skipped');
      const outcomes = execute(block);
      const validatorUpdates = block.txs.flatMap((tx) => updateOf(tx) ?? []);
      return { outcomes, appHash: pending?.appHash ?? appHash, validatorUpdates };
    },
    commit: () => {
      if (pending === undefined) throw new Error('assertion: commit without finalizeBlock');
      height += 1n;
      appHash = pending.appHash;
      for (const name of pending.names) {
        executed.push(name);
        known.add(name);
      }
      pending = undefined;
    },
    height: () => height,
    appHash: () => appHash,
    executed: () => executed,
  };
}
