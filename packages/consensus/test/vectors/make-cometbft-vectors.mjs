/**
 * Makes cometbft-chain.json: headers, commits and validator sets of a real chain, as the RPC of CometBFT
 * v0.38 gives them. Four validators on loopback run its built-in kvstore, whose transactions
 * `val=ed25519!<key>!<power>` change the validator set: one joins and never votes (absent signatures), one gains
 * power, and in the end all but one are gone, so that the first set and the last one hardly overlap.
 *
 *     node packages/consensus/test/vectors/make-cometbft-vectors.mjs OUT.json
 *
 * The keys are SHA-256 of their names (as `seedOf` in the tests), so that tests can also sign what no
 * honest validator would. `cometbft` is taken from PATH.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const COMETBFT = 'cometbft';
const CHAIN_ID = 'yilian-light-vectors';
const NODES = 4;
const PORT = 31_656;
const HEIGHTS = 26;
const out = process.argv[2];
if (out === undefined) throw new Error('usage: make-cometbft-vectors.mjs OUT.json');

const sha256 = (bytes) => createHash('sha256').update(bytes).digest();
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

function keyPair(index) {
  const seed = sha256(`cometbft vector validator ${index}`);
  const secret = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const key = Buffer.from(createPublicKey(secret).export({ format: 'jwk' }).x, 'base64url');
  return { seed, key, address: sha256(key).subarray(0, 20).toString('hex').toUpperCase() };
}

const keys = Array.from({ length: NODES + 1 }, (_, index) => keyPair(index));
const home = mkdtempSync(join(tmpdir(), 'cometbft-vectors-'));
const addressOf = (index) => `127.0.0.${21 + index}`;
const rpcOf = (index) => `http://${addressOf(index)}:${PORT + 1}`;

function configure() {
  const size = ['--v', String(NODES), '--o', home];
  const place = ['--starting-ip-address', addressOf(0), '--p2p-port', String(PORT)];
  const made = spawnSync(COMETBFT, ['testnet', ...size, ...place]);
  if (made.status !== 0) throw new Error(String(made.stderr));
  for (const [index, { seed, key, address }] of keys.slice(0, NODES).entries()) {
    const directory = join(home, `node${index}`, 'config');
    const publicKey = { type: 'tendermint/PubKeyEd25519', value: key.toString('base64') };
    const priv_key = {
      type: 'tendermint/PrivKeyEd25519',
      value: Buffer.concat([seed, key]).toString('base64'),
    };
    writeFileSync(
      join(directory, 'priv_validator_key.json'),
      JSON.stringify({ address, pub_key: publicKey, priv_key }),
    );
    const genesisFile = join(directory, 'genesis.json');
    const genesis = JSON.parse(readFileSync(genesisFile, 'utf8'));
    genesis.chain_id = CHAIN_ID;
    genesis.validators = keys.slice(0, NODES).map((each, name) => ({
      address: each.address,
      pub_key: { type: 'tendermint/PubKeyEd25519', value: each.key.toString('base64') },
      power: '1',
      name: `node${name}`,
    }));
    writeFileSync(genesisFile, JSON.stringify(genesis));
    const configFile = join(directory, 'config.toml');
    const config = readFileSync(configFile, 'utf8')
      .replace(/^proxy_app = .*$/m, 'proxy_app = "kvstore"')
      .replace('"tcp://127.0.0.1:26657"', `"tcp://${addressOf(index)}:${PORT + 1}"`)
      .replace('"tcp://0.0.0.0:26656"', `"tcp://${addressOf(index)}:${PORT}"`)
      .replace(/^timeout_commit = .*$/m, 'timeout_commit = "400ms"');
    writeFileSync(configFile, config);
  }
}

async function ask(path, index = 1) {
  const response = await fetch(`${rpcOf(index)}/${path}`);
  const { result, error } = await response.json();
  if (error !== undefined) throw new Error(JSON.stringify(error));
  return result;
}

async function height() {
  try {
    return Number((await ask('status')).sync_info.latest_block_height);
  } catch {
    return 0;
  }
}

async function reach(wanted) {
  for (let tries = 0; tries < 600; tries++) {
    if ((await height()) >= wanted) return;
    await wait(100);
  }
  throw new Error(`height ${wanted} was not reached`);
}

async function send(tx) {
  const params = { tx: Buffer.from(tx).toString('base64') };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'broadcast_tx_sync', params });
  const response = await fetch(rpcOf(1), { method: 'POST', body });
  const { result, error } = await response.json();
  if (error !== undefined || result.code !== 0) throw new Error(JSON.stringify(error ?? result));
}

const setPower = (index, power) => send(`val=ed25519!${keys[index].key.toString('base64')}!${power}`);

const children = [];
try {
  configure();
  for (let index = 0; index < NODES; index++) {
    const child = spawn(COMETBFT, ['start', '--home', join(home, `node${index}`)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.pipe(createWriteStream(join(home, `node${index}.log`)));
    children.push(child);
  }
  await reach(3);
  await send('patient=record');
  await setPower(NODES, 1);
  await reach(8);
  await setPower(1, 3);
  await reach(11);
  await setPower(NODES, 0);
  children[3].kill('SIGKILL');
  await reach(14);
  await setPower(3, 0);
  await reach(18);
  await setPower(0, 0);
  await setPower(2, 0);
  await reach(HEIGHTS + 2);

  const commits = [];
  const validators = [];
  for (let at = 1; at <= HEIGHTS; at++) {
    // oxlint-disable-next-line no-await-in-loop -- in order, from a small node
    commits.push(await ask(`commit?height=${at}`));
    // oxlint-disable-next-line no-await-in-loop
    validators.push(await ask(`validators?height=${at}&per_page=100`));
  }
  let block;
  for (let at = 1; block === undefined; at++) {
    // oxlint-disable-next-line no-await-in-loop
    const asked = await ask(`block?height=${at}`);
    if (at > 1 && asked.block.data.txs.length > 0) block = asked;
  }
  const { genesis } = await ask('genesis');
  const lines = (list) => `[\n${list.map((each) => JSON.stringify(each)).join(',\n')}\n]`;
  writeFileSync(
    out,
    `{"genesisTime":${JSON.stringify(genesis.genesis_time)},"chainId":${JSON.stringify(CHAIN_ID)},\n"block":${JSON.stringify(block)},\n"commits":${lines(commits)},\n"validators":${lines(validators)}}\n`,
  );
} finally {
  for (const child of children) child.kill('SIGKILL');
  await wait(500);
  rmSync(home, { recursive: true, force: true });
}
