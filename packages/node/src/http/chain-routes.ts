/**
 * Headers, blocks, transactions, state and log. A proof is of height H with the header of H + 1, which
 * carries H's app hash; the newest such pair is served.
 */
import type { ProvenEntry } from '@yilian/api/messages-chain';
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import { parseListAnswer, parseLogAnswer } from '@yilian/ledger/answers';
import { offenceOf } from '@yilian/ledger/misbehaviour';
import { parseLogLeaf } from '@yilian/ledger/log-leaf';
import type { FastifyInstance } from 'fastify';
import type { CertifiedHeader, FinalOutcome } from '../ordering/final-block.ts';
import { grantEventPositions } from '../services/ordering-chain-view.ts';
import { type Served, refuse, served } from '../services/served.ts';
import { type EventStream, lastEventId, openEventStream } from './event-stream.ts';
import { type NodeServices, serviceNames } from './node-services.ts';
import { type ServeContext, serveRaw, serveRoute } from './serve-route.ts';

const FINAL_WAIT_MS = 20_000;
const GRANT_EVENTS_MAX = 256;
const LIST_ITEMS_MAX = 1000;
/** How many past blocks a stream replays when its reader comes back. */
const REPLAY_BLOCKS_MAX = 256;

/** The final pair (H, header of H + 1); null right after genesis. */
function provable(
  services: NodeServices,
): { readonly height: bigint; readonly carrier: CertifiedHeader } | null {
  const { ordering } = services;
  const tip = ordering.latest().height;
  const carrier = tip < 2n ? undefined : ordering.header(tip);
  return carrier === undefined ? null : { height: tip - 1n, carrier };
}

function ask(
  services: NodeServices,
  path: string,
  key: Bytes,
): Served<{ readonly answer: Bytes; readonly header: Bytes; readonly certificate: Bytes }> {
  const pair = provable(services);
  if (pair === null) return refuse('notFinal', { retryAfterSeconds: 1 });
  const result = services.ordering.query({ path, key, height: pair.height, prove: true });
  if (!result.ok) {
    switch (result.code) {
      case 'tooMany':
        return refuse('tooLarge');
      case 'malformed':
        return refuse('malformed');
      case 'heightUnknown':
        return refuse('notFinal', { retryAfterSeconds: 1 });
      default:
        return refuse('notFound');
    }
  }
  const { header, certificate } = pair.carrier;
  return served({ answer: result.value, header, certificate });
}

const NO_TRANSACTION: Bytes = new Uint8Array(0);

/** Whether the chain has this block, and this node does not keep it (any more). */
function isPruned({ ordering }: NodeServices, height: bigint): boolean {
  const first = ordering.firstBlock();
  return height > 0n && height <= ordering.latest().height && (first === 0n || height < first);
}

/** The transaction that a log answer tells of; none stands behind what the engine reported. */
function transactionOf(services: NodeServices, answer: Bytes): Served<Bytes> {
  const leaf = parseLogLeaf(parseLogAnswer(answer).leaf);
  if (offenceOf(services.context, leaf) !== undefined) return served(NO_TRANSACTION);
  const height = BigInt(leaf.height);
  const transaction = services.ordering.block(height)?.txs[leaf.index];
  if (transaction !== undefined) return served(transaction);
  return refuse(isPruned(services, height) ? 'pruned' : 'notFound');
}

function logEntry(
  services: NodeServices,
  path: 'log' | 'transaction',
  key: Bytes,
): Served<ProvenEntry & { readonly header: Bytes; readonly certificate: Bytes }> {
  const asked = ask(services, path, key);
  if (!asked.ok) return asked;
  const transaction = transactionOf(services, asked.value.answer);
  return transaction.ok ? served({ ...asked.value, transaction: transaction.value }) : transaction;
}

function logEntries(
  services: NodeServices,
  positions: readonly number[],
): Served<{
  readonly header: Bytes;
  readonly certificate: Bytes;
  readonly entries: readonly ProvenEntry[];
}> {
  const pair = provable(services);
  if (pair === null) return refuse('notFinal', { retryAfterSeconds: 1 });
  const entries: ProvenEntry[] = [];
  for (const position of positions) {
    const entry = logEntry(services, 'log', encode([position]));
    // A list from here on would look complete.
    if (!entry.ok && entry.problem === 'pruned') return entry;
    // The newest entries may be above the height that can be proven.
    if (!entry.ok) break;
    entries.push({ answer: entry.value.answer, transaction: entry.value.transaction });
  }
  const { header, certificate } = pair.carrier;
  return served({ header, certificate, entries });
}

