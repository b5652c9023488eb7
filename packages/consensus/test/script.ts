/**
 * A stage for scripted tests: replicas whose messages wait until the script delivers them, whose timers
 * fire when the script says so, and whose disks remember exactly what was flushed. Bytes only between them.
 */
import { createHash } from 'node:crypto';
import type { Block as ApplicationBlock, Genesis, ValidatorUpdate } from '../src/application.ts';
import type { CertifiedBlock } from '../src/block.ts';
import { type ChainTip, decodeChainTip, encodeChainTip } from '../src/chain-tip.ts';
import { genesisTip } from '../src/genesis.ts';
import { createReplica } from '../src/pbft/create-replica.ts';
import type { Effect } from '../src/pbft/effect.ts';
import type { Event, TimerName } from '../src/pbft/input.ts';
import {
  decodeMessage,
  decodeWalRecord,
  encodeMessage,
  encodeWalRecord,
} from '../src/pbft/message-codec.ts';
import type { Message } from '../src/pbft/messages.ts';
import type { Settings } from '../src/pbft/settings.ts';
import { type SignedContent, signedBody } from '../src/pbft/signed-body.ts';
import { primaryOf, type ReplicaState } from '../src/pbft/state.ts';
import { step } from '../src/pbft/step.ts';
import type { SignatureVerifier, Signer } from '../src/signature.ts';
import { publicKey, sign, verifySignature } from '@yilian/crypto/signature';
import { compareBytes, concatBytes, equalBytes, toHex, u64be, utf8 } from '@yilian/crypto/bytes';

export const hash = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(createHash('sha256').update(bytes).digest());

/** Signatures of the stage: keyed hashes that only their owner can make. */
export interface Keys {
  readonly keys: readonly Uint8Array[];
  readonly signers: readonly Signer[];
  readonly verifySignature: SignatureVerifier;
}

function seal(secret: Uint8Array, message: Uint8Array): Uint8Array {
  const half = hash(concatBytes(secret, message));
  return concatBytes(half, half);
}

function createKeys(count: number): Keys {
  const secrets = new Map<string, Uint8Array>();
  const pairs = Array.from({ length: count }, (_, index) => {
    const secret = hash(utf8(`secret ${index}`));
    const key = hash(secret);
    secrets.set(toHex(key), secret);
    return { key, secret };
  }).sort((a, b) => compareBytes(a.key, b.key)); // so that replica i has position i in the set
  return {
    keys: pairs.map(({ key }) => key),
    signers: pairs.map(
      ({ secret }) =>
        (message) =>
          seal(secret, message),
    ),
    verifySignature: ({ publicKey, message, signature }) => {
      const secret = secrets.get(toHex(publicKey));
      return secret !== undefined && equalBytes(seal(secret, message), signature);
    },
  };
}

/** Ed25519 under the one rule of the project, for the scripts that are about it. */
export function createEd25519Keys(count: number): Keys {
  const pairs = Array.from({ length: count }, (_, index) => {
    const seed = hash(utf8(`seed ${index}`));
    return { seed, key: publicKey(seed) };
  }).sort((a, b) => compareBytes(a.key, b.key));
  return {
    keys: pairs.map(({ key }) => key),
    signers: pairs.map(
      ({ seed }) =>
        (message) =>
          sign(seed, message),
    ),
    verifySignature,
  };
}

export interface Packet {
  readonly from: number;
  readonly to: number;
  readonly message: Message;
}

export interface Actor {
  state: ReplicaState;
  tip: ChainTip;
  /** What the disk holds. */
  wal: Uint8Array[];
  readonly blocks: CertifiedBlock[];
  /** Everything ever sent, once for each receiver. */
  readonly sent: Packet[];
  readonly effects: Effect[];
  readonly timers: Map<TimerName, { readonly token: number; readonly afterMs: number }>;
  /** Answer of `processProposal`. */
  accepts: (block: ApplicationBlock) => boolean;
  /** What execution asks for at a height. */
  updates: (height: bigint) => readonly ValidatorUpdate[];
  /** App hash that execution claims; a diverging replica gives another. */
  appHash: (block: ApplicationBlock, before: Uint8Array) => Uint8Array;
}

