/**
 * Granting, narrowing and revoking, by whoever holds the labels' keys: the patient, or an agent of hers.
 */
import { blobHash, sealNarrowing } from '@yilian/api/sealed-documents';
import { ROUTES } from '@yilian/api/routes';
import { blobName, type BlobName } from '@yilian/api/parameter';
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import type { G1 } from '@yilian/crypto/curve';
import { type GrantedLabel } from '@yilian/crypto/grant';
import { GRANT_LABELS_MAX } from '@yilian/crypto/grant-body';
import { type HpkePublicKey, parseHpkePublicKey } from '@yilian/crypto/hpke';
import { acknowledgementsOf, type Grant, parseGrant } from '@yilian/ledger/contracts/consent/grant';
import { PERIOD_SECONDS_MAX } from '@yilian/ledger/contracts/consent/grant-access';
import type { MemberId } from '@yilian/ledger/ids';
import type { GrantId } from '@yilian/crypto/ids';
import { stateKeys } from '@yilian/ledger/state';
import type { ChainReader, FinalTransaction } from './chain-reader.ts';
import type { OnProgress } from './progress.ts';
import { ClientError, NetworkError, ProblemError, RejectedError } from './failure.ts';
import {
  grantContext,
  labelKey,
  type MadeGrant,
  makeGrant,
  type WishedToken,
} from './grant-making.ts';
import {
  describeFewOperators,
  type HolderCandidate,
  type HolderPlan,
  planHolders,
} from './grant-plan.ts';
import { signerOf, type UndeliveredBlob } from './keyring.ts';
import type { Network } from './network.ts';
import { type HeldLabel, type OwnGrant, walkTags } from './own-grants.ts';
import { submitBody } from './submission.ts';
import type { NodeEndpoint } from './transport.ts';
import { DELIVERABLE_SECONDS } from './undelivered.ts';

const SECONDS_PER_DAY = 86_400;
/** A node keeps a day's key for two days: an older one may be gone when the share arrives. */
const KEY_AGE_DAYS_MAX = 1;
const TAG_TRIES = 4;
const POLL_MS = 60;
const REDELIVER_MS = 1_500;
const ACKNOWLEDGE_MAX_MS = 30_000;

/** A grant as somebody wishes it. */
export interface GrantInput {
  readonly patientKey: G1;
  readonly labels: readonly HeldLabel[];
  readonly grantee: MemberId;
  /** Seconds since 1970; 0 = from inclusion. */
  readonly from?: number;
  /** Seconds since 1970, exclusive. */
  readonly to: number;
  readonly records?: 'all' | readonly Bytes[];
  readonly purpose: string;
  readonly tokens: readonly WishedToken[];
  /** Hospitals whose node shall not be the search node, where there is another. */
  readonly visitedHospitals: readonly string[];
  readonly onProgress?: OnProgress;
  /**
   * Keeps what of this grant is not delivered, in place of what it was told before: everything before the
   * submission, what is left before the result is given or an error thrown.
   */
  readonly onUndelivered?: (grantId: GrantId, blobs: readonly UndeliveredBlob[]) => Promise<void>;
}

/** How a grant stands after it was made. */
export interface MadeGrantResult {
  readonly grantId: GrantId;
  readonly final: FinalTransaction;
  readonly threshold: number;
  readonly holders: number;
  readonly acknowledged: number;
  /** Set when the regulator's node had to be named (R16): a sentence for the patient. */
  readonly regulatorNamed: string | null;
  /** Nodes to which the share could not be delivered yet. */
  readonly undelivered: readonly string[];
  /** Nodes whose key was gone when the share came: their shares are void. */
  readonly voidAt: readonly string[];
}

/** Nodes that could hold shares, with what the chain says of them. */
export async function holderCandidates(
  network: Network,
  reader: ChainReader,
): Promise<readonly (HolderCandidate & { readonly hpkeKey: HpkePublicKey | null })[]> {
  const { timeMs } = await reader.head();
  const today = Math.floor(timeMs / 1000 / SECONDS_PER_DAY);
  const candidates: (HolderCandidate & { readonly hpkeKey: HpkePublicKey | null })[] = [];
  for (const { memberId, isRegulator } of network.nodes) {
    const member = await reader.member(memberId);
    if (member === undefined || member.role !== 'node' || member.status !== 'active') continue;
    const [newest] = await reader.nodeKeys(memberId);
    const hpkeKey =
      newest !== undefined && newest.day >= today - KEY_AGE_DAYS_MAX
        ? parseHpkePublicKey(newest.hpkeKey)
        : null;
    candidates.push({
      node: memberId,
      institution: member.institution,
      operator: member.operator,
      isRegulator,
      hasFreshKey: hpkeKey !== null,
      hpkeKey,
    });
  }
  return candidates;
}

