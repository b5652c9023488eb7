/**
 * What ABCI's requests mean to an `Application`, and its answers to ABCI. Pure: whoever runs it verifies
 * signatures, keeps the order of calls and waits for disks.
 *
 * - AB-1 Another major version of ABCI is refused: its equal field numbers carry other meanings.
 * - AB-2 A chain begins only from a genesis that is this node's own, to the byte.
 * - AB-3 The application knows no frames: indices, outcomes and the app hash are of the flattened list.
 * - AB-4 A transaction's result is code 0, or 1 for a broken bundle, with nothing else in it: the next
 *   header's `LastResultsHash` is a function of framing alone.
 * - AB-5 A validator that does not lead proposes nothing, and anything else from it is rejected: CometBFT
 *   cannot be kept from giving it a turn.
 * - AB-6 A proposer is named by address, and known from the set of that very height.
 */
import { type Bytes, equalBytes, toBase64Url, toHex, utf8 } from '@yilian/crypto/bytes';
import type * as application from '../application.ts';
import { encodeBundle, flatten, type Framing } from '../bundle.ts';
import type {
  CommitInfo,
  ExtendedCommitInfo,
  Misbehaviour,
  ValidatorUpdate,
} from './common-messages.ts';
import { advanceEngineTip, type EngineTip, powerChanges, validatorAt } from './engine-tip.ts';
import type { InfoRequest, InitChainRequest, QueryRequest } from './requests.ts';
import type {
  CheckTxResponse,
  ExecTxResult,
  FinalizeBlockResponse,
  InfoResponse,
  InitChainResponse,
  QueryResponse,
} from './responses.ts';

/** The engine is not the one this application was started for, or has lost its place. Ends the session. */
export class EngineMismatchError extends Error {
  readonly code: 'abciVersion' | 'genesis' | 'wrongHeight' | 'proposerUnknown' | 'notFinalized';

  constructor(code: EngineMismatchError['code'], message: string) {
    super(message);
    this.name = 'EngineMismatchError';
    this.code = code;
  }
}

/**
 * Whether whoever asks names nothing of itself: a tool (`abci-cli info`) that looks, and no engine. All of
 * CometBFT's line, and what came before it, say their own version.
 */
export function isBareInfo(request: InfoRequest): boolean {
  const { version, abciVersion, blockVersion, p2pVersion } = request;
  return version === '' && abciVersion === '' && blockVersion === 0n && p2pVersion === 0n;
}

/** AB-1. @throws EngineMismatchError `abciVersion` */
export function assertAbciVersion(version: string): void {
  if (!/^2\.0\.\d+$/.test(version))
    throw new EngineMismatchError(
      'abciVersion',
      `the engine speaks ABCI ${version || 'of an unknown version'}, this application speaks 2.0: ` +
        'run CometBFT v0.38, v0.39 or v0.40',
    );
}

export function toInfoResponse(
  info: ReturnType<application.Application['info']>,
  name: string,
): InfoResponse {
  const { height, appHash, appVersion } = info;
  return {
    data: name,
    version: appVersion.toString(),
    appVersion,
    lastBlockHeight: height,
    // Before the first block there is none: the engine takes the one of InitChain.
    lastBlockAppHash: height === 0n ? new Uint8Array(0) : appHash,
  };
}

/** Value of `app_state` in genesis.json: the document's bytes as base64url text (RFC 4648 §5), quoted. */
export function encodeAppState(document: Bytes): string {
  return `"${toBase64Url(document)}"`;
}

function genesisDifference(
  request: InitChainRequest,
  own: { readonly genesis: application.Genesis; readonly document: Bytes },
): string | undefined {
  const { genesis, document } = own;
  if (request.chainId !== genesis.chainId) return `chain id ${request.chainId}`;
  if (request.timeNs !== genesis.timeNs) return `genesis time ${request.timeNs}`;
  if (request.initialHeight !== 1n) return `initial height ${request.initialHeight}`;
  if (!equalBytes(request.appStateBytes, utf8(encodeAppState(document)))) return 'app_state';
  const named = new Map<string, bigint>();
  for (const { publicKey, power } of request.validators)
    if (publicKey.type === 'ed25519') named.set(toHex(publicKey.key), power);
  const { validators } = genesis;
  const same =
    request.validators.length === validators.length &&
    validators.every(({ key, power }) => named.get(toHex(key)) === power);
  return same ? undefined : 'validators';
}

/** AB-2. @throws EngineMismatchError `genesis` */
export function assertGenesis(
  request: InitChainRequest,
  own: { readonly genesis: application.Genesis; readonly document: Bytes },
): void {
  const difference = genesisDifference(request, own);
  if (difference !== undefined)
    throw new EngineMismatchError(
      'genesis',
      `the engine's genesis.json is not of this node's genesis document: its ${difference} differs`,
    );
}

function toValidatorUpdate({
  key,
  power,
}: {
  readonly key: Bytes;
  readonly power: bigint;
}): ValidatorUpdate {
  return { publicKey: { type: 'ed25519', key }, power };
}

export function toInitChainResponse(
  answer: ReturnType<application.Application['initChain']>,
): InitChainResponse {
  return {
    consensusParams: undefined,
    validators: answer.validators.map(toValidatorUpdate),
    appHash: answer.appHash,
  };
}

/** What the three requests about a block have in common. */
export interface EngineBlock {
  readonly height: bigint;
  readonly timeNs: bigint;
  readonly txs: readonly Bytes[];
  readonly misbehaviour: readonly Misbehaviour[];
  readonly proposerAddress: Bytes;
}

export interface UnderstoodBlock {
  readonly block: application.Block;
  /** One per engine transaction. */
  readonly framings: readonly Framing[];
  readonly proposerLeads: boolean;
}

