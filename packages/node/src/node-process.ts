/**
 * One node in one process: `node node-process.js --home DIR [--any-port] [--exit-when-halted]`. Reads config.json, keys.json
 * and genesis.cbor there, keeps its disks there, and tells a supervisor over the IPC channel (if there is
 * one) where it listens. With `--any-port` a configured port that is taken is replaced by a free one,
 * and the supervisor tells the others. With `--exit-when-halted` a node that halted ends with code 3 instead of
 * staying for its readers. SIGTERM, SIGINT and the end of that channel stop it gracefully; kill −9 at any
 * time loses nothing that was acknowledged.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { decodeGenesisDocument } from '@yilian/consensus/genesis';
import { fromHex, toHex } from '@yilian/crypto/bytes';
import { decode } from '@yilian/crypto/cbor';
import { readFileSync } from 'node:fs';
import { bindFirst } from './bind-port.ts';
import { findEngine } from './cometbft/find-engine.ts';
import { type NodeConfig, parsePeerList, readNodeFiles } from './config.ts';
import { ConfigError } from './json-fields.ts';
import { type Logger, createLogger, logEvent } from './logging.ts';
import { followEnrolments } from './network/follow-enrolments.ts';
import type { IntroductionContent } from './network/introduction.ts';
import { followTickets } from './network/ticket-folder.ts';
import { type YilianNode, createNode } from './node.ts';
import { type TcpPeers, createTcpPeers } from './peers/tcp-peers.ts';
import { describeStartFailure } from './start-failure.ts';
import type { EnrolledRole } from './services/registration.ts';
import { createSigner } from './verification/verify-signature.ts';
import { publicKey } from '@yilian/crypto/signature';

/** What a node tells its supervisor: first where its peers find it, then that it answers HTTP. */
export type NodeReport =
  | { readonly kind: 'listening'; readonly peerPort: number }
  | { readonly kind: 'ready'; readonly httpPort: number };

/** What a supervisor tells its nodes when one of them had to take another port: all addresses. */
export interface PeersMoved {
  readonly kind: 'peersMoved';
  readonly peers: NodeConfig['peers'];
}

function report(message: NodeReport): void {
  process.send?.(message);
}

/** Certificates of the members that were there from the beginning: [[member id, certificate]…]. */
async function importCertificates(home: string, node: YilianNode): Promise<void> {
  let value;
  try {
    value = decode(new Uint8Array(readFileSync(join(home, 'certificates.cbor'))));
  } catch {
    return;
  }
  if (!Array.isArray(value)) return;
  const { certificates } = node.services;
  for (const entry of value as readonly unknown[]) {
    const [id, certificate]: readonly unknown[] = Array.isArray(entry) ? entry : [];
    if (!(id instanceof Uint8Array) || !(certificate instanceof Uint8Array)) continue;
    if (certificates.get(id) === undefined) await certificates.put(id, certificate);
  }
}

/** A supervisor may hand the registration centre further one-time secrets. */
function admitFromSupervisor(node: YilianNode): void {
  process.on('message', (message: unknown) => {
    const { registration } = node;
    if (registration === null || typeof message !== 'object' || message === null) return;
    const { kind, secret, role, institution }: Partial<Record<string, unknown>> = { ...message };
    if (kind !== 'admit' || typeof secret !== 'string' || !isRole(role)) return;
    if (typeof institution !== 'string') return;
    void registration
      .admit(fromHex(secret), { role, institution })
      .then(() => process.send?.({ kind: 'admitted', secret }));
  });
}

/** Who may connect: whom the configuration names, where it says they are, and whom the regulator introduced. */
function createMemberList(peers: TcpPeers): {
  configure(members: NodeConfig['peers']): void;
  introduce(introduced: readonly IntroductionContent[]): void;
} {
  let configured: NodeConfig['peers'] = [];
  let introduced: NodeConfig['peers'] = [];
  const apply = (): void => {
    const named = new Set(configured.map(({ key }) => key));
    const all = [...configured, ...introduced.filter(({ key }) => !named.has(key))];
    peers.setMembers(
      all.map(({ key, host, port }) => ({ key: fromHex(key), address: { host, port } })),
    );
  };
  return {
    configure: (members) => {
      configured = members;
      apply();
    },
    introduce: (each) => {
      introduced = each.map(({ consensusKey, host, peerPort }) => ({
        key: toHex(consensusKey),
        host,
        port: peerPort,
      }));
      apply();
    },
  };
}
type MemberList = ReturnType<typeof createMemberList>;

function followSupervisor(members: MemberList): void {
  process.on('message', (message: unknown) => {
    if (typeof message !== 'object' || message === null) return;
    const { kind, peers: moved }: Partial<Record<string, unknown>> = { ...message };
    if (kind === 'peersMoved') members.configure(parsePeerList('supervisor', moved));
  });
}

