/**
 * The nodes a client knows, and how it asks them: an answer counts only after `verify` has accepted it,
 * a node that lies or does not answer is passed over for another one, and consecutive questions go to
 * different nodes, so that no single node sees a person's whole walk (R2).
 */
import type { Route } from '@yilian/api/route';
import { equalBytes } from '@yilian/crypto/bytes';
import type { ChainContext } from '@yilian/crypto/context';
import {
  ClientError,
  NetworkError,
  ProblemError,
  type Source,
  VerificationError,
} from './failure.ts';
import type { Platform } from './platform/platform.ts';
import {
  type CallInput,
  createTransport,
  type NodeEndpoint,
  type Transport,
  type TransportOptions,
} from './transport.ts';
import type { TrustAnchor } from './trust-anchor.ts';

export interface NetworkOptions {
  readonly platform: Platform;
  readonly anchor: TrustAnchor;
  readonly nodes: readonly NodeEndpoint[];
  readonly timeoutMs?: number;
  readonly retries?: number;
  /** Told of every answer that did not verify, also when another node then helped. */
  readonly onLie?: (error: VerificationError) => void;
}

/** What `ask` gives: the verified value and who gave it. */
export interface Answered<T> {
  readonly value: T;
  readonly node: NodeEndpoint;
}

export interface Network {
  readonly platform: Platform;
  readonly anchor: TrustAnchor;
  readonly context: ChainContext;
  readonly transport: Transport;
  readonly nodes: readonly NodeEndpoint[];
  /** Answers that did not verify since the start, the latest last. */
  readonly lies: readonly VerificationError[];
  /** The node with this member id. */
  findNode(memberId: Uint8Array): NodeEndpoint | undefined;
  /**
   * Calls `route` at one node after the other until `verify` accepts an answer.
   * @throws VerificationError when nobody gave a true answer and somebody a false one,
   *   ProblemError when all who answered refused, NetworkError when nobody answered
   */
  ask<Params extends object, Query extends object, Request, Answer, T>(
    route: Route<Params, Query, Request, Answer>,
    input: CallInput<Params, Query, Request>,
    verify: (answer: Answer, source: Source) => T | Promise<T>,
    nodes?: readonly NodeEndpoint[],
  ): Promise<Answered<T>>;
  /** Any action against one node after the other, with the same order and the same errors. */
  attempt<T>(
    action: (node: NodeEndpoint) => Promise<T>,
    nodes?: readonly NodeEndpoint[],
  ): Promise<Answered<T>>;
  /** Nodes in the order in which the next question would try them. */
  order(nodes?: readonly NodeEndpoint[]): readonly NodeEndpoint[];
  reportLie(error: VerificationError): void;
}

/** A node that failed is asked last for so long; one that let a call time out, for longer. */
const SHUN_MS = 5_000;
const SHUN_SILENT_MS = 60_000;
/** When others have answered, a node that is shunned may take so long and not a whole timeout. */
const SECOND_CHANCE_MS = 1_000;
const LIES_KEPT_MAX = 256;

/** @throws ClientError `noNode` when `nodes` is empty */
export function createNetwork(options: NetworkOptions): Network {
  const { platform, anchor, nodes } = options;
  if (nodes.length === 0) throw new ClientError('noNode', 'no node is configured');
  const transportOptions: TransportOptions = {
    platform,
    chainId: anchor.chainId,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    ...(options.retries === undefined ? {} : { retries: options.retries }),
  };
  const transport = createTransport(transportOptions);
  const shunnedUntilMs = new Map<string, number>();
  const lies: VerificationError[] = [];
  let turn = (platform.randomBytes(1)[0] ?? 0) % nodes.length;

  const order = (among: readonly NodeEndpoint[] = nodes): readonly NodeEndpoint[] => {
    // Another node than last time, and not a predictable one.
    const step =
      nodes.length < 2 ? 0 : 1 + ((platform.randomBytes(1)[0] ?? 0) % (nodes.length - 1));
    turn = (turn + step) % nodes.length;
    const start = turn % Math.max(1, among.length);
    const rotated = [...among.slice(start), ...among.slice(0, start)];
    return [
      ...rotated.filter((node) => !isShunned(node)),
      ...rotated.filter((node) => isShunned(node)),
    ];
  };

  function isShunned(node: NodeEndpoint): boolean {
    return (shunnedUntilMs.get(node.name) ?? 0) > platform.nowMs();
  }

  const giveSecondChance = <T>(node: NodeEndpoint, action: Promise<T>): Promise<T> =>
    Promise.race([
      action,
      platform.wait(SECOND_CHANCE_MS).then(() => {
        throw new NetworkError('timeout', `${node.name} is still silent`);
      }),
    ]);

  const reportLie = (error: VerificationError): void => {
    // One lie may end several questions that wait for the same thing. And a node whose checkpoint is
    // merely old does what it can while the regulator is down.
    if (lies.includes(error) || error.code === 'staleCheckpoint') return;
    if (lies.length >= LIES_KEPT_MAX) lies.shift();
    lies.push(error);
    options.onLie?.(error);
  };

  const attempt = async <T>(
    action: (node: NodeEndpoint) => Promise<T>,
    among: readonly NodeEndpoint[] = nodes,
  ): Promise<Answered<T>> => {
    let lie: VerificationError | undefined;
    let problem: ProblemError | undefined;
    let silence: NetworkError | undefined;
    for (const node of order(among)) {
      try {
        const isLate = problem !== undefined && isShunned(node);
        const value = await (isLate ? giveSecondChance(node, action(node)) : action(node));
        shunnedUntilMs.delete(node.name);
        return { value, node };
      } catch (error) {
        if (error instanceof VerificationError) {
          reportLie(error);
          lie ??= error;
        } else if (error instanceof ProblemError) problem = mostTelling(problem, error);
        else if (error instanceof NetworkError) silence = error;
        else throw error;
        if (isFailure(error))
          shunnedUntilMs.set(
            node.name,
            platform.nowMs() +
              (error instanceof NetworkError && error.code === 'timeout'
                ? SHUN_SILENT_MS
                : SHUN_MS),
          );
      }
    }
    throw (
      lie ??
      problem ??
      silence ??
      new NetworkError('noNodeLeft', 'none of the configured nodes serves this')
    );
  };

  return {
    platform,
    anchor,
    context: { chainId: anchor.chainId },
    transport,
    nodes,
    lies,
    findNode: (memberId) => nodes.find((node) => equalBytes(node.memberId, memberId)),
    attempt,
    ask: (route, input, verify, among) =>
      attempt(async (node) => {
        const answer = await transport.call(node, route, input);
        return verify(answer, { node: node.name, route: route.name });
      }, among),
    order,
    reportLie,
  };
}

/** Whether others are to be asked before this node for a while. */
function isFailure(error: unknown): boolean {
  if (!(error instanceof ProblemError)) return true;
  return error.status >= 500 && error.code !== 'waitTimedOut';
}

/** "Not found" from one node says less than a refusal with a reason from another. */
function mostTelling(before: ProblemError | undefined, error: ProblemError): ProblemError {
  if (before === undefined) return error;
  const vague = new Set(['notFound', 'notReady', 'serviceElsewhere', 'shuttingDown', 'internal']);
  return vague.has(before.code) && !vague.has(error.code) ? error : before;
}
