/**
 * From a final access event to the slot key: t holders answer, the grantee combines (ReEnc and Dec in
 * QJ's words). Shares are combined first and verified only when nothing opens; then the node that lied
 * is named, with evidence, and another one is asked.
 */
import type { ReEncryptionAnswer } from '@yilian/api/messages-access';
import { shareMessage } from '@yilian/api/messages-access';
import { ROUTES } from '@yilian/api/routes';
import type { ShareEvidence } from '@yilian/api/share-evidence';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { deriveSlotKey } from '@yilian/crypto/capsule';
import { type G1, PointError } from '@yilian/crypto/curve';
import type { GranteeShare } from '@yilian/crypto/grant-share';
import {
  combineShares,
  findBadShares,
  parseShare,
  type ReEncryptedShare,
  type ShareClaim,
} from '@yilian/crypto/proxy-re-encryption';
import { evaluateCommitments } from '@yilian/crypto/threshold';
import type { Grant, GrantHolder } from '@yilian/ledger/contracts/consent/grant';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import type { Signer } from '@yilian/ledger/transaction-codec';
import type { ChainReader } from './chain-reader.ts';
import { ClientError, NetworkError, ProblemError, VerificationError } from './failure.ts';
import { grantContext } from './grant-making.ts';
import type { Network } from './network.ts';

export interface ReEncryptionInput {
  readonly network: Network;
  readonly reader: ChainReader;
  readonly signer: Signer;
  readonly grant: Grant;
  readonly held: GranteeShare;
  readonly ledgerRecord: LedgerRecord;
  /** Position of the label in the grant's body. */
  readonly labelIndex: number;
  /** Of the access event. */
  readonly number: number;
  /** Whether a slot key is the right one: tries the slots. */
  readonly opens: (slotKey: Bytes) => boolean;
  readonly onEvidence?: (evidence: ShareEvidence) => void;
}

export interface ReEncryptionResult {
  readonly slotKey: Bytes;
  /** Names of the nodes whose shares were combined. */
  readonly servedBy: readonly string[];
  readonly evidence: readonly ShareEvidence[];
}

interface ReceivedShare {
  readonly holder: GrantHolder;
  readonly nodeName: string;
  readonly nodeKey: Bytes;
  readonly answer: ReEncryptionAnswer;
  readonly share: ReEncryptedShare | null;
}

/** A node that has not the event yet is asked again. */
const NOT_YET: ReadonlySet<string> = new Set([
  'accessUnknown',
  'notFinal',
  'grantPending',
  'nodeBehind',
]);
/** After so long the holders that were kept in reserve are asked too. */
const PATIENCE_MS = 1_500;
const NOT_YET_TRIES = 25;
const NOT_YET_PAUSE_MS = 60;

/**
 * The slot key of the record under one label of the grant.
 * @throws ClientError `notEnoughShares` when fewer than t holders answer honestly
 */
export async function reEncryptWithNodes(input: ReEncryptionInput): Promise<ReEncryptionResult> {
  const { network, grant } = input;
  const threshold = grant.commitments.length;
  const evidence: ShareEvidence[] = [];
  const refusals: string[] = [];
  const received: ReceivedShare[] = [];
  for await (const result of askUntilEnough(input, threshold)) {
    if (result.kind === 'refused') {
      refusals.push(result.why);
      continue;
    }
    const { value } = result;
    if (value.share === null) {
      note(value);
      continue;
    }
    received.push(value);
    if (received.length < threshold) continue;
    const slotKey = combine(input, received);
    if (input.opens(slotKey))
      return { slotKey, servedBy: received.map(({ nodeName }) => nodeName), evidence };
    for (const bad of blame(input, received)) {
      received.splice(received.indexOf(bad), 1);
      note(bad);
    }
    if (received.length >= threshold)
      throw new ClientError('slotMismatch', 'no slot of the record opens under this label');
  }
  const { code, text } = whyTooFew(refusals, received.length, threshold);
  throw new ClientError(code, text);

  function note(bad: ReceivedShare): void {
    const convicting = evidenceOf(input, bad);
    evidence.push(convicting);
    input.onEvidence?.(convicting);
    network.reportLie(
      new VerificationError(
        'share',
        { node: bad.nodeName, route: ROUTES.postReEncryption.name },
        'its share is wrong',
      ),
    );
  }
}

