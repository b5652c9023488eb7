/**
 * Every grant on a set of labels, found from the labels' keys alone (R1): per label the tags m = 0, 1, …
 * are walked to the first that is proven absent. A grant that an honest agent made is found in the same
 * way, and any of its tags ends it.
 */
import { openAccess } from '@yilian/api/sealed-documents';
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import type { G2 } from '@yilian/crypto/curve';
import { deriveGrantSalt, deriveTagSeed } from '@yilian/crypto/grant-keys';
import type { Label } from '@yilian/crypto/label';
import { publicKey } from '@yilian/crypto/signature';
import type { Grant, GrantStage } from '@yilian/ledger/contracts/consent/grant';
import { stageOf } from '@yilian/ledger/contracts/consent/grant';
import { type MemberId } from '@yilian/ledger/ids';
import { type GrantId, type RecordId, toRecordId } from '@yilian/crypto/ids';
import type { ChainReader, LogEntry } from './chain-reader.ts';
import { NetworkError, ProblemError, VerificationError } from './failure.ts';
import { type GrantCopy, grantContext, labelKey, openCopy } from './grant-making.ts';
import type { Network } from './network.ts';

/** A label with D_ℓ: what an owner or agent holds. */
export interface HeldLabel {
  readonly label: Label;
  readonly conditionalKey: G2;
}

/** One tag of a grant, with the right to sign by it. */
export interface OwnTag {
  readonly held: HeldLabel;
  readonly number: number;
  readonly seed: Bytes;
  readonly key: Bytes;
}

export interface OwnGrant {
  readonly grantId: GrantId;
  readonly grant: Grant;
  readonly stage: GrantStage;
  /** Those of its tags that lie on the labels walked. */
  readonly tags: readonly OwnTag[];
  /** Null when the first label is not among those walked, or no named node has the copy any more. */
  readonly copy: GrantCopy | null;
  /** Opens its accesses; null when the first label is not among those walked. */
  readonly salt: Bytes | null;
}

/** What the walk found: grants, and per label the first free number. */
export interface TagWalk {
  readonly tags: readonly (OwnTag & { readonly grantId: GrantId })[];
  readonly nextNumber: ReadonlyMap<string, number>;
}

/** @see labelKey for the keys of `nextNumber` */
export async function walkTags(
  network: Network,
  reader: ChainReader,
  labels: readonly HeldLabel[],
): Promise<TagWalk> {
  const { curve } = network.platform;
  const { context } = network;
  const tags: (OwnTag & { grantId: GrantId })[] = [];
  const nextNumber = new Map<string, number>();
  for (const held of labels) {
    const { conditionalKey } = held;
    for (let number = 0; ; number++) {
      const seed = deriveTagSeed({ curve, context, conditionalKey, tagNumber: number });
      const key = publicKey(seed);
      const grantId = await reader.grantOfTag(key);
      if (grantId === undefined) {
        nextNumber.set(labelKey(held.label), number);
        break;
      }
      tags.push({ held, number, seed, key, grantId });
    }
  }
  return { tags, nextNumber };
}

/** The grants behind the tags of a walk, their copies opened where that can be. */
export async function grantsOfWalk(
  network: Network,
  reader: ChainReader,
  walk: TagWalk,
): Promise<readonly OwnGrant[]> {
  const byGrant = new Map<string, (OwnTag & { readonly grantId: GrantId })[]>();
  for (const tag of walk.tags) {
    const name = toHex(tag.grantId);
    byGrant.set(name, [...(byGrant.get(name) ?? []), tag]);
  }
  const { timeMs } = await reader.head();
  const grants: OwnGrant[] = [];
  for (const tags of byGrant.values()) {
    const [any] = tags;
    if (any === undefined) continue;
    const { grantId } = any;
    const grant = await reader.grant(grantId);
    if (grant === undefined) continue;
    const first = tags.find(({ key }) => equalBytes(key, grant.tags[0] ?? new Uint8Array(0)));
    grants.push({
      grantId,
      grant,
      stage: stageOf(grant, Math.floor(timeMs / 1000)),
      tags,
      copy: first === undefined ? null : await fetchCopy(network, reader, grant, first),
      salt: first === undefined ? null : saltOf(network, grantId, first.held.conditionalKey),
    });
  }
  return grants;
}

