/** Prometheus metrics of one node. Labels are route names and status classes: nothing of people. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

export interface Metrics {
  readonly registry: Registry;
  request(route: string, status: number, seconds: number): void;
  refused(problem: string): void;
  /** Registered under `yilian_<name>`, read when scraped. */
  gauge(name: string, help: string, read: () => number): void;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'yilian_' });
  const requests = new Histogram({
    name: 'yilian_http_request_seconds',
    help: 'Duration of HTTP requests',
    labelNames: ['route', 'status'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  });
  const problems = new Counter({
    name: 'yilian_http_problems_total',
    help: 'Problems answered, by code',
    labelNames: ['code'],
    registers: [registry],
  });
  return {
    registry,
    request: (route, status, seconds) =>
      requests.observe({ route, status: `${Math.floor(status / 100)}xx` }, seconds),
    refused: (problem) => problems.inc({ code: problem }),
    gauge: (name, help, read) => {
      const gauge: Gauge = new Gauge({
        name: `yilian_${name}`,
        help,
        registers: [registry],
        collect: (): void => gauge.set(read()),
      });
    },
  };
}
