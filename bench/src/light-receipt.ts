/**
 * What a receipt costs in a browser: a whole receipt file of a CometBFT chain with ten validators, one
 * transaction among thousands in the log, checked by the page's own verifier in Chromium. The page loads the
 * compiled modules as they are; loading is not measured, the first check of a page (`light.receipt_first_ms`)
 * is told apart from later ones.
 *
 * Needs Chromium at YILIAN_CHROMIUM (default /usr/bin/chromium); without it there is no figure.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { encodeMessage } from '@yilian/api/codec';
import { provenLogEntry } from '@yilian/api/messages-chain';
import { encodeTrustAnchor } from '@yilian/client/trust-anchor';
import type { Genesis } from '@yilian/consensus/application';
import { encodeGenesisDocument, genesisId } from '@yilian/consensus/genesis';
import { toBase64Url, type Bytes } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import { createLedger } from '@yilian/ledger/ledger';
import { createChainStore, STATE_SPACE } from '@yilian/node/storage/chain-store';
import { createMemoryStore } from '@yilian/node/storage/memory-store';
import type { BenchOptions } from './bench-options.ts';
import { createAppState, requestAccess } from './embedded-consortium.ts';
import { CHAIN_ID, cometChain, SECOND, START, validators } from './light-chains.ts';
import { type Figure, figure } from './report.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const EXECUTABLE = process.env['YILIAN_CHROMIUM'] ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
];
const ALL_HOLD = { has: () => true };

/** A receipt file and the anchor under which it holds. */
async function makeReceipt(transactions: number): Promise<{
  readonly anchor: string;
  readonly file: Bytes;
}> {
  const genesis: Genesis = {
    chainId: CHAIN_ID,
    timeNs: START,
    validators,
    appState: createAppState(validators.map(({ key }) => key)),
    engine: 'cometbft',
  };
  const store = createChainStore(createMemoryStore());
  const ledger = createLedger({ reader: store.state, space: STATE_SPACE });
  ledger.initChain(genesis);
  const txs = Array.from({ length: transactions }, () => requestAccess());
  const block = {
    height: 1n,
    timeNs: START + SECOND,
    proposer: new Uint8Array(32),
    txs,
    votes: [],
    misbehaviour: [],
  };
  const { appHash } = ledger.finalizeBlock(block, ALL_HOLD);
  await store.commitState(ledger.commit().writes);
  const position = Math.floor(transactions / 2);
  const key = encode([position]);
  const answer = ledger.query({ path: 'log', key, height: 1n, prove: true });
  const transaction = txs[position];
  const proving = cometChain(2, appHash)[1];
  if (!answer.ok || transaction === undefined || proving === undefined)
    throw new Error('the ledger does not know its own log');
  const receipt = encodeMessage(provenLogEntry, { ...proving, answer: answer.value, transaction });
  const anchor = {
    chainId: CHAIN_ID,
    genesisId: genesisId(genesis),
    regulatorKey: new Uint8Array(32),
  };
  return {
    anchor: encodeTrustAnchor(anchor),
    file: encode(['yilian-receipt', 1, encodeGenesisDocument(genesis), receipt]),
  };
}

const IMPORTS = {
  ...Object.fromEntries(
    ['api', 'client', 'consensus', 'crypto', 'ledger'].map((name) => [
      `@yilian/${name}/`,
      `/packages/${name}/dist/`,
    ]),
  ),
  '@noble/': '/node_modules/@noble/',
  zod: '/node_modules/zod/index.js',
};

const PAGE = `<!doctype html>
<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>
<script type="module">
  import { fromBase64Url } from '@yilian/crypto/bytes';
  import { verifyReceiptFile } from '@yilian/client/receipt-verification';
  import { parseTrustAnchor } from '@yilian/client/trust-anchor';
  globalThis.measure = (anchorText, fileText, runs) => {
    const anchor = parseTrustAnchor(anchorText);
    const file = fromBase64Url(fileText);
    return Array.from({ length: runs }, () => {
      const started = performance.now();
      const verdict = verifyReceiptFile(anchor, file);
      if (!verdict.ok) throw new Error(verdict.code);
      return performance.now() - started;
    });
  };
</script>`;

/** The page, and modules below the repository. */
function serveModules(): Promise<Server> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://bench');
    const isModule = /^\/(packages|node_modules)\/[\w@/.-]+$/.test(pathname);
    const path = join(ROOT, extname(pathname) === '' ? `${pathname}.js` : pathname);
    if (pathname === '/') response.setHeader('content-type', 'text/html').end(PAGE);
    else if (isModule && !pathname.includes('..') && existsSync(path))
      response.setHeader('content-type', 'text/javascript').end(readFileSync(path));
    else response.writeHead(404).end();
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

/** `light.receipt_ms` and `light.receipt_first_ms`; empty without Chromium. */
export async function measureLightReceipt(
  options: BenchOptions,
): Promise<Readonly<Record<string, Figure>>> {
  if (!existsSync(EXECUTABLE)) return {};
  const { anchor, file } = await makeReceipt(options.quick ? 50 : 4_000);
  const server = await serveModules();
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the page has no port');
  const browser = await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
  try {
    const first: number[] = [];
    const later: number[] = [];
    for (let round = 0; round < (options.quick ? 1 : 5); round++) {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${address.port}/`);
      await page.waitForFunction('globalThis.measure !== undefined');
      const call = `measure(${JSON.stringify(anchor)}, ${JSON.stringify(toBase64Url(file))}, 20)`;
      const [cold = 0, ...warm] = (await page.evaluate(call)) as readonly number[];
      first.push(cold);
      later.push(...warm);
      await page.close();
    }
    return {
      'light.receipt_ms': figure(later, 'ms'),
      'light.receipt_first_ms': figure(first, 'ms'),
    };
  } finally {
    await browser.close();
    server.close();
  }
}
