/**
 * The files that a CometBFT v0.38 node reads below its home: keys, genesis, configuration. Contents
 * only; who writes them where is network/write-node.ts's business. Formats: CometBFT v0.38
 * `privval/file.go`, `p2p/key.go`, `types/genesis.go`, `config/toml.go`.
 */
import type { Genesis } from '@yilian/consensus/application';
import { type Bytes, concatBytes, toHex } from '@yilian/crypto/bytes';
import { publicKey } from '@yilian/crypto/signature';
import { encodeAppState } from '@yilian/consensus/abci/application-calls';
import { encodeGenesisDocument } from '@yilian/consensus/genesis';
import type { StateSyncConfig } from '../config.ts';
import { sha256 } from '../verification/sha256.ts';

const ADDRESS_BYTES = 20;

/** CometBFT names a validator, and a node on its network, by the first 20 bytes of SHA-256 of the key. */
export function engineAddress(key: Bytes): Bytes {
  return sha256(key).slice(0, ADDRESS_BYTES);
}

/** As `persistent_peers` and `status` write it. */
export function engineNodeId(nodeSeed: Bytes): string {
  return toHex(engineAddress(publicKey(nodeSeed)));
}

function base64(bytes: Bytes): string {
  return Buffer.from(bytes).toString('base64');
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function privateKey(seed: Bytes): { readonly type: string; readonly value: string } {
  return {
    type: 'tendermint/PrivKeyEd25519',
    value: base64(concatBytes(seed, publicKey(seed))),
  };
}

function publicKeyJson(key: Bytes): { readonly type: string; readonly value: string } {
  return { type: 'tendermint/PubKeyEd25519', value: base64(key) };
}

/** `config/priv_validator_key.json`. `seed`: of the consensus key, 32 bytes. */
export function validatorKeyFile(seed: Bytes): string {
  const key = publicKey(seed);
  return json({
    address: toHex(engineAddress(key)).toUpperCase(),
    pub_key: publicKeyJson(key),
    priv_key: privateKey(seed),
  });
}

/** Of CometBFT's steps of a round the last that is signed. */
const PRECOMMIT = 3;

/** `data/priv_validator_state.json` of a key that has signed nothing yet. Written once, never again. */
export function freshSignStateFile(): string {
  return json({ height: '0', round: 0, step: 0 });
}

/** Of a key that may have signed anything up to `height`: it signs nothing there and below any more. */
export function raisedSignStateFile(height: bigint): string {
  return json({ height: String(height + 1n), round: 0, step: PRECOMMIT });
}

/** `config/node_key.json`: who the engine is on its own network. */
export function nodeKeyFile(seed: Bytes): string {
  return json({ priv_key: privateKey(seed) });
}

/** RFC 3339 with nanoseconds, as Go reads it. */
export function toRfc3339(timeNs: bigint): string {
  const seconds = timeNs / 1_000_000_000n;
  const nanoseconds = String(timeNs % 1_000_000_000n).padStart(9, '0');
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${nanoseconds}Z`;
}

export interface EngineLimits {
  /** Bytes of a block's transactions, headers and evidence included. */
  readonly blockBytesMax: number;
}

export const DEFAULT_ENGINE_LIMITS: EngineLimits = { blockBytesMax: 4 * 1024 * 1024 };

/**
 * `config/genesis.json`. The application's document travels in `app_state`, so that InitChain can hold
 * it against the node's own copy.
 */
export function genesisFile(
  genesis: Genesis,
  limits: EngineLimits = DEFAULT_ENGINE_LIMITS,
): string {
  return json({
    genesis_time: toRfc3339(genesis.timeNs),
    chain_id: genesis.chainId,
    initial_height: '1',
    consensus_params: {
      block: { max_bytes: String(limits.blockBytesMax), max_gas: '-1' },
      evidence: {
        max_age_num_blocks: '100000',
        max_age_duration: '172800000000000',
        max_bytes: '1048576',
      },
      validator: { pub_key_types: ['ed25519'] },
      version: { app: '1' },
      abci: { vote_extensions_enable_height: '0' },
    },
    validators: genesis.validators.map(({ key, power }) => ({
      address: toHex(engineAddress(key)).toUpperCase(),
      pub_key: publicKeyJson(key),
      power: String(power),
      name: '',
    })),
    app_hash: '',
    app_state: JSON.parse(encodeAppState(encodeGenesisDocument(genesis))) as unknown,
  });
}

export interface EnginePeer {
  /** `engineNodeId`. */
  readonly id: string;
  readonly host: string;
  readonly port: number;
}

export interface EngineConfig {
  readonly name: string;
  /** `unix:///path` or `tcp://127.0.0.1:port`. */
  readonly applicationAddress: string;
  readonly rpcAddress: string;
  readonly p2p: { readonly host: string; readonly port: number };
  readonly peers: readonly EnginePeer[];
  /** What the whole network wants between two blocks under load. */
  readonly blockIntervalMs: number;
  /** An empty block after so long without transactions. */
  readonly heartbeatMs: number;
  readonly stateSync?: StateSyncConfig;
}

/**
 * What a round costs besides `timeout_commit` on one machine or a local network (proposal, two votes,
 * two writes of the engine's log, FinalizeBlock and Commit of the application).
 */
const ROUND_MS = 80;
const COMMIT_WAIT_MS_MIN = 20;

function quoted(text: string): string {
  return JSON.stringify(text);
}

/**
 * `config/config.toml`. What is not named keeps CometBFT's default. Reasons of the values that differ:
 * the only wait of a good round is `timeout_commit`; gossip sleeps of 100 ms would be most of a block
 * interval; a silent proposer costs `timeout_propose` at each of its turns; the peers of a consortium
 * are known, so nobody is asked for others.
 */
export function engineConfigFile(config: EngineConfig): string {
  const commitMs = Math.max(COMMIT_WAIT_MS_MIN, config.blockIntervalMs - ROUND_MS);
  const proposeMs = Math.max(500, 2 * config.blockIntervalMs);
  const voteMs = Math.max(200, config.blockIntervalMs);
  const peers = config.peers.map(({ id, host, port }) => `${id}@${host}:${port}`).join(',');
  const { stateSync } = config;
  const lines = [
    `proxy_app = ${quoted(config.applicationAddress)}`,
    `moniker = ${quoted(config.name)}`,
    'log_level = "error"',
    'log_format = "json"',
    'db_backend = "goleveldb"',
    // Every connection of the engine asks the node first: see peer-admission.ts.
    'filter_peers = true',
    '',
    '[rpc]',
    `laddr = ${quoted(config.rpcAddress)}`,
    // For `dial_peers` (engine-peers.ts). Nobody but this user reaches the socket, and the relay for other
    // hospitals passes on three methods that only read.
    'unsafe = true',
    'max_body_bytes = 2000000',
    'max_open_connections = 200',
    '',
    '[p2p]',
    `laddr = ${quoted(`tcp://${config.p2p.host}:${config.p2p.port}`)}`,
    `persistent_peers = ${quoted(peers)}`,
    'persistent_peers_max_dial_period = "5s"',
    'addr_book_strict = false',
    'allow_duplicate_ip = true',
    'pex = false',
    'flush_throttle_timeout = "10ms"',
    'send_rate = 52428800',
    'recv_rate = 52428800',
    '',
    '[mempool]',
    // A bundle of which nothing is good any more would wait for ever otherwise.
    'recheck = true',
    'size = 20000',
    'cache_size = 50000',
    'max_tx_bytes = 131072',
    '',
    '[statesync]',
    `enable = ${String(stateSync !== undefined)}`,
    ...(stateSync === undefined
      ? []
      : [
          `rpc_servers = ${quoted(stateSync.rpcServers.join(','))}`,
          `trust_height = ${stateSync.trustHeight}`,
          `trust_hash = ${quoted(stateSync.trustHash)}`,
          `trust_period = ${quoted(`${stateSync.trustPeriodHours}h0m0s`)}`,
          'discovery_time = "5s"',
          'chunk_request_timeout = "20s"',
        ]),
    '',
    '[consensus]',
    `timeout_propose = "${proposeMs}ms"`,
    `timeout_propose_delta = "${Math.ceil(proposeMs / 2)}ms"`,
    `timeout_prevote = "${voteMs}ms"`,
    `timeout_prevote_delta = "${Math.ceil(voteMs / 2)}ms"`,
    `timeout_precommit = "${voteMs}ms"`,
    `timeout_precommit_delta = "${Math.ceil(voteMs / 2)}ms"`,
    `timeout_commit = "${commitMs}ms"`,
    'double_sign_check_height = 0',
    'create_empty_blocks = false',
    `create_empty_blocks_interval = "${config.heartbeatMs}ms"`,
    'peer_gossip_sleep_duration = "10ms"',
    'peer_query_maj23_sleep_duration = "500ms"',
    '',
    '[storage]',
    'discard_abci_responses = true',
    '',
    '[tx_index]',
    'indexer = "null"',
    '',
    '[instrumentation]',
    'prometheus = false',
  ];
  return `${lines.join('\n')}\n`;
}