type Asked =
  | { readonly kind: 'share'; readonly value: ReceivedShare }
  | { readonly kind: 'refused'; readonly why: string };

async function askHolder(input: ReEncryptionInput, holder: GrantHolder): Promise<Asked> {
  const { network, reader, signer, grant, number } = input;
  const node = network.findNode(holder.node);
  if (node === undefined) return { kind: 'refused', why: 'a holder is not configured' };
  const source = { node: node.name, route: ROUTES.postReEncryption.name };
  const { platform, transport } = network;
  for (let attempt = 0; ; attempt++) {
    try {
      const [answer, member] = await Promise.all([
        transport.call(node, ROUTES.postReEncryption, {
          params: {},
          request: { grantId: grant.id, number },
          signer,
        }),
        reader.member(holder.node),
      ]);
      if (member === undefined) return { kind: 'refused', why: `${node.name} is no member` };
      const message = shareMessage(network.context, {
        grantId: grant.id,
        number,
        recordId: input.ledgerRecord.id,
        point: encodedPoint(input),
        node: holder.node,
        share: answer.share,
      });
      const claim = { publicKey: member.key, message, signature: answer.signature };
      if (!platform.verifySignature(claim)) {
        // Nobody can be convicted by what he did not sign; it is only not used.
        network.reportLie(new VerificationError('share', source, 'it did not sign its share'));
        return { kind: 'refused', why: `${node.name} did not sign its share` };
      }
      return {
        kind: 'share',
        value: {
          holder,
          nodeName: node.name,
          nodeKey: member.key,
          answer,
          share: parseOrNull(input, answer.share),
        },
      };
    } catch (error) {
      if (error instanceof ProblemError && NOT_YET.has(error.code) && attempt < NOT_YET_TRIES) {
        await platform.wait(NOT_YET_PAUSE_MS);
        continue;
      }
      if (error instanceof VerificationError) network.reportLie(error);
      else if (!(error instanceof ProblemError) && !(error instanceof NetworkError)) throw error;
      const why = error instanceof ProblemError ? `${node.name}: ${error.code}` : error.message;
      return { kind: 'refused', why };
    }
  }
}

function parseOrNull({ network }: ReEncryptionInput, bytes: Bytes): ReEncryptedShare | null {
  try {
    return parseShare(network.platform.curve, bytes);
  } catch (error) {
    if (error instanceof PointError) return null;
    throw error;
  }
}

/**
 * Asks t holders, another one for each that refuses, and all of the rest when those asked are slow.
 * Answers come in the order of their arrival; the reader stops when it has what it needs.
 */
async function* askUntilEnough(input: ReEncryptionInput, threshold: number): AsyncGenerator<Asked> {
  const { platform } = input.network;
  const names = input.network.order().map(({ memberId }) => memberId);
  const rank = ({ node }: GrantHolder): number =>
    names.findIndex((memberId) => equalBytes(memberId, node));
  // In the order of the network's turn: unreachable nodes are last.
  const left = input.grant.holders.toSorted((a, b) => rank(a) - rank(b));
  const pending = new Map<number, Promise<{ readonly at: number; readonly result: Asked }>>();
  let started = 0;
  const ask = (): void => {
    const holder = left.shift();
    if (holder === undefined) return;
    const at = started++;
    pending.set(
      at,
      askHolder(input, holder).then((result) => ({ at, result })),
    );
  };
  for (let i = 0; i < threshold; i++) ask();
  const done = new AbortController();
  let patience: Promise<null> | null = platform.wait(PATIENCE_MS, done.signal).then(() => null);
  try {
    while (pending.size > 0) {
      const first = await Promise.race(
        patience === null ? pending.values() : [...pending.values(), patience],
      );
      if (first === null) {
        patience = null;
        while (left.length > 0) ask();
        continue;
      }
      pending.delete(first.at);
      yield first.result;
      // Still here: the answer was not enough.
      if (pending.size === 0 || first.result.kind === 'refused') ask();
    }
  } finally {
    done.abort();
  }
}

