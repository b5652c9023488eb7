/** The first of the two questions of every service behind a grant: is this signer authorised now? */
import { equalBytes } from '@yilian/crypto/bytes';
import { type Grant, acknowledgementsOf } from '@yilian/ledger/contracts/consent/grant';
import type { Member } from '@yilian/ledger/contracts/members/member';
import type { Clock } from '../clock.ts';
import type { ChainView } from './chain-view.ts';
import { isFresh, isWithin } from './freshness.ts';
import { type Served, refuse, served } from './served.ts';

/**
 * At this node's latest final block, not at the event's height: a revocation that is final here ends
 * everything, whatever was recorded before it (F15).
 */
export function checkGrant(input: {
  readonly chain: ChainView;
  readonly clock: Clock;
  readonly heartbeatMs: number;
  readonly grantId: Uint8Array;
  readonly signer: Member;
}): Served<Grant> {
  const { chain, clock, heartbeatMs, grantId, signer } = input;
  const freshness = { tip: chain.tip(), clock, heartbeatMs };
  if (!isFresh(freshness)) return refuse('nodeBehind', { retryAfterSeconds: 5 });
  const grant = chain.grant(grantId);
  if (grant === undefined) return refuse('grantUnknown');
  if (!equalBytes(grant.grantee, signer.id)) return refuse('notGrantee');
  if (grant.revoked) return refuse('grantRevoked');
  switch (isWithin(freshness, grant)) {
    case 'after':
      return refuse('grantExpired');
    case 'before':
      return refuse('grantNotStarted');
    case 'within':
      break;
  }
  if (acknowledgementsOf(grant) < grant.commitments.length) return refuse('grantPending');
  return served(grant);
}
