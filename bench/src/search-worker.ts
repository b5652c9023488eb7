/** A worker of the search bench: answers one trapdoor over portions of the epochs it was given. */
import { parentPort, workerData } from 'node:worker_threads';
import { createMclCurve } from '@yilian/crypto/curve-mcl';
import { type EpochBytes, searchEpochs } from './search-corpus.ts';

export interface Portion {
  readonly trapdoor: Uint8Array;
  /** Positions of epochs, `to` exclusive. */
  readonly from: number;
  readonly to: number;
}

const port = parentPort;
if (port === null) throw new Error('this file runs as a worker');
const epochs = workerData as readonly EpochBytes[];
const curve = await createMclCurve();
port.on('message', ({ trapdoor, from, to }: Portion) =>
  port.postMessage(searchEpochs(curve, epochs.slice(from, to), trapdoor)),
);
port.postMessage('ready');