function combine(input: ReEncryptionInput, received: readonly ReceivedShare[]): Bytes {
  const { network, held, ledgerRecord, labelIndex, grant } = input;
  const { curve } = network.platform;
  const label = held.labels[labelIndex];
  if (label === undefined) throw new ClientError('noLabel', 'the grant has no such label');
  const shares = received
    .slice(0, grant.commitments.length)
    .flatMap(({ holder, share }) => (share === null ? [] : [{ index: holder.index, share }]));
  return deriveSlotKey({
    curve,
    context: { chainId: network.anchor.chainId, suite: ledgerRecord.suite },
    recordId: ledgerRecord.id,
    patientKey: held.patientKey,
    label,
    secret: combineShares({ curve, blinding: held.blinding, shares }),
  });
}

function blame(
  input: ReEncryptionInput,
  received: readonly ReceivedShare[],
): readonly ReceivedShare[] {
  const { network } = input;
  const { curve } = network.platform;
  const claims = received.flatMap((each): readonly ShareClaim[] => {
    const claim = claimOf(input, each);
    return claim === null ? [] : [claim];
  });
  const bad = findBadShares(curve, grantContext(network.anchor.chainId), claims);
  return received.filter(({ holder }) => bad.includes(holder.index));
}

function claimOf(input: ReEncryptionInput, received: ReceivedShare): ShareClaim | null {
  const { network, held, ledgerRecord, labelIndex, number } = input;
  const { curve } = network.platform;
  const point = held.body.points[labelIndex];
  const { share, holder } = received;
  if (point === undefined || share === null) return null;
  return {
    access: { grantId: held.body.grantId, number, recordId: ledgerRecord.id },
    index: holder.index,
    point,
    verificationKey: verificationKeyOf(input, holder.index),
    capsule: curve.parseG1(ledgerRecord.c),
    share,
  };
}

function verificationKeyOf({ network, held }: ReEncryptionInput, index: number): G1 {
  return evaluateCommitments(network.platform.curve, held.body.commitments, index);
}

/** Q of the label asked for. */
function encodedPoint({ network, held, labelIndex }: ReEncryptionInput): Bytes {
  const point = held.body.points[labelIndex];
  if (point === undefined) throw new ClientError('noLabel', 'the grant has no such label');
  return network.platform.curve.encodeG2(point);
}

function evidenceOf(input: ReEncryptionInput, received: ReceivedShare): ShareEvidence {
  const { network, grant, ledgerRecord, number } = input;
  return {
    chainId: network.anchor.chainId,
    grantId: grant.id,
    number,
    recordId: ledgerRecord.id,
    index: received.holder.index,
    node: received.holder.node,
    nodeKey: received.nodeKey,
    point: encodedPoint(input),
    capsule: ledgerRecord.c,
    commitments: grant.commitments,
    share: received.answer.share,
    signature: received.answer.signature,
  };
}

function whyTooFew(
  refusals: readonly string[],
  received: number,
  threshold: number,
): { readonly code: 'notEnoughShares'; readonly text: string } {
  const reasons = [...new Set(refusals)].join('; ');
  return {
    code: 'notEnoughShares',
    text: `${received} of ${threshold} needed nodes gave an honest share (${reasons})`,
  };
}

/** Whether a member id is among the holders. */
export function isHolder(grant: Grant, node: Bytes): boolean {
  return grant.holders.some((holder) => equalBytes(holder.node, node));
}
