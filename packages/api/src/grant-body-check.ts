/**
 * Whether the sealed body of a grant is the one the chain shows: by its salted hash, and by every field
 * that the chain has in the clear. Nodes and the grantee ask this before they believe anything else in
 * a blob (cryptography.md §2).
 */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import type { SuiteContext } from '@yilian/crypto/context';
import type { Curve } from '@yilian/crypto/curve';
import { type GrantBody, hashGrantBody } from '@yilian/crypto/grant-body';
import type { Grant } from '@yilian/ledger/contracts/consent/grant';

export function isBodyOfGrant(
  curve: Curve,
  context: SuiteContext,
  grant: Grant,
  sealed: { readonly salt: Bytes; readonly body: GrantBody },
): boolean {
  const { salt, body } = sealed;
  return (
    equalBytes(hashGrantBody(curve, context, salt, body), grant.bodyHash) &&
    agrees(curve, grant, body)
  );
}

function agrees(curve: Curve, grant: Grant, body: GrantBody): boolean {
  // A `from` of 0 became the block time of inclusion; a narrowing may have shortened `to` since.
  const periodAgrees =
    (body.fromMs === 0 || body.fromMs === grant.from * 1000) && body.toMs >= grant.to * 1000;
  return (
    periodAgrees &&
    equalBytes(body.grantId, grant.id) &&
    equalBytes(body.grantee, grant.grantee) &&
    body.points.length === grant.tags.length &&
    body.commitments.length === grant.commitments.length &&
    body.commitments.every((point, j) =>
      equalBytes(curve.encodeG1(point), grant.commitments[j] ?? new Uint8Array(0)),
    ) &&
    body.nodes.length === grant.holders.length &&
    grant.holders.every((holder) =>
      body.nodes.some(({ index, node }) => index === holder.index && equalBytes(node, holder.node)),
    )
  );
}
