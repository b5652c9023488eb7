/** A worker of the search bench: answers one trapdoor over the epochs it was given. */
import { parentPort, workerData } from 'node:worker_threads';
import { createMclCurve } from '@yilian/crypto/curve-mcl';
import { type EpochBytes, searchEpochs } from './search-corpus.ts';

const port = parentPort;
if (port === null) throw new Error('this file runs as a worker');
const epochs = workerData as readonly EpochBytes[];
const curve = await createMclCurve();
port.on('message', (trapdoor: Uint8Array) =>
  port.postMessage(searchEpochs(curve, epochs, trapdoor)),
);
port.postMessage('ready');
