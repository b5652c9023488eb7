/** A network of nodes with the reader that verifies what they say. */
import { createNetwork, type Network, type NetworkOptions } from './network.ts';
import { createVerifiedReader, type VerifiedReader } from './verified-reader.ts';

export interface Connection {
  readonly network: Network;
  readonly reader: VerifiedReader;
}

export function connect(options: NetworkOptions): Connection {
  const network = createNetwork(options);
  return { network, reader: createVerifiedReader(network) };
}
