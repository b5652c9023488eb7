/**
 * A member that lies: it runs the honest core, and what leaves its machine is bent on the way out, signed
 * anew with its own key where a signature covers the change. What it can not sign is what other members
 * said; that it repeats, hides and mixes. Some lies go to one half of the others only.
 */
import { headerId, proposalBody } from '@yilian/consensus/header';
import { decodeMessage, encodeMessage } from '@yilian/consensus/pbft/message-codec';
import type { Message, PrePrepare, ViewChange } from '@yilian/consensus/pbft/messages';
import { type SignedContent, signedBody } from '@yilian/consensus/pbft/signed-body';
import { transactionsRoot } from '@yilian/consensus/transactions-root';
import { nativeSha256, type SimulatedKey } from './keys.ts';
import type { Interceptor } from './network.ts';
import type { Random } from './random.ts';
import { TOY } from './toy-application.ts';

const REMEMBERED_MAX = 200;
const TIME_MAX_NS = (1n << 64n) - 1n;

export function createLiar(input: {
  readonly index: number;
  readonly pair: SimulatedKey;
  readonly chainId: string;
  readonly random: Random;
  /** How often a message is bent. */
  readonly rate: number;
  readonly onLie: (what: string) => void;
}): Interceptor {
  const { index, pair, chainId, random, onLie } = input;
  const said: Uint8Array[] = [];

  const resign = <M extends SignedContent & { readonly signature: Uint8Array }>(message: M): M => ({
    ...message,
    signature: pair.sign(signedBody(chainId, message)),
  });
  /** Another block of the liar's making in place of its own. */
  const otherBlock = (message: PrePrepare): PrePrepare => {
    const transactions = [Uint8Array.of(TOY.put, 254, ...random.bytes(8))];
    const header = {
      ...message.block.header,
      count: 1,
      size: 10,
      transactionsRoot: transactionsRoot(transactions.map(nativeSha256), nativeSha256),
    };
    const blockId = headerId(header);
    const signature = pair.sign(proposalBody(chainId, blockId));
    return resign({
      ...message,
      blockId,
      block: { ...message.block, header, transactions, signature },
    });
  };
  const otherBody = (message: ViewChange): ViewChange =>
    message.block === null
      ? message
      : { ...message, block: { ...message.block, transactions: [random.bytes(9)] } };

  const bend = (message: Message): readonly Message[] => {
    const farView = random.pick([0, 1, 2, 3, 40, Number.MAX_SAFE_INTEGER]);
    const anyId = random.bytes(32);
    switch (message.kind) {
      case 'prePrepare':
        return random.pick([
          () => [otherBlock(message), message],
          () => [otherBlock(message)],
          () => [],
          () => [resign({ ...message, view: message.view + 1 })],
          () => [{ ...message, block: { ...message.block, transactions: [anyId] } }],
        ])();
      case 'prepare':
        return random.pick([
          () => [],
          () => [resign({ ...message, blockId: anyId }), message],
          () => [resign({ ...message, view: farView })],
        ])();
      case 'commit':
        return random.pick([
          () => [],
          () => [resign({ ...message, blockId: anyId }), message],
          () => [resign({ ...message, view: farView })],
          () => [resign({ ...message, timeNs: random.pick([0n, TIME_MAX_NS]) })],
        ])();
      case 'viewChange':
        return random.pick([
          () => [],
          () => [otherBody(message)],
          () => [resign({ ...message, prepared: null, block: null })],
          () => [resign({ ...message, view: Math.max(1, farView) })],
          () => [resign({ ...message, parentCertificate: null })],
        ])();
      case 'newView': {
        const fewer = message.viewChanges.slice(0, -1);
        const twice = message.viewChanges.flatMap((each) => [each, each]);
        return random.pick([
          () => [],
          () => [resign({ ...message, viewChanges: fewer })],
          () => [resign({ ...message, viewChanges: twice })],
          () => [resign({ ...message, viewChanges: message.viewChanges.toReversed() })],
          () => [resign({ ...message, view: message.view + 1 })],
        ])();
      }
      case 'checkpoint':
        return [resign({ ...message, appHash: anyId })];
      case 'status':
        return [{ ...message, height: random.pick([0n, 1n, message.height + 5n, TIME_MAX_NS]) }];
      case 'blocks':
        return random.pick([
          () => [{ ...message, blocks: [] }],
          () => [{ ...message, blocks: message.blocks.toReversed() }],
          () => [
            {
              ...message,
              blocks: message.blocks.map(({ block, certificate }) => ({
                block: { ...block, transactions: [anyId] },
                certificate,
              })),
            },
          ],
          () => [
            {
              ...message,
              blocks: message.blocks.map(({ block, certificate }) => ({
                block,
                certificate: { ...certificate, view: certificate.view + 1 },
              })),
            },
          ],
        ])();
      case 'request':
      case 'fetchBlocks':
        return [];
    }
    return [message];
  };

  return ({ from, bytes }) => {
    if (from !== index) return [bytes];
    if (said.length < REMEMBERED_MAX) said.push(bytes);
    else said[random.between(0, REMEMBERED_MAX - 1)] = bytes;
    if (!random.chance(input.rate)) return [bytes];
    if (random.chance(0.2)) {
      onLie('lie: old words again');
      return [random.pick(said), bytes];
    }
    const message = decodeMessage(bytes);
    onLie(`lie: ${message.kind}`);
    return bend(message).map(encodeMessage);
  };
}