export interface Script {
  readonly actors: readonly Actor[];
  readonly keys: Keys;
  readonly genesis: Genesis;
  nowNs: bigint;
  /** Packets on their way. */
  readonly wire: Packet[];
  readonly feed: (index: number, event: Event) => void;
  readonly inject: (to: number, from: number, message: Message) => void;
  /** Delivers what is on the wire, and what follows from it, except what `keep` refuses. */
  readonly deliver: (keep?: (packet: Packet) => boolean) => void;
  readonly expire: (index: number, timer: TimerName) => void;
  readonly submit: (index: number, transaction: Uint8Array) => void;
  readonly restart: (index: number) => void;
  readonly sign: (index: number, content: SignedContent) => Uint8Array;
  readonly primary: (view?: number) => number;
}

const CHAIN = 'stage';

export function createScript(options: {
  readonly validators: number;
  readonly leaders?: number;
  readonly settings?: Partial<Settings>;
  /** Actors beyond the validators. */
  readonly extra?: number;
  readonly createKeys?: (count: number) => Keys;
}): Script {
  const total = options.validators + (options.extra ?? 0);
  const keys = (options.createKeys ?? createKeys)(total);
  const leaders = options.leaders ?? options.validators;
  const startNs = 1_700_000_000_000_000_000n;
  const genesis: Genesis = {
    chainId: CHAIN,
    timeNs: startNs,
    validators: keys.keys
      .slice(0, options.validators)
      .map((key, index) => ({ key, power: 1n, leads: index < leaders })),
    appState: new Uint8Array(),
  };
  const wire: Packet[] = [];
  const actors: Actor[] = [];
  const queues: Effect[][] = [];

  const post = (from: number, to: number, message: Message): void => {
    const packet = { from, to, message: decodeMessage(encodeMessage(message)) };
    actors[from]?.sent.push(packet);
    wire.push(packet);
  };
  const perform = (index: number, effect: Effect): void => {
    const actor = actors[index];
    if (actor === undefined) return;
    actor.effects.push(effect);
    switch (effect.kind) {
      case 'send':
        return post(
          index,
          keys.keys.findIndex((key) => equalBytes(key, effect.to)),
          effect.message,
        );
      case 'broadcast':
        for (let to = 0; to < total; to++) if (to !== index) post(index, to, effect.message);
        return;
      case 'persist':
        actor.wal.push(...effect.records.map(encodeWalRecord));
        return;
      case 'setTimer':
        actor.timers.set(effect.timer, { token: effect.token, afterMs: effect.afterMs });
        return;
      case 'cancelTimer':
        actor.timers.delete(effect.timer);
        return;
      case 'admitRequests':
        return script.feed(index, {
          kind: 'requestsAdmitted',
          transactions: effect.transactions,
          origin: 'peer',
        });
      case 'prepareProposal':
        return script.feed(index, {
          kind: 'proposalPrepared',
          height: effect.height,
          view: effect.view,
          transactions: effect.block.txs,
        });
      case 'validateProposal':
        return script.feed(index, {
          kind: 'proposalValidated',
          height: effect.height,
          blockId: effect.blockId,
          accepted: actor.accepts(effect.block),
        });
      case 'executeBlock':
        return script.feed(index, {
          kind: 'blockExecuted',
          height: effect.height,
          appHash: actor.appHash(effect.block, actor.tip.appHash),
          validatorUpdates: actor.updates(effect.height),
        });
      case 'commitBlock':
        actor.tip = decodeChainTip(encodeChainTip(effect.tip));
        actor.blocks.push(effect.decided);
        return;
      case 'sendBlocks':
        return post(
          index,
          keys.keys.findIndex((key) => equalBytes(key, effect.to)),
          {
            kind: 'blocks',
            blocks: actor.blocks.slice(Number(effect.fromHeight) - 1),
          },
        );
      case 'reply':
      case 'checkpointStable':
      case 'refuseRequest':
      case 'recheckRequests':
      case 'blame':
      case 'reportEquivocation':
      case 'halt':
        return;
    }
  };
  /** In order, one after the other, whatever new inputs come of it. */
  const carryOut = (index: number, effects: readonly Effect[]): void => {
    const queue = (queues[index] ??= []);
    queue.push(...effects);
    if (queue.length > effects.length) return;
    for (let effect = queue[0]; effect !== undefined; effect = queue[0]) {
      perform(index, effect);
      queue.shift();
    }
  };
  const create = (
    index: number,
    tip: ChainTip,
    wal: readonly Uint8Array[],
  ): ReturnType<typeof createReplica> => {
    const key = keys.keys[index];
    const sign = keys.signers[index];
    if (key === undefined || sign === undefined) throw new Error('no such actor');
    return createReplica({
      chainId: CHAIN,
      key,
      sign,
      verifySignature: keys.verifySignature,
      hash,
      settings: { blockIntervalMs: 100, ...options.settings },
      tip,
      wal: wal.map(decodeWalRecord),
      nowNs: script.nowNs,
    });
  };
  const script: Script = {
    actors,
    keys,
    genesis,
    nowNs: startNs,
    wire,
    feed: (index, event) => {
      const actor = actors[index];
      if (actor === undefined) return;
      carryOut(index, step(actor.state, { ...event, nowNs: script.nowNs }).effects);
    },
    inject: (to, from, message) => {
      const key = keys.keys[from];
      if (key === undefined) throw new Error('no such actor');
      script.feed(to, {
        kind: 'messageReceived',
        from: key,
        message: decodeMessage(encodeMessage(message)),
      });
    },
    deliver: (keep = () => true) => {
      for (let count = 0; count < 20_000; count++) {
        const packet = wire.shift();
        if (packet === undefined) return;
        if (!keep(packet)) continue;
        script.inject(packet.to, packet.from, packet.message);
      }
      throw new Error('the script never falls silent');
    },
    expire: (index, timer) => {
      const armed = actors[index]?.timers.get(timer);
      if (armed === undefined) throw new Error(`timer ${timer} of ${index} is not armed`);
      actors[index]?.timers.delete(timer);
      script.nowNs += BigInt(armed.afterMs) * 1_000_000n;
      script.feed(index, { kind: 'timerExpired', timer, token: armed.token });
    },
    submit: (index, transaction) =>
      script.feed(index, {
        kind: 'requestsAdmitted',
        transactions: [transaction],
        origin: 'client',
      }),
    restart: (index) => {
      const actor = actors[index];
      if (actor === undefined) return;
      actor.timers.clear();
      const { state, effects } = create(index, actor.tip, actor.wal);
      actor.state = state;
      carryOut(index, effects);
    },
    sign: (index, content) => {
      const sign = keys.signers[index];
      if (sign === undefined) throw new Error('no such actor');
      return sign(signedBody(CHAIN, content));
    },
    primary: (view) => {
      const state = actors[0]?.state;
      return state === undefined ? -1 : primaryOf(state, view ?? state.view);
    },
  };
  const tip = genesisTip(genesis, { appHash: hash(utf8('empty')), validators: genesis.validators });
  for (let index = 0; index < total; index++) {
    const { state, effects } = create(index, tip, []);
    actors.push({
      state,
      tip,
      wal: [],
      blocks: [],
      sent: [],
      effects: [],
      timers: new Map(),
      accepts: () => true,
      updates: () => [],
      appHash: (block, before) =>
        block.txs.reduce((sum, tx) => hash(concatBytes(sum, u64be(block.height), tx)), before),
    });
    carryOut(index, effects);
  }
  wire.length = 0;
  return script;
}

