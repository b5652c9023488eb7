/** Upload and download of sealed records: streams both ways, so that their size costs no memory. */
import { Readable } from 'node:stream';
import { parseMessage } from '@yilian/api/codec';
import { ciphertextAnnouncement } from '@yilian/api/messages-institution';
import { ROUTES } from '@yilian/api/routes';
import type { Bytes } from '@yilian/crypto/bytes';
import { storageAttestationMessage } from '@yilian/ledger/checks';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import type { Member } from '@yilian/ledger/contracts/members/member';
import { equalBytes } from '@yilian/crypto/bytes';
import type { ProblemCode } from '@yilian/api/problem';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { refuse, served, type Served } from '../services/served.ts';
import { STORED_NAME_HEADER } from '../stores/copy-source.ts';
import type { NamedObject } from '../stores/object-holdings.ts';
import { ObjectStoreError, type ObjectStoreCode } from '../stores/object-store-error.ts';
import type { Announcement, PutResult } from '../stores/object-store.ts';
import { HttpProblem } from './http-problem.ts';
import type { NodeServices, StoreService } from './node-services.ts';
import { type ServeContext, serveRaw, serveRoute, signerOf } from './serve-route.ts';

const UPLOADING_ROLES: ReadonlySet<string> = new Set(['doctor', 'department', 'hospital']);

const STORE_PROBLEMS: Readonly<Record<ObjectStoreCode, ProblemCode>> = {
  unavailable: 'storeUnavailable',
  timeout: 'storeTimedOut',
  accessDenied: 'storeRefused',
  corrupted: 'ciphertextDamaged',
  missing: 'ciphertextLost',
};

/** What the store says, as a problem of the API. */
async function fromStore<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof ObjectStoreError)) throw error;
    throw new HttpProblem(STORE_PROBLEMS[error.code]);
  }
}

/**
 * Streams a range. The first piece is waited for, so that a small object which turns out damaged, or a
 * store that does not answer, is a problem and not a broken body.
 */
async function sendObject(
  reply: FastifyReply,
  object: NamedObject,
  range: { readonly start: number; readonly end: number } | null,
): Promise<FastifyReply> {
  const { start, end } = range ?? { start: 0, end: object.length };
  const parts = object.read({ start, end })[Symbol.asyncIterator]();
  const first = await fromStore(() => parts.next());
  async function* all(): AsyncGenerator<Bytes> {
    try {
      for (let part = first; part.done !== true; part = await parts.next()) yield part.value;
    } finally {
      await parts.return?.();
    }
  }
  void reply
    .code(range === null ? 200 : 206)
    .type('application/octet-stream')
    .header('accept-ranges', 'bytes')
    .header('content-length', String(end - start));
  if (range !== null)
    void reply.header('content-range', `bytes ${start}-${end - 1}/${object.length}`);
  if (end === start) return reply.send('');
  return reply.send(Readable.from(all(), { objectMode: false }));
}

/** Whether the record names a store of this member's institution, or the member itself. */
function keepsCopy(services: NodeServices, record: LedgerRecord, member: Member): boolean {
  if (member.role !== 'node' && member.role !== 'store') return false;
  return record.stores.some((id) => {
    if (equalBytes(id, member.id)) return true;
    const store = services.chain.member(id);
    return (
      store !== undefined &&
      store.operator === member.operator &&
      store.institution === member.institution
    );
  });
}

function isByteStream(body: unknown): body is AsyncIterable<Bytes> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body;
}

function announcedBy(announcement: Bytes | null, request: FastifyRequest): Announcement {
  const parsed = parseMessage(ciphertextAnnouncement, announcement ?? new Uint8Array(0), 1024);
  if (!parsed.ok) throw new HttpProblem(parsed.fault);
  const length = request.headers['content-length'];
  if (length !== undefined && Number(length) !== parsed.value.length)
    throw new HttpProblem('digestMismatch');
  return parsed.value;
}

function attest(
  services: NodeServices,
  store: StoreService,
  announced: Announcement,
  result: PutResult,
): Served<{ readonly store: Bytes; readonly signature: Bytes }> {
  switch (result.kind) {
    case 'stored':
    case 'present':
      return served({
        store: store.member,
        signature: store.signer.sign(storageAttestationMessage(services.context, announced)),
      });
    case 'occupied':
      return refuse('alreadyStored');
    case 'mismatch':
      return refuse('digestMismatch');
    case 'tooLarge':
      break;
  }
  return refuse('tooLarge');
}

