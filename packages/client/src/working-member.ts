/** A member at work: the keys of a keyring over a network. */
import { type HpkeKeyPair, deriveHpkeKeyPair } from '@yilian/crypto/hpke';
import { deriveMemberId, type MemberId } from '@yilian/ledger/ids';
import type { Signer } from '@yilian/ledger/transaction-codec';
import type { ChainReader } from './chain-reader.ts';
import { ClientError } from './failure.ts';
import { type KeyringSlot, type MemberKeyring, signerOf } from './keyring.ts';
import type { Network } from './network.ts';
import type { NodeEndpoint } from './transport.ts';

export interface WorkingMember {
  readonly network: Network;
  readonly reader: ChainReader;
  readonly keyring: KeyringSlot<MemberKeyring>;
  readonly id: MemberId;
  readonly signer: Signer;
  readonly hpke: () => Promise<HpkeKeyPair>;
  /** Nodes of his own institution. @throws ClientError `unknownHospital` */
  readonly ownNodes: () => readonly NodeEndpoint[];
}

export function createWorkingMember(
  network: Network,
  reader: ChainReader,
  keyring: KeyringSlot<MemberKeyring>,
): WorkingMember {
  const signer = signerOf(keyring.current.signingSeed);
  let pair: Promise<HpkeKeyPair> | undefined;
  return {
    network,
    reader,
    keyring,
    id: deriveMemberId(network.context, signer.key),
    signer,
    hpke: () => (pair ??= deriveHpkeKeyPair(keyring.current.hpkeSeed)),
    ownNodes: () => {
      const { institution } = keyring.current;
      const nodes = network.nodes.filter((node) => node.institution === institution);
      if (nodes.length === 0)
        throw new ClientError('unknownHospital', `no node of ${institution} is configured`);
      return nodes;
    },
  };
}