function misbehaviourCount({ ordering }: NodeServices): number {
  const key = encode([0, 0]);
  const answer = ordering.query({ path: 'misbehaviour', key, height: 0n, prove: false });
  return answer.ok ? parseListAnswer(answer.value).count : 0;
}

function outcomeWord(final: FinalOutcome): string {
  return final.outcome.ok ? 'ok' : final.outcome.rejection.code;
}

/** The mempool's own codes become problems; the rest are rules of the ledger. */
export function refuseAdmission(code: string): Served<never> {
  if (code === 'duplicate') return refuse('duplicate');
  if (code === 'mempoolFull') return refuse('poolFull', { retryAfterSeconds: 1 });
  if (code === 'unavailable') return refuse('notReady', { retryAfterSeconds: 2 });
  return refuse('refused', { rejection: code });
}

function serveBlockEvents(
  app: FastifyInstance,
  context: ServeContext,
  services: NodeServices,
  streams: Set<EventStream>,
): void {
  const { ordering } = services;
  serveRaw(app, context, ROUTES.streamBlocks, (_call, request, reply) => {
    const stream = openEventStream(reply);
    streams.add(stream);
    let last = lastEventId(request) ?? Number(ordering.latest().height);
    const sendUpTo = (height: number): void => {
      last = Math.max(last, height - REPLAY_BLOCKS_MAX);
      while (last < height) {
        const block = services.chain.block(last + 1);
        const summary = blockSummary(services, BigInt(last + 1));
        last += 1;
        if (block === undefined || summary === null) continue;
        const refused = block.transactions.filter(({ outcome }) => outcome !== 'ok').length;
        if (!stream.send(String(last), { ...summary, refused })) return;
      }
    };
    sendUpTo(Number(ordering.latest().height));
    const unsubscribe = ordering.subscribe((block) => {
      if (Number(block.height) > last + 1) sendUpTo(Number(block.height) - 1);
      if (Number(block.height) !== last + 1) return;
      last += 1;
      const refused = block.outcomes.filter(({ outcome }) => !outcome.ok).length;
      stream.send(String(last), {
        height: String(block.height),
        timeMs: Number(block.timeNs / 1_000_000n),
        proposer: toHex(block.proposer),
        transactions: block.txs.length,
        refused,
      });
    });
    stream.onClose(() => {
      unsubscribe();
      streams.delete(stream);
    });
    return Promise.resolve();
  });
}

function blockSummary(
  services: NodeServices,
  height: bigint,
): {
  readonly height: string;
  readonly timeMs: number;
  readonly proposer: string;
  readonly transactions: number;
} | null {
  const block = services.ordering.block(height);
  if (block === undefined) return null;
  const facts = services.headerFacts(block);
  return { height: String(height), ...facts, transactions: block.txs.length };
}