/** A transaction with a number in it. */
export const transaction = (number: number): Uint8Array => utf8(`transaction ${number}`);

/** Makes the primary of view 0 propose: a request arrives and its time runs out. */
export function propose(script: Script, number = 1): void {
  const primary = script.primary(0);
  script.submit(primary, transaction(number));
  script.expire(primary, 'propose');
}

export function actorAt(script: Script, index: number): Actor {
  const actor = script.actors[index];
  if (actor === undefined) throw new Error('no such actor');
  return actor;
}

/** Messages of one kind that an actor has sent, each once. */
export function sentBy<K extends Message['kind']>(
  script: Script,
  index: number,
  kind: K,
): readonly Extract<Message, { kind: K }>[] {
  const seen = new Map<string, Extract<Message, { kind: K }>>();
  for (const { message } of actorAt(script, index).sent)
    if (message.kind === kind)
      seen.set(toHex(encodeMessage(message)), message as Extract<Message, { kind: K }>);
  return [...seen.values()];
}

export function effectsOf<K extends Effect['kind']>(
  script: Script,
  index: number,
  kind: K,
): readonly Extract<Effect, { kind: K }>[] {
  return actorAt(script, index).effects.filter(
    (effect): effect is Extract<Effect, { kind: K }> => effect.kind === kind,
  );
}
