/** The answers that are JSON: for people, pages and machines that watch. None of them decides anything. */
import * as z from 'zod';

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const decimal = z.string().regex(/^(0|[1-9][0-9]*)$/);
const shortName = z.string().regex(/^[a-z0-9-]{1,64}$/);

/** `getAnchor`. Trust none of it that does not equal the client's own anchor. */
export interface AnchorDocument {
  readonly chainId: string;
  /** Encoded genesis, base64url. */
  readonly genesis: string;
  /** Names the genesis document (`genesisId` of consensus), hex. */
  readonly genesisId: string;
  /** Ed25519, hex. */
  readonly regulatorKey: string;
}

export const anchorDocument: z.ZodType<AnchorDocument> = z.strictObject({
  chainId: shortName,
  genesis: z.string().regex(/^[A-Za-z0-9_-]*$/),
  genesisId: hex32,
  regulatorKey: hex32,
});

/** Services a node may run. */
export const SERVICE_NAMES = [
  'queryManager',
  'reEncryption',
  'search',
  'institution',
  'store',
  'registration',
] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

export interface StatusDocument {
  /** Member id of the node (role node), hex. */
  readonly node: string;
  readonly name: string;
  readonly institution: string;
  readonly operator: string;
  readonly role: 'validator' | 'observer';
  readonly services: readonly ServiceName[];
  readonly height: string;
  /** Block time of the last final block, Unix milliseconds. */
  readonly blockTimeMs: number;
  readonly view: string;
  /** Consensus keys, hex. */
  readonly primary: string;
  readonly validators: readonly {
    readonly key: string;
    readonly power: string;
    readonly leads: boolean;
  }[];
  readonly peers: { readonly connected: number; readonly known: number };
  readonly mempool: { readonly count: number; readonly bytes: number };
  readonly stateEntries: number;
  /** Offences of validators that the engine has proven; `getListing` says where they stand. */
  readonly misbehaviour: number;
  readonly halted: boolean;
}

export const statusDocument: z.ZodType<StatusDocument> = z.strictObject({
  node: hex32,
  name: z.string().max(128),
  institution: shortName,
  operator: shortName,
  role: z.enum(['validator', 'observer']),
  services: z.array(z.enum(SERVICE_NAMES)).max(16),
  height: decimal,
  blockTimeMs: z.int().nonnegative(),
  view: decimal,
  primary: hex32,
  validators: z.array(z.strictObject({ key: hex32, power: decimal, leads: z.boolean() })).max(1024),
  peers: z.strictObject({ connected: z.int().nonnegative(), known: z.int().nonnegative() }),
  mempool: z.strictObject({ count: z.int().nonnegative(), bytes: z.int().nonnegative() }),
  stateEntries: z.int().nonnegative(),
  misbehaviour: z.int().nonnegative(),
  halted: z.boolean(),
});

/** One event of `streamBlocks`; the event id is the height. */
export interface BlockEvent {
  readonly height: string;
  readonly timeMs: number;
  /** Consensus key of the proposer, hex; zeros where the node does not know it any more. */
  readonly proposer: string;
  readonly transactions: number;
  readonly refused: number;
}

export const blockEvent: z.ZodType<BlockEvent> = z.strictObject({
  height: decimal,
  timeMs: z.int().nonnegative(),
  proposer: hex32,
  transactions: z.int().nonnegative(),
  refused: z.int().nonnegative(),
});

/** One event of `streamInbox`; the event id is the item's number. */
export interface InboxEvent {
  readonly number: number;
  /** `InboxItem` in canonical CBOR, base64url. */
  readonly item: string;
}

export const inboxEvent: z.ZodType<InboxEvent> = z.strictObject({
  number: z.int().positive(),
  item: z.string().regex(/^[A-Za-z0-9_-]+$/),
});

export interface HealthDocument {
  readonly status: 'ok' | 'starting' | 'behind' | 'halted' | 'stopping';
}

export const healthDocument: z.ZodType<HealthDocument> = z.strictObject({
  status: z.enum(['ok', 'starting', 'behind', 'halted', 'stopping']),
});

/** A node of the demonstration consortium as the supervisor sees it. */
export interface DemoNode {
  /** Member id, hex: receiver of signed requests. */
  readonly id: string;
  readonly name: string;
  readonly institution: string;
  readonly operator: string;
  readonly tier: 'tertiary' | 'secondary' | 'community' | 'regulator';
  /** Consensus key, hex; the regulator's observer has its node key here. */
  readonly consensusKey: string;
  /** Member id of the store this node runs, hex, or null. */
  readonly store: string | null;
  /** Ed25519 key of the institution's signing server, hex, or null. */
  readonly hospitalKey: string | null;
  readonly url: string;
  readonly running: boolean;
}

/** `GET /demo/consortium`. The secrets are for sample people of the demonstration only. */
export interface DemoConsortium {
  readonly anchor: AnchorDocument;
  readonly nodes: readonly DemoNode[];
  readonly enrolmentSecrets: readonly {
    readonly person: string;
    readonly role: 'patient' | 'doctor' | 'department';
    readonly institution: string | null;
    /** 16 bytes, hex. */
    readonly secret: string;
  }[];
}

export const demoConsortium: z.ZodType<DemoConsortium> = z.strictObject({
  anchor: anchorDocument,
  nodes: z.array(
    z.strictObject({
      id: hex32,
      name: z.string(),
      institution: shortName,
      operator: shortName,
      tier: z.enum(['tertiary', 'secondary', 'community', 'regulator']),
      consensusKey: hex32,
      store: hex32.nullable(),
      hospitalKey: hex32.nullable(),
      url: z.url(),
      running: z.boolean(),
    }),
  ),
  enrolmentSecrets: z.array(
    z.strictObject({
      person: z.string(),
      role: z.enum(['patient', 'doctor', 'department']),
      institution: shortName.nullable(),
      secret: z.string().regex(/^[0-9a-f]{32}$/),
    }),
  ),
});
