/**
 * Blobs of a grant that its nodes have not taken. Nobody can make a share again, so they are kept in the
 * keyring, sealed as they are, from before the grant is submitted, and sent later when the device or a
 * node was down: until the key that a share is sealed to is gone, two days after it was published.
 */
import { blobName } from '@yilian/api/parameter';
import { ROUTES } from '@yilian/api/routes';
import { equalBytes, toHex } from '@yilian/crypto/bytes';
import type { GrantId } from '@yilian/crypto/ids';
import { NetworkError, ProblemError } from './failure.ts';
import type { KeyringSlot, PatientKeyring, UndeliveredBlob } from './keyring.ts';
import type { Network } from './network.ts';

/** What became of the blobs that were kept. */
export interface DeliveryResult {
  /** Names of nodes that have now taken something. */
  readonly delivered: readonly string[];
  /** Names of nodes that still miss something. */
  readonly waiting: readonly string[];
  /** Names of nodes for which it is too late; the grant lives from the others, or is made again. */
  readonly tooLate: readonly string[];
}

/** How long a share may lie before its node's key is gone. */
export const DELIVERABLE_SECONDS = 172_800;

/** The node will never take it: its key is gone, the grant has ended, or it is no blob of the grant. */
const HOPELESS: ReadonlySet<string> = new Set([
  'shareVoid',
  'grantRevoked',
  'grantExpired',
  'blobMismatch',
  'notHolder',
]);

type Fate = 'delivered' | 'waiting' | 'tooLate';

async function send(network: Network, kept: UndeliveredBlob, now: number): Promise<Fate> {
  const node = network.findNode(kept.node);
  const name = blobName.parse(kept.name);
  if (name === null || now >= kept.until) return 'tooLate';
  if (node === undefined) return 'waiting';
  try {
    await network.transport.call(node, ROUTES.putBlob, {
      params: { grantId: kept.grantId, name },
      request: kept.blob,
    });
    return 'delivered';
  } catch (error) {
    if (error instanceof ProblemError) return HOPELESS.has(error.code) ? 'tooLate' : 'waiting';
    if (error instanceof NetworkError) return 'waiting';
    throw error;
  }
}

const idOf = (kept: UndeliveredBlob): string =>
  `${toHex(kept.grantId)}/${toHex(kept.node)}/${kept.name}`;

/** Keeps what of a grant is not delivered yet, in place of what was kept of it before. */
export async function keepUndelivered(
  slot: KeyringSlot<PatientKeyring>,
  grantId: GrantId,
  blobs: readonly UndeliveredBlob[],
): Promise<void> {
  const before = slot.current.undelivered;
  const others = before.filter((each) => !equalBytes(each.grantId, grantId));
  if (blobs.length === 0 && others.length === before.length) return;
  await slot.update({ ...slot.current, undelivered: [...others, ...blobs] });
}

/** Sends everything that is kept, once; forgets what was taken or has become useless. */
export async function deliverUndelivered(
  network: Network,
  slot: KeyringSlot<PatientKeyring>,
): Promise<DeliveryResult> {
  const kept = slot.current.undelivered;
  const now = Math.floor(network.platform.nowMs() / 1000);
  const fates = new Map<string, Fate>();
  const names: Record<Fate, Set<string>> = {
    delivered: new Set(),
    waiting: new Set(),
    tooLate: new Set(),
  };
  await Promise.all(
    kept.map(async (each) => {
      const fate = await send(network, each, now);
      fates.set(idOf(each), fate);
      names[fate].add(network.findNode(each.node)?.name ?? toHex(each.node));
    }),
  );
  const left = slot.current.undelivered.filter(
    (each) => (fates.get(idOf(each)) ?? 'waiting') === 'waiting',
  );
  if (left.length < slot.current.undelivered.length)
    await slot.update({ ...slot.current, undelivered: left });
  return {
    delivered: [...names.delivered],
    waiting: [...names.waiting],
    tooLate: [...names.tooLate],
  };
}
