/** What the HTTP face of a node stands on. A service that this node does not run is null. */
import type { AnchorDocument, ServiceName } from '@yilian/api/documents';
import type { EncodedHeader } from '@yilian/consensus/light/light-engine';
import type { Bytes } from '@yilian/crypto/bytes';
import type { ChainContext } from '@yilian/crypto/context';
import type { Signer } from '@yilian/ledger/transaction-codec';
import type { Clock } from '../clock.ts';
import type { OrderingNode } from '../ordering-node.ts';
import type { BlobShelf } from '../services/blob-shelf.ts';
import type { ChainView } from '../services/chain-view.ts';
import type { EvidenceService } from '../services/evidence.ts';
import type { InstitutionService } from '../services/institution.ts';
import type { MemberCertificates } from '../services/member-certificates.ts';
import type { QueryManager } from '../services/query-manager.ts';
import type { ReEncryptionService } from '../services/re-encryption.ts';
import type { RegistrationService } from '../services/registration.ts';
import type { SearchService } from '../services/search.ts';
import type { Shelf } from '../services/service-store.ts';
import type { TrustCheckpoints } from '../services/trust-checkpoints.ts';
import type { ObjectHoldings } from '../stores/object-holdings.ts';

export interface NodeIdentity {
  /** Member id of the node: receiver of signed requests. */
  readonly node: Bytes;
  readonly name: string;
  readonly institution: string;
  readonly operator: string;
}

export interface StoreService {
  readonly objects: ObjectHoldings;
  /** Member id and key that attests. */
  readonly member: Bytes;
  readonly signer: Signer;
}

export interface NodeServices {
  readonly context: ChainContext;
  readonly identity: NodeIdentity;
  readonly anchor: AnchorDocument;
  readonly clock: Clock;
  readonly ordering: OrderingNode;
  readonly chain: ChainView;
  readonly checkpoints: TrustCheckpoints;
  /** Hash → validator set, of every set that this node has seen in force. */
  readonly validatorSets: Shelf;
  /** Of members that are not patients. */
  readonly certificates: MemberCertificates;
  readonly blobs: BlobShelf;
  readonly queryManager: QueryManager;
  readonly reEncryption: ReEncryptionService;
  readonly search: SearchService | null;
  readonly institution: InstitutionService | null;
  readonly store: StoreService | null;
  readonly registration: RegistrationService | null;
  /** On the regulator's node. */
  readonly evidence: EvidenceService | null;
  readonly heartbeatMs: number;
  /** Time and proposer out of a stored header. */
  readonly headerFacts: (encoded: EncodedHeader) => {
    readonly timeMs: number;
    readonly proposer: string;
  };
}

export function serviceNames(services: NodeServices): readonly ServiceName[] {
  const names: ServiceName[] = ['queryManager', 'reEncryption'];
  if (services.search !== null) names.push('search');
  if (services.institution !== null) names.push('institution');
  if (services.store !== null) names.push('store');
  if (services.registration !== null) names.push('registration');
  return names;
}
