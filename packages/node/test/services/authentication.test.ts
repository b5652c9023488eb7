import { describe, expect, it } from 'vitest';
import { signRequest } from '@yilian/api/signed-request';
import type { Bytes } from '@yilian/crypto/bytes';
import { createAuthentication } from '../../src/http/authentication.ts';
import { CONTEXT, ChainModel, START_MS, TestClock, person, randomBytes } from './support.ts';

const TARGET = 'POST /v1/search';

function world(noncesMax = 3): {
  readonly clock: TestClock;
  readonly node: Bytes;
  readonly authentication: ReturnType<typeof createAuthentication>;
  readonly signed: (change?: {
    readonly target?: string;
    readonly receiver?: Bytes;
    readonly timeSeconds?: number;
    readonly chainId?: string;
  }) => Bytes;
} {
  const clock = new TestClock();
  const node = randomBytes(32);
  const { signer } = person('doctor', 'h-1');
  const authentication = createAuthentication({
    chainId: CONTEXT.chainId,
    node,
    clock,
    chain: new ChainModel(clock),
    noncesMax,
  });
  return {
    clock,
    node,
    authentication,
    signed: (change = {}) =>
      signRequest(
        { chainId: change.chainId ?? CONTEXT.chainId },
        {
          receiver: change.receiver ?? node,
          target: change.target ?? TARGET,
          timeSeconds: change.timeSeconds ?? Math.floor(clock.ms / 1000),
          nonce: randomBytes(16),
          body: new Uint8Array(0),
          key: signer.key,
          sign: (message) => signer.sign(message),
        },
      ),
  };
}

const problemOf = (result: { readonly ok: boolean; readonly problem?: string }): string =>
  result.ok ? 'ok' : (result.problem ?? '');

describe('a signed request', () => {
  it('API-6 API-7 is taken once, at its node, for its route, in its time, on its chain', () => {
    const { authentication, signed, clock } = world();
    const seconds = Math.floor(clock.ms / 1000);
    const once = signed();
    expect(problemOf(authentication.verify(once, TARGET))).toBe('ok');
    expect(problemOf(authentication.verify(once, TARGET))).toBe('replayed');
    expect(problemOf(authentication.verify(once, 'POST /v1/re-encryptions'))).toBe('wrongReceiver');
    const elsewhere = [
      { target: 'GET /v1/search' },
      { receiver: randomBytes(32) },
      { chainId: 'another' },
    ];
    for (const change of elsewhere)
      expect(problemOf(authentication.verify(signed(change), TARGET))).toBe('wrongReceiver');
    for (const timeSeconds of [seconds - 61, seconds + 61])
      expect(problemOf(authentication.verify(signed({ timeSeconds }), TARGET))).toBe(
        'requestExpired',
      );
  });

  it('API-7 is judged in one order: receiver and route, time, nonce, signature', () => {
    const { authentication, signed, clock } = world();
    const old = Math.floor(clock.ms / 1000) - 61;
    const problem = (bytes: Bytes): string => problemOf(authentication.verify(bytes, TARGET));
    const forged = (bytes: Bytes): Bytes => {
      const changed = bytes.slice();
      changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
      return changed;
    };
    const good = signed();
    expect(problem(forged(signed({ target: 'GET /v1/search', timeSeconds: old })))).toBe(
      'wrongReceiver',
    );
    expect(problem(forged(signed({ timeSeconds: old })))).toBe('requestExpired');
    // A nonce counts as used only when the signature holds.
    expect(problem(forged(good))).toBe('badSignature');
    expect(problem(good)).toBe('ok');
    expect(problem(forged(good))).toBe('replayed');
  });

  it('A14 cannot be replayed after somebody filled the list of nonces', () => {
    const { authentication, signed, clock } = world();
    // A clock that runs ahead keeps a request acceptable for longest.
    const victim = signed({ timeSeconds: Math.floor(START_MS / 1000) + 60 });
    expect(problemOf(authentication.verify(victim, TARGET))).toBe('ok');
    const flood = Array.from({ length: 10 }, () =>
      problemOf(authentication.verify(signed(), TARGET)),
    );
    expect(flood).toContain('rateLimited');
    for (let seconds = 0; seconds <= 120; seconds += 30) {
      clock.ms = START_MS + seconds * 1000;
      authentication.verify(signed(), TARGET);
      expect(problemOf(authentication.verify(victim, TARGET))).toBe('replayed');
    }
    clock.ms = START_MS + 181_000;
    expect(problemOf(authentication.verify(victim, TARGET))).toBe('requestExpired');
    expect(problemOf(authentication.verify(signed(), TARGET))).toBe('ok');
  });
});
