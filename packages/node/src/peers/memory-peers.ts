/**
 * A network inside one process: nodes exchange copies of bytes and nothing else. Messages between two
 * nodes keep their order and arrive in a later turn of the event loop.
 */
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import type { PeerListener, Peers } from './peers.ts';

/** What the wire does with a message: deliver these bytes instead (several, or none: it is lost). */
export type Wire = (passing: {
  readonly from: Bytes;
  readonly to: Bytes;
  readonly message: Bytes;
}) => readonly Bytes[];

export interface MemoryNetwork {
  /** A node joins (again: the one that had the key before is off the network from then on). */
  join(key: Bytes): Peers;
  /** From now on every message passes through `wire`: faults and attacks on bytes under way. */
  setWire(wire: Wire): void;
}

interface Endpoint {
  readonly key: Bytes;
  listener: PeerListener | undefined;
  readonly cut: Set<string>;
}

const FAITHFUL: Wire = ({ message }) => [message];

export function createMemoryNetwork(): MemoryNetwork {
  const endpoints = new Map<string, Endpoint>();
  let wire = FAITHFUL;

  const deliver = (from: Endpoint, to: Endpoint, message: Bytes): void => {
    setImmediate(() => {
      const bothThere =
        endpoints.get(toHex(from.key)) === from && endpoints.get(toHex(to.key)) === to;
      if (!bothThere || to.cut.has(toHex(from.key))) return;
      to.listener?.(from.key.slice(), message);
    });
  };
  const transmit = (from: Endpoint, to: Endpoint, message: Bytes): void => {
    for (const passed of wire({ from: from.key, to: to.key, message }))
      deliver(from, to, passed.slice());
  };
  return {
    setWire: (next) => {
      wire = next;
    },
    join: (key) => {
      const self: Endpoint = { key: key.slice(), listener: undefined, cut: new Set() };
      endpoints.set(toHex(key), self);
      const others = (): Endpoint[] =>
        [...endpoints.values()].filter((endpoint) => endpoint !== self);
      return {
        self: self.key,
        send: (to, message) => {
          const target = endpoints.get(toHex(to));
          if (target !== undefined && target !== self) transmit(self, target, message);
        },
        broadcast: (message) => {
          for (const target of others()) transmit(self, target, message);
        },
        onMessage: (listener) => {
          self.listener = listener;
        },
        cut: (peer) => {
          self.cut.add(toHex(peer));
        },
        status: () =>
          others().map((endpoint) => ({
            key: endpoint.key,
            connected: !self.cut.has(toHex(endpoint.key)),
            queuedBytes: 0,
          })),
        close: () => {
          const current = endpoints.get(toHex(self.key));
          if (current !== undefined && equalBytes(current.key, self.key) && current === self)
            endpoints.delete(toHex(self.key));
          self.listener = undefined;
          return Promise.resolve();
        },
      };
    },
  };
}
