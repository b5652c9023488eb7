/**
 * F6: everything of an ended grant is put up again as a new one, by somebody who kept the blobs. The
 * chain takes it (tags answer to nobody), but no node acknowledges a share that was sealed for another
 * grant, so nothing is ever served.
 */
import { ROUTES } from '@yilian/api/routes';
import { signerOf } from '@yilian/client/keyring';
import { submitBody } from '@yilian/client/submission';
import type { GrantAccess } from '@yilian/ledger/contracts/consent/grant-access';
import { acknowledgementsOf } from '@yilian/ledger/contracts/consent/grant';
import { toGrantId } from '@yilian/crypto/ids';
import { startAlteringProxy } from '../altering-proxy.ts';
import { codeOf } from '../report.ts';
import { holdersOf, signerFor } from './release-request.ts';
import { nowSeconds, type Story } from './story.ts';

interface Loot {
  readonly grant: GrantAccess;
  /** Share blobs as they passed on the wire, by path. */
  readonly blobs: ReadonlyMap<string, Buffer>;
}

/** A grant made and revoked while somebody listens on the wire to every node. */
async function listenToGrant(story: Story): Promise<Loot> {
  const { main, doctorB, people, nodes } = story;
  const blobs = new Map<string, Buffer>();
  const proxies = await Promise.all(
    nodes.map(async ({ name, url }) => ({
      name,
      proxy: await startAlteringProxy(
        url,
        ({ body }) => body,
        ({ method, path, body }) => {
          if (method === 'PUT' && path.includes('/blobs/share')) blobs.set(path, body);
          return false;
        },
      ),
    })),
  );
  try {
    const patient = people.secondDevice(
      main.patient,
      new Map(proxies.map(({ name, proxy }) => [name, proxy.url])),
    );
    const made = await patient.grantAccess({
      grantee: doctorB.doctor.id,
      to: nowSeconds(story) + 600,
      purpose: 'overheard',
    });
    const { body } = made.final.transaction;
    if (body.type !== 'grantAccess') throw new Error('the grant is a grant');
    await patient.revoke(made.grantId);
    return { grant: body, blobs };
  } finally {
    await Promise.all(proxies.map(({ proxy }) => proxy.close()));
  }
}

export async function runResurrection(story: Story): Promise<void> {
  const { report, doctorB, platform } = story;
  report.act('Dark side: an ended grant comes back');
  const loot = await listenToGrant(story);
  const tag = signerOf(platform.randomBytes(32));
  const grantId = toGrantId(platform.randomBytes(16));
  const { network, reader } = doctorB;
  await submitBody(
    network,
    reader,
    { ...loot.grant, grantId, tags: [tag.key], to: nowSeconds(story) + 600 },
    [tag],
  );
  const codes: string[] = [];
  for (const [path, blob] of loot.blobs) {
    const index = Number(/share-(\d+)/.exec(path)?.[1] ?? 0);
    const holder = loot.grant.holders.find((each) => each.index === index);
    const node = holder === undefined ? undefined : network.findNode(holder.node);
    if (node === undefined) continue;
    try {
      await network.transport.call(node, ROUTES.putBlob, {
        params: { grantId, name: { kind: 'share', index } },
        request: new Uint8Array(blob),
      });
      codes.push('taken');
    } catch (error) {
      codes.push(codeOf(error));
    }
  }
  await platform.wait(1_500);
  const grant = await reader.grant(grantId, { fresh: true });
  report.refusal(
    'F6 the shares of an ended grant delivered again under a new one',
    codes.length >= 2 && grant !== undefined && acknowledgementsOf(grant) === 0,
    `${[...new Set(codes)].join(', ')}; no node acknowledged`,
  );
  await report.refused('F6 an access under the resurrected grant', ['grantPending'], () =>
    submitBody(
      network,
      reader,
      {
        type: 'recordAccess',
        grantId,
        accessNonce: platform.randomBytes(16),
        sealed: platform.randomBytes(80),
      },
      [signerFor(doctorB)],
    ),
  );
  const holders = await holdersOf(doctorB, grantId);
  report.note(`${holders.length} holders were named and serve nothing`);
}
