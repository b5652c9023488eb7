/**
 * A node's configuration: one JSON file for what may be read by others, one for the keys (mode 0600).
 * Seeds of people are in neither: people's keys are on people's devices.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Upgrade } from '@yilian/consensus/application-upgrades';
import type { Bytes } from '@yilian/crypto/bytes';
import { ConfigError, JsonFields } from './json-fields.ts';
import { type CopyPlace, parseCopyPlaces } from './stores/copy-source.ts';
import { type S3Settings, parseS3Settings } from './stores/s3-settings.ts';

export interface NodeSettings {
  readonly blockIntervalMs: number;
  readonly heartbeatMs: number;
  readonly viewTimeoutMs: number;
  readonly verificationWorkers: number;
  readonly searchWorkers: number;
  /** Search CPU of one institution, milliseconds a second. */
  readonly searchMsPerSecond: number;
  /** A snapshot every so many heights, where CometBFT orders; the same on all nodes. 0: none. */
  readonly snapshotEvery: number;
  /** Bodies of so many newest blocks are kept, where CometBFT orders; 0: of all (an archive). */
  readonly blocksKept: number;
  readonly objectBytesMax: number;
  /** With less room on its disk (MiB) a node beside CometBFT halts until there is more; 0: never. */
  readonly diskFreeMinMib: number;
  /** Cost units a second (routes say their cost), per address and per signer. */
  readonly addressPerSecond: number;
  readonly signerPerSecond: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
}

export interface NetworkAddress {
  readonly host: string;
  readonly port: number;
}

export interface NodeConfig {
  readonly name: string;
  readonly institution: string;
  readonly operator: string;
  readonly http: NetworkAddress;
  readonly peer: NetworkAddress;
  /** Everybody in the consortium's network, oneself included. */
  readonly peers: readonly (NetworkAddress & {
    /** Consensus key (of an observer: node key), hex. */
    readonly key: string;
  })[];
  /** Origins of pages that may call this node. */
  readonly origins: readonly string[];
  readonly settings: NodeSettings;
  /** Heights at which the application changes; the same on all nodes. */
  readonly upgrades?: readonly Upgrade[];
  /** Present where CometBFT orders; absent where the embedded engine does. */
  readonly cometbft: CometbftConfig | null;
}

/** How this node's CometBFT meets the others'. Everything between it and the node is private to the machine. */
export interface CometbftConfig {
  readonly listen: NetworkAddress;
  readonly peers: readonly (NetworkAddress & {
    /** 20 bytes, hex: see cometbft/engine-files.ts. */
    readonly id: string;
  })[];
  /** Where a node without blocks gets a snapshot; `yilian network join` writes it. Ignored once it has blocks. */
  readonly stateSync?: StateSyncConfig;
}

/** A header that was verified before, and who is asked for later ones: see CometBFT's state sync. */
export interface StateSyncConfig {
  /** At least two, of different operators: their relays, see http/engine-relay.ts. */
  readonly rpcServers: readonly string[];
  readonly trustHeight: bigint;
  /** Hexadecimal header hash of `trustHeight`. */
  readonly trustHash: string;
  readonly trustPeriodHours: number;
}

/** 32 bytes each. */
export interface NodeSeeds {
  /** Consensus key; of an observer the key it authenticates to peers with. */
  readonly consensus: Bytes;
  /** Operational key: shares, reports. */
  readonly node: Bytes;
  /** Seed of the node member's HPKE key. */
  readonly nodeHpke: Bytes;
  /** Attests storage. */
  readonly store: Bytes | null;
  /** The hospital's signing server. */
  readonly hospital: Bytes | null;
  readonly regulator: Bytes | null;
  /** Names the node on the network of its ordering engine, when that is CometBFT. */
  readonly engine: Bytes | null;
}

/** What `node-process` reads below a node's home directory. */
export interface NodeFiles {
  readonly config: NodeConfig;
  readonly seeds: NodeSeeds;
  /** Encoded genesis (genesis-document.ts). */
  readonly genesis: Bytes;
  /** Null: objects lie on the node's own disk. */
  readonly s3: S3Settings | null;
  /** Other operators' stores, to repair from. */
  readonly copies: readonly CopyPlace[];
}

const DEFAULT_SETTINGS: NodeSettings = {
  blockIntervalMs: 250,
  heartbeatMs: 10_000,
  viewTimeoutMs: 2_000,
  verificationWorkers: 1,
  searchWorkers: 1,
  searchMsPerSecond: 500,
  snapshotEvery: 10_000,
  blocksKept: 0,
  objectBytesMax: 4 * 1024 * 1024 * 1024,
  diskFreeMinMib: 64,
  addressPerSecond: 500,
  signerPerSecond: 200,
  logLevel: 'info',
};

/** Applies the defaults. */
export function nodeSettings(settings: Partial<NodeSettings> = {}): NodeSettings {
  return { ...DEFAULT_SETTINGS, ...settings };
}

const SHORT_NAME = /^[a-z0-9-]{1,64}$/;

function readAddress(fields: JsonFields): NetworkAddress {
  return { host: fields.text('host'), port: fields.whole('port', 0, 65_535) };
}

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

