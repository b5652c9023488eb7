/** Search under a grant: what a search node names is a candidate until it is opened. */
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import { type GrantId, type RecordId, toRecordId } from '@yilian/crypto/ids';
import { ClientError, VerificationError } from './failure.ts';
import { decodeHeldToken } from './grant-making.ts';
import { checkAuthorised, heldShare } from './held-grants.ts';
import { whenFinal } from './when-final.ts';
import type { WorkingMember } from './working-member.ts';

/** A record that the search node says matches. A candidate until it is opened. */
export interface SearchHit {
  readonly recordId: RecordId;
  readonly ledgerRecord: LedgerRecord;
  /** LK */
  readonly locationSecret: Bytes;
  /** What the matching tokens were for, as the patient named them. */
  readonly hints: readonly string[];
}

/** Asks the search nodes of a grant with its tokens; newest records first. */
export async function searchGranted(
  member: WorkingMember,
  grantId: GrantId,
): Promise<readonly SearchHit[]> {
  const { network, reader, signer } = member;
  await checkAuthorised(member, grantId);
  const tokens = heldShare(member, grantId).searchTokens.map(decodeHeldToken);
  const bySearchNode = new Map<string, typeof tokens>();
  for (const token of tokens) {
    const name = toHex(token.searchNode);
    bySearchNode.set(name, [...(bySearchNode.get(name) ?? []), token]);
  }
  const hits = new Map<string, SearchHit>();
  for (const [, group] of bySearchNode) {
    const [first] = group;
    const node = first === undefined ? undefined : network.findNode(first.searchNode);
    if (node === undefined)
      throw new ClientError('unknownMember', 'the search node of the grant is not configured');
    const source = { node: node.name, route: ROUTES.postSearch.name };
    const lists = await whenFinal(network.platform.wait, () =>
      network.transport.call(node, ROUTES.postSearch, {
        params: {},
        request: { grantId, tokens: group.map(({ sealed }) => sealed) },
        signer,
      }),
    );
    if (lists.length !== group.length)
      throw new VerificationError('malformed', source, 'not one list per token');
    for (const [position, list] of lists.entries())
      for (const found of list) {
        const recordId = toRecordId(found.recordId);
        const ledgerRecord = await reader.record(recordId);
        if (ledgerRecord === undefined) {
          network.reportLie(
            new VerificationError('stateProof', source, 'a hit is no record of the chain'),
          );
          continue;
        }
        const name = toHex(recordId);
        const hint = group[position]?.hint ?? '';
        const known = hits.get(name);
        hits.set(name, {
          recordId,
          ledgerRecord,
          locationSecret: found.locationKey,
          hints: [...new Set([...(known?.hints ?? []), hint])],
        });
      }
  }
  return [...hits.values()].toSorted((a, b) => b.ledgerRecord.issuedAt - a.ledgerRecord.issuedAt);
}
