/** One real node (a consortium of one) behind its HTTP face, called by fastify's inject. */
import { randomBytes as nodeRandomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type Route, buildTarget } from '@yilian/api/route';
import { SIGNED_REQUEST_HEADER, signRequest, toRequestHeader } from '@yilian/api/signed-request';
import type { Bytes } from '@yilian/crypto/bytes';
import { deriveHpkeKeyPair } from '@yilian/crypto/hpke';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { MemberDescription, Role } from '@yilian/ledger/contracts/members/member';
import { encodeGenesis } from '@yilian/ledger/genesis';
import { deriveMemberId } from '@yilian/ledger/ids';
import type { Signer } from '@yilian/ledger/transaction-codec';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { type NodeSettings, nodeSettings } from '../../src/config.ts';
import { createLogger } from '../../src/logging.ts';
import { type NodeOptions, type YilianNode, createNode } from '../../src/node.ts';
import type { S3Settings } from '../../src/stores/s3-settings.ts';
import { createMemoryNetwork } from '../../src/peers/memory-peers.ts';

export const CHAIN_ID = 'http-test';
export const ORIGIN = 'http://localhost:8080';

export function randomBytes(length: number): Bytes {
  return new Uint8Array(nodeRandomBytes(length));
}

export interface Keys extends Signer {
  readonly seed: Bytes;
}

export function makeKeys(): Keys {
  const seed = randomBytes(32);
  return { seed, key: publicKey(seed), sign: (message) => sign(seed, message) };
}

export interface TestNode {
  /** The node that runs now. */
  readonly node: YilianNode;
  /** Stops it and starts it again on the same disk. */
  restart(): Promise<void>;
  readonly id: Bytes;
  readonly doctor: Keys;
  readonly hospital: Keys;
  readonly clock: { offsetMs: number };
  readonly directory: string;
  /** Everything the node logged. */
  readonly log: () => string;
  inject(options: InjectOptions): Promise<LightMyRequestResponse>;
  /** The signed bytes of a call, as body or header. */
  signed(
    route: AnySignedRoute,
    params: object,
    body: Bytes,
    signer: Signer,
    change?: Partial<ClaimChange>,
  ): { readonly url: string; readonly bytes: Bytes };
  stop(): Promise<void>;
}

type AnySignedRoute = Pick<Route<never, object, never, never>, 'path' | 'method'> & {
  readonly params: object;
  readonly query: object;
};

interface ClaimChange {
  readonly receiver: Bytes;
  readonly target: string;
  readonly timeSeconds: number;
  readonly nonce: Bytes;
  readonly chainId: string;
}

export async function startNode(
  settings: Partial<NodeSettings> = {},
  s3: S3Settings | null = null,
): Promise<TestNode> {
  const directory = mkdtempSync(join(tmpdir(), 'yilian-http-'));
  const [consensus, nodeKeys, store, hospital, regulator, doctor] = [
    makeKeys(),
    makeKeys(),
    makeKeys(),
    makeKeys(),
    makeKeys(),
    makeKeys(),
  ];
  const nodeHpke = randomBytes(32);
  const member = (
    keys: Keys,
    role: Role,
    hpkeKey: Bytes = new Uint8Array(32),
  ): MemberDescription => ({
    key: keys.key,
    role,
    institution: role === 'regulator' ? 'regulator' : 'h-1',
    operator: role === 'regulator' ? 'regulator' : 'h-1',
    hpkeKey,
    certificateHash: new Uint8Array(32),
  });
  const clock = { offsetMs: 0 };
  const lines: string[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(chunk.toString('utf8'));
      done();
    },
  });
  const { publicKey: hpkeKey } = await deriveHpkeKeyPair(nodeHpke);
  const options: NodeOptions = {
    name: 'test',
    institution: 'h-1',
    operator: 'h-1',
    directory,
    genesis: {
      chainId: CHAIN_ID,
      timeNs: BigInt(Date.now()) * 1_000_000n,
      validators: [{ key: consensus.key, power: 1n, leads: true }],
      appState: encodeGenesis({
        chainId: CHAIN_ID,
        members: [
          member(regulator, 'regulator'),
          member(nodeKeys, 'node', hpkeKey),
          member(store, 'store'),
          member(hospital, 'hospital'),
          member(doctor, 'doctor'),
        ],
        validators: [{ consensusKey: consensus.key, institution: 'h-1', operator: 'h-1' }],
        settings: { faultsMax: 0 },
      }),
    },
    seeds: {
      engine: null,
      consensus: consensus.seed,
      node: nodeKeys.seed,
      nodeHpke,
      store: store.seed,
      hospital: hospital.seed,
      regulator: regulator.seed,
    },
    settings: nodeSettings({
      blockIntervalMs: 20,
      heartbeatMs: 2_000,
      verificationWorkers: 0,
      searchWorkers: 0,
      objectBytesMax: 1_000_000,
      addressPerSecond: 100_000,
      signerPerSecond: 100_000,
      ...settings,
    }),
    origins: [ORIGIN],
    s3,
  };
  const start = async (): Promise<YilianNode> => {
    const started = await createNode(options, {
      peers: createMemoryNetwork().join(consensus.key),
      logger: createLogger({ level: 'debug', node: 'test' }, sink),
      clock: { nowMs: () => Date.now() + clock.offsetMs },
    });
    await started.http.app.ready();
    return started;
  };
  let node = await start();
  const id = deriveMemberId({ chainId: CHAIN_ID }, nodeKeys.key);
  return {
    get node() {
      return node;
    },
    restart: async () => {
      await node.stop();
      node = await start();
    },
    id,
    doctor,
    hospital,
    clock,
    directory,
    log: () => lines.join(''),
    inject: (call) => node.http.app.inject(call),
    signed: (route, params, body, signer, change = {}) => {
      const { path } = buildTarget(route as never, params as never);
      const bytes = signRequest(
        { chainId: change.chainId ?? CHAIN_ID },
        {
          receiver: change.receiver ?? id,
          target: change.target ?? `${route.method} ${path}`,
          timeSeconds: change.timeSeconds ?? Math.floor((Date.now() + clock.offsetMs) / 1000),
          nonce: change.nonce ?? randomBytes(16),
          body,
          key: signer.key,
          sign: (message) => signer.sign(message),
        },
      );
      return { url: path, bytes };
    },
    stop: async () => {
      await node.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export function post(
  url: string,
  body: Bytes,
  headers: Record<string, string> = {},
): InjectOptions {
  return {
    method: 'POST',
    url,
    headers: { 'content-type': 'application/cbor', ...headers },
    payload: Buffer.from(body),
  };
}

export function signedHeader(bytes: Bytes): Record<string, string> {
  return { [SIGNED_REQUEST_HEADER]: toRequestHeader(bytes) };
}

/** Waits until `holds` does, for at most ten seconds. */
export async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error('waited too long');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