function readSettings(fields: JsonFields): NodeSettings {
  const given: Partial<Record<keyof NodeSettings, number>> = {};
  const bounds = {
    blockIntervalMs: [10, 3_600_000],
    heartbeatMs: [100, 3_600_000],
    viewTimeoutMs: [100, 3_600_000],
    verificationWorkers: [0, 64],
    searchWorkers: [0, 64],
    searchMsPerSecond: [1, 64_000],
    snapshotEvery: [0, 1_000_000_000],
    blocksKept: [0, Number.MAX_SAFE_INTEGER],
    objectBytesMax: [1024, Number.MAX_SAFE_INTEGER],
    diskFreeMinMib: [0, 1_000_000],
    addressPerSecond: [1, 1_000_000],
    signerPerSecond: [1, 1_000_000],
  } as const;
  for (const [name, [min, max]] of Object.entries(bounds))
    if (fields.has(name)) given[name as keyof typeof bounds] = fields.whole(name, min, max);
  const logLevel = fields.has('logLevel')
    ? (LEVELS.find((level) => level === fields.text('logLevel')) ?? DEFAULT_SETTINGS.logLevel)
    : DEFAULT_SETTINGS.logLevel;
  return { ...DEFAULT_SETTINGS, ...given, logLevel };
}

/** @throws ConfigError */
export function parsePeerList(file: string, value: unknown): NodeConfig['peers'] {
  return new JsonFields(file, { peers: value }).list('peers', (item, where) => {
    const peer = new JsonFields(where, item);
    return { key: peer.text('key', /^[0-9a-f]{64}$/), ...readAddress(peer) };
  });
}

/** @throws ConfigError */
export function parseNodeConfig(file: string, value: unknown): NodeConfig {
  const fields = new JsonFields(file, value);
  return {
    name: fields.text('name'),
    institution: fields.text('institution', SHORT_NAME),
    operator: fields.text('operator', SHORT_NAME),
    http: readAddress(fields.nested('http')),
    peer: readAddress(fields.nested('peer')),
    peers: parsePeerList(file, fields.raw('peers')),
    origins: fields.list('origins', (item, where) => {
      if (typeof item !== 'string') throw new ConfigError(`${where}: an origin is text`);
      return item;
    }),
    settings: readSettings(fields.nested('settings')),
    ...(fields.has('upgrades') ? { upgrades: readUpgrades(file, fields) } : {}),
    cometbft:
      fields.raw('cometbft') === undefined || fields.raw('cometbft') === null
        ? null
        : readCometbft(fields.nested('cometbft')),
  };
}

/** @throws ConfigError */
function readUpgrades(file: string, fields: JsonFields): readonly Upgrade[] {
  const upgrades = fields.list('upgrades', (item, where): Upgrade => {
    const upgrade = new JsonFields(where, item);
    const number = (name: string): bigint =>
      BigInt(upgrade.whole(name, 1, Number.MAX_SAFE_INTEGER));
    return { height: number('height'), version: number('version') };
  });
  for (const [at, { height, version }] of upgrades.entries()) {
    const before = upgrades[at - 1];
    if (before !== undefined && (height <= before.height || version <= before.version))
      throw new ConfigError(`${file}: upgrades: heights and versions must rise`);
  }
  return upgrades;
}

function readCometbft(fields: JsonFields): CometbftConfig {
  return {
    listen: readAddress(fields.nested('listen')),
    peers: fields.list('peers', (item, where) => {
      const peer = new JsonFields(where, item);
      return { id: peer.text('id', /^[0-9a-f]{40}$/), ...readAddress(peer) };
    }),
    ...(fields.has('stateSync') ? { stateSync: readStateSync(fields.nested('stateSync')) } : {}),
  };
}

function readStateSync(fields: JsonFields): StateSyncConfig {
  const rpcServers = fields.list('rpcServers', (item, where) => {
    if (typeof item !== 'string' || !/^https?:\/\/[^\s,"]{1,200}$/.test(item))
      throw new ConfigError(`${where}: expected the address of another node's relay`);
    return item;
  });
  if (rpcServers.length < 2)
    throw new ConfigError('config.json: stateSync: rpcServers: at least two');
  return {
    rpcServers,
    trustHeight: BigInt(fields.whole('trustHeight', 1, Number.MAX_SAFE_INTEGER)),
    trustHash: fields.text('trustHash', /^[0-9a-f]{64}$/),
    trustPeriodHours: fields.whole('trustPeriodHours', 1, 24 * 365),
  };
}

/** @throws ConfigError */
export function parseNodeSeeds(file: string, value: unknown): NodeSeeds {
  const fields = new JsonFields(file, value);
  return {
    consensus: fields.seed('consensus'),
    node: fields.seed('node'),
    nodeHpke: fields.seed('nodeHpke'),
    store: fields.optionalSeed('store'),
    hospital: fields.optionalSeed('hospital'),
    regulator: fields.optionalSeed('regulator'),
    engine: fields.has('engine') ? fields.optionalSeed('engine') : null,
  };
}

/** @throws ConfigError naming the file when one is missing or wrong */
export function readNodeFiles(
  home: string,
  environment: Readonly<Record<string, string | undefined>> = {},
): NodeFiles {
  const read = (name: string): Buffer => {
    try {
      return readFileSync(join(home, name));
    } catch (cause) {
      throw new ConfigError(`${join(home, name)} cannot be read`, { cause });
    }
  };
  const readJson = (name: string): unknown => {
    try {
      return JSON.parse(read(name).toString('utf8'));
    } catch (cause) {
      throw new ConfigError(`${join(home, name)} is no JSON`, { cause });
    }
  };
  const config = { file: 'config.json', value: readJson('config.json') };
  const keys = { file: 'keys.json', value: readJson('keys.json') };
  return {
    config: parseNodeConfig(config.file, config.value),
    seeds: parseNodeSeeds(keys.file, keys.value),
    genesis: new Uint8Array(read('genesis.cbor')),
    s3: parseS3Settings({ config, keys }, environment),
    copies: parseCopyPlaces(config.file, config.value),
  };
}
