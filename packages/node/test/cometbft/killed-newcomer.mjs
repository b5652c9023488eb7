/**
 * A newcomer that dies, without a last word, when the first chunk of a snapshot is on its disk. Plain
 * JavaScript on the built packages, since Node 20 runs no TypeScript.
 */
import process from 'node:process';
import { createCometbftNode } from '@yilian/node/cometbft/cometbft-node';

process.once('message', (options) => {
  void createCometbftNode({
    ...options,
    peers: { status: () => [], close: async () => undefined },
    log: ({ event }) => {
      if (event === 'chunkRestored') process.kill(process.pid, 'SIGKILL');
    },
  });
});
