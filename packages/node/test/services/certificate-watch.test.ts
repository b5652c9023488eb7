import { encodeCertificate } from '@yilian/api/certificate';
import { describe, expect, test } from 'vitest';
import type { LogEvent } from '../../src/logging.ts';
import { createCertificateWatch } from '../../src/services/certificate-watch.ts';

const DAY_MS = 86_400_000;
const NOW_MS = 1_700_000_000_000;
const MEMBER = new Uint8Array(32).fill(7);

function certificateUntil(endMs: number): Uint8Array {
  return encodeCertificate({
    content: {
      chainId: 'watch',
      serial: new Uint8Array(16),
      subject: {
        name: 'county (node)',
        role: 'node',
        institution: 'county',
        operator: 'county',
        signingKey: new Uint8Array(32),
        hpkeKey: new Uint8Array(32),
        patientKey: null,
        licence: '',
        profiles: [],
      },
      notBefore: 0,
      notAfter: Math.floor(endMs / 1000),
    },
    signature: new Uint8Array(64),
  });
}

/** Looks every hour of `days`, and returns what was said. */
function watch(encoded: Uint8Array | undefined, days: number): readonly LogEvent[] {
  const events: LogEvent[] = [];
  let nowMs = NOW_MS;
  const watched = createCertificateWatch({
    members: [MEMBER],
    certificate: () => encoded,
    clock: { nowMs: () => nowMs },
    log: (event) => events.push(event),
  });
  for (; nowMs < NOW_MS + days * DAY_MS; nowMs += DAY_MS / 24) watched.tend();
  return events;
}

describe('a certificate of this institution', () => {
  test('that lasts is not spoken of', () => {
    expect(watch(certificateUntil(NOW_MS + 200 * DAY_MS), 60)).toEqual([]);
  });

  test('that ends is told once a day, from thirty days before', () => {
    const events = watch(certificateUntil(NOW_MS + 31 * DAY_MS), 4);
    expect(events.length).toBeGreaterThanOrEqual(3);
    expect(events.length).toBeLessThanOrEqual(5);
    expect(events[0]).toMatchObject({
      level: 'warn',
      event: 'certificateEnds',
      role: 'node',
      days: 29,
      reason: expect.stringContaining('renew'),
    });
  });

  test('that is over is told with what that means', () => {
    const [event] = watch(certificateUntil(NOW_MS - 3 * DAY_MS), 1);
    expect(event).toMatchObject({ days: -3, reason: expect.stringContaining('is over') });
  });

  test.each([
    ['is not here yet', undefined],
    ['is none', Uint8Array.of(1, 2, 3)],
  ])('that %s is somebody else’s business', (_what, encoded) => {
    expect(watch(encoded, 2)).toEqual([]);
  });
});
