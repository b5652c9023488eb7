/** A holder that lies: its answers are changed on the wire, or signed wrong with its own key. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeMessage, parseMessage } from '@yilian/api/codec';
import { reEncryptionAnswer, reEncryptionPost, shareMessage } from '@yilian/api/messages-access';
import {
  convicts,
  type ShareEvidence,
  shareEvidence,
  shareEvidenceHash,
} from '@yilian/api/share-evidence';
import { parseSignedRequest } from '@yilian/api/signed-request';
import { createDoctor } from '@yilian/client/doctor';
import { createKeyringSlot } from '@yilian/client/keyring';
import { equalBytes, fromHex } from '@yilian/crypto/bytes';
import { decodeGranteeShare } from '@yilian/crypto/grant-share';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { GrantId } from '@yilian/crypto/ids';
import { parseTransaction } from '@yilian/ledger/transaction-codec';
import { type Alteration, startAlteringProxy } from '../altering-proxy.ts';
import { isFaithful } from './keeping.ts';
import { writtenBy } from './referral.ts';
import { askShare, holdersOf } from './release-request.ts';
import { nodeNamed, type Story } from './story.ts';

const RELEASE_PATH = '/v1/re-encryptions';

/** The key of a running node, from its disk. */
export async function seedOf(
  story: Story,
  node: string,
  which: 'node' | 'hospital' | 'store',
): Promise<Uint8Array> {
  const text = await readFile(join(story.consortium.home, 'nodes', node, 'keys.json'), 'utf8');
  const keys: unknown = JSON.parse(text);
  const seed =
    typeof keys === 'object' && keys !== null && which in keys
      ? (keys as Record<string, unknown>)[which]
      : undefined;
  if (typeof seed !== 'string') throw new Error(`${node} has no ${which} key`);
  return fromHex(seed);
}

/** The verdict of the regulator, once it stands on the chain. */
async function hasVerdict(story: Story, evidence: ShareEvidence): Promise<boolean> {
  const hash = shareEvidenceHash(evidence);
  for (let tries = 0; tries < 40; tries++) {
    const { height } = await story.main.reader.head({ fresh: true });
    for (let at = height; at > 0n && at > height - 40n; at--)
      for (const bytes of (await story.main.reader.block(at)).transactions) {
        const parsed = parseTransaction(bytes);
        if (!parsed.ok || parsed.transaction.body.type !== 'recordVerdict') continue;
        if (equalBytes(parsed.transaction.body.evidenceHash, hash)) return true;
      }
    await story.platform.wait(250);
  }
  return false;
}

/** The access for which a grantee asks, out of his signed request. */
function askedNumber(request: Buffer): number {
  const { claim } = parseSignedRequest(new Uint8Array(request), 65_536);
  const parsed = parseMessage(reEncryptionPost, claim.body, 65_536);
  if (!parsed.ok) throw new Error('the request for a share does not parse');
  return parsed.value.number;
}

