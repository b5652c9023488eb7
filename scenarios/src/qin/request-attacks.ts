/** Attacks on the services of a node: requests that are old, repeated, altered, meant for another, or too large. */
import { encodeMessage } from '@yilian/api/codec';
import { reEncryptionPost } from '@yilian/api/messages-access';
import { type RequestClaim, signRequest } from '@yilian/api/signed-request';
import { ROUTES } from '@yilian/api/routes';
import { decodeHeldToken } from '@yilian/client/grant-making';
import { clinicalClassesOf } from '@yilian/client/content/clinical-record';
import { deriveHandle } from '@yilian/client/keyring';
import { decodeGranteeShare } from '@yilian/crypto/grant-share';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import type { Keyword } from '@yilian/crypto/keyword';
import { encodeProof } from '@yilian/crypto/proof';
import type { NodeEndpoint } from '@yilian/client/transport';
import type { GrantId } from '@yilian/crypto/ids';
import type { Signer } from '@yilian/ledger/transaction-codec';
import { exchange, orRefusal } from '../wire.ts';
import { holdersOf, signerFor } from './release-request.ts';
import { nowSeconds, type Story, type WrittenRecord } from './story.ts';

const RELEASE_PATH = '/v1/re-encryptions';

/** The sealed search tokens of a grant, and the node they are for. */
function tokensOf(
  story: Story,
  grantId: GrantId,
): { readonly searchNode: NodeEndpoint; readonly tokens: readonly Bytes[] } {
  const { doctorB, platform } = story;
  const held = doctorB.doctor.keyring.current.grants.find((each) =>
    equalBytes(each.grantId, grantId),
  );
  if (held === undefined) throw new Error('doctor B holds the grant');
  const tokens = decodeGranteeShare(platform.curve, held.share).searchTokens.map(decodeHeldToken);
  const [first] = tokens;
  const searchNode = first === undefined ? undefined : doctorB.network.findNode(first.searchNode);
  if (searchNode === undefined) throw new Error('the grant names a search node');
  return { searchNode, tokens: tokens.map(({ sealed }) => sealed) };
}

async function attackSignedRequests(story: Story, grantId: GrantId): Promise<void> {
  const { report, doctorB, platform } = story;
  const [node, another] = await holdersOf(doctorB, grantId);
  if (node === undefined || another === undefined) throw new Error('the grant has holders');
  const { context } = doctorB.network;
  const signer = signerFor(doctorB);
  const signed = (changes: Partial<RequestClaim> = {}, by: Signer = signer): Bytes =>
    signRequest(context, {
      receiver: node.memberId,
      target: `POST ${RELEASE_PATH}`,
      timeSeconds: nowSeconds(story),
      nonce: platform.randomBytes(16),
      body: encodeMessage(reEncryptionPost, { grantId, number: 1 }),
      key: by.key,
      sign: (message) => by.sign(message),
      ...changes,
    });
  const send = async (body: Bytes, to: NodeEndpoint = node): Promise<void> => {
    orRefusal(await exchange(to.url, { method: 'POST', path: RELEASE_PATH, body }));
  };

  await report.refused('a request recorded on the wire and sent again', ['replayed'], async () => {
    const request = signed();
    await exchange(node.url, { method: 'POST', path: RELEASE_PATH, body: request });
    await send(request);
  });
  await report.refused('a request of two minutes ago', ['requestExpired'], () =>
    send(signed({ timeSeconds: nowSeconds(story) - 120 })),
  );
  await report.refused('a request of two minutes ahead', ['requestExpired'], () =>
    send(signed({ timeSeconds: nowSeconds(story) + 120 })),
  );
  await report.refused('a request signed for one node and sent to another', ['wrongReceiver'], () =>
    send(signed(), another),
  );
  await report.refused('a request signed for another route', ['wrongReceiver'], () =>
    send(signed({ target: 'POST /v1/search' })),
  );
  await report.refused(
    'a request with a bit of its body changed',
    ['badSignature', 'malformed', 'notCanonical'],
    () => {
      const request = signed();
      const at = request.length - 110;
      request[at] = (request[at] ?? 0) ^ 1;
      return send(request);
    },
  );
  await report.refused('a request by somebody who is no member', ['unknownMember'], () => {
    const stranger = story.people.strangerSigner();
    return send(signed({}, stranger));
  });
  await report.refused('a share asked for by a doctor who is not the grantee', ['notGrantee'], () =>
    send(signed({}, signerFor(story.doctorA))),
  );
  await report.refused('a share for an access that never was announced', ['accessUnknown'], () =>
    send(signed({ body: encodeMessage(reEncryptionPost, { grantId, number: 4_000 }) })),
  );
  await report.refused('a share under a grant that does not exist', ['grantUnknown'], () =>
    send(
      signed({
        body: encodeMessage(reEncryptionPost, { grantId: platform.randomBytes(16), number: 1 }),
      }),
    ),
  );
  await report.refused('a request of half a megabyte', ['tooLarge'], () =>
    send(platform.randomBytes(512 * 1024)),
  );
  await report.refused('a body of another media type', ['unsupportedMediaType'], async () => {
    orRefusal(
      await exchange(node.url, {
        method: 'POST',
        path: RELEASE_PATH,
        body: signed(),
        contentType: 'application/json',
      }),
    );
  });
}

