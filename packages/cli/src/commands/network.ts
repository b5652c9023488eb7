/** For operators: make a network, run its nodes, look at them. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { EngineMissingError, findEngine } from '@yilian/node/cometbft/find-engine';
import { ConfigError } from '@yilian/node/json-fields';
import { EnrolmentError } from '@yilian/node/network/enrolment-error';
import { isAwaitingAnswer } from '@yilian/node/network/prepare-home';
import { NODE_PROGRAM } from '@yilian/node/node-program';
import { initNetwork, NetworkExistsError } from '@yilian/node/network/init-network';
import { NetworkFileError, parseNetworkFile } from '@yilian/node/network/network-file';
import {
  NetworkRunError,
  networkDown,
  networkStatus,
  networkUp,
  type NodeStanding,
} from '@yilian/node/network/run-network';
import type { Command, Options } from '../command.ts';
import { EXIT, type ExitCode, InputError, NodeFailedError, UsageError } from '../exit-code.ts';
import type { Session } from '../session.ts';
import { enrolHospital } from './enrol-hospital.ts';
import { join } from './join.ts';
import { prepare } from './prepare.ts';

function readNetworkFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new UsageError('unreadable', { path });
  }
}

/** Mistakes of operators are usage errors: the message names the place and what is expected there. */
function asUsage(session: Session, error: unknown): unknown {
  if (error instanceof NetworkFileError || error instanceof ConfigError)
    return new InputError(error.message, 'badNetworkFile', 'nextNetworkFile');
  if (error instanceof NetworkExistsError)
    return new InputError(error.message, 'networkExists', 'nextNetworkExists');
  if (error instanceof EngineMissingError)
    return new InputError(error.message, 'engineMissing', 'nextEngine');
  if (error instanceof NetworkRunError)
    return error.code === 'noNetwork'
      ? new InputError(error.message, 'noNetwork', 'nextNetworkInit')
      : new NodeFailedError(
          error.message,
          session.say('nodeNotReady', { institution: error.place }),
        );
  return error;
}

async function attempt<T>(session: Session, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw asUsage(session, error);
  }
}

function answerStanding(session: Session, nodes: readonly NodeStanding[]): ExitCode {
  session.answer(
    { nodes },
    nodes.map(({ institution, url, pid, height, halted, peers }) =>
      height === null
        ? session.say('nodeSilent', { institution, url, pid: pid ?? '–' })
        : session.say(halted ? 'nodeHalted' : 'nodeStands', {
            institution,
            url,
            pid: pid ?? '–',
            height,
            peers: peers ?? 0,
          }),
    ),
  );
  const isWell = nodes.every(({ height, halted }) => height !== null && height > 0 && !halted);
  if (!isWell && !session.json) process.stderr.write(`→ ${session.say('nextNodeLog')}\n`);
  return isWell ? EXIT.ok : EXIT.network;
}

async function init(session: Session, options: Options): Promise<ExitCode> {
  const out = resolve(options.required('out'));
  const file = options.required('hospitals');
  const document = await attempt(session, async () =>
    initNetwork(parseNetworkFile(readNetworkFile(file)), out),
  );
  session.answer(
    { directory: out, chainId: document.anchor.chainId, nodes: document.nodes.length },
    [session.say('networkMade', { out, nodes: document.nodes.length }), session.say('networkKeys')],
  );
  return EXIT.ok;
}

async function up(session: Session, directory: string): Promise<ExitCode> {
  const tell = (line: string): void => {
    if (!session.json) process.stderr.write(`${line}\n`);
  };
  const nodes = await attempt(session, async () => {
    await findEngine({ onProgress: tell });
    return networkUp(directory, (institution) => tell(session.say('nodeAnswers', { institution })));
  });
  return answerStanding(session, nodes);
}

const network: Command = {
  name: 'network',
  usage:
    'network init --hospitals FILE --out DIR | network up DIR | network down DIR | network status DIR | network prepare --hospital FILE --consortium FILE --home DIR [--out FILE] | network enrol --request FILE --node DIR [--fingerprint TEXT --out FILE] [--consortium FILE] [--from URL] | network join --home DIR [--answer FILE] --from URL --from URL',
  summary: {
    en: 'make a network of hospitals; run, stop or show those of its nodes that are on this machine; prepare a hospital that joins later, enrol it (regulator), join',
    zh: '建立医院网络；启动、停止或查看本机上的节点；为后来的医院准备目录、登记（监管方）、加入',
  },
  options: {
    hospitals: { type: 'string' },
    out: { type: 'string' },
    hospital: { type: 'string' },
    consortium: { type: 'string' },
    request: { type: 'string' },
    node: { type: 'string' },
    fingerprint: { type: 'string' },
    answer: { type: 'string' },
    from: { type: 'string', multiple: true },
  },
  run: async (session, options) => {
    const action = options.argument(0, 'init, up, down, status, prepare, enrol or join');
    switch (action) {
      case 'init':
        return init(session, options);
      case 'up':
        return up(session, resolve(options.argument(1, 'DIR')));
      case 'down': {
        const stopped = await attempt(session, () =>
          networkDown(resolve(options.argument(1, 'DIR'))),
        );
        session.answer({ stopped }, [session.say('nodesStopped', { nodes: stopped.length })]);
        return EXIT.ok;
      }
      case 'status':
        return answerStanding(
          session,
          await attempt(session, () => networkStatus(resolve(options.argument(1, 'DIR')))),
        );
      case 'prepare':
        return attempt(session, () => prepare(session, options));
      case 'enrol':
        return attempt(session, () => enrolHospital(session, options));
      case 'join':
        return attempt(session, () => join(session, options));
      default:
        throw new UsageError('noAction', { command: 'network', action });
    }
  },
};

const node: Command = {
  name: 'node',
  usage: 'node --home DIR [--exit-when-halted]',
  summary: {
    en: 'run the node of a folder that "network init" made, until it is told to stop',
    zh: '运行由 network init 生成的节点，直到收到停止信号',
  },
  options: { 'exit-when-halted': { type: 'boolean' } },
  run: async (session, options) => {
    const home = resolve(options.required('home'));
    if (!existsSync(home)) throw new UsageError('isMissing', { path: home });
    if (isAwaitingAnswer(home))
      throw new EnrolmentError('answerMissing', home, 'it has no config.json yet');
    await attempt(session, () =>
      findEngine({ onProgress: (line) => void process.stderr.write(`${line}\n`) }),
    );
    const child = spawn(
      process.execPath,
      [
        NODE_PROGRAM,
        '--home',
        home,
        ...(options.flag('exit-when-halted') ? ['--exit-when-halted'] : []),
      ],
      { stdio: 'inherit' },
    );
    // A terminal's Ctrl-C reaches the child by itself; a service manager's signal comes here alone.
    const forward = (): void => void child.kill('SIGTERM');
    process.on('SIGTERM', forward);
    // Means "read your list of peers again" to a node, and would end this process.
    process.on('SIGHUP', () => void child.kill('SIGHUP'));
    process.on('SIGINT', () => undefined);
    const code = await new Promise<number | null>((done) => {
      child.once('error', () => done(null));
      child.once('exit', done);
    });
    process.off('SIGTERM', forward);
    if (code !== 0) {
      session.answer({ ended: code }, [session.say('nodeEnded', { code: code ?? '–' })]);
      if (!session.json) process.stderr.write(`→ ${session.say('nextNodeLog')}\n`);
    }
    return code === 0 ? EXIT.ok : EXIT.refused;
  },
};

export const NETWORK_COMMANDS: readonly Command[] = [network, node];
