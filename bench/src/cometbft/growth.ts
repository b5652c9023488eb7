/** Memory of a node's process while the chain grows; its CometBFT is counted apart. */
import { type Resident, resident } from './process-figures.ts';
import { startYilianNetwork } from './yilian-network.ts';

const WINDOW = 2_000;

export interface Growth {
  /** One per replica, at the end. */
  readonly application: readonly Resident[];
  readonly engine: readonly Resident[];
  /** Anonymous memory of the largest replica after each step. */
  readonly steps: readonly { readonly transactions: number; readonly mebibytes: number }[];
}

export async function measureGrowth(options: {
  readonly transactions: number;
  readonly step: number;
}): Promise<Growth> {
  const network = await startYilianNetwork({ blockIntervalMs: 250, bundleCountMax: 64 });
  try {
    const { application, engine } = network.pids;
    const steps: { readonly transactions: number; readonly mebibytes: number }[] = [];
    for (let done = 0; done < options.transactions;) {
      const count = Math.min(options.step, options.transactions - done);
      await network.prepare(count);
      await network.drive(WINDOW);
      done += count;
      const mebibytes = Math.max(...application.map((pid) => resident(pid).anonymous));
      steps.push({ transactions: done, mebibytes });
    }
    return {
      application: application.map(resident),
      engine: engine.map(resident),
      steps,
    };
  } finally {
    await network.stop();
  }
}
