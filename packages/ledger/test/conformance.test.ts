import { createLedger } from '../src/ledger.ts';
import { describeApplication } from './application-conformance.ts';
import {
  acknowledgementTxs,
  bytesOf,
  doctors,
  genesis,
  grantBody,
  grantTx,
  recordTx,
  tagSigner,
  tx,
  verifyAll,
  visit,
} from './consortium.ts';
import { MemoryDisk } from './memory-disk.ts';

const stroke = visit('stroke', 'hospital-a');
const { grantId } = grantBody('g');

describeApplication('ledger', {
  genesis,
  createDisk: () => new MemoryDisk(),
  create: (disk) => {
    if (!(disk instanceof MemoryDisk)) throw new Error('expected the disk of this suite');
    return createLedger({ reader: disk });
  },
  blocks: [
    [recordTx({ visit: stroke, name: 'ct' }), grantTx('g')],
    [...acknowledgementTxs('g'), recordTx({ visit: stroke, name: 'labs', number: 1 })],
    [
      tx(doctors['hospital-b'].signer, {
        type: 'recordAccess',
        grantId,
        accessNonce: bytesOf('nonce', 16),
        sealed: bytesOf('sealed', 99),
      }),
    ],
    [tx(tagSigner('g'), { type: 'revokeAccess', grantId }), grantTx('h')],
    acknowledgementTxs('h'),
  ],
  malformed: Uint8Array.of(0x87, 0xff),
  verify: verifyAll,
});