async function attackSearch(story: Story, grantId: GrantId): Promise<void> {
  const { report, doctorB, doctorA, main } = story;
  const own = tokensOf(story, grantId);
  const referral = main.referral;
  if (referral === null) throw new Error('the patient was referred');
  const other = tokensOf(story, referral.grantId);
  const search = (
    by: Signer,
    tokens: readonly Bytes[],
    node: NodeEndpoint = own.searchNode,
    on: GrantId = grantId,
  ): Promise<unknown> =>
    doctorB.network.transport.call(node, ROUTES.postSearch, {
      params: {},
      request: { grantId: on, tokens },
      signer: by,
    });
  const elsewhere = doctorB.network.nodes.find(
    ({ name, isRegulator }) => name !== own.searchNode.name && !isRegulator,
  );
  if (elsewhere === undefined) throw new Error('there is another node');

  await report.refused('R6 search tokens of one grant used under another', ['tokenInvalid'], () =>
    search(signerFor(doctorB), other.tokens),
  );
  await report.refused('R6 search tokens at a node they were not sealed to', ['tokenInvalid'], () =>
    search(signerFor(doctorB), own.tokens, elsewhere),
  );
  await report.refused('R6 search tokens in the hands of another doctor', ['notGrantee'], () =>
    search(signerFor(doctorA), own.tokens),
  );
  await report.refused('a search token with one bit changed', ['tokenInvalid'], () => {
    const [token] = own.tokens;
    if (token === undefined) throw new Error('the grant has tokens');
    const changed = token.slice();
    changed[changed.length - 1] = (changed[changed.length - 1] ?? 0) ^ 1;
    return search(signerFor(doctorB), [changed]);
  });
}

/** Keywords under which a record is indexed, its classes included. */
function wordsOn({ record }: WrittenRecord): readonly Keyword[] {
  const classes = clinicalClassesOf(record).map((text): Keyword => ({ type: 'class', text }));
  return [...record.keywords, ...classes];
}

/** R6: a token finds what lies at its hospital and in its month, and nothing else of the same word. */
async function searchElsewhere(story: Story): Promise<void> {
  const { report, main, doctorB } = story;
  const [here, there] = [
    main.written.find(({ hospital }) => hospital === 'community-1'),
    main.written.find(({ hospital }) => hospital === 'secondary-1'),
  ];
  if (here === undefined || there === undefined)
    throw new Error('records of two hospitals are needed');
  const [own, other] = [wordsOn(here), wordsOn(there)];
  const isOn = (words: readonly Keyword[], { type, text }: Keyword): boolean =>
    words.some((each) => each.type === type && each.text === text);
  // A word of both records tells most; without one, a word of the record that must not be found.
  const word = own.find((keyword) => isOn(other, keyword)) ?? other[0];
  if (word === undefined) throw new Error('the record has keywords');
  const made = await main.patient.grantAccess({
    grantee: doctorB.doctor.id,
    scope: { hospitals: ['community-1'], months: [here.record.month] },
    to: nowSeconds(story) + 600,
    purpose: 'one hospital, one month',
    keywords: [word],
  });
  await doctorB.doctor.receiveGrant(made.grantId);
  const hits = await doctorB.doctor.search(made.grantId);
  const foundHere = hits.some(({ recordId }) => equalBytes(recordId, here.recordId));
  const foundThere = hits.some(({ recordId }) => equalBytes(recordId, there.recordId));
  report.refusal(
    `R6 ${word.type}|${word.text}: a token of community-1 ${here.record.month} on a record of secondary-1 ${there.record.month}`,
    foundHere && !foundThere,
    'finds its own record, not the other',
  );
  const foreign = main.referral?.hits.find(({ recordId }) => equalBytes(recordId, there.recordId));
  if (foreign !== undefined)
    await report.refused(
      'a record under a label that the grant does not cover',
      ['notInGrant'],
      () => doctorB.doctor.openRecord({ grantId: made.grantId, hit: foreign, purpose: 'more' }),
    );
  if (foreign !== undefined)
    await report.refused(
      'the same, asked of the nodes under the label that it does cover',
      ['slotMismatch', 'notEnoughShares'],
      () =>
        doctorB.doctor.openRecord({
          grantId: made.grantId,
          hit: foreign,
          labelIndex: 0,
          purpose: 'more',
        }),
    );
  if (foreign !== undefined)
    await report.refused(
      'an access that names a label beyond the grant',
      ['notEnoughShares', 'noLabel'],
      () =>
        doctorB.doctor.openRecord({
          grantId: made.grantId,
          hit: foreign,
          labelIndex: 9,
          purpose: 'more',
        }),
    );
  await main.patient.revoke(made.grantId);
  await report.refused('a search after revocation', ['grantRevoked', 'grantNotActive'], () => {
    const { searchNode, tokens } = tokensOf(story, made.grantId);
    return doctorB.network.transport.call(searchNode, ROUTES.postSearch, {
      params: {},
      request: { grantId: made.grantId, tokens },
      signer: signerFor(doctorB),
    });
  });
}