export function serveChain(
  app: FastifyInstance,
  context: ServeContext,
  services: NodeServices,
  streams: Set<EventStream>,
): void {
  const { ordering, identity } = services;

  serveRoute(app, context, ROUTES.getAnchor, () => served(services.anchor));

  serveRoute(app, context, ROUTES.getStatus, () => {
    const status = ordering.status();
    return served({
      node: toHex(identity.node),
      name: identity.name,
      institution: identity.institution,
      operator: identity.operator,
      role: status.role,
      services: serviceNames(services),
      height: String(status.height),
      blockTimeMs: services.chain.tip().timeMs,
      view: String(status.view),
      primary: toHex(status.primary),
      validators: status.validators.map(({ key, power, leads }) => ({
        key: toHex(key),
        power: String(power),
        leads,
      })),
      peers: {
        connected: status.peers.filter(({ connected }) => connected).length,
        known: status.peers.length,
      },
      mempool: status.mempool,
      stateEntries: status.stateEntries,
      misbehaviour: misbehaviourCount(services),
      halted: status.halted !== undefined,
    });
  });

  serveRoute(app, context, ROUTES.getHeader, ({ params }) => {
    const header = ordering.header(params.height);
    return header === undefined ? refuse('notFound') : served(header);
  });

  serveRoute(app, context, ROUTES.getHeaders, ({ query }) =>
    served(ordering.headers(query.from, query.count)),
  );

  serveRoute(app, context, ROUTES.getCheckpoint, () => {
    const checkpoint = services.checkpoints.latest();
    return checkpoint === undefined ? refuse('notFound') : served(checkpoint);
  });

  serveRoute(app, context, ROUTES.getValidators, ({ params }) => {
    const set = services.validatorSets.get(params.hash);
    return set === undefined ? refuse('notFound') : served(set);
  });

  serveRoute(app, context, ROUTES.getBlock, ({ params }) => {
    const block = ordering.block(params.height);
    const asked = params.height === 'latest' ? ordering.latest().height : params.height;
    return block === undefined
      ? refuse(isPruned(services, asked) ? 'pruned' : 'notFound')
      : served({
          header: block.header,
          certificate: block.certificate,
          transactions: block.engineTxs,
        });
  });

  serveBlockEvents(app, context, services, streams);

  serveRoute(app, context, ROUTES.submitTransaction, async ({ body, query, wait }, reply) => {
    const submission = await ordering.submit(body, `http/${reply.request.ip}`);
    if (!submission.admitted) return refuseAdmission(submission.rejection.code);
    const { id } = submission;
    if (query.wait === null) return served({ kind: 'admitted', id });
    const patient = { caller: wait.caller, signal: wait.signal, leftMs: () => FINAL_WAIT_MS };
    const waited = await context.waiting.untilFinal(id, patient);
    if (!waited.ok) return waited;
    const final = waited.value;
    const { key, signature } = ordering.signReply(final);
    const { height, index } = final;
    return served({
      kind: 'final',
      id,
      height,
      index,
      outcome: outcomeWord(final),
      key,
      signature,
    });
  });

  serveRoute(app, context, ROUTES.getReceipt, async ({ params, wait }) => {
    if (wait.leftMs() > 0) {
      const final = await context.waiting.untilFinal(params.id, wait);
      if (!final.ok) return final;
      const proven = await context.waiting.untilHeight(final.value.height + 1n, wait);
      if (!proven.ok) return proven.problem === 'nodeBehind' ? refuse('waitTimedOut') : proven;
    }
    const entry = logEntry(services, 'transaction', params.id);
    if (entry.ok || entry.problem !== 'notFound') return entry;
    return ordering.outcomeNow(params.id) === undefined
      ? entry
      : refuse('notFinal', { retryAfterSeconds: 1 });
  });

  serveRoute(app, context, ROUTES.getState, ({ params }) =>
    ask(
      services,
      'subtree',
      Uint8Array.from(params.prefix, (digit) => digit.charCodeAt(0)),
    ),
  );

  serveRoute(app, context, ROUTES.getLogEntry, ({ params }) =>
    logEntry(services, 'log', encode([params.position])),
  );

  serveRoute(app, context, ROUTES.getLogRange, ({ params }) => {
    const count = 2 ** params.level;
    const first = params.index * count;
    if (!Number.isSafeInteger(first + count)) return refuse('malformed');
    const entries = logEntries(
      services,
      Array.from({ length: count }, (_, offset) => first + offset),
    );
    return entries.ok && entries.value.entries.length === 0 ? refuse('notFound') : entries;
  });

  serveRoute(app, context, ROUTES.getGrantEvents, ({ params, query }) => {
    if (services.chain.grant(params.grantId) === undefined) return refuse('grantUnknown');
    return logEntries(
      services,
      grantEventPositions(ordering, params.grantId, query.from, GRANT_EVENTS_MAX),
    );
  });

  serveRoute(app, context, ROUTES.getListing, ({ params, query }) => {
    const { from, institution, epoch } = query;
    const questions = {
      members: ['members', [from, LIST_ITEMS_MAX]],
      epochs: ['epochs', [from, LIST_ITEMS_MAX]],
      misbehaviour: ['misbehaviour', [from, LIST_ITEMS_MAX]],
      'epoch-records': ['epoch/records', [institution, epoch, from, LIST_ITEMS_MAX]],
    } as const;
    const [path, key] = questions[params.name];
    const result = ordering.query({ path, key: encode(key), height: 0n, prove: false });
    return result.ok ? served(parseListAnswer(result.value)) : refuse('malformed');
  });
}
