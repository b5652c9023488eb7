/** A wire that alters what one node answers, below everything that the client checks. */
import { fromBase64Url, toBase64Url } from '@yilian/crypto/bytes';
import type { Fetch } from '../../src/platform/platform.ts';

export interface Wire {
  readonly fetch: Fetch;
  /** Requests that went over the wire: method, URL, and the size of the answer. */
  readonly requests: { readonly method: string; readonly url: URL; readonly bytes: number }[];
  /** From now on answers to matching requests are changed by `alter`. */
  alter(
    matches: (method: string, url: URL) => boolean,
    alter: (body: Uint8Array) => Uint8Array,
  ): void;
  /** From now on matching requests fail like a cut cable. */
  cut(matches: (method: string, url: URL) => boolean): void;
  heal(): void;
}

export function createWire(): Wire {
  let matches: (method: string, url: URL) => boolean = () => false;
  let change: (body: Uint8Array) => Uint8Array = (body) => body;
  let isCut: (method: string, url: URL) => boolean = () => false;
  const requests: { method: string; url: URL; bytes: number }[] = [];
  return {
    requests,
    alter: (which, how) => {
      matches = which;
      change = how;
    },
    cut: (which) => {
      isCut = which;
    },
    heal: () => {
      matches = () => false;
      isCut = () => false;
    },
    fetch: async (target, init) => {
      const url = new URL(target);
      const method = init.method ?? 'GET';
      if (isCut(method, url)) throw new TypeError('fetch failed');
      const response = await globalThis.fetch(target, init);
      const body = new Uint8Array(await response.arrayBuffer());
      requests.push({ method, url, bytes: body.length });
      const passed = response.ok && matches(method, url) ? change(body) : body;
      return new Response(passed.length === 0 ? null : passed.slice(), {
        status: response.status,
        headers: { 'content-type': response.headers.get('content-type') ?? '' },
      });
    },
  };
}

/** Flips one bit in the byte at `at` (a fraction of the length). */
export function flipBit(at: number): (body: Uint8Array) => Uint8Array {
  return (body) => {
    const altered = body.slice();
    const position = Math.min(altered.length - 1, Math.floor(at * altered.length));
    altered[position] = (altered[position] ?? 0) ^ 1;
    return altered;
  };
}

/** Changes the genesis document inside the anchor's JSON. */
export function alterGenesis(body: Uint8Array): Uint8Array {
  const document = JSON.parse(new TextDecoder().decode(body)) as { genesis: string };
  const genesis = fromBase64Url(document.genesis).slice();
  genesis[genesis.length - 1] = (genesis[genesis.length - 1] ?? 0) ^ 1;
  return new TextEncoder().encode(JSON.stringify({ ...document, genesis: toBase64Url(genesis) }));
}
