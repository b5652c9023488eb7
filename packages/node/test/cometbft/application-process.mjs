/**
 * The ledger behind an ABCI server as an operating-system process, for the kill tests: LMDB on disk, a unix
 * socket. Plain JavaScript on the built packages, since Node 20 runs no TypeScript.
 */
import { decodeGenesisDocument, genesisId } from '@yilian/consensus/genesis';
import { createLedger } from '@yilian/ledger/ledger';
import { listenAbci } from '@yilian/node/cometbft/abci-server';
import { createApplicationDriver } from '@yilian/node/cometbft/application-driver';
import { createEngineChainStore, STATE_SPACE } from '@yilian/node/cometbft/engine-chain-store';
import { openLmdbStore } from '@yilian/node/storage/lmdb-store';
import { createCheckPool } from '@yilian/node/verification/check-pool';
import { createTransactionVerifier } from '@yilian/node/verification/transaction-verifier';

const [directory, socket, document] = process.argv.slice(2);
const genesisDocument = new Uint8Array(Buffer.from(document, 'base64'));
const genesis = decodeGenesisDocument(genesisDocument);
const store = createEngineChainStore(openLmdbStore(directory));
await store.initialise(genesisId(genesis));
const application = createLedger({ reader: store.state, space: STATE_SPACE });
const pool = createCheckPool({ workers: 0, onFailure: () => process.exit(1) });
const log = (event) => process.send?.({ kind: 'event', event: event.event });
const driver = createApplicationDriver({
  application,
  verifier: createTransactionVerifier(application, pool),
  genesis,
  genesisDocument,
  tip: store.tip(),
  persist: async (committed) => {
    await store.commitBlock(committed);
    process.send?.({
      kind: 'final',
      height: Number(committed.tip.height),
      count: committed.block.txs.length,
    });
  },
  log,
});
await listenAbci({
  address: { kind: 'unix', path: socket },
  handlers: driver.handlers,
  log,
  onFailure: () => process.exit(2),
});
process.send?.({ kind: 'listening' });
process.on('disconnect', () => process.exit(0));
