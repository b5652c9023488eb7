/** Upload and download of sealed records: streams both ways, so that their size costs no memory. */
import { Readable } from 'node:stream';
import { parseMessage } from '@yilian/api/codec';
import { ciphertextAnnouncement } from '@yilian/api/messages-institution';
import { ROUTES } from '@yilian/api/routes';
import type { Bytes } from '@yilian/crypto/bytes';
import { storageAttestationMessage } from '@yilian/ledger/checks';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { refuse, served, type Served } from '../services/served.ts';
import type { Announcement, PutResult } from '../stores/object-store.ts';
import { HttpProblem } from './http-problem.ts';
import type { NodeServices, StoreService } from './node-services.ts';
import { type ServeContext, serveRaw, serveRoute, signerOf } from './serve-route.ts';

const UPLOADING_ROLES: ReadonlySet<string> = new Set(['doctor', 'department', 'hospital']);

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
      const result = await store.objects.put(call.params.objectKey, announced, body);
      if (result.kind === 'stored') void reply.removeHeader('connection');
      return attest(services, store, announced, result);
    });
    done();
  });

  serveRaw(app, context, ROUTES.getCiphertext, async ({ params }, request, reply) => {
    if (services.store === null) throw new HttpProblem('serviceElsewhere');
    const object = await services.store.objects.get(params.objectKey);
    if (object === null) throw new HttpProblem('ciphertextUnknown');
    const range = parseRange(request.headers.range, object.length);
    const { start, end } = range ?? { start: 0, end: object.length };
    void reply
      .code(range === null ? 200 : 206)
      .type('application/octet-stream')
      .header('accept-ranges', 'bytes')
      .header('content-length', String(end - start));
    if (range !== null)
      void reply.header('content-range', `bytes ${start}-${end - 1}/${object.length}`);
    if (end === start) return reply.send('');
    return reply.send(Readable.from(object.read({ start, end }), { objectMode: false }));
  });
}