function saltOf(network: Network, grantId: GrantId, conditionalKey: G2): Bytes {
  const context = grantContext(network.anchor.chainId);
  return deriveGrantSalt(network.platform.curve, context, conditionalKey, grantId);
}

async function fetchCopy(
  network: Network,
  reader: ChainReader,
  grant: Grant,
  first: OwnTag,
): Promise<GrantCopy | null> {
  const holders = network.nodes.filter((node) =>
    grant.holders.some((holder) => equalBytes(holder.node, node.memberId)),
  );
  try {
    const sealed = await reader.blob(
      grant.id,
      { kind: 'copy' },
      grant.copyHash,
      holders.length > 0 ? holders : undefined,
    );
    return openCopy({
      curve: network.platform.curve,
      context: grantContext(network.anchor.chainId),
      grantId: grant.id,
      conditionalKey: first.held.conditionalKey,
      sealed,
    });
  } catch (error) {
    const isGone =
      error instanceof ProblemError ||
      error instanceof NetworkError ||
      error instanceof VerificationError;
    if (isGone) return null;
    throw error;
  }
}

/** One opening of a record, as the patient sees it. */
export interface AccessLogEntry {
  readonly grantId: GrantId;
  readonly grantee: MemberId;
  /** 1, 2, 3 … within the grant; the count on chain proves that none is missing. */
  readonly number: number;
  /** Block time, seconds. */
  readonly time: number;
  /** What was asked for; null when it does not open under the grant's salt. */
  readonly asked: {
    readonly recordId: RecordId;
    readonly label: Label | null;
    readonly purpose: string;
  } | null;
  /** Nodes that released a share, by their own word on chain: a fact apart from having been asked. */
  readonly servedBy: readonly MemberId[];
  /** Position of the access in the log. */
  readonly position: number;
  readonly transactionId: Bytes;
}

/** Every access under a grant, complete by number, *asked* and *served by* apart. */
export async function accessesOfGrant(
  network: Network,
  reader: ChainReader,
  own: OwnGrant,
): Promise<readonly AccessLogEntry[]> {
  const events = await reader.grantEvents(own.grant);
  const releases = releasesOf(events, own.grantId);
  const entries: AccessLogEntry[] = [];
  for (const event of events)
    for (const [kind, grantId, number, time] of event.leaf.facts) {
      if (kind !== 'access' || typeof number !== 'number' || typeof time !== 'number') continue;
      if (!(grantId instanceof Uint8Array) || !equalBytes(grantId, own.grantId)) continue;
      entries.push({
        grantId: own.grantId,
        grantee: own.grant.grantee,
        number,
        time,
        asked: askedOf(network, own, event),
        servedBy: releases.get(number) ?? [],
        position: event.position,
        transactionId: event.leaf.transaction,
      });
    }
  return entries;
}

function releasesOf(
  events: readonly LogEntry[],
  grantId: GrantId,
): ReadonlyMap<number, readonly MemberId[]> {
  const releases = new Map<number, MemberId[]>();
  for (const { leaf } of events)
    for (const [kind, of, number, node] of leaf.facts) {
      if (kind !== 'release' || typeof number !== 'number') continue;
      if (!(of instanceof Uint8Array) || !equalBytes(of, grantId)) continue;
      if (!(node instanceof Uint8Array)) continue;
      const known = releases.get(number) ?? [];
      if (!known.some((each) => equalBytes(each, node))) known.push(node as MemberId);
      releases.set(number, known);
    }
  return releases;
}

function askedOf(network: Network, own: OwnGrant, event: LogEntry): AccessLogEntry['asked'] {
  const body = event.transaction?.body;
  if (body?.type !== 'recordAccess' || own.salt === null) return null;
  const purpose = openAccess(
    grantContext(network.anchor.chainId),
    {
      salt: own.salt,
      grantId: own.grantId,
      nonce: body.accessNonce,
    },
    body.sealed,
  );
  if (purpose === null) return null;
  return {
    recordId: toRecordId(purpose.recordId),
    label: own.copy?.labels[purpose.label] ?? null,
    purpose: purpose.purpose,
  };
}
