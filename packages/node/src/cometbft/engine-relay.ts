/**
 * Three read-only methods of the engine's RPC for other hospitals' engines: what a light client needs to verify
 * headers before it takes a snapshot (CometBFT light/provider/http, statesync/stateprovider). Everything it answers
 * is public and verified by whoever asks; everything else of the RPC stays private to the machine.
 */
import { type EngineRpc, EngineRpcError } from './engine-rpc.ts';

const HEIGHT = /^[1-9]\d{0,18}$/;
const SMALL = /^[1-9]\d{0,2}$/;

/** Parameters by method. */
const METHODS: Readonly<Record<string, Readonly<Record<string, RegExp>>>> = {
  commit: { height: HEIGHT },
  validators: { height: HEIGHT, page: SMALL, per_page: SMALL },
  consensus_params: { height: HEIGHT },
};

const INVALID_REQUEST = -32_600;
const METHOD_NOT_FOUND = -32_601;
const INVALID_PARAMS = -32_602;
const INTERNAL_ERROR = -32_603;

export const RELAY_REQUEST_BYTES_MAX = 1_024;

export type RelayAnswer = {
  readonly jsonrpc: '2.0';
  readonly id: number | string | null;
} & (
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string; readonly data: string } }
);

interface Asked {
  readonly id: number | string;
  readonly method: string;
  readonly params: ReadonlyMap<string, unknown>;
}

function parseRequest(text: string): Asked | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const fields = new Map<string, unknown>(Object.entries(value));
  const id = fields.get('id');
  const method = fields.get('method');
  const params = fields.get('params') ?? {};
  if (typeof id !== 'number' && !(typeof id === 'string' && id.length <= 64)) return undefined;
  if (typeof method !== 'string' || typeof params !== 'object' || Array.isArray(params))
    return undefined;
  return { id, method, params: new Map(Object.entries(params)) };
}

/** Undefined unless every parameter is known and has its form. */
function checkParams(
  forms: Readonly<Record<string, RegExp>>,
  params: Asked['params'],
): Readonly<Record<string, string>> | undefined {
  const checked: Record<string, string> = {};
  for (const [name, value] of params) {
    if (value === null) continue;
    const form = Object.hasOwn(forms, name) ? forms[name] : undefined;
    const text = typeof value === 'number' ? String(value) : value;
    if (form === undefined || typeof text !== 'string' || !form.test(text)) return undefined;
    checked[name] = text;
  }
  return checked;
}

/** `request`: a JSON-RPC 2.0 call. Never throws on what strangers send. */
export async function relayToEngine(
  rpc: Pick<EngineRpc, 'call'>,
  request: string,
): Promise<RelayAnswer> {
  const asked = request.length > RELAY_REQUEST_BYTES_MAX ? undefined : parseRequest(request);
  const fail = (code: number, message: string, data = ''): RelayAnswer => ({
    jsonrpc: '2.0',
    id: asked?.id ?? null,
    error: { code, message, data },
  });
  if (asked === undefined) return fail(INVALID_REQUEST, 'Invalid Request');
  const forms = Object.hasOwn(METHODS, asked.method) ? METHODS[asked.method] : undefined;
  if (forms === undefined) return fail(METHOD_NOT_FOUND, 'Method not found');
  const params = checkParams(forms, asked.params);
  if (params === undefined) return fail(INVALID_PARAMS, 'Invalid params');
  try {
    return { jsonrpc: '2.0', id: asked.id, result: await rpc.call(asked.method, params) };
  } catch (error) {
    if (!(error instanceof EngineRpcError)) throw error;
    // CometBFT's light client tells "not yet" from "pruned" by the engine's own words.
    const data = error.code === 'refused' ? error.message : error.code;
    return fail(INTERNAL_ERROR, 'Internal error', data);
  }
}
