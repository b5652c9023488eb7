/** `network join`: what a node must believe before it takes a snapshot, verified by this device. */
import { readFileSync } from 'node:fs';
import { join as joinPath, resolve } from 'node:path';
import { ROUTES } from '@yilian/api/routes';
import { connect, type Connection } from '@yilian/client/connect';
import { createMemoryStorage } from '@yilian/client/platform/platform';
import { createNodePlatform } from '@yilian/client/platform/node-platform';
import type { NodeEndpoint } from '@yilian/client/transport';
import type { TrustAnchor } from '@yilian/client/trust-anchor';
import { decodeGenesisDocument, genesisId } from '@yilian/consensus/genesis';
import { DEFAULT_LIGHT_SETTINGS } from '@yilian/consensus/light/verify-header';
import { parseGenesis } from '@yilian/ledger/genesis';
import { toMemberId } from '@yilian/ledger/ids';
import { readNodeFiles } from '@yilian/node/config';
import { joinNetwork, trustHeightFor } from '@yilian/node/network/join-network';
import { EXIT, type ExitCode, UsageError } from '../exit-code.ts';
import type { Options } from '../command.ts';
import type { Session } from '../session.ts';

const HOUR_NS = 3_600_000_000_000n;

/** The node's own genesis document says which chain this is: nobody is asked for it. */
function anchorOf(home: string): TrustAnchor {
  const genesis = decodeGenesisDocument(
    new Uint8Array(readFileSync(joinPath(home, 'genesis.cbor'))),
  );
  const { members } = parseGenesis(genesis.appState);
  const regulator = members.find(({ role }) => role === 'regulator');
  if (regulator === undefined) throw new UsageError('noRegulatorInGenesis', { home });
  return { chainId: genesis.chainId, genesisId: genesisId(genesis), regulatorKey: regulator.key };
}

function endpoint(url: string): NodeEndpoint {
  return {
    name: url,
    memberId: toMemberId(new Uint8Array(32)),
    url: url.replace(/\/+$/, ''),
    institution: url,
    operator: url,
    isRegulator: false,
    store: null,
    hospitalKey: null,
  };
}

/** Trust begins at the genesis document each time: nothing that this device believed before is in it. */
async function connectAfresh(anchor: TrustAnchor, urls: readonly string[]): Promise<Connection> {
  const platform = await createNodePlatform({ storage: createMemoryStorage() });
  return connect({ platform, anchor, nodes: urls.map(endpoint) });
}

export async function join(session: Session, options: Options): Promise<ExitCode> {
  const home = resolve(options.required('home'));
  const urls = options.texts('from');
  if (new Set(urls).size < 2) throw new UsageError('fromTwice');
  const { config } = readNodeFiles(home);
  const anchor = anchorOf(home);
  const { reader } = await connectAfresh(anchor, urls);
  const newest = await reader.head({ fresh: true });
  const height = trustHeightFor(newest.height, config.settings.snapshotEvery);
  const { network, reader: earlier } = await connectAfresh(anchor, urls);
  const { value: trusted } = await network.ask(
    ROUTES.getHeader,
    { params: { height } },
    (answer, source) => earlier.headers.verify(answer, source),
  );
  const { keepsSignState } = joinNetwork(home, {
    urls,
    trusted: {
      height,
      blockId: trusted.header.blockId,
      periodHours: Number(DEFAULT_LIGHT_SETTINGS.trustingPeriodNs / HOUR_NS),
    },
    newestHeight: newest.height,
  });
  session.answer({ height: String(height), newest: String(newest.height), keepsSignState }, [
    session.say('networkJoined', { height, home }),
    ...(keepsSignState ? [session.say('signStateKept')] : []),
  ]);
  return EXIT.ok;
}
