/** Asking single nodes for their share, as a grantee's device may do at any time. */
import { ROUTES } from '@yilian/api/routes';
import type { ReEncryptionAnswer } from '@yilian/api/messages-access';
import { equalBytes } from '@yilian/crypto/bytes';
import { signerOf } from '@yilian/client/keyring';
import type { NodeEndpoint } from '@yilian/client/transport';
import type { GrantId } from '@yilian/crypto/ids';
import type { Signer } from '@yilian/ledger/transaction-codec';
import type { MemberPerson } from '../people.ts';
import { codeOf, type Report } from '../report.ts';

export function signerFor(person: MemberPerson): Signer {
  return signerOf(person.doctor.keyring.current.signingSeed);
}

export function askShare(
  person: MemberPerson,
  node: NodeEndpoint,
  grantId: GrantId,
  number: number,
): Promise<ReEncryptionAnswer> {
  return person.network.transport.call(node, ROUTES.postReEncryption, {
    params: {},
    request: { grantId, number },
    signer: signerFor(person),
  });
}

/** The nodes that hold shares of a grant, as the chain names them. */
export async function holdersOf(
  person: MemberPerson,
  grantId: GrantId,
): Promise<readonly NodeEndpoint[]> {
  const grant = await person.reader.grant(grantId, { fresh: true });
  if (grant === undefined) throw new Error('the grant is not on chain');
  return person.network.nodes.filter(({ memberId }) =>
    grant.holders.some(({ node }) => equalBytes(node, memberId)),
  );
}

/** One refusal for all holders together: each must give one of the codes. */
export async function refusedByEveryHolder(
  report: Report,
  attack: string,
  expected: readonly string[],
  input: { readonly person: MemberPerson; readonly grantId: GrantId; readonly number: number },
): Promise<void> {
  const { person, grantId, number } = input;
  const answers: { readonly node: string; readonly code: string }[] = [];
  for (const node of await holdersOf(person, grantId)) {
    try {
      await askShare(person, node, grantId, number);
      answers.push({ node: node.name, code: 'released' });
    } catch (error) {
      answers.push({ node: node.name, code: codeOf(error) });
    }
  }
  report.refusal(
    attack,
    answers.length >= 2 && answers.every(({ code }) => expected.includes(code)),
    answers.map(({ node, code }) => `${node}: ${code}`).join(', '),
  );
}
