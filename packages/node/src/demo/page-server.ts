/**
 * The one address that `npm start` prints: the built page, the list of nodes, and the buttons that stop
 * and start them. It listens on this machine only and holds no key; requests from other pages are
 * refused (Origin), and so are names that only resolve to this machine (Host).
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DemoConsortium } from '@yilian/api/documents';
import { createProblem } from '@yilian/api/problem';
import fastifyStatic from '@fastify/static';
import Fastify, { type FastifyInstance } from 'fastify';
import { sendProblem } from '../http/http-problem.ts';
import { describeConsortium } from './describe-consortium.ts';
import type { DemoFacts, DemoTicket } from './make-consortium.ts';
import type { NodeChild } from './node-children.ts';

export interface PageServerOptions {
  readonly facts: DemoFacts;
  readonly children: readonly NodeChild[];
  /** Folder of the built page. */
  readonly page: string;
}

const LOCAL_HOST = /^(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?$/;

const NO_PAGE =
  '<!doctype html><meta charset="utf-8"><title>Yilian</title><p>The page is not built. Run <code>npm start</code> in the root folder, which builds it.</p>';

function consortium({ facts, children }: PageServerOptions): DemoConsortium {
  return describeConsortium(facts, ({ id }) => {
    const child = children.find((each) => each.facts.id === id);
    return { url: child?.url ?? '', running: child?.isRunning() ?? false };
  });
}

function isLocalOrigin(origin: string | undefined): boolean {
  return origin === undefined || LOCAL_HOST.test(origin.replace(/^http:\/\//, ''));
}

export async function createPageServer(options: PageServerOptions): Promise<FastifyInstance> {
  const { facts, children } = options;
  const app = Fastify({ logger: false, bodyLimit: 4096, forceCloseConnections: true });
  app.addHook('onRequest', async (request, reply) => {
    const isLocal =
      LOCAL_HOST.test(request.headers.host ?? '') && isLocalOrigin(request.headers.origin);
    if (!isLocal) return sendProblem(reply, createProblem('originNotAllowed'));
    // Asked anew: a node whose port was taken answers at another one since it started.
    const nodes = children.map(({ url }) => url).join(' ');
    void reply.headers({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'content-security-policy':
        `default-src 'self'; connect-src 'self' ${nodes}; img-src 'self' data:; ` +
        `style-src 'self' 'unsafe-inline'; script-src 'self' 'wasm-unsafe-eval'; ` +
        `worker-src 'self' blob:; frame-ancestors 'none'`,
    });
    return undefined;
  });

  app.get('/demo/consortium', (_request, reply) =>
    reply.header('cache-control', 'no-store').send(consortium(options)),
  );
  app.post<{ Params: { id: string; action: string } }>(
    '/demo/nodes/:id/:action',
    async (request, reply) => {
      const { id, action } = request.params;
      const child = children.find(({ facts: node }) => node.id === id);
      if (child === undefined) return sendProblem(reply, createProblem('notFound'));
      switch (action) {
        case 'stop':
          await child.stop();
          break;
        case 'kill':
          await child.kill();
          break;
        case 'start':
          await child.start();
          break;
        default:
          return sendProblem(reply, createProblem('notFound'));
      }
      return reply.send({ id, running: child.isRunning() });
    },
  );
  // More sample people than the consortium began with: the registration centre takes another secret.
  app.post<{ Querystring: { role?: string; institution?: string } }>(
    '/demo/enrolments',
    async (request, reply) => {
      const { role, institution } = request.query;
      const isKnown = facts.nodes.some((node) => node.institution === institution);
      if (role !== 'patient' && role !== 'doctor' && role !== 'department')
        return sendProblem(reply, createProblem('malformed'));
      if (role !== 'patient' && !isKnown) return sendProblem(reply, createProblem('malformed'));
      const ticket: DemoTicket = {
        person: `sample-${randomBytes(4).toString('hex')}`,
        role,
        institution: role === 'patient' ? null : (institution ?? null),
        secret: randomBytes(16).toString('hex'),
      };
      const centre = children.find(({ facts: node }) => node.tier === 'regulator');
      await centre?.admit(ticket);
      return reply.header('cache-control', 'no-store').send(ticket);
    },
  );

  if (existsSync(join(options.page, 'index.html'))) {
    await app.register(fastifyStatic, { root: options.page, index: ['index.html'] });
    app.setNotFoundHandler((request, reply) =>
      request.method === 'GET' && !request.url.startsWith('/demo/')
        ? reply.sendFile('index.html')
        : sendProblem(reply, createProblem('notFound')),
    );
  } else {
    app.get('/', (_request, reply) => reply.type('text/html').send(NO_PAGE));
  }
  app.setErrorHandler((error, _request, reply) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return sendProblem(reply, createProblem('internal'));
  });
  return app;
}
