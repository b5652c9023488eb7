/**
 * The re-encryption service: a share leaves this node only through its own endpoint, out of its own
 * final state, behind an active grant and a final access event. It answers at its latest final block,
 * not at the event's height, so that a revocation or expiry that is final here ends everything.
 *
 * Order of a release: every check, then the share is made, sealed into the vault and made durable (a
 * retry gets the same bytes), then the release is queued for the chain, then it is answered. A crash
 * between the last two leaves a noted release that was not received: *asked* and *served by* stay
 * separate facts, and the next try answers the same.
 */
import { openAccess, openNarrowing } from '@yilian/api/sealed-documents';
import { type ReEncryptionAnswer, shareMessage } from '@yilian/api/messages-access';
import { type Bytes, type RandomBytes, equalBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import type { SuiteContext } from '@yilian/crypto/context';
import type { Curve } from '@yilian/crypto/curve';
import type { GrantBody } from '@yilian/crypto/grant-body';
import { findLabelKey } from '@yilian/crypto/key-share';
import { encodeShare, reEncrypt } from '@yilian/crypto/proxy-re-encryption';
import { type Grant, type GrantHolder, hasEnded } from '@yilian/ledger/contracts/consent/grant';
import type { Member } from '@yilian/ledger/contracts/members/member';
import type { Signer } from '@yilian/ledger/transaction-codec';
import type { Clock } from '../clock.ts';
import type { AccessEvent, ChainView, FinalBlockView } from './chain-view.ts';
import { checkGrant } from './grant-check.ts';
import type { NodeKeysService } from './node-keys.ts';
import type { NodeReporter } from './node-reporter.ts';
import { type Served, refuse, served } from './served.ts';
import { SHARE_ENTRY, decodeKeptShare, takeShare } from './share-intake.ts';
import type { ShareVault } from './share-vault.ts';

/** How long after its event a share may be asked for, in block time. */
const ACCESS_AGE_MS_MAX = 60_000;

export interface ReEncryptionService {
  /** A sealed share for this node, for a grant that is final. */
  acceptShare(grant: Grant, index: number, sealed: Bytes): Promise<Served<null>>;
  release(
    signer: Member,
    request: { readonly grantId: Bytes; readonly number: number },
  ): Promise<Served<ReEncryptionAnswer>>;
  /** Whether this block may have ended a grant: it revokes one, or its time passed an end held here. */
  isDue(block: FinalBlockView): boolean;
  /** Erases what has ended; reports what was lost. */
  tend(): Promise<void>;
  /** Shares that this node holds and can open. */
  heldCount(): number;
}

export interface ReEncryptionOptions {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly chain: ChainView;
  readonly clock: Clock;
  readonly heartbeatMs: number;
  readonly keys: Pick<NodeKeysService, 'openBlob'>;
  readonly vault: ShareVault;
  readonly reporter: NodeReporter;
  /** The narrowing document with this hash, if it was delivered here. */
  readonly narrowing: (grantId: Bytes, hash: Bytes) => Bytes | undefined;
  /** Member id and signing key of this node. */
  readonly node: Bytes;
  readonly signer: Signer;
  readonly randomBytes: RandomBytes;
}

function answerName(number: number): string {
  return `answer-${number}`;
}

export function createReEncryption(options: ReEncryptionOptions): ReEncryptionService {
  const { curve, context, chain, clock, heartbeatMs, vault, reporter, node, signer } = options;
  const { randomBytes } = options;

  const holderOf = (grant: Grant): GrantHolder | undefined =>
    grant.holders.find((holder) => equalBytes(holder.node, node));

  /** The same request twice at once must not make two answers. */
  const underWay = new Map<string, Promise<Served<ReEncryptionAnswer>>>();

  const narrowed = (
    grant: Grant,
    salt: Bytes,
    body: GrantBody,
  ): Served<{
    readonly labels: ReadonlySet<number>;
    readonly records: readonly Bytes[] | 'all';
  }> => {
    let labels = new Set(body.points.keys());
    let records: readonly Bytes[] | 'all' = body.records;
    for (const hash of grant.narrowings) {
      const sealed = options.narrowing(grant.id, hash);
      if (sealed === undefined) return refuse('narrowingMissing');
      const document = openNarrowing(context, { salt, grantId: grant.id, sealed });
      // A document that does not open cannot be obeyed, so nothing is served.
      if (document === null) return refuse('narrowingMissing');
      if (document.labels !== null) {
        const kept = new Set(document.labels);
        labels = new Set([...labels].filter((label) => kept.has(label)));
      }
      if (document.records !== null) {
        const allowed = document.records;
        records =
          records === 'all'
            ? allowed
            : records.filter((record) => allowed.some((other) => equalBytes(other, record)));
      }
    }
    return served({ labels, records });
  };

  const makeAnswer = async (
    grant: Grant,
    holder: GrantHolder,
    event: AccessEvent,
  ): Promise<Served<ReEncryptionAnswer>> => {
    const entry = vault.get(grant.id, SHARE_ENTRY);
    switch (entry.kind) {
      case 'missing':
        return refuse(
          holder.share === 'kept' && !holder.acknowledged ? 'shareMissing' : 'shareLost',
        );
      case 'lost':
        return refuse('shareLost');
      case 'kept':
        break;
    }
    const kept = decodeKeptShare(curve, entry.value);
    entry.value.fill(0);
    const { id: grantId } = grant;
    const purpose = openAccess(
      context,
      { salt: kept.salt, grantId, nonce: event.nonce },
      event.sealed,
    );
    if (purpose === null) return refuse('accessMismatch');
    const point = kept.body.points[purpose.label];
    if (point === undefined) return refuse('accessMismatch');
    const scope = narrowed(grant, kept.salt, kept.body);
    if (!scope.ok) return scope;
    const { labels, records } = scope.value;
    const isAllowed =
      labels.has(purpose.label) &&
      (records === 'all' || records.some((each) => equalBytes(each, purpose.recordId)));
    if (!isAllowed) return refuse('recordNotCovered');
    const record = chain.record(purpose.recordId);
    if (record === undefined) return refuse('recordUnknown');
    const encodedPoint = curve.encodeG2(point);
    const labelKey = findLabelKey(curve, kept.share, encodedPoint);
    if (labelKey === undefined) return refuse('accessMismatch');
    const share = encodeShare(
      curve,
      reEncrypt({
        curve,
        context,
        keyShare: kept.share,
        labelKey,
        capsule: curve.parseG1(record.c),
        access: { grantId, number: event.number, recordId: purpose.recordId },
        randomBytes,
      }),
    );
    const message = shareMessage(context, {
      grantId,
      number: event.number,
      recordId: purpose.recordId,
      point: encodedPoint,
      node,
      share,
    });
    const answer = { share, signature: signer.sign(message) };
    await vault.put(grant.id, answerName(event.number), encode([share, answer.signature]));
    await reporter.note({ kind: 'release', grantId: grant.id, number: event.number });
    return served(answer);
  };

  const storedAnswer = (grantId: Bytes, number: number): ReEncryptionAnswer | null => {
    const entry = vault.get(grantId, answerName(number));
    if (entry.kind !== 'kept') return null;
    const value = decode(entry.value);
    const [share, signature]: readonly unknown[] = Array.isArray(value) ? value : [];
    return share instanceof Uint8Array && signature instanceof Uint8Array
      ? { share, signature }
      : null;
  };

  const release: ReEncryptionService['release'] = async (grantee, request) => {
    const { grantId, number } = request;
    const checked = checkGrant({ chain, clock, heartbeatMs, grantId, signer: grantee });
    if (!checked.ok) return checked;
    const grant = checked.value;
    const holder = holderOf(grant);
    if (holder === undefined) return refuse('notHolder');
    const event = chain.access(grantId, number);
    if (event === undefined) return refuse('accessUnknown');
    const ageMs = Math.max(chain.tip().timeMs, clock.nowMs()) - event.timeSeconds * 1000;
    // The event's time is cut to seconds: one more second, so that 60 s are 60 s.
    if (ageMs > ACCESS_AGE_MS_MAX + 1000) return refuse('accessExpired');
    const stored = storedAnswer(grantId, number);
    if (stored !== null) return served(stored);
    return makeAnswer(grant, holder, event);
  };

  const eraseEnded = async (grantId: Bytes): Promise<void> => {
    await vault.erase(grantId);
    await reporter.note({ kind: 'erasure', grantId });
  };

  let reportedLost = new Set<string>();
  /** The earliest end among the grants held, as of the last tending; Unix seconds. */
  let nextEnd = 0;

  return {
    acceptShare: async (grant, index, sealed) => {
      const holder = holderOf(grant);
      if (holder === undefined || holder.index !== index) return refuse('notHolder');
      const tip = chain.tip();
      if (grant.revoked) return refuse('grantRevoked');
      if (hasEnded(grant, Math.floor(Math.max(tip.timeMs, clock.nowMs()) / 1000)))
        return refuse('grantExpired');
      if (vault.get(grant.id, SHARE_ENTRY).kind === 'kept') return served(null);
      const taken = await takeShare(options, { grant, holder, sealed });
      if (!taken.ok) return taken;
      // A share that comes later than its grant's block is tended to at its end all the same.
      nextEnd = Math.min(nextEnd, grant.to);
      // It may have been revoked while the share was being checked.
      const now = chain.grant(grant.id);
      if (now === undefined || now.revoked) {
        await vault.erase(grant.id);
        return refuse('grantRevoked');
      }
      if (!holder.acknowledged)
        await reporter.note({ kind: 'acknowledgement', grantId: grant.id, number: holder.index });
      return served(null);
    },
    release: (grantee, request) => {
      const name = `${Buffer.from(request.grantId).toString('hex')}/${request.number}`;
      const known = underWay.get(name);
      const next = (known ?? Promise.resolve()).then(() => release(grantee, request));
      underWay.set(name, next);
      return next.finally(() => {
        if (underWay.get(name) === next) underWay.delete(name);
      });
    },
    isDue: (block) =>
      block.timeMs >= nextEnd * 1000 ||
      block.transactions.some(
        ({ transaction: { body } }) =>
          body.type === 'revokeAccess' ||
          body.type === 'narrowGrant' ||
          body.type === 'grantAccess',
      ),
    tend: async () => {
      const tip = chain.tip();
      let earliest = Number.MAX_SAFE_INTEGER;
      const seconds = Math.floor(tip.timeMs / 1000);
      const stillLost = new Set<string>();
      for (const grantId of vault.grants()) {
        const grant = chain.grant(grantId);
        // Not final here yet (a restored database may lag): leave it.
        if (grant === undefined) continue;
        // Block time alone decides erasure: it is what the chain will accept.
        if (hasEnded(grant, seconds)) {
          await eraseEnded(grantId);
          continue;
        }
        earliest = Math.min(earliest, grant.to);
        if (vault.get(grantId, SHARE_ENTRY).kind !== 'lost') continue;
        const name = Buffer.from(grantId).toString('hex');
        stillLost.add(name);
        if (!reportedLost.has(name)) await reporter.note({ kind: 'loss', grantId });
      }
      reportedLost = stillLost;
      nextEnd = earliest;
    },
    heldCount: () =>
      vault.grants().filter((grantId) => vault.get(grantId, SHARE_ENTRY).kind === 'kept').length,
  };
}
