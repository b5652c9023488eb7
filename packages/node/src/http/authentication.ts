/**
 * Signed requests: size, form, receiver, time, nonce, signature, member, in this order, so that the
 * cheap checks keep the dear ones from being used against the node. A nonce is remembered for as long
 * as its time would be accepted, and counts as seen only when the signature holds: nobody can use up
 * another's nonces.
 */
import { LIMITS } from '@yilian/api/sizes';
import {
  type SignedRequest,
  fromRequestHeader,
  parseSignedRequest,
  requestMessage,
} from '@yilian/api/signed-request';
import { type Bytes, CodecError, equalBytes, toHex } from '@yilian/crypto/bytes';
import type { Member } from '@yilian/ledger/contracts/members/member';
import { type Clock, nowSeconds } from '../clock.ts';
import type { ChainView } from '../services/chain-view.ts';
import { type Served, refuse, served } from '../services/served.ts';
import { verifySignature } from '../verification/verify-signature.ts';

/**
 * Nonces remembered at most. When they are full, new requests wait: to forget one early would let
 * whoever fills the list replay the requests of others.
 */
const NONCES_MAX = 200_000;

export interface Authenticated {
  readonly key: Bytes;
  readonly body: Bytes;
}

export interface Authentication {
  /** The signer's key and the signed body. */
  verify(signed: Bytes, target: string): Served<Authenticated>;
  /** As `verify`, out of a header or query value. */
  verifyHeader(header: string | undefined, target: string): Served<Authenticated>;
  /** The active member that has this key. */
  member(key: Bytes): Served<Member>;
}

export interface AuthenticationOptions {
  readonly chainId: string;
  /** Member id of this node. */
  readonly node: Bytes;
  readonly clock: Clock;
  readonly chain: Pick<ChainView, 'memberByKey'>;
  /** Default `NONCES_MAX`. */
  readonly noncesMax?: number;
}

function parse(signed: Bytes): Served<SignedRequest> {
  try {
    return served(parseSignedRequest(signed, LIMITS.bodyBytesMax));
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    return refuse(error.code === 'tooDeep' ? 'malformed' : error.code);
  }
}

export function createAuthentication(options: AuthenticationOptions): Authentication {
  const { chainId, node, clock, chain, noncesMax = NONCES_MAX } = options;
  /** Nonce and key → time of the request, in order of arrival. */
  const seen = new Map<string, number>();

  const forgetOld = (now: number): void => {
    for (const [name, time] of seen) {
      if (now - time <= 2 * LIMITS.requestAgeSecondsMax) return;
      seen.delete(name);
    }
  };

  const verify = (signed: Bytes, target: string): Served<Authenticated> => {
    const parsed = parse(signed);
    if (!parsed.ok) return parsed;
    const { claim, key, signature } = parsed.value;
    if (claim.chainId !== chainId || claim.target !== target || !equalBytes(claim.receiver, node))
      return refuse('wrongReceiver');
    const now = nowSeconds(clock);
    if (Math.abs(now - claim.timeSeconds) > LIMITS.requestAgeSecondsMax)
      return refuse('requestExpired');
    const name = `${toHex(claim.nonce)}${toHex(key)}`;
    if (seen.has(name)) return refuse('replayed');
    forgetOld(now);
    if (seen.size >= noncesMax)
      return refuse('rateLimited', { retryAfterSeconds: LIMITS.requestAgeSecondsMax });
    const message = requestMessage(claim);
    if (!verifySignature({ publicKey: key, message, signature })) return refuse('badSignature');
    seen.set(name, claim.timeSeconds);
    return served({ key, body: claim.body });
  };

  return {
    verify,
    verifyHeader: (header, target) => {
      if (header === undefined || header.length === 0) return refuse('badSignature');
      if (header.length > LIMITS.bodyBytesMax) return refuse('tooLarge');
      let signed: Bytes;
      try {
        signed = fromRequestHeader(header);
      } catch {
        return refuse('malformed');
      }
      return verify(signed, target);
    },
    member: (key) => {
      const member = chain.memberByKey(key);
      if (member === undefined) return refuse('unknownMember');
      return member.status === 'active' ? served(member) : refuse('suspendedMember');
    },
  };
}
