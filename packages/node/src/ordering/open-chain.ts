/**
 * Brings an application and a chain store to one height: a new chain begins at genesis, a stored one
 * continues, and an application whose state is older than the stored blocks executes those between.
 */
import type { Application, Genesis } from '@yilian/consensus/application';
import { type CertifiedBlock, toApplicationBlock } from '@yilian/consensus/block';
import type { ChainTip } from '@yilian/consensus/chain-tip';
import { genesisId, genesisTip } from '@yilian/consensus/genesis';
import type { ValidatorSet } from '@yilian/consensus/validator-set';
import { equalBytes } from '@yilian/crypto/bytes';
import type { ChainStore } from '../storage/chain-store.ts';
import { StorageError } from '../storage/key-value-store.ts';
import type { TransactionVerifier } from '../verification/transaction-verifier.ts';
import { verifyBlock } from './verify-block.ts';

interface Chain {
  readonly genesis: Genesis;
  readonly application: Application;
  readonly chain: ChainStore;
  readonly verifier: TransactionVerifier;
}

function damaged(what: string): StorageError {
  return new StorageError('damaged', what);
}

/** The tip to continue from. @throws StorageError `damaged`, `wrongChain` */
export async function openChain({
  genesis,
  application,
  chain,
  verifier,
}: Chain): Promise<ChainTip> {
  await chain.initialise(genesisId(genesis));
  const isNew = application.info().height === 0n;
  const first = isNew ? genesisTip(genesis, application.initChain(genesis)) : undefined;
  const tip = chain.tip() ?? first;
  if (tip === undefined) throw damaged('the application has a state, but there are no blocks');

  const sets = [first?.validators, tip.lastValidators, tip.validators];
  for (let height = application.info().height + 1n; height <= tip.height; height++) {
    const decided = chain.block(height);
    if (decided === undefined) throw damaged(`block ${height} is missing`);
    // oxlint-disable-next-line no-await-in-loop -- each block stands on the one before
    await replay({ application, chain, verifier, decided, sets });
  }
  const { height, appHash } = application.info();
  if (height !== tip.height || !equalBytes(appHash, tip.appHash))
    throw damaged(
      `the application is at height ${height} with a state that the chain does not have`,
    );
  return tip;
}

async function replay(input: {
  readonly application: Application;
  readonly chain: ChainStore;
  readonly verifier: TransactionVerifier;
  readonly decided: CertifiedBlock;
  readonly sets: readonly (ValidatorSet | undefined)[];
}): Promise<void> {
  const { application, chain, verifier, decided, sets } = input;
  const { height } = decided.block.header;
  const parent = height > 1n ? chain.block(height - 1n)?.block.header.validatorsHash : undefined;
  const parentValidators = sets.find(
    (set) => set !== undefined && (parent === undefined || equalBytes(set.hash, parent)),
  );
  if (parentValidators === undefined)
    throw damaged(`the validators that certified block ${height - 1n} are not known any more`);
  const verified = await verifyBlock(verifier, toApplicationBlock(decided.block, parentValidators));
  application.finalizeBlock(verified.block, verified.verified);
  await chain.commitState(application.commit().writes);
}
