/**
 * The node's HPKE keys for sealed shares: a fresh one on chain each day, its private part erased two
 * days later, so that a blob captured at a relay opens for nobody afterwards (F15). A blob that was
 * not opened by then is void, and the client is told (R9).
 */
import { type Bytes, type RandomBytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { type HpkeKeyPair, deriveHpkeKeyPair, openWith } from '@yilian/crypto/hpke';
import type { Signer } from '@yilian/ledger/transaction-codec';
import { type Clock, dayOf } from '../clock.ts';
import type { ChainView } from './chain-view.ts';
import type { SecretSlots } from './secret-slots.ts';
import type { Shelf } from './service-store.ts';
import type { TransactionSender } from './transaction-sender.ts';

/** A key made on day d is erased when day d + 2 begins. */
const KEY_LIFE_DAYS = 2;
const NO_AAD: Bytes = new Uint8Array(0);

export interface NodeKeysService {
  /**
   * Publishes today's key if there is none, erases old ones. Called at start and after each block;
   * cheap when nothing is due.
   */
  tend(): Promise<void>;
  /** The plaintext of a blob sealed to one of the keys still held, or null. */
  openBlob(info: Bytes, sealed: Bytes): Promise<Bytes | null>;
  /** Public keys whose private parts this node holds. */
  heldKeys(): readonly Bytes[];
}

export interface NodeKeysOptions {
  readonly chain: ChainView;
  readonly clock: Clock;
  readonly slots: SecretSlots;
  /** Public key → day. */
  readonly shelf: Shelf;
  readonly sender: TransactionSender;
  /** The node's member id and signing key. */
  readonly node: Bytes;
  readonly signer: Signer;
  readonly randomBytes: RandomBytes;
}

/** Loads the keys still held. */
export async function createNodeKeys(options: NodeKeysOptions): Promise<NodeKeysService> {
  const { chain, clock, slots, shelf, sender, node, signer, randomBytes } = options;
  const held = new Map<string, { readonly pair: HpkeKeyPair; readonly day: number }>();
  for (const { key, value } of shelf.list()) {
    const day = decode(value);
    const seed = slots.get(key);
    if (typeof day !== 'number' || seed === undefined) {
      await shelf.delete(key);
      continue;
    }
    held.set(toHex(key), { pair: await deriveHpkeKeyPair(seed), day });
    seed.fill(0);
  }

  let tending = false;

  const eraseOld = async (today: number): Promise<void> => {
    for (const [name, { pair, day }] of held) {
      if (day + KEY_LIFE_DAYS > today) continue;
      held.delete(name);
      pair.privateKey.fill(0);
      await slots.erase(pair.publicKey);
      await shelf.delete(pair.publicKey);
    }
  };

  const publish = async (day: number): Promise<void> => {
    const seed = randomBytes(32);
    const pair = await deriveHpkeKeyPair(seed);
    // Durable before it is published: a key on chain that nobody can use would void every share.
    await slots.put(pair.publicKey, seed);
    seed.fill(0);
    await shelf.put(pair.publicKey, encode(day));
    held.set(toHex(pair.publicKey), { pair, day });
    const body = { type: 'publishNodeKey', hpkeKey: pair.publicKey, day } as const;
    const { id, rejection } = await sender.send(sender.draft(body, signer.key), [signer], 'self');
    const outcome = rejection ?? (await sender.outcome(id, 30_000));
    const onChain = chain.nodeKeys(node).some((each) => equalBytes(each.hpkeKey, pair.publicKey));
    if (outcome === 'timeout' || onChain) return;
    held.delete(toHex(pair.publicKey));
    await slots.erase(pair.publicKey);
    await shelf.delete(pair.publicKey);
  };

  return {
    tend: async () => {
      if (tending) return;
      tending = true;
      try {
        const today = dayOf(clock.nowMs());
        await eraseOld(today);
        const [latest] = chain.nodeKeys(node);
        const usable =
          latest !== undefined && latest.day >= today && held.has(toHex(latest.hpkeKey));
        if (usable || chain.member(node) === undefined) return;
        const awaited = [...held.values()].some(
          ({ day, pair }) =>
            day >= today && (latest === undefined || day > latest.day) && pair !== undefined,
        );
        if (awaited && chain.tip().height % 64 !== 0) return;
        const day = Math.max(today, (latest?.day ?? 0) + 1);
        if (day <= today + 1) await publish(day);
      } finally {
        tending = false;
      }
    },
    openBlob: async (info, sealed) => {
      for (const { pair } of held.values()) {
        const opened = await openWith(pair.privateKey, { info, aad: NO_AAD, sealed });
        if (opened !== null) return opened;
      }
      return null;
    },
    heldKeys: () => [...held.values()].map(({ pair }) => pair.publicKey),
  };
}