/** SIGHUP: a hospital has joined or moved. Whoever votes is the ledger's to say; this is who may connect. */
function followConfig(home: string, members: MemberList, logger: Logger): void {
  process.on('SIGHUP', () => {
    try {
      const { config } = readNodeFiles(home);
      members.configure(config.peers);
      logger.info({ event: 'peersRead', count: config.peers.length });
    } catch (error) {
      // A half-written file changes nothing.
      logger.error({ event: 'peersUnreadable', reason: String(error) });
    }
  });
}

/** For a service manager, which then starts the node again. */
const HALTED_EXIT = 3;
const END_MS_MAX = 15_000;
const LOOK_MS = 1_000;

function isRole(role: unknown): role is EnrolledRole {
  return role === 'patient' || role === 'doctor' || role === 'department';
}

/** A full disk passes by itself; whatever else halts a node needs a new process at least. */
function endWhenHalted(node: YilianNode, logger: ReturnType<typeof createLogger>): void {
  const timer = setInterval(() => {
    const { halted, paused } = node.ordering.status();
    if (halted === undefined || paused === true) return;
    clearInterval(timer);
    logger.error({ event: 'endingBecauseHalted', reason: halted });
    setTimeout(() => process.exit(HALTED_EXIT), END_MS_MAX).unref();
    void node.stop().finally(() => process.exit(HALTED_EXIT));
  }, LOOK_MS);
  timer.unref();
}

async function run(home: string, isAnyPort: boolean, isExitWhenHalted: boolean): Promise<void> {
  const { config, seeds, genesis, s3, copies } = readNodeFiles(home, process.env);
  const document = decodeGenesisDocument(genesis);
  const isCometbft = document.engine === 'cometbft';
  if (isCometbft !== (config.cometbft !== null))
    throw new ConfigError(
      `config.json: cometbft must ${isCometbft ? 'be there' : 'be absent'}: the genesis document says which engine orders this chain`,
    );
  const logger = createLogger({ level: config.settings.logLevel, node: config.institution });
  const ports = (wished: number): readonly [number, ...number[]] =>
    isAnyPort ? [wished, 0] : [wished];
  const peers = await bindFirst(ports(config.peer.port), (port) =>
    createTcpPeers({
      identity: {
        chainId: document.chainId,
        key: publicKey(seeds.consensus),
        sign: createSigner(seeds.consensus),
      },
      listen: { host: config.peer.host, port },
    }),
  );
  const members = createMemberList(peers);
  members.configure(config.peers);
  followSupervisor(members);
  followConfig(home, members, logger);
  report({ kind: 'listening', peerPort: peers.address.port });
  const node = await createNode(
    {
      name: config.name,
      institution: config.institution,
      operator: config.operator,
      directory: join(home, 'data'),
      genesis: document,
      seeds,
      settings: config.settings,
      origins: config.origins,
      ...(config.upgrades === undefined ? {} : { upgrades: config.upgrades }),
      s3,
      copies,
    },
    {
      peers,
      logger,
      onIntroduced: (introduced) => members.introduce(introduced),
      ...(config.cometbft === null
        ? {}
        : { engine: { config: config.cometbft, program: await findEngine({ install: false }) } }),
    },
  );
  await importCertificates(home, node);
  const { registration } = node;
  const tickets =
    registration === null
      ? null
      : await followTickets({
          home,
          admit: (secret, ticket) => registration.admit(secret, ticket),
          log: (event) => logEvent(logger, event),
        });
  const { certificates } = node.services;
  const enrolments = await followEnrolments({
    home,
    introduce: (introduction) => node.introductions.put(introduction),
    certify: async (member, certificate) => {
      if (certificates.get(member) === undefined) await certificates.put(member, certificate);
    },
    log: (event) => logEvent(logger, event),
  });
  admitFromSupervisor(node);
  const httpPort = await bindFirst(ports(config.http.port), (port) =>
    node.http.listen(config.http.host, port),
  );
  logger.info({ event: 'listening', httpPort, height: node.services.chain.tip().height });
  report({ kind: 'ready', httpPort });

  let stopping = false;
  const stop = (why: string): void => {
    if (stopping) return;
    stopping = true;
    logger.info({ event: 'stopping', why });
    enrolments.stop();
    tickets?.stop();
    node.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ event: 'stopFailed', err: error });
        process.exit(1);
      },
    );
  };
  if (isExitWhenHalted) endWhenHalted(node, logger);
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  process.on('disconnect', () => stop('supervisor gone'));
}

const { values } = parseArgs({
  options: {
    home: { type: 'string' },
    'any-port': { type: 'boolean', default: false },
    'exit-when-halted': { type: 'boolean', default: false },
  },
});
if (values.home === undefined) {
  process.stderr.write('usage: node-process --home DIRECTORY [--any-port] [--exit-when-halted]\n');
  process.exit(2);
}
run(resolve(values.home), values['any-port'], values['exit-when-halted']).catch(
  (error: unknown) => {
    const known = describeStartFailure(error);
    process.stderr.write(`The node could not start: ${known ?? String(error)}\n`);
    if (known === undefined && error instanceof Error)
      process.stderr.write(`${error.stack ?? ''}\n`);
    process.exit(1);
  },
);