/** AB-3, AB-6. @throws EngineMismatchError `wrongHeight`, `proposerUnknown` */
export function toApplicationBlock(
  request: EngineBlock,
  lastCommit: CommitInfo | ExtendedCommitInfo,
  tip: EngineTip,
): UnderstoodBlock {
  const { height, timeNs, proposerAddress } = request;
  if (height !== tip.height + 1n)
    throw new EngineMismatchError(
      'wrongHeight',
      `the engine is at height ${height}, the application at ${tip.height}`,
    );
  const proposer = validatorAt(tip.validators, proposerAddress);
  if (proposer === undefined)
    throw new EngineMismatchError(
      'proposerUnknown',
      `${toHex(proposerAddress)} proposes at height ${height} and is no validator there`,
    );
  const { txs, framings } = flatten(request.txs);
  return {
    block: {
      height,
      timeNs,
      proposer: proposer.key,
      txs,
      votes: lastCommit.votes.map(({ validator, blockIdFlag }) => ({
        address: validator.address,
        power: validator.power,
        signed: blockIdFlag === 'commit',
      })),
      misbehaviour: request.misbehaviour.map(({ type, validator, height: at }) => ({
        kind: type,
        address: validator.address,
        height: at,
      })),
    },
    framings,
    proposerLeads: proposer.leads,
  };
}

/** A transaction within a block, as CometBFT counts it: tag, length, bytes. */
function sizeInBlock(tx: Bytes): number {
  let size = 2 + tx.length;
  for (let rest = tx.length; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
}

/**
 * The engine's transactions for the client transactions that the application chose. A frame of which all
 * was chosen stays as it came, so that its bytes are known everywhere already; one of which a part was
 * chosen is made anew; what the application put in by itself comes last, alone.
 */
export function frameProposal(input: {
  readonly engineTxs: readonly Bytes[];
  readonly chosen: readonly Bytes[];
  readonly bytesMax: bigint;
}): readonly Bytes[] {
  const { engineTxs, chosen } = input;
  let next = 0;
  const framed: Bytes[] = [];
  for (const engineTx of engineTxs) {
    const { txs } = flatten([engineTx]);
    const start = next;
    for (const tx of txs) {
      const wanted = chosen[next];
      if (wanted !== undefined && equalBytes(tx, wanted)) next += 1;
    }
    const taken = chosen.slice(start, next);
    const [first] = taken;
    if (first === undefined) continue;
    if (taken.length === txs.length) framed.push(engineTx);
    else framed.push(taken.length === 1 ? first : encodeBundle(taken));
  }
  for (const own of chosen.slice(next)) framed.push(own);
  let left = Number(input.bytesMax);
  return framed.filter((tx) => {
    const size = sizeInBlock(tx);
    if (size > left) return false;
    left -= size;
    return true;
  });
}

const NO_BYTES: Bytes = new Uint8Array(0);
export const CODE_OK = 0;
export const CODE_REFUSED = 1;

function resultOf(code: number): ExecTxResult {
  return {
    code,
    data: NO_BYTES,
    log: '',
    info: '',
    gasWanted: 0n,
    gasUsed: 0n,
    events: [],
    codespace: '',
  };
}

const OK_RESULT = resultOf(CODE_OK);
const BROKEN_RESULT = resultOf(CODE_REFUSED);

export interface FinalizedByEngine {
  readonly response: FinalizeBlockResponse;
  /** Holds once the block is committed. */
  readonly tip: EngineTip;
}

/** AB-4, and updates of validators at H+2. */
export function toFinalizeResponse(
  understood: Pick<UnderstoodBlock, 'block' | 'framings'>,
  finalized: application.FinalizedBlock,
  tip: EngineTip,
): FinalizedByEngine {
  const { appHash, validatorUpdates } = finalized;
  const { timeNs } = understood.block;
  const next = advanceEngineTip(tip, { timeNs, appHash, validatorUpdates });
  return {
    tip: next,
    response: {
      events: [],
      txResults: understood.framings.map(({ ok }) => (ok ? OK_RESULT : BROKEN_RESULT)),
      validatorUpdates: powerChanges(tip.nextValidators, next.nextValidators).map(
        toValidatorUpdate,
      ),
      consensusParamUpdates: undefined,
      appHash,
    },
  };
}

/** Why an engine transaction was not admitted; `index` within its bundle, 0 when it is alone. */
export interface AdmissionRefusal {
  readonly code: string;
  readonly index: number;
}

const CODESPACE = 'yilian';

/** `log` has the refusal's code, `data` one byte with its index: both come back from `broadcast_tx_sync`. */
export function toCheckTxResponse(refusal: AdmissionRefusal | undefined): CheckTxResponse {
  if (refusal === undefined) return OK_RESULT;
  return {
    ...BROKEN_RESULT,
    data: Uint8Array.of(refusal.index),
    log: refusal.code,
    codespace: CODESPACE,
  };
}

export function toApplicationQuery(request: QueryRequest): application.Query {
  const { path, data, height, prove } = request;
  return { path, key: data, height, prove };
}

export function toQueryResponse(
  request: Pick<QueryRequest, 'data'>,
  result: application.QueryResult,
): QueryResponse {
  const response: QueryResponse = {
    code: CODE_OK,
    log: '',
    info: '',
    index: 0n,
    key: request.data,
    value: NO_BYTES,
    proofOps: undefined,
    height: 0n,
    codespace: '',
  };
  return result.ok
    ? { ...response, value: result.value, height: result.height }
    : { ...response, code: CODE_REFUSED, log: result.code, codespace: CODESPACE };
}
