/**
 * A node that lies to readers (LM-11): every answer passes through somebody who changes bytes. The client
 * asks this node only, so nothing true is left: it must say so instead of believing.
 */
import type { Connection } from '@yilian/client/connect';
import { createReceiptFile, verifyReceiptFile } from '@yilian/client/receipt-verification';
import type { GrantId } from '@yilian/crypto/ids';
import { type Alteration, startAlteringProxy } from '../altering-proxy.ts';
import { nodeNamed, type Story } from './story.ts';

const LIAR = 'tertiary-2';
/** What a client's verification may name. */
const CAUGHT = [
  'malformed',
  'chain',
  'certificate',
  'staleHeader',
  'stateProof',
  'logProof',
  'transactionsRoot',
  'receipt',
  'blobHash',
  'certificateHash',
  'regulatorSignature',
  'epochProof',
  'digest',
  'eventCount',
];

function flipIn(path: RegExp, position: (length: number) => number): Alteration {
  return (exchange) => {
    if (!path.test(exchange.path) || exchange.status !== 200) return exchange.body;
    const body = Buffer.from(exchange.body);
    const at = position(body.length);
    body[at] = (body[at] ?? 0) ^ 1;
    return body;
  };
}

export async function runReadAttacks(story: Story, grantId: GrantId): Promise<void> {
  const { report, people, main, doctorA } = story;
  report.act('Dark side: a node that lies to readers');
  const [written] = main.written;
  if (written === undefined) throw new Error('the patient has a record');
  const grant = await main.reader.grant(grantId, { fresh: true });
  if (grant === undefined) throw new Error('the grant is on chain');
  const block = await main.reader.block('latest');

  const through = async (
    liar: string,
    alter: Alteration,
    read: (connection: Connection) => Promise<unknown>,
  ): Promise<void> => {
    const proxy = await startAlteringProxy(nodeNamed(story, liar).url, alter);
    try {
      await read(people.connect({ only: [liar], urls: new Map([[liar, proxy.url]]), retries: 0 }));
      if (proxy.altered === 0)
        throw Object.assign(new Error('nothing was altered'), { code: 'attackDidNotHappen' });
    } finally {
      await proxy.close();
    }
  };
  const attacks: readonly (readonly [
    string,
    Alteration,
    (connection: Connection) => Promise<unknown>,
  ])[] = [
    [
      'a member’s key altered in the state',
      flipIn(/\/v1\/state\//, (n) => n - 300),
      ({ reader }) => reader.member(doctorA.doctor.id),
    ],
    [
      'a proof path of the state altered',
      flipIn(/\/v1\/state\//, (n) => n >> 1),
      ({ reader }) => reader.grant(grantId),
    ],
    [
      'a block’s transactions altered',
      flipIn(/\/v1\/blocks\//, (n) => n - 20),
      ({ reader }) => reader.block(block.height),
    ],
    [
      'a header altered',
      flipIn(/\/v1\/headers/, () => 120),
      ({ reader }) => reader.head({ fresh: true }),
    ],
    [
      'a record’s entry in the log altered',
      flipIn(/\/v1\/log\//, (n) => n - 40),
      ({ reader }) => reader.logEntry(0),
    ],
    [
      'an event left out of, or altered in, a grant’s log',
      flipIn(/\/v1\/grants\/[0-9a-f]+\/events/, (n) => n - 60),
      ({ reader }) => reader.grantEvents(grant),
    ],
    [
      'the grantee’s blob altered',
      flipIn(/\/blobs\/grantee/, (n) => n >> 1),
      ({ reader }) => reader.blob(grantId, { kind: 'grantee' }, grant.granteeBlobHash),
    ],
  ];
  for (const [attack, alter, read] of attacks)
    await report.refused(`${attack} (by ${LIAR})`, CAUGHT, () => through(LIAR, alter, read));
  // The node that certified keeps the certificates.
  const centre = 'regulator';
  await report.refused(`a doctor’s certificate altered (by ${centre})`, CAUGHT, () =>
    through(
      centre,
      flipIn(/\/certificate$/, (length) => length - 70),
      ({ reader }) => reader.certificate(doctorA.doctor.id),
    ),
  );
  await checkReceipts(story);
}

/** LM-9, LM-11: a receipt is checked offline, years later, from the anchor alone. */
async function checkReceipts(story: Story): Promise<void> {
  const { report, main } = story;
  const [written] = main.written;
  if (written === undefined) throw new Error('the patient has a record');
  const { anchor } = main.network;
  const file = await createReceiptFile(main.network, written.receipt);
  const verdict = verifyReceiptFile(anchor, file);
  report.check(
    'a receipt proves offline that the record existed then, unchanged',
    verdict.ok && verdict.receipt.transaction.body.type === 'issueRecord',
    verdict.ok
      ? `signed by ${verdict.receipt.signers} of ${verdict.receipt.validators}`
      : verdict.code,
  );
  const step = Math.max(1, Math.floor(file.length / 64));
  let taken = 0;
  for (let at = 0; at < file.length; at += step) {
    const forged = file.slice();
    forged[at] = (forged[at] ?? 0) ^ 1;
    if (verifyReceiptFile(anchor, forged).ok) taken += 1;
  }
  report.refusal(
    'a receipt with one bit changed, at 64 places',
    taken === 0,
    taken === 0 ? 'none verifies' : `${taken} verify`,
  );
}