async function attackHospitalServices(story: Story): Promise<void> {
  const { report, main, doctorA, doctorB, platform } = story;
  const [written] = main.written;
  const node = doctorA.network.nodes.find(({ name }) => name === 'community-1');
  if (written === undefined || node === undefined)
    throw new Error('the community hospital wrote a record');
  const { curve } = platform;
  const request = {
    patientKey: curve.encodeG1(written.visit.patientKey),
    possession: encodeProof(curve, written.visitPackage.proof),
    visitKey: written.visit.visitKey,
    epoch: null,
  };
  const ask = (by: Signer, changed: Partial<typeof request>): Promise<unknown> =>
    doctorA.network.transport.call(node, ROUTES.postEpochKey, {
      params: {},
      request: { ...request, ...changed },
      signer: by,
    });
  await report.refused(
    'the index service asked for P^ρ without a proof that the patient was here',
    ['possessionInvalid', 'malformed'],
    () => ask(signerFor(doctorA), { patientKey: curve.encodeG1(curve.g1) }),
  );
  await report.refused('the same proof under another visit', ['possessionInvalid'], () =>
    ask(signerFor(doctorA), { visitKey: platform.randomBytes(32) }),
  );
  await report.refused('another hospital’s doctor at the index service', ['notPermitted'], () =>
    ask(signerFor(doctorB), {}),
  );
  await report.refused(
    'the location of a record asked for by a doctor who did not write it',
    ['notPermitted', 'notFound', 'recordUnknown'],
    () =>
      doctorB.network.transport.call(node, ROUTES.getLocation, {
        params: { recordId: written.recordId },
        signer: signerFor(doctorB),
      }),
  );
}

async function attackInbox(story: Story): Promise<void> {
  const { report, main, doctorB, platform } = story;
  const { context, transport, nodes } = main.network;
  const [node] = nodes;
  if (node === undefined) throw new Error('there is a node');
  const first = await deriveHandle(context, main.patient.keyring.current.patientSecret, 0);
  await report.refused(
    'a patient’s inbox read with another key',
    ['notPermitted', 'badSignature', 'unknownMember'],
    () =>
      transport.call(node, ROUTES.getInbox, {
        params: { handle: first.signer.key },
        signer: signerFor(doctorB),
      }),
  );
  await report.refused(
    'a request put into an inbox that the chain does not commit to',
    ['commitmentMismatch', 'notFinal', 'malformed'],
    async () => {
      const certificate = doctorB.doctor.keyring.current.certificate;
      if (certificate === null) throw new Error('doctor B has a certificate');
      const grantTransaction = main.written[0]?.recordId ?? platform.randomBytes(32);
      await transport.call(node, ROUTES.postRequest, {
        params: {},
        request: {
          transactionId: grantTransaction,
          handle: first.signer.key,
          sealed: platform.randomBytes(200),
          certificate,
        },
        signer: signerFor(doctorB),
      });
    },
  );
  await report.refused(
    'a stale handle: an old request put again under a new one',
    ['commitmentMismatch'],
    async () => {
      const { handle } = await main.patient.createHandle();
      const [old] = await transport.call(
        await nodeWithInbox(story, first.signer),
        ROUTES.getInbox,
        { params: { handle: first.signer.key }, signer: first.signer },
      );
      if (old === undefined) throw new Error('the first handle received a request');
      await transport.call(node, ROUTES.postRequest, {
        params: {},
        request: {
          transactionId: old.transactionId,
          handle: handle.key,
          sealed: old.sealed,
          certificate: old.certificate,
        },
        signer: signerFor(doctorB),
      });
    },
  );
}

/** The node whose query manager took the request. */
async function nodeWithInbox(story: Story, handle: Signer): Promise<NodeEndpoint> {
  const { transport, nodes } = story.main.network;
  for (const node of nodes) {
    const items = await transport
      .call(node, ROUTES.getInbox, { params: { handle: handle.key }, signer: handle })
      .catch(() => []);
    if (items.length > 0) return node;
  }
  throw new Error('no inbox holds the request');
}

export async function runRequestAttacks(story: Story, grantId: GrantId): Promise<void> {
  story.report.act('Dark side: requests to the nodes’ services');
  await attackSignedRequests(story, grantId);
  await attackHospitalServices(story);
  await attackInbox(story);
  story.report.act('Dark side: search');
  await attackSearch(story, grantId);
  await searchElsewhere(story);
}
