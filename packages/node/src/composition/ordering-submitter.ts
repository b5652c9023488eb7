/** The door of this node's own ordering engine, for what its services have to say. */
import type { OrderingNode } from '../ordering-node.ts';
import type { Submitter } from '../services/transaction-sender.ts';

export function createOrderingSubmitter(
  ordering: Pick<OrderingNode, 'submit' | 'outcome'>,
): Submitter {
  return {
    submit: async (transaction, source) => {
      const submission = await ordering.submit(transaction, source);
      return submission.admitted
        ? submission
        : { admitted: false, rejection: submission.rejection.code };
    },
    outcome: async (id, timeoutMs) => {
      const final = await ordering.outcome(id, timeoutMs);
      if (final === 'timeout') return final;
      return final.outcome.ok ? 'ok' : final.outcome.rejection.code;
    },
  };
}
