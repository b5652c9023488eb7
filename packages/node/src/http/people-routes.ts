/** Blobs, requests and inbox, search, shares, the institution, registration, certificates. */
import { ROUTES } from '@yilian/api/routes';
import { inboxItem } from '@yilian/api/messages-access';
import type { InboxItem } from '@yilian/api/messages-access';
import { encodeMessage } from '@yilian/api/codec';
import { toBase64Url } from '@yilian/crypto/bytes';
import type { FastifyInstance } from 'fastify';
import { refuse, served } from '../services/served.ts';
import { type EventStream, lastEventId, openEventStream } from './event-stream.ts';
import type { NodeServices } from './node-services.ts';
import { type ServeContext, serveRaw, serveRoute, signerOf } from './serve-route.ts';

function serveGrants(app: FastifyInstance, context: ServeContext, services: NodeServices): void {
  const { blobs } = services;
  serveRoute(app, context, ROUTES.getBlob, ({ params }) => blobs.get(params.grantId, params.name));
  serveRoute(app, context, ROUTES.putBlob, ({ params, body }) =>
    blobs.put(params.grantId, params.name, body),
  );
  serveRoute(app, context, ROUTES.postReEncryption, (call) =>
    services.reEncryption.release(signerOf(call), call.body),
  );
  serveRoute(app, context, ROUTES.postEvidence, (call) =>
    services.evidence === null
      ? refuse('serviceElsewhere')
      : services.evidence.accuse(signerOf(call), call.body),
  );
  serveRoute(app, context, ROUTES.postSearch, (call) =>
    services.search === null
      ? refuse('serviceElsewhere')
      : services.search.search(signerOf(call), call.body),
  );
}

function serveInbox(
  app: FastifyInstance,
  context: ServeContext,
  services: NodeServices,
  streams: Set<EventStream>,
): void {
  const { queryManager } = services;
  serveRoute(app, context, ROUTES.postRequest, (call) =>
    queryManager.post(signerOf(call), call.body),
  );
  serveRoute(app, context, ROUTES.getInbox, ({ params, query }) =>
    served(queryManager.list(params.handle, query.after)),
  );
  serveRaw(app, context, ROUTES.streamInbox, ({ params }, request, reply) => {
    const { handle } = params;
    const stream = openEventStream(reply);
    streams.add(stream);
    let last = lastEventId(request) ?? 0;
    const send = (item: InboxItem): void => {
      if (item.number <= last) return;
      last = item.number;
      const encoded = toBase64Url(encodeMessage(inboxItem, item));
      stream.send(String(item.number), { number: item.number, item: encoded });
    };
    // Subscribed first: an item that comes while the old ones are read is not missed, nor sent twice.
    const unsubscribe = queryManager.subscribe(handle, (item) => {
      for (const missed of queryManager.list(handle, last)) send(missed);
      send(item);
    });
    for (const item of queryManager.list(handle, last)) send(item);
    stream.onClose(() => {
      unsubscribe();
      streams.delete(stream);
    });
    return Promise.resolve();
  });
}

function serveInstitution(
  app: FastifyInstance,
  context: ServeContext,
  services: NodeServices,
): void {
  const { institution } = services;
  serveRoute(app, context, ROUTES.postEpochKey, (call) => {
    const signer = signerOf(call);
    if (institution === null) return refuse('serviceElsewhere');
    if (!institution.isOwnDoctor(signer)) return refuse('notPermitted');
    return institution.epochKeys.share(call.body);
  });
  serveRoute(app, context, ROUTES.postInstitutionRecord, async (call) => {
    const signer = signerOf(call);
    if (institution === null) return refuse('serviceElsewhere');
    const submitted = await institution.submitRecord(signer, call.body);
    return submitted.ok ? served({ kind: 'admitted', id: submitted.value }) : submitted;
  });
  serveRoute(app, context, ROUTES.getLocation, (call) => {
    const signer = signerOf(call);
    if (institution === null) return refuse('serviceElsewhere');
    return institution.location(signer, call.params.recordId);
  });
}

export function servePeople(
  app: FastifyInstance,
  context: ServeContext,
  services: NodeServices,
  streams: Set<EventStream>,
): void {
  serveGrants(app, context, services);
  serveInbox(app, context, services, streams);
  serveInstitution(app, context, services);
  serveRoute(app, context, ROUTES.registerMember, ({ body }) =>
    services.registration === null
      ? refuse('serviceElsewhere')
      : services.registration.register(body),
  );
  serveRoute(app, context, ROUTES.getCertificate, ({ params }) => {
    const certificate = services.certificates.get(params.id);
    return certificate === undefined ? refuse('notFound') : served(certificate);
  });
}
