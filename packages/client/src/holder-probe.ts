/** Asks every holder of a grant by itself: what people look at when they want to see a revocation hold. */
import { ROUTES } from '@yilian/api/routes';
import type { Grant } from '@yilian/ledger/contracts/consent/grant';
import { NetworkError, ProblemError } from './failure.ts';
import type { MemberKeyring } from './keyring.ts';
import { signerOf } from './keyring.ts';
import type { Network } from './network.ts';

export interface HolderAnswer {
  /** Name of the node. */
  readonly node: string;
  /** Problem code, `unreachable`, or null: it served. */
  readonly refusal: string | null;
}

/** What each holder answers to an access of this grant that was numbered before. */
export async function probeHolders(
  network: Network,
  keyring: Pick<MemberKeyring, 'signingSeed'>,
  access: { readonly grant: Grant; readonly number: number },
): Promise<readonly HolderAnswer[]> {
  const signer = signerOf(keyring.signingSeed);
  const { grant, number } = access;
  return Promise.all(
    grant.holders.map(async ({ node: holder }) => {
      const node = network.findNode(holder);
      if (node === undefined) return { node: '?', refusal: 'unreachable' };
      try {
        await network.transport.call(node, ROUTES.postReEncryption, {
          params: {},
          request: { grantId: grant.id, number },
          signer,
        });
        return { node: node.name, refusal: null };
      } catch (error) {
        if (error instanceof ProblemError) return { node: node.name, refusal: error.code };
        if (error instanceof NetworkError) return { node: node.name, refusal: 'unreachable' };
        throw error;
      }
    }),
  );
}
