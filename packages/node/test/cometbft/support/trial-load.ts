/**
 * Clients of a network under attack, as careful as real ones: each transaction is offered again, to any node,
 * until somebody says that it is final.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseMessage } from '@yilian/api/codec';
import { submitted } from '@yilian/api/messages-chain';
import { type Bytes, fromHex, toHex } from '@yilian/crypto/bytes';
import { publicKey, sign } from '@yilian/crypto/signature';
import { toPatientCommitment } from '@yilian/ledger/ids';
import {
  encodeTransaction,
  signTransaction,
  transactionId,
} from '@yilian/ledger/transaction-codec';
import type { TrialNetwork, TrialNode } from './trial-network.ts';

const ANSWER_MS_MAX = 15_000;
const PAUSE_MS = 100;
const EXPIRY_HEIGHTS = 4_000;

export interface Offered {
  readonly tx: Bytes;
  readonly id: string;
}

/** One that somebody was told is final. */
export interface Acknowledged {
  readonly tx: string;
  /** Null: by a receipt, after an answer that was lost. */
  readonly height: number | null;
}

export interface Load {
  readonly acknowledged: readonly Acknowledged[];
  /** What was offered at more than one node, or more than once. */
  offeredAgain(): number;
  /** Ends when every client has heard of its last transaction, or `ms` are over. */
  stop(ms?: number): Promise<void>;
}

/** The regulator admits one more patient: valid on every chain, never twice the same. */
export function enrolment(regulatorSeed: Bytes, expiryHeight: number): Offered {
  const commitment = toPatientCommitment(new Uint8Array(randomBytes(32)));
  const sender = {
    key: publicKey(regulatorSeed),
    sign: (message: Bytes): Bytes => sign(regulatorSeed, message),
  };
  const unsigned = {
    chainId: 'trial',
    body: { type: 'enrolMember', kind: 'patient', commitment } as const,
    sender: sender.key,
    nonce: new Uint8Array(randomBytes(16)),
    expiryHeight,
  };
  return {
    tx: encodeTransaction(signTransaction(unsigned, [sender])),
    id: toHex(transactionId(unsigned)),
  };
}

export function regulatorSeedOf({ regulator }: TrialNetwork): Bytes {
  const keys = JSON.parse(readFileSync(join(regulator.home, 'keys.json'), 'utf8')) as {
    readonly regulator: string;
  };
  return fromHex(keys.regulator);
}

async function hasReceipt(node: TrialNode, id: string): Promise<boolean> {
  const response = await fetch(`${node.url}/v1/transactions/${id}/receipt`, {
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  await response.arrayBuffer();
  return response.ok;
}

/** Undefined when this node does not say that it is final, and accepted. */
export async function offer(
  node: TrialNode,
  { tx, id }: Offered,
): Promise<Acknowledged | undefined> {
  try {
    const response = await fetch(`${node.url}/v1/transactions?wait=final`, {
      method: 'POST',
      headers: { 'content-type': 'application/cbor' },
      body: Buffer.from(tx),
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    const body = new Uint8Array(await response.arrayBuffer());
    if (response.status === 409)
      return (await hasReceipt(node, id)) ? { tx: toHex(tx), height: null } : undefined;
    if (!response.ok) return undefined;
    const parsed = parseMessage(submitted, body, 1 << 16);
    if (!parsed.ok || parsed.value.kind !== 'final') return undefined;
    const { outcome, height } = parsed.value;
    return outcome === 'ok' ? { tx: toHex(tx), height: Number(height) } : undefined;
  } catch {
    return undefined;
  }
}

export function startLoad(network: TrialNetwork, clients = 4): Load {
  const seed = regulatorSeedOf(network);
  const acknowledged: Acknowledged[] = [];
  const stopping = new AbortController();
  const over = new AbortController();
  let offeredAgain = 0;
  const client = async (first: number): Promise<void> => {
    for (let turn = first; !stopping.signal.aborted; turn += 1) {
      const height = Math.max(...(await Promise.all(network.hospitals.map((n) => n.height()))));
      const offered = enrolment(seed, height + EXPIRY_HEIGHTS);
      for (let tries = 0; !over.signal.aborted; tries += 1) {
        const node = network.hospitals[(turn + tries) % network.hospitals.length];
        if (node === undefined || !node.isRunning) {
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
          continue;
        }
        if (tries > 0) offeredAgain += 1;
        const told = await offer(node, offered);
        if (told !== undefined) {
          acknowledged.push(told);
          break;
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  };
  const work = Promise.all(Array.from({ length: clients }, (_, at) => client(at)));
  return {
    acknowledged,
    offeredAgain: () => offeredAgain,
    stop: async (ms = 60_000) => {
      stopping.abort();
      const timer = setTimeout(() => over.abort(), ms);
      await work;
      clearTimeout(timer);
    },
  };
}