/**
 * Makes a grant, puts it on chain, delivers its blobs and waits for t acknowledgements.
 * @throws ClientError `tooManyLabels`, `noLabel`, `period`, `tooFewOperators`, `unknownMember`;
 *   RejectedError, NetworkError
 */
export async function grantLabels(
  network: Network,
  reader: ChainReader,
  input: GrantInput,
): Promise<MadeGrantResult> {
  const { platform } = network;
  await checkInput(reader, input);
  const grantee = await reader.member(input.grantee, { fresh: true });
  const granteeKey = grantee === undefined ? null : parseHpkePublicKey(grantee.hpkeKey);
  if (grantee === undefined || granteeKey === null)
    throw new ClientError('unknownMember', `no doctor ${toHex(input.grantee)} is on chain`);
  const { faultsMax } = await reader.settings();
  const candidates = await holderCandidates(network, reader);
  const plan = planHolders({
    candidates,
    granteeInstitution: grantee.institution,
    faults: faultsMax,
  });
  if (!plan.ok) throw new ClientError('tooFewOperators', whyNotPlanned(network, plan));
  // A token is used as long as the grant lasts: not under a day's key, which is erased after two days.
  const memberKeyOf = async (node: MemberId): Promise<HpkePublicKey | null> =>
    parseHpkePublicKey((await reader.member(node))?.hpkeKey ?? new Uint8Array(0));
  const keyOf = (node: MemberId): HpkePublicKey => {
    const key = candidates.find((candidate) => equalBytes(candidate.node, node))?.hpkeKey;
    if (key === undefined || key === null) throw new Error('a planned holder has no key');
    return key;
  };
  const searchNode = chooseSearchNode(candidates, input.visitedHospitals, grantee.institution);
  const searchKey = searchNode === null ? null : await memberKeyOf(searchNode);
  for (let attempt = 0; ; attempt++) {
    input.onProgress?.({ step: 'granting', done: attempt });
    const made = await makeGrant(platform, grantContext(network.anchor.chainId), {
      patientKey: input.patientKey,
      labels: await numberedLabels(network, reader, input.labels),
      grantee: { id: input.grantee, hpkeKey: granteeKey },
      holders: plan.holders.map(({ node }) => ({ node, hpkeKey: keyOf(node) })),
      threshold: plan.threshold,
      from: input.from ?? 0,
      to: input.to,
      records: input.records ?? 'all',
      purpose: input.purpose,
      tokens: searchKey === null ? [] : input.tokens,
      searchNode:
        searchNode === null || searchKey === null ? null : { id: searchNode, hpkeKey: searchKey },
    });
    try {
      return await putOnChain(network, reader, made, plan, input);
    } catch (error) {
      // Somebody used the tag in between: another device of hers, or an agent. A new grant, m + 1.
      const isTaken = error instanceof RejectedError && error.code === 'tagUsed';
      if (!isTaken || attempt + 1 >= TAG_TRIES) throw error;
    }
  }
}

async function checkInput(reader: ChainReader, input: GrantInput): Promise<void> {
  if (input.labels.length === 0) throw new ClientError('noLabel', 'the grant would cover nothing');
  if (input.labels.length > GRANT_LABELS_MAX)
    throw new ClientError(
      'tooManyLabels',
      `a grant has at most ${GRANT_LABELS_MAX} labels and this one would have ${input.labels.length}`,
    );
  const { timeMs } = await reader.head();
  const now = Math.floor(timeMs / 1000);
  const from = input.from === undefined || input.from === 0 ? now : input.from;
  if (input.to <= now || input.to <= from)
    throw new ClientError('period', 'the grant would end before it begins');
  if (input.to - from > PERIOD_SECONDS_MAX)
    throw new ClientError('period', 'a grant lasts at most 100 days');
}

async function numberedLabels(
  network: Network,
  reader: ChainReader,
  labels: readonly HeldLabel[],
): Promise<readonly GrantedLabel[]> {
  const { nextNumber } = await walkTags(network, reader, labels);
  return labels.map((held) => ({
    ...held,
    tagNumber: nextNumber.get(labelKey(held.label)) ?? 0,
  }));
}

function whyNotPlanned(
  network: Network,
  plan: Extract<ReturnType<typeof planHolders>, { ok: false }>,
): string {
  const { regulatorNode } = plan;
  const name = regulatorNode === null ? undefined : network.findNode(regulatorNode)?.name;
  const regulator =
    name === undefined
      ? 'no node of the regulator is configured'
      : `even with the regulator's node (${name}) there are too few`;
  return `${describeFewOperators(plan.reason)}; ${regulator}`;
}

