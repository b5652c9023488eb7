/** The document by which everybody finds a demonstration consortium (`GET /demo/consortium`). */
import type { DemoConsortium, DemoNode } from '@yilian/api/documents';
import type { NodeFacts } from '../network/make-network.ts';
import type { DemoFacts } from './make-consortium.ts';

/** @param whereIs where a node answers, and whether it runs */
export function describeConsortium(
  { anchor, nodes, tickets }: DemoFacts,
  whereIs: (node: NodeFacts) => Pick<DemoNode, 'url' | 'running'>,
): DemoConsortium {
  return {
    anchor,
    nodes: nodes.map((node) => ({
      id: node.id,
      name: node.institution,
      institution: node.institution,
      operator: node.operator,
      tier: node.tier,
      consensusKey: node.consensusKey,
      store: node.store,
      hospitalKey: node.hospitalKey,
      ...whereIs(node),
    })),
    enrolmentSecrets: tickets,
  };
}
