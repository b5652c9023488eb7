/** For those who run the node. */
import { type HealthDocument, healthDocument } from '../documents.ts';
import type { NoValues, Route } from '../route.ts';

export const getHealth: Route<NoValues, NoValues, null, HealthDocument> = {
  name: 'getHealth',
  method: 'GET',
  path: '/healthz',
  summary: 'Whether the process runs.',
  params: {},
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'json', schema: healthDocument },
  status: 200,
  proof: 'advisory',
  problems: [],
  cost: 0,
  service: null,
};

export const getReadiness: Route<NoValues, NoValues, null, HealthDocument> = {
  name: 'getReadiness',
  method: 'GET',
  path: '/readyz',
  summary: 'Whether the node has caught up and serves.',
  params: {},
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'json', schema: healthDocument },
  status: 200,
  proof: 'advisory',
  problems: [],
  cost: 0,
  service: null,
};

export const getMetrics: Route<NoValues, NoValues, null, string> = {
  name: 'getMetrics',
  method: 'GET',
  path: '/metrics',
  summary: 'Prometheus metrics.',
  params: {},
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'text', mediaType: 'text/plain' },
  status: 200,
  proof: 'advisory',
  problems: [],
  cost: 1,
  service: null,
};

export const getOpenApi: Route<NoValues, NoValues, null, string> = {
  name: 'getOpenApi',
  method: 'GET',
  path: '/openapi.json',
  summary: 'This table as OpenAPI 3.1.',
  params: {},
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'text', mediaType: 'application/json' },
  status: 200,
  proof: 'none: it is the contract',
  problems: [],
  cost: 1,
  service: null,
};