/** Not run by a hospital she visited, where there is one; not the grantee's own, where there is another. */
function chooseSearchNode(
  candidates: readonly HolderCandidate[],
  visited: readonly string[],
  granteeInstitution: string,
): MemberId | null {
  const usable = candidates.filter(({ hasFreshKey, isRegulator }) => hasFreshKey && !isRegulator);
  const distance = ({ institution }: HolderCandidate): number =>
    (visited.includes(institution) ? 2 : 0) + (institution === granteeInstitution ? 1 : 0);
  return usable.toSorted((a, b) => distance(a) - distance(b))[0]?.node ?? null;
}

interface Delivery {
  readonly node: NodeEndpoint;
  readonly name: BlobName;
  readonly blob: Bytes;
}

function deliveriesOf(network: Network, made: MadeGrant): readonly Delivery[] {
  const deliveries: Delivery[] = [];
  for (const [position, { index, node: memberId }] of made.body.holders.entries()) {
    const node = network.findNode(memberId);
    const share = made.shareBlobs[position];
    if (node === undefined || share === undefined) continue;
    deliveries.push({ node, name: { kind: 'share', index }, blob: share });
    deliveries.push({ node, name: { kind: 'grantee' }, blob: made.granteeBlob });
    deliveries.push({ node, name: { kind: 'copy' }, blob: made.copyBlob });
  }
  return deliveries;
}

type Delivered = 'delivered' | 'void' | 'failed';

async function deliver(
  network: Network,
  grantId: GrantId,
  { node, name, blob }: Delivery,
): Promise<Delivered> {
  try {
    await network.transport.call(node, ROUTES.putBlob, {
      params: { grantId, name },
      request: blob,
    });
    return 'delivered';
  } catch (error) {
    if (error instanceof ProblemError) return error.code === 'shareVoid' ? 'void' : 'failed';
    if (error instanceof NetworkError) return 'failed';
    throw error;
  }
}

async function putOnChain(
  network: Network,
  reader: ChainReader,
  made: MadeGrant,
  plan: HolderPlan,
  { onProgress, onUndelivered }: Pick<GrantInput, 'onProgress' | 'onUndelivered'>,
): Promise<MadeGrantResult> {
  const [first, ...others] = made.signers;
  if (first === undefined) throw new Error('a grant without a tag');
  const deliveries = deliveriesOf(network, made);
  const state = new Map<Delivery, Delivered | 'underWay'>();
  const deliverAll = async (): Promise<void> => {
    const open = deliveries.filter((each) => (state.get(each) ?? 'failed') === 'failed');
    await Promise.all(
      open.map(async (each) => {
        state.set(each, 'underWay');
        state.set(each, await deliver(network, made.grantId, each));
      }),
    );
  };
  const until = Math.floor(network.platform.nowMs() / 1000) + DELIVERABLE_SECONDS;
  const keep = async (which: readonly Delivery[]): Promise<void> => {
    const blobs = which.map(({ node, name, blob }) => ({
      grantId: made.grantId,
      node: node.memberId,
      name: blobName.format(name),
      blob,
      until,
    }));
    await onUndelivered?.(made.grantId, blobs);
  };
  // Before anybody hears of the grant: nobody could make its shares again if this device stopped now.
  await keep(deliveries);
  // Nodes keep what comes before its grant is final; what they missed is sent again below.
  const early = deliverAll();
  let final: FinalTransaction;
  try {
    final = await submitBody(network, reader, made.body, [first, ...others]);
  } catch (error) {
    // Refused for good. Of one whose fate is unknown everything stays kept.
    if (error instanceof RejectedError) await keep([]);
    throw error;
  }
  // Enough acknowledgements are enough: a silent node holds up nobody.
  const acknowledging = (): Promise<Grant> =>
    Promise.race([
      awaitAcknowledgements(network, reader, made.grantId, {
        threshold: plan.threshold,
        deliverAll,
        ...(onProgress === undefined ? {} : { onProgress }),
      }),
      early.then(() => new Promise<never>(() => undefined)),
    ]);
  const keepLeft = (): Promise<void> =>
    keep(deliveries.filter((each) => !['delivered', 'void'].includes(state.get(each) ?? '')));
  // The grant is on chain: what is not delivered by the end, well or ill, stays kept.
  let grant: Grant;
  try {
    grant = await acknowledging();
  } finally {
    await keepLeft();
  }
  const namesWith = (...wanted: readonly (Delivered | 'underWay' | undefined)[]): string[] => [
    ...new Set(
      deliveries.filter((each) => wanted.includes(state.get(each))).map(({ node }) => node.name),
    ),
  ];
  return {
    grantId: made.grantId,
    final,
    threshold: plan.threshold,
    holders: plan.holders.length,
    acknowledged: acknowledgementsOf(grant),
    regulatorNamed: plan.regulatorNamed === null ? null : describeFewOperators(plan.regulatorNamed),
    undelivered: namesWith('failed', 'underWay'),
    voidAt: namesWith('void'),
  };
}