export async function runShareAttacks(story: Story, grantId: GrantId): Promise<void> {
  const { report, doctorB, main, people } = story;
  report.act('Dark side: a holder that lies');
  const [hit] = main.referral?.hits ?? [];
  const [liar] = await holdersOf(doctorB, grantId);
  if (hit === undefined || liar === undefined) throw new Error('a record and a holder are needed');
  const seed = await seedOf(story, liar.name, 'node');
  const context = doctorB.network.context;

  const through = async (
    alter: Alteration,
  ): Promise<{
    readonly served: readonly string[];
    readonly evidence: readonly ShareEvidence[];
    readonly lies: number;
    readonly faithful: boolean;
  }> => {
    const proxy = await startAlteringProxy(nodeNamed(story, liar.name).url, alter);
    try {
      const { network, reader } = people.connect({ urls: new Map([[liar.name, proxy.url]]) });
      const doctor = createDoctor(
        network,
        reader,
        createKeyringSlot(doctorB.doctor.keyring.current),
      );
      // The order of questions turns: until the liar was among those asked.
      for (let tries = 0; tries < 6; tries++) {
        const open = await doctor.openRecord({ grantId, hit, purpose: 'treatment' });
        const faithful = await isFaithful(open, writtenBy(main, hit).record);
        await open.stored.dispose();
        if (proxy.altered > 0)
          return {
            served: open.servedBy,
            evidence: open.evidence,
            lies: network.lies.length,
            faithful,
          };
      }
      throw new Error('the lying holder was never asked');
    } finally {
      await proxy.close();
    }
  };
  const alterShare = (body: Buffer): Buffer => {
    const parsed = parseMessage(reEncryptionAnswer, new Uint8Array(body), 4096);
    if (!parsed.ok) return body;
    const share = parsed.value.share.slice();
    share[200] = (share[200] ?? 0) ^ 1;
    return Buffer.from(encodeMessage(reEncryptionAnswer, { ...parsed.value, share }));
  };

  const wire = await through(({ path, status, body }) =>
    path.startsWith(RELEASE_PATH) && status === 200 ? alterShare(body) : body,
  );
  report.refusal(
    `a share of ${liar.name} altered on the wire`,
    wire.faithful && wire.lies > 0 && !wire.served.includes(liar.name),
    `not signed by its node; the record opened with ${wire.served.join(', ')}`,
  );

  // The liar gives a share of another access, under its own valid signature for this one.
  const other = main.referral?.hits[1];
  if (other === undefined) throw new Error('two records are needed');
  const opened = await doctorB.doctor.openRecord({ grantId, hit: other, purpose: 'treatment' });
  await opened.stored.dispose();
  const foreign = await askShare(doctorB, liar, grantId, opened.accessNumber);
  const { curve } = story.platform;
  const held = doctorB.doctor.keyring.current.grants.find((each) =>
    equalBytes(each.grantId, grantId),
  );
  if (held === undefined) throw new Error('the grant was not received');
  const points = decodeGranteeShare(curve, held.share).body.points.map((each) =>
    curve.encodeG2(each),
  );
  const lie = await through(({ path, request, status, body }) => {
    if (!path.startsWith(RELEASE_PATH) || status !== 200) return body;
    const { share } = foreign;
    const number = askedNumber(request);
    const { recordId } = hit;
    const parsed = parseMessage(reEncryptionAnswer, new Uint8Array(body), 4096);
    if (!parsed.ok) return body;
    const honest = { grantId, number, recordId, node: liar.memberId, share: parsed.value.share };
    // The point that the honest answer was signed for is the one of this access.
    const point = points.find((each) =>
      story.platform.verifySignature({
        publicKey: publicKey(seed),
        message: shareMessage(context, { ...honest, point: each }),
        signature: parsed.value.signature,
      }),
    );
    if (point === undefined) throw new Error('the holder signed for no point of the grant');
    const signature = sign(seed, shareMessage(context, { ...honest, point, share }));
    return Buffer.from(encodeMessage(reEncryptionAnswer, { share, signature }));
  });
  const [evidence] = lie.evidence;
  const isConvicted =
    evidence !== undefined &&
    equalBytes(evidence.node, liar.memberId) &&
    convicts(story.platform.curve, { ...context, suite: 'intl' }, evidence, (claim) =>
      story.platform.verifySignature(claim),
    );
  report.refusal(
    `a wrong share that ${liar.name} signed`,
    lie.faithful && !lie.served.includes(liar.name),
    `blamed: ${liar.name}; the record opened with ${lie.served.join(', ')}`,
  );
  report.check(
    'the evidence convicts the node that lied, before anybody who has the chain',
    isConvicted,
    evidence === undefined ? 'none' : `${encodeMessage(shareEvidence, evidence).length} bytes`,
  );
  if (evidence !== undefined)
    report.check(
      'R11 the regulator’s verdict stands on the chain, by the hash of the evidence alone',
      await hasVerdict(story, evidence),
    );
  if (evidence !== undefined)
    report.refusal(
      'the same evidence turned against another node',
      !convicts(
        story.platform.curve,
        { ...context, suite: 'intl' },
        { ...evidence, node: doctorB.doctor.id },
        (claim) => story.platform.verifySignature(claim),
      ),
      'it was not signed by that node',
    );
}