/** One range of RFC 9110 §14: `bytes=a-b`, `bytes=a-`, `bytes=-n`. Null: no range asked. */
export function parseRange(
  header: string | undefined,
  length: number,
): { readonly start: number; readonly end: number } | null {
  if (header === undefined) return null;
  const match = /^bytes=([0-9]{0,15})-([0-9]{0,15})$/.exec(header);
  const [, first = '', last = ''] = match ?? [];
  if (match === null || (first === '' && last === '')) throw new HttpProblem('rangeNotSatisfiable');
  const start = first === '' ? Math.max(0, length - Number(last)) : Number(first);
  const end = first === '' || last === '' ? length : Math.min(length, Number(last) + 1);
  if (start >= length || end <= start) throw new HttpProblem('rangeNotSatisfiable');
  return { start, end };
}

export async function serveCiphertexts(
  app: FastifyInstance,
  context: ServeContext,
  services: NodeServices,
): Promise<void> {
  await app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('application/octet-stream', (_request, payload, parsed) =>
      parsed(null, payload),
    );
    serveRoute(scope, context, ROUTES.putCiphertext, async (call, reply) => {
      const signer = signerOf(call);
      const { store } = services;
      // The rest of a refused body is not read: the line is closed after the answer.
      void reply.header('connection', 'close');
      if (store === null) return refuse('serviceElsewhere');
      if (!UPLOADING_ROLES.has(signer.role)) return refuse('notPermitted');
      const announced = announcedBy(call.announcement, reply.request);
      const { body } = reply.request;
      if (!isByteStream(body)) return refuse('unsupportedMediaType');
      const result = await fromStore(() =>
        store.objects.put(call.params.objectKey, announced, body, call.wait.signal),
      );
      if (result.kind === 'stored') void reply.removeHeader('connection');
      return attest(services, store, announced, result);
    });
    serveRoute(scope, context, ROUTES.repairCiphertext, async ({ params, wait }, reply) => {
      const { store } = services;
      void reply.header('connection', 'close');
      if (store === null) return refuse('serviceElsewhere');
      const record = services.chain.record(params.recordId);
      if (record === undefined) return refuse('recordUnknown');
      if (!record.stores.some((id) => equalBytes(id, store.member))) return refuse('recordUnknown');
      const { body } = reply.request;
      if (!isByteStream(body)) return refuse('unsupportedMediaType');
      if (Number(reply.request.headers['content-length']) !== record.length)
        return refuse('digestMismatch');
      const name = store.objects.nameOf(params.objectKey);
      const result = await fromStore(() =>
        store.objects.restore(record, { name, origin: 'uploaded' }, () => body, wait.signal),
      );
      if (result.kind === 'stored') void reply.removeHeader('connection');
      return attest(services, store, record, result);
    });
    done();
  });

  serveRaw(app, context, ROUTES.getCiphertext, async ({ params }, request, reply) => {
    if (services.store === null) throw new HttpProblem('serviceElsewhere');
    const { objects } = services.store;
    const object = await fromStore(() => objects.get(params.objectKey));
    if (object === null) throw new HttpProblem('ciphertextUnknown');
    return sendObject(reply, object, parseRange(request.headers.range, object.length));
  });

  serveRaw(app, context, ROUTES.getStoredCopy, async (call, request, reply) => {
    const signer = signerOf(call);
    if (services.store === null) throw new HttpProblem('serviceElsewhere');
    const { objects } = services.store;
    const record = services.chain.record(call.params.recordId);
    if (record === undefined) throw new HttpProblem('recordUnknown');
    if (!keepsCopy(services, record, signer)) throw new HttpProblem('notPermitted');
    const object = await fromStore(() => objects.openRecord(record));
    if (object === null) throw new HttpProblem('ciphertextUnknown');
    void reply.header(STORED_NAME_HEADER, object.name);
    return sendObject(reply, object, parseRange(request.headers.range, object.length));
  });
}
