/**
 * A dishonest hospital: an insider who has its signing key, its node's wire and its disk. He catches a
 * doctor's finished record on its way to the signing server and makes of it what he likes. Replicas
 * refuse each and say why (LM-6).
 */
import { parseMessage } from '@yilian/api/codec';
import { institutionRecordPost } from '@yilian/api/messages-institution';
import { parseSignedRequest } from '@yilian/api/signed-request';
import { parseUnsignedTransaction } from '@yilian/api/unsigned-transaction';
import { toRecordDraft } from '@yilian/client/content/record-draft';
import { createDoctor } from '@yilian/client/doctor';
import { createKeyringSlot, signerOf } from '@yilian/client/keyring';
import { awaitFinal } from '@yilian/client/submission';
import { visitOfPackage } from '@yilian/client/visit-for-writing';
import { admitVisit } from '@yilian/client/visit-package';
import type { Bytes } from '@yilian/crypto/bytes';
import type { IssueRecord } from '@yilian/ledger/contracts/records/issue-record';
import type { Transaction } from '@yilian/ledger/transaction';
import {
  encodeTransaction,
  type Signer,
  signTransaction,
  transactionId,
} from '@yilian/ledger/transaction-codec';
import { generateCase } from '../clinical-data.ts';
import { startAlteringProxy } from '../altering-proxy.ts';
import { postTransaction } from '../wire.ts';
import { seedOf } from './share-attacks.ts';
import { signerFor } from './release-request.ts';
import { nodeNamed, type Story } from './story.ts';

const SIGNING_PATH = '/v1/institution/records';

/** A record that doctor A has finished and that never reached his hospital's signing server. */
async function catchRecord(story: Story): Promise<Transaction<IssueRecord>> {
  const { doctorA, main, people, platform } = story;
  const caught: Transaction<IssueRecord>[] = [];
  const proxy = await startAlteringProxy(
    nodeNamed(story, 'community-1').url,
    ({ body }) => body,
    ({ path, body }) => {
      if (!path.startsWith(SIGNING_PATH)) return false;
      const { claim } = parseSignedRequest(new Uint8Array(body), 262_144);
      const post = parseMessage(institutionRecordPost, claim.body, 262_144);
      const transaction = post.ok ? parseUnsignedTransaction(post.value.transaction) : null;
      if (transaction?.body.type === 'issueRecord')
        caught.push(transaction as unknown as Transaction<IssueRecord>);
      return true;
    },
  );
  try {
    const { network, reader } = people.connect({
      urls: new Map([['community-1', proxy.url]]),
      retries: 0,
    });
    const doctor = createDoctor(network, reader, createKeyringSlot(doctorA.doctor.keyring.current));
    const [record] = generateCase(99, platform.nowMs()).records;
    if (record === undefined) throw new Error('a generated case has records');
    const { code } = await main.patient.prepareVisit({
      hospital: 'community-1',
      month: record.month,
    });
    const visit = visitOfPackage(
      platform.curve,
      admitVisit({
        curve: platform.curve,
        context: network.context,
        hospital: 'community-1',
        code,
      }),
    );
    await doctor.issueRecord({ visit, draft: toRecordDraft(record) }).catch(() => undefined);
  } finally {
    await proxy.close();
  }
  const [transaction] = caught;
  if (transaction === undefined) throw new Error('no record was caught on the wire');
  return transaction;
}

function flipped(bytes: Bytes, at: number): Bytes {
  const changed = bytes.slice();
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

export async function runRecordAttacks(story: Story): Promise<void> {
  const { report, platform, doctorA, doctorC } = story;
  report.act('Dark side: a dishonest hospital');
  const genuine = await catchRecord(story);
  const { body } = genuine;
  const { authorship } = body;
  if (authorship === null) throw new Error('the record names its author');
  const community: Signer = signerOf(await seedOf(story, 'community-1', 'hospital'));
  const secondary: Signer = signerOf(await seedOf(story, 'secondary-1', 'hospital'));
  const { url } = nodeNamed(story, 'tertiary-2');
  const send = (changed: IssueRecord, signer: Signer = community): Promise<void> => {
    const unsigned = { ...genuine, body: changed, sender: signer.key };
    return postTransaction(url, encodeTransaction(signTransaction(unsigned, [signer])));
  };
  const inner = ['signatureInvalid', 'authorNotAllowed', 'attestationNotAllowed'];

  await report.refused(
    'a forged doctor’s signature under the hospital’s genuine one',
    ['signatureInvalid'],
    () =>
      send({ ...body, authorship: { ...authorship, signature: flipped(authorship.signature, 5) } }),
  );
  await report.refused('another doctor named as author', inner, () =>
    send({
      ...body,
      authorship: { ...authorship, author: doctorC.doctor.id, key: signerFor(doctorC).key },
    }),
  );
  await report.refused('F23 another digest for the ciphertext', ['signatureInvalid'], () =>
    send({ ...body, digest: flipped(body.digest, 0) }),
  );
  await report.refused('another header for the ciphertext', ['signatureInvalid'], () =>
    send({ ...body, headerHash: flipped(body.headerHash, 0) }),
  );
  await report.refused('another index tag', ['signatureInvalid'], () =>
    send({
      ...body,
      index: {
        ...body.index,
        tags: body.index.tags.map((tag, i) => (i === 0 ? flipped(tag, 0) : tag)),
      },
    }),
  );
  await report.refused('a forged storage attestation', ['signatureInvalid'], () =>
    send({
      ...body,
      attestations: body.attestations.map((each) => ({
        ...each,
        signature: flipped(each.signature, 9),
      })),
    }),
  );
  await report.refused('one store instead of two', ['attestationsTooFew', 'malformed'], () =>
    send({ ...body, attestations: body.attestations.slice(0, 1) }),
  );
  await report.refused(
    'one store named twice',
    ['attestationsTooFew', 'attestationNotAllowed', 'malformed'],
    () => {
      const [first] = body.attestations;
      if (first === undefined) throw new Error('a record has attestations');
      return send({ ...body, attestations: [first, first] });
    },
  );
  await report.refused('a capsule proof of another record', ['signatureInvalid'], () =>
    send({ ...body, capsule: { ...body.capsule, proof: flipped(body.capsule.proof, 40) } }),
  );
  await report.refused(
    'a visit’s pseudonym taken by a hospital that was not visited',
    ['signatureInvalid', 'notTheInstitution'],
    () => send({ ...body, institution: 'secondary-1' }, secondary),
  );
  await report.refused(
    'a record number that skips one',
    ['signatureInvalid', 'numberNotNext'],
    () => send({ ...body, number: 3 }),
  );

  const sent = signTransaction(genuine, [community]);
  await postTransaction(url, encodeTransaction(sent));
  const record = await awaitFinal(doctorA.reader, transactionId(genuine), 'issueRecord');
  report.check('the same record unchanged is taken', record.leaf.outcome === 'ok');
  await report.refused('F2 the record listed a second time', ['duplicate'], () =>
    postTransaction(url, encodeTransaction(sent)),
  );
  await report.refused(
    'F2 its capsule listed again under a new nonce',
    ['signatureInvalid', 'recordExists'],
    () => {
      const again = { ...genuine, nonce: platform.randomBytes(16) };
      return postTransaction(url, encodeTransaction(signTransaction(again, [community])));
    },
  );
  await report.refused(
    'F2 its capsule listed again by another hospital',
    ['signatureInvalid', 'recordExists'],
    () => send(body, secondary),
  );
}
