/** What a node's metrics say besides its HTTP requests. */
import { type Metrics, createMetrics } from '../metrics.ts';
import type { OrderingNode } from '../ordering-node.ts';
import { type ObjectCare, measureObjects } from '../stores/object-care.ts';
import type { StoreService } from '../http/node-services.ts';

export function measureNode(parts: {
  readonly ordering: OrderingNode;
  readonly index: { readonly recordCount: number };
  readonly checkpoints: { height(): bigint };
  readonly searchPool: { pending(): number };
  readonly store: { readonly service: StoreService; readonly care: ObjectCare } | null;
}): Metrics {
  const { ordering, index, checkpoints, searchPool, store } = parts;
  const metrics = createMetrics();
  const gauges: readonly (readonly [name: string, help: string, value: () => number])[] = [
    ['height', 'Height of the last final block', () => Number(ordering.latest().height)],
    ['mempool_transactions', 'Transactions that wait', () => ordering.status().mempool.count],
    ['state_entries', 'Entries in the database', () => ordering.status().stateEntries],
    [
      'peers_connected',
      'Connected peers',
      () => ordering.status().peers.filter(({ connected }) => connected).length,
    ],
    ['index_records', 'Records in the search index', () => index.recordCount],
    [
      'checkpoint_height',
      'Height of the latest checkpoint of the regulator',
      () => Number(checkpoints.height()),
    ],
    ['search_tasks', 'Search tasks that wait or run', () => searchPool.pending()],
  ];
  for (const [name, help, read] of gauges) metrics.gauge(name, help, read);
  if (store !== null) measureObjects(metrics, store.service.objects, store.care);
  return metrics;
}
