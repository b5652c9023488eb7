/**
 * Which engines may connect to this node's (`filter_peers`): those that the configuration names, whatever the
 * chain says, so that no state of it, nor the lack of one, keeps apart those who order it or a newcomer from
 * those who have its snapshot; and those that the regulator has introduced. An address alone proves nothing and
 * is never refused. A stranger would only take places and read what is public, but he would take them first.
 */
import type { CometbftConfig } from '../config.ts';
import type { LogEvent } from '../logging.ts';

/** Strangers try again for ever; each is told of once, and so many of them. */
const TOLD_MAX = 256;

export type AdmitPeer = (peer: { readonly kind: 'addr' | 'id'; readonly value: string }) => boolean;

export function createPeerAdmission(input: {
  readonly configured: CometbftConfig['peers'];
  /** Those who came later. */
  readonly introduced: () => CometbftConfig['peers'];
  readonly log: (event: LogEvent) => void;
}): AdmitPeer {
  const { introduced, log } = input;
  const configured = new Set(input.configured.map(({ id }) => id));
  const told = new Set<string>();
  return ({ kind, value }) => {
    if (kind === 'addr') return true;
    if (configured.has(value) || introduced().some(({ id }) => id === value)) {
      told.delete(value);
      return true;
    }
    if (!told.has(value) && told.size < TOLD_MAX) {
      told.add(value);
      log({ level: 'warn', event: 'engineRefused', id: value.slice(0, 40) });
    }
    return false;
  };
}
