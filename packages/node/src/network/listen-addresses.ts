/** Where a node listens, by where its institution says that it is met. */
import type { NetworkAddress } from '../config.ts';
import type { NetworkMember } from './network-file.ts';

export interface ListenAddresses {
  readonly http: NetworkAddress;
  readonly peer: NetworkAddress;
  readonly engine: NetworkAddress;
}

export function listenAddresses({
  host,
  url,
  ports,
}: Pick<NetworkMember, 'host' | 'url' | 'ports'>): ListenAddresses {
  const isLocal = host === '127.0.0.1';
  // A machine may be reached under an address that it does not itself have (NAT, containers).
  const outside = isLocal ? '127.0.0.1' : '0.0.0.0';
  return {
    // HTTP stays on the machine, where the hospital's reverse proxy speaks TLS to the world; a URL of plain
    // HTTP is somebody's own wish.
    http: {
      host: isLocal || url.startsWith('https:') ? '127.0.0.1' : '0.0.0.0',
      port: ports.http,
    },
    peer: { host: outside, port: ports.peer },
    engine: { host: outside, port: ports.engine },
  };
}
