/**
 * Tells the operator in time that a certificate of this institution ends. Ordering never looks at one, so the
 * chain goes on; it is services and people who refuse a member whose certificate is over.
 */
import { parseCertificate } from '@yilian/api/certificate';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { type Clock, nowSeconds } from '../clock.ts';
import type { LogEvent } from '../logging.ts';

const DAY_SECONDS = 86_400;
/** The regulator needs people, and they need days. */
const WARN_DAYS = 30;

export interface CertificateWatch {
  tend(): void;
}

/** Warns once a day for each of `members`, this institution's own. */
export function createCertificateWatch(input: {
  readonly members: readonly Bytes[];
  readonly certificate: (member: Bytes) => Bytes | undefined;
  readonly clock: Clock;
  readonly log: (event: LogEvent) => void;
}): CertificateWatch {
  const { members, certificate, clock, log } = input;
  const saidOn = new Map<string, number>();
  return {
    tend: () => {
      const now = nowSeconds(clock);
      const today = Math.floor(now / DAY_SECONDS);
      for (const member of members) {
        const encoded = certificate(member);
        const parsed = encoded === undefined ? undefined : parseCertificate(encoded);
        if (parsed?.ok !== true) continue;
        const { notAfter, subject } = parsed.value.content;
        const days = Math.floor((notAfter - now) / DAY_SECONDS);
        const name = toHex(member);
        if (days >= WARN_DAYS || saidOn.get(name) === today) continue;
        saidOn.set(name, today);
        log({
          level: 'warn',
          event: 'certificateEnds',
          role: subject.role,
          member: name,
          days,
          reason:
            days < 0
              ? 'this certificate is over: its holder orders and votes as before, and is refused by services and ' +
                'people until the regulator has renewed it'
              : 'have the regulator renew this certificate before it ends',
        });
      }
    },
  };
}
