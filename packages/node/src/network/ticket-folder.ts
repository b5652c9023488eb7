/**
 * One-time secrets that the registration centre hands out, left in the home of the regulator's node and taken up
 * while it runs: `tickets.cbor` of the beginning, `tickets/` of later. Canonical CBOR of
 * [[secret, role, institution, name]…], the name absent or empty for sample people; a file is removed as soon as its secrets stand, as hashes, in the
 * service's own store.
 */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Bytes, CodecError, toHex } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import type { LogEvent } from '../logging.ts';
import type { EnrolledRole, EnrolmentTicket } from '../services/registration.ts';

const LOOK_MS = 2_000;
const SUFFIX = '.cbor';
const SECRET_BYTES = 16;
const ROLES = ['patient', 'doctor', 'department'] as const satisfies readonly EnrolledRole[];

export interface SecretTicket extends EnrolmentTicket {
  /** 16 bytes. */
  readonly secret: Bytes;
}

function encodeSecretTickets(tickets: readonly SecretTicket[]): Bytes {
  return encode(
    tickets.map(({ secret, role, institution, name }) => [secret, role, institution, name ?? '']),
  );
}

function readText(value: Cbor): string {
  if (typeof value !== 'string' || value.length > 128)
    throw new CodecError('malformed', 'expected text of at most 128 characters');
  return value;
}

/** @throws CodecError */
function parseSecretTickets(bytes: Bytes): readonly SecretTicket[] {
  const value = decode(bytes);
  if (!Array.isArray(value)) throw new CodecError('malformed', 'expected a list of tickets');
  const items: readonly Cbor[] = value;
  return items.map((item) => {
    const fields = new Fields(item, { min: 3, max: 4 });
    const secret = fields.bytes(SECRET_BYTES);
    const role = fields.oneOf(ROLES);
    const institution = readText(fields.any());
    const name = fields.count === 4 ? readText(fields.any()) : '';
    return { secret, role, institution, ...(name === '' ? {} : { name }) };
  });
}

function ticketFiles(home: string): readonly string[] {
  const first = join(home, 'tickets.cbor');
  const folder = join(home, 'tickets');
  const later = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(SUFFIX))
        .sort()
        .map((name) => join(folder, name))
    : [];
  return existsSync(first) ? [first, ...later] : later;
}

/** Whole or not at all; for the owner of the home alone. */
export function leaveTicket(home: string, ticket: SecretTicket, name: Bytes): void {
  const folder = join(home, 'tickets');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${toHex(name)}${SUFFIX}`);
  writeFileSync(`${path}.part`, encodeSecretTickets([ticket]), { mode: 0o600 });
  renameSync(`${path}.part`, path);
}

/** Resolves when all that is there is taken up; `stop` ends the looking. */
export async function followTickets(options: {
  readonly home: string;
  readonly admit: (secret: Bytes, ticket: EnrolmentTicket) => Promise<void>;
  readonly log: (event: LogEvent) => void;
}): Promise<{ readonly stop: () => void }> {
  const { home, admit, log } = options;
  /** Files that say nothing are left for whoever looks; whatever else fails is tried again. */
  const unreadable = new Set<string>();
  const told = new Set<string>();
  const tell = (path: string, error: unknown): void => {
    if (told.has(path)) return;
    told.add(path);
    log({ level: 'error', event: 'ticketsUnreadable', path, reason: String(error) });
  };

  const take = async (path: string): Promise<void> => {
    const tickets = parseSecretTickets(new Uint8Array(readFileSync(path)));
    for (const { secret, ...ticket } of tickets)
      // oxlint-disable-next-line no-await-in-loop -- each is durable before the file goes
      await admit(secret, ticket);
    rmSync(path);
  };

  const look = async (): Promise<void> => {
    try {
      for (const path of ticketFiles(home)) {
        if (unreadable.has(path)) continue;
        try {
          // oxlint-disable-next-line no-await-in-loop -- one after the other
          await take(path);
        } catch (error) {
          if (error instanceof CodecError) unreadable.add(path);
          tell(path, error);
        }
      }
    } catch (error) {
      tell(home, error);
    }
  };

  await look();
  let looking: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    looking = looking.then(look);
  }, LOOK_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