async function awaitAcknowledgements(
  network: Network,
  reader: ChainReader,
  grantId: GrantId,
  input: {
    readonly threshold: number;
    readonly deliverAll: () => Promise<void>;
    readonly onProgress?: OnProgress;
  },
): Promise<Grant> {
  const { platform } = network;
  const { threshold, deliverAll, onProgress } = input;
  const startMs = platform.nowMs();
  let deliveredMs = startMs;
  const key = stateKeys.grant(grantId);
  let known = -1;
  /** Acknowledgements come with blocks: the next look is at a later one. */
  let seen: bigint | undefined;
  for (;;) {
    const askedMs = platform.nowMs();
    const { value, height } = await reader.state(key, {
      fresh: true,
      ...(seen === undefined ? {} : { after: seen }),
    });
    seen = height;
    const grant = value === undefined ? undefined : parseGrant(value);
    const acknowledged = grant === undefined ? 0 : acknowledgementsOf(grant);
    if (acknowledged !== known)
      onProgress?.({
        step: 'acknowledged',
        done: Math.min(acknowledged, threshold),
        total: threshold,
      });
    known = acknowledged;
    if (grant !== undefined && acknowledged >= threshold) return grant;
    const nowMs = platform.nowMs();
    if (nowMs - startMs > ACKNOWLEDGE_MAX_MS)
      throw new NetworkError(
        'timeout',
        `the grant is on chain, but ${acknowledged} of ${threshold} needed nodes acknowledged it`,
      );
    if (nowMs - deliveredMs > REDELIVER_MS) {
      await deliverAll();
      deliveredMs = platform.nowMs();
    }
    // Nodes that do not wait are not asked without a pause.
    await platform.wait(Math.max(0, POLL_MS - (platform.nowMs() - askedMs)));
  }
}

/** Shortens a grant, or narrows it to some of its labels or records. */
export async function narrowOwnGrant(
  network: Network,
  reader: ChainReader,
  own: OwnGrant,
  input: {
    readonly to?: number;
    readonly labels?: readonly number[];
    readonly records?: readonly Bytes[];
  },
): Promise<FinalTransaction> {
  const { platform } = network;
  const { grant, grantId, salt } = own;
  const isNarrowed = input.labels !== undefined || input.records !== undefined;
  if (isNarrowed && salt === null)
    throw new ClientError('noLabel', 'only who holds the first label can narrow what is covered');
  const document =
    !isNarrowed || salt === null
      ? null
      : sealNarrowing(grantContext(network.anchor.chainId), {
          salt,
          nonce: platform.randomBytes(16),
          narrowing: { grantId, labels: input.labels ?? null, records: input.records ?? null },
        });
  const final = await submitBody(
    network,
    reader,
    {
      type: 'narrowGrant',
      grantId,
      to: Math.min(input.to ?? grant.to, grant.to),
      narrowingHash: document === null ? null : blobHash(document),
    },
    [signerOfGrant(own)],
  );
  if (document !== null) await deliverNarrowing(network, own, document);
  return final;
}

/** Nodes refuse to serve until they have the document: each holder gets it. */
async function deliverNarrowing(network: Network, own: OwnGrant, document: Bytes): Promise<void> {
  for (const { node: memberId } of own.grant.holders) {
    const node = network.findNode(memberId);
    if (node === undefined) continue;
    await deliver(network, own.grantId, { node, name: { kind: 'narrowing' }, blob: document });
  }
}

/** Ends a grant at once, by any of its tags. */
export function revokeOwnGrant(
  network: Network,
  reader: ChainReader,
  own: OwnGrant,
): Promise<FinalTransaction> {
  return submitBody(network, reader, { type: 'revokeAccess', grantId: own.grantId }, [
    signerOfGrant(own),
  ]);
}

function signerOfGrant(own: OwnGrant): ReturnType<typeof signerOf> {
  const [tag] = own.tags;
  if (tag === undefined) throw new ClientError('noLabel', 'no label of this grant is yours');
  return signerOf(tag.seed);
}
