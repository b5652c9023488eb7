/**
 * One replica as an operating-system process, for the kill test: LMDB on disk, TCP to the others, orders
 * from its parent by IPC. Plain JavaScript on the built packages, since Node 20 runs no TypeScript.
 */
import { createOrderingNode } from '@yilian/node/ordering-node';
import { createTcpPeers } from '@yilian/node/peers/tcp-peers';
import { createSigner } from '@yilian/node/verification/verify-signature';
import { publicKey } from '@yilian/crypto/signature';

const bytes = (base64) => new Uint8Array(Buffer.from(base64, 'base64'));
const text = (array) => Buffer.from(array).toString('base64');
const tell = (message) => process.send?.(message);

let node;

const handlers = {
  async start({ seed, directory, genesis, port }) {
    const secretKey = bytes(seed);
    const peers = await createTcpPeers({
      identity: {
        chainId: genesis.chainId,
        key: publicKey(secretKey),
        sign: createSigner(secretKey),
      },
      listen: { host: '127.0.0.1', port },
    });
    handlers.members = ({ members }) =>
      peers.setMembers(members.map(({ key, address }) => ({ key: bytes(key), address })));
    node = await createOrderingNode({
      directory,
      genesis: {
        chainId: genesis.chainId,
        timeNs: BigInt(genesis.timeNs),
        appState: bytes(genesis.appState),
        validators: genesis.validators.map(({ key, leads }) => ({
          key: bytes(key),
          power: 1n,
          leads,
        })),
      },
      secretKey,
      peers,
      settings: { blockIntervalMs: 20, viewTimeoutMs: 500, verificationWorkers: 1 },
    });
    tell({ kind: 'listening', address: peers.address });
  },
  async order({ tx }) {
    const submission = await node.submit(bytes(tx));
    if (!submission.admitted) {
      tell({ kind: 'refused', code: submission.rejection.code });
      return;
    }
    const outcome = await node.outcome(submission.id, 30_000);
    if (outcome === 'timeout') tell({ kind: 'refused', code: 'timeout' });
    else tell({ kind: 'acknowledged', id: text(outcome.id), height: Number(outcome.height) });
  },
  look({ ids, height }) {
    tell({
      kind: 'looked',
      height: Number(node.latest().height),
      missing: ids.filter((id) => node.outcomeNow(bytes(id)) === undefined),
      header: text(node.header(BigInt(height))?.header ?? []),
    });
  },
};

process.on('message', (message) => {
  Promise.resolve(handlers[message.kind]?.(message)).catch((error) =>
    tell({ kind: 'failed', reason: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
